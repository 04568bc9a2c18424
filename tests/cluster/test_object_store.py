"""Snapshots in the object store of a real cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from time import sleep

import pytest

from oms import Side, cluster
from oms.cluster.jetstream_journal import open_log
from oms.cluster.jetstream_log import JetStreamLog
from oms.cluster.object_store import ObjectSnapshots
from oms.cluster.replicated_log import UnavailableError
from support.nats_cluster import NatsCluster

pytestmark = pytest.mark.slow


@pytest.fixture
def log(nats_cluster: NatsCluster, shard: str) -> Iterator[JetStreamLog]:
    log = open_log(nats_cluster.urls, shard, monitoring=nats_cluster.monitoring)
    yield log
    log.close()


def test_the_two_latest_snapshots_are_stored(log: JetStreamLog) -> None:
    snapshots = ObjectSnapshots(log, 3)
    assert list(snapshots.names()) == []
    assert snapshots.load("1") == b""
    for number in range(1, 6):
        snapshots.save(f"{number}", b"%d" % number * 100_000)
        assert sorted(snapshots.names()) == [f"{each}" for each in range(max(1, number - 1), number + 1)]
    assert [snapshots.load(name) for name in ("4", "5")] == [b"4" * 100_000, b"5" * 100_000]
    with pytest.raises(UnavailableError):
        snapshots.load("1")
    config = log.request(f"$JS.API.STREAM.INFO.OBJ_{log.stream}")["config"]
    assert (config["num_replicas"], config["storage"]) == (3, "file")


def test_a_snapshot_that_is_stored_again_replaces_the_first(log: JetStreamLog) -> None:
    snapshots = ObjectSnapshots(log, 3)
    for content in (b"one", b"two" * 100_000):
        snapshots.save("1", content)
        assert load_from_any_server(snapshots, "1") == content
    assert list(snapshots.names()) == ["1"]


def load_from_any_server(snapshots: ObjectSnapshots, name: str) -> bytes:
    """Load a snapshot, again if a server that lags behind the others answers with an error."""
    for _ in range(50):
        with suppress(UnavailableError):
            return snapshots.load(name)
        sleep(0.1)
    return snapshots.load(name)


def test_a_closed_log_has_no_snapshots(log: JetStreamLog) -> None:
    log.close()
    snapshots = ObjectSnapshots(log, 3)
    for call in (snapshots.names, lambda: snapshots.load("1"), lambda: snapshots.save("1", b"x")):
        with pytest.raises(UnavailableError):
            call()


def test_books_open_with_their_latest_snapshot(nats_cluster: NatsCluster, shard: str) -> None:
    with cluster.open(nats_cluster.urls, shard, monitoring=nats_cluster.monitoring) as om:
        for order_id in range(1, 101):
            om.add_order(order_id, "JPM", Side.BUY, 20, order_id)
        cluster.save_snapshot(om)
        om.add_order(101, "JPM", Side.BUY, 20, 20)
        state_hash = om.state_hash()
    with cluster.open(nats_cluster.urls, shard, monitoring=nats_cluster.monitoring) as om:
        assert om.state_hash() == state_hash
        assert om.journal is not None
        assert om.journal.snapshot().sequence == 100
        assert [event.sequence for event in om.journal.history()] == list(range(1, 102))
