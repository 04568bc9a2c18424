"""Snapshots in the object store of a real cluster."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from io import BytesIO
from time import sleep
from typing import Any, cast

import pytest
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js import JetStreamContext
from nats.js.api import PubAck
from nats.js.object_store import OBJ_DEFAULT_CHUNK_SIZE, ObjectStore

from oms import Side, cluster
from oms.cluster.jetstream.jetstream_log import JetStreamLog
from oms.cluster.jetstream.object_store import ObjectSnapshots
from oms.cluster.log.replicated_log import UnavailableError
from support.nats_cluster import NatsCluster

pytestmark = pytest.mark.long


def eventually(call: Callable[[], object], expected: object) -> None:
    """Repeat a call until it returns this value, because a server can lag behind the others."""
    result: object = None
    for _ in range(100):
        try:
            result = call()
        except UnavailableError as error:
            result = type(error)
        if result == expected:
            return
        sleep(0.05)
    assert result == expected


def test_what_is_saved_can_be_loaded_until_it_is_deleted(log: JetStreamLog) -> None:
    snapshots = ObjectSnapshots(log, 3)
    assert list(snapshots.names()) == []
    assert snapshots.load("1") == b""
    snapshots.delete("1")
    for number in range(1, 4):
        snapshots.save(f"{number}", b"%d" % number * 100_000)
    eventually(lambda: sorted(snapshots.names()), ["1", "2", "3"])
    eventually(partial(snapshots.load, "3"), b"3" * 100_000)
    for _ in range(2):
        snapshots.delete("1")
    eventually(lambda: sorted(snapshots.names()), ["2", "3"])
    eventually(partial(snapshots.load, "1"), UnavailableError)
    config = log.request(f"$JS.API.STREAM.INFO.OBJ_{log.stream}")["config"]
    assert (config["num_replicas"], config["storage"]) == (3, "file")


def test_a_snapshot_that_is_stored_again_replaces_the_first(log: JetStreamLog) -> None:
    snapshots = ObjectSnapshots(log, 3)
    for content in (b"one", b"two" * 100_000):
        snapshots.save("1", content)
        eventually(partial(snapshots.load, "1"), content)
        eventually(lambda: list(snapshots.names()), ["1"])


def test_the_chunks_of_a_snapshot_are_read_into_one_buffer(
    log: JetStreamLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffers: list[object] = []
    get = ObjectStore.get

    async def noted(self: ObjectStore, name: str, writeinto: Any = None) -> ObjectStore.ObjectResult:
        buffers.append(writeinto)
        return await get(self, name, writeinto)

    monkeypatch.setattr(ObjectStore, "get", noted)
    snapshots, content = ObjectSnapshots(log, 3), bytes(range(256)) * 4_000
    snapshots.save("1", content)
    eventually(partial(snapshots.load, "1"), content)
    assert all(isinstance(buffer, BytesIO) for buffer in buffers)  # otherwise, each chunk copies all others


def test_a_deleted_snapshot_leaves_nothing(log: JetStreamLog) -> None:
    snapshots = ObjectSnapshots(log, 3)
    for number in range(3):
        snapshots.save(f"{number}", bytes(200_000))
    for number in range(3):
        eventually(partial(snapshots.load, f"{number}"), bytes(200_000))
        snapshots.delete(f"{number}")
    state = log.request(f"$JS.API.STREAM.INFO.OBJ_{log.stream}")["state"]
    assert state["messages"] == 0
    assert list(snapshots.names()) == []


def test_a_snapshot_without_its_chunks_is_an_error_at_once(log: JetStreamLog) -> None:
    snapshots = ObjectSnapshots(log, 3)
    snapshots.save("1", bytes(200_000))
    log.request(f"$JS.API.STREAM.PURGE.OBJ_{log.stream}", {"filter": f"$O.{log.stream}.C.>"})
    with pytest.raises(UnavailableError, match="the content of '1' is not complete"):
        snapshots.load("1")


def test_a_save_whose_last_response_is_lost_leaves_no_name(
    log: JetStreamLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshots, publish = ObjectSnapshots(log, 3), JetStreamContext.publish
    snapshots.save("1", b"one")
    is_lost = True

    async def losing(self: JetStreamContext, subject: str, *args: Any, **options: Any) -> PubAck:
        nonlocal is_lost
        ack = await publish(self, subject, *args, **options)
        if ".M." in subject and is_lost:
            is_lost = False  # the message that deletes the name has a response
            raise NatsTimeoutError
        return ack

    monkeypatch.setattr(JetStreamContext, "publish", losing)
    with pytest.raises(UnavailableError):
        snapshots.save("2", bytes(200_000))
    assert not is_lost
    eventually(lambda: list(snapshots.names()), ["1"])
    eventually(lambda: log.request(f"$JS.API.STREAM.INFO.OBJ_{log.stream}")["state"]["messages"], 2)  # of "1"


class Waiting:
    """A log that only notes how long a call may take."""

    name = "s1"

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def call(self, _function: object, seconds: float) -> None:
        self.seconds.append(seconds)


def test_a_large_snapshot_has_the_time_that_its_chunks_may_take() -> None:
    log = Waiting()
    snapshots = ObjectSnapshots(cast("JetStreamLog", log), 3)
    for chunks in (0, 8):
        snapshots.save("1", bytes(chunks * OBJ_DEFAULT_CHUNK_SIZE))
    short, long = log.seconds
    assert long - short >= 8 * 5  # nats-py waits at most 5 seconds for the response to a chunk


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

    def reopened() -> int:
        with cluster.open(nats_cluster.urls, shard, monitoring=nats_cluster.monitoring) as om:
            assert om.state_hash() == state_hash
            assert om.journal is not None
            assert [event.sequence for event in om.journal.history()] == list(range(1, 102))
            return om.journal.snapshot().sequence

    eventually(reopened, 100)
