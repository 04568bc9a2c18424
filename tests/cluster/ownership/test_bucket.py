"""A bucket of a real cluster and one in memory do what a bucket promises."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from oms import JournalError
from oms.cluster.jetstream.jetstream_bucket import JetStreamBucket
from oms.cluster.jetstream.jetstream_connection import Stored, TooManyError
from oms.cluster.log.replicated_log import UnavailableError
from oms.cluster.ownership.bucket import Bucket, ConflictError, Entry
from support.memory_bucket import BucketConnection, MemoryBucket
from support.nats_cluster import NatsCluster


@pytest.fixture(params=["memory", pytest.param("cluster", marks=pytest.mark.long)])
def bucket(request: pytest.FixtureRequest, shard: str) -> Iterator[Bucket]:
    if request.param == "memory":
        yield BucketConnection(MemoryBucket())
        return
    cluster: NatsCluster = request.getfixturevalue("nats_cluster")
    bucket = JetStreamBucket(cluster.urls, shard)
    yield bucket
    bucket.close()


def settled(bucket: Bucket, length: int) -> dict[str, Entry]:
    """Return all entries, after the machine that answers has got the latest ones."""
    while len(entries := dict(bucket.entries())) != length:
        pass
    return entries


def test_an_entry_is_read_as_it_was_put(bucket: Bucket) -> None:
    assert (dict(bucket.entries()), bucket.get("worker.a")) == ({}, None)
    revision = bucket.put("worker.a", b"1", 0)
    assert bucket.get("worker.a") == Entry("worker.a", b"1", revision)
    assert settled(bucket, 1) == {"worker.a": Entry("worker.a", b"1", revision)}


def test_only_an_entry_with_the_expected_revision_is_replaced(bucket: Bucket) -> None:
    first = bucket.put("a", b"1", 0)
    with pytest.raises(ConflictError):
        bucket.put("a", b"2", 0)
    second = bucket.put("a", b"3", first)
    assert second > first
    with pytest.raises(ConflictError):
        bucket.put("a", b"4", first)
    with pytest.raises(ConflictError):
        bucket.delete("a", first)
    assert bucket.get("a") == Entry("a", b"3", second)


def test_all_entries_are_read_however_many_keys_there_have_been(bucket: Bucket) -> None:
    first = bucket.put("first", b"1", 0)
    for number in range(1_050):
        revision = bucket.put(f"worker.{number}", b"1", 0)
        if number % 2:
            bucket.delete(f"worker.{number}", revision)
    last = bucket.put("first", b"2", first)
    entries = settled(bucket, 526)
    while entries["first"].revision != last:
        entries = dict(bucket.entries())
    assert entries["first"] == Entry("first", b"2", last)
    assert entries.keys() == {"first", *(f"worker.{number}" for number in range(0, 1_050, 2))}


def test_an_entry_that_changes_between_two_pages_is_read_as_it_is_on_the_later_one() -> None:
    bucket = JetStreamBucket.__new__(JetStreamBucket)  # without a connection
    bucket._stream, bucket._prefix = "KV_x", "$KV.x."

    def message(position: int, key: str, **headers: str) -> Stored:
        return Stored(position, {"Nats-Subject": f"$KV.x.{key}", **headers}, b"%d" % position)

    pages = {
        1: [message(1, "changed"), message(2, "deleted"), message(3, "kept")],
        4: [message(7, "deleted", **{"KV-Operation": "DEL"}), message(8, "changed")],
        9: [],
    }

    def batch(_stream: str, content: dict[str, Any], _limit: int, *, whole: bool = False) -> list[Stored]:
        if whole:
            raise TooManyError("Too Many Results")
        return pages[content["seq"]]

    bucket.batch = batch  # type: ignore[method-assign,assignment]  # only the arguments that are used
    assert bucket.entries() == {"changed": Entry("changed", b"8", 8), "kept": Entry("kept", b"3", 3)}


def test_a_deleted_entry_can_be_created_again(bucket: Bucket) -> None:
    bucket.put("b", b"kept", 0)
    revision = bucket.put("a", b"1", 0)
    bucket.delete("a", revision)
    assert bucket.get("a") is None
    assert settled(bucket, 1).keys() == {"b"}
    assert bucket.put("a", b"2", 0) > revision
    assert settled(bucket, 2)["a"].value == b"2"


@pytest.mark.long
def test_a_deleted_entry_leaves_nothing(nats_cluster: NatsCluster, shard: str) -> None:
    bucket = JetStreamBucket(nats_cluster.urls, shard)
    for number in range(3):
        bucket.delete(f"worker.{number}", bucket.put(f"worker.{number}", b"1", 0))
    assert bucket.request(f"$JS.API.STREAM.INFO.{bucket._stream}")["state"]["messages"] == 0
    bucket.put("worker.1", b"2", 0)
    assert list(settled(bucket, 1)) == ["worker.1"]
    bucket.close()


def test_a_closed_bucket_is_unavailable(bucket: Bucket) -> None:
    bucket.close()
    bucket.close()
    for call in (bucket.entries, lambda: bucket.get("a"), lambda: bucket.put("a", b"", 0)):
        with pytest.raises(UnavailableError):
            call()


@pytest.mark.long
def test_a_bucket_that_is_only_read_must_exist(nats_cluster: NatsCluster, shard: str) -> None:
    with pytest.raises(JournalError, match="it does not exist; start a worker first"):
        JetStreamBucket(nats_cluster.urls, shard, create=False)


@pytest.mark.long
def test_two_programs_can_create_a_bucket_at_the_same_time(nats_cluster: NatsCluster, shard: str) -> None:
    first, second = (JetStreamBucket(nats_cluster.urls, shard) for _ in range(2))
    revision = first.put("a", b"1", 0)
    assert second.get("a") == Entry("a", b"1", revision)
    first.close()
    second.close()
