"""The entries of a cluster's bucket."""

from __future__ import annotations

import logging

import pytest

from oms.cluster.ownership.bucket import Entry
from oms.cluster.ownership.registry import (
    CLUSTER,
    Claim,
    ClusterEntry,
    Heartbeat,
    ShardReport,
    difference,
    read_registry,
)

BEAT = Heartbeat(
    "a", "life", "http://a", True, False, 7, {"s1": ShardReport(True, 3, 2, {2: "ab"}, "a problem")}
)
CLAIM = Claim("s1", "a", "life", "http://a", 4)


def test_entries_are_read_as_they_were_written() -> None:
    values: dict[str, ClusterEntry | Heartbeat | Claim] = {
        CLUSTER: ClusterEntry(("s1", "s2"), True),
        BEAT.key: BEAT,
        CLAIM.key: CLAIM,
        Claim("s2").key: Claim("s2"),
    }
    entries = {key: Entry(key, value.encode(), 9) for key, value in values.items()}
    registry = read_registry(entries)
    assert registry.cluster == values[CLUSTER]
    assert registry.workers == {"a": BEAT._replace(revision=9)}
    assert registry.claims == {"s1": CLAIM._replace(revision=9), "s2": Claim("s2", revision=9)}
    assert registry.claims["s1"].is_of(registry.workers["a"])
    assert not registry.claims["s1"].is_of(BEAT._replace(incarnation="another life"))


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b"7", b'{"another": 1}', b"\xff"])
def test_an_entry_that_cannot_be_read_is_ignored_with_a_warning(
    value: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    keys = (CLUSTER, "worker.a", "shard.s1")
    with caplog.at_level(logging.WARNING, "oms.cluster"):
        registry = read_registry({key: Entry(key, value, 1) for key in keys})
    assert registry == (None, {}, {})
    assert len(caplog.messages) == 3


def test_other_entries_are_ignored() -> None:
    assert read_registry({"note": Entry("note", b"7", 1)}) == (None, {}, {})


def test_two_copies_differ_at_the_first_event_after_which_their_hashes_differ() -> None:
    assert difference({1: "a", 2: "b", 3: "c"}, {2: "x", 3: "y", 4: "z"}) == 2
    assert difference({1: "a", 2: "b"}, {2: "b", 3: "c"}) is None
    assert difference({1: "a"}, {2: "b"}) is None
