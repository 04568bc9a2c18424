"""Workers save snapshots of their shards while the books change, and keep only the latest ones."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from fastapi.testclient import TestClient

from oms import JournalError, Side
from oms.api import state_hash
from oms.cluster.log.following_journal import FollowingJournal
from oms.cluster.log.snapshots import decode_saved
from oms.cluster.worker.replica import Replica
from support.counted_lock import CountedLock
from support.replicated_log import MemoryLog, MemorySnapshots, Reads, impatient
from support.worker_cluster import WorkerCluster


class Shard:
    """A shard with its snapshots. The first copy is the owner."""

    def __init__(self, *, engine: bool = False, every: int = 3) -> None:
        self.log, self.snapshots, self.engine, self.every = MemoryLog(), MemorySnapshots(), engine, every
        self.owner = self.copy()
        self.owner.promote("first")
        self.books: Any = self.owner.books

    def copy(self) -> Replica:
        self.connection = Reads(self.log)
        journal = FollowingJournal(self.connection, patience=impatient(), snapshots=self.snapshots)
        return Replica("main", journal, engine=self.engine, snapshot_every=self.every)

    def add(self, *order_ids: int) -> None:
        for order_id in order_ids:
            if self.engine:
                self.books.submit(order_id, "JPM", Side.BUY, 20, order_id)
            else:
                self.books.add_order(order_id, "JPM", Side.BUY, 20, order_id)

    def sequences(self) -> list[int]:
        """Return the number of the last event in each snapshot."""
        names = sorted(name for name in self.snapshots.contents if name.isdecimal())
        return [decode_saved(self.snapshots.contents[name], name).head.sequence for name in names]


def test_a_follower_saves_a_snapshot_after_enough_events_and_the_next_copy_begins_with_it() -> None:
    shard = Shard()
    copy = shard.copy()
    found = list[list[int]]()
    for order_id in range(1, 14):
        shard.add(order_id)
        copy.follow()
        copy.save_snapshot()
        found.append(shard.sequences())
    assert found[:4] == [[], [], [3], [3]]
    assert found[-1] == [9, 12]  # the two latest
    again = shard.copy()
    assert again._journal.snapshot().sequence == 12
    assert again.books.state_hash() == shard.books.state_hash()
    assert shard.connection.count < 15


def test_an_owner_saves_only_if_no_follower_has_saved() -> None:
    shard = Shard()
    for order_id in range(1, 7):
        assert shard.sequences() == []
        shard.add(order_id)
        shard.owner.save_snapshot()
    assert shard.sequences() == [6]
    copy = shard.copy()
    for order_id in range(7, 40):
        shard.add(order_id)
        shard.owner.save_snapshot()
        copy.follow()
        copy.save_snapshot()
        assert [sequence % 3 for sequence in shard.sequences()] in ([0], [0, 0])
        assert shard.books.last_sequence - shard.sequences()[-1] < 3


def test_two_followers_save_only_one_snapshot_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    shard, saved = Shard(), list[str]()
    save = shard.snapshots.save

    def counted(name: str, content: bytes) -> None:
        saved.append(name)
        save(name, content)

    monkeypatch.setattr(shard.snapshots, "save", counted)
    copies = shard.copy(), shard.copy()
    for order_id in range(1, 10):
        shard.add(order_id)
        for copy in copies:
            copy.follow()
            copy.save_snapshot()
    assert sum(name.isdecimal() for name in saved) == 3


@pytest.mark.parametrize("engine", [False, True])
def test_an_owner_saves_without_holding_the_lock_for_long_while_its_books_change(
    engine: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard = Shard(engine=engine, every=50)
    shard.add(*range(1, 101))
    expected = shard.books.snapshot(), shard.books.state_hash()
    position = shard.owner._journal.head.position
    monkeypatch.setattr(state_hash, "SLICE", 7)
    lock = CountedLock(shard.books, monkeypatch)
    order_ids = iter(range(101, 1_000))
    changes = list[int]()

    def change() -> None:
        shard.add(next(order_ids))
        changes.append(1)

    lock.reads.append(0)  # so that the first block is a change too
    lock.change = lambda: change() if shard.owner._saving._saved else None
    shard.owner.save_snapshot()
    assert max(lock.reads) <= 7
    assert len(changes) > 10
    [name] = [name for name in shard.snapshots.contents if name.isdecimal()]
    saved = decode_saved(shard.snapshots.contents[name], name)
    if saved.head.position == position:
        assert (saved.state, saved.state_hash) == expected
    assert saved.head.sequence == saved.state.sequence
    lock.change = lambda: None
    monkeypatch.undo()
    copy = shard.copy()
    assert copy.books.state_hash() == shard.books.state_hash()


def test_a_snapshot_that_cannot_be_stored_is_tried_again_after_more_events() -> None:
    shard = Shard()
    copy = shard.copy()
    shard.add(1, 2, 3)
    copy.follow()
    shard.snapshots.is_available = False
    with pytest.raises(JournalError, match="no leader"):
        copy.save_snapshot()
    copy._saving._saved = 3
    copy.save_snapshot()  # nothing is due
    shard.snapshots.is_available = True
    shard.add(4, 5, 6)
    copy.follow()
    copy.save_snapshot()
    assert shard.sequences() == [6]


def test_a_copy_that_is_wrong_or_closed_saves_nothing() -> None:
    shard = Shard()
    wrong, closed = shard.copy(), shard.copy()
    shard.add(1, 2, 3)
    for copy in (wrong, closed):
        copy.follow()
    wrong.problem = "its books are wrong"
    closed.close()
    for copy in (wrong, closed):
        copy.save_snapshot()
    assert shard.sequences() == []


def test_a_cold_worker_answers_retries_as_the_first_worker_did(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "oms.cluster")
    shard = Shard(every=10)

    def send(client: TestClient, number: int) -> Any:
        body = {"order_id": number, "symbol": "JPM", "side": "BUY", "amount": 5, "price": 20}
        key = {"Idempotency-Key": f"key-{number}"}
        if number % 5 == 0:
            return client.patch(f"/orders/{number - 1}", json={"amount": 5}, headers=key).json()  # no event
        return client.post("/orders", json=body, headers=key).json()

    client = TestClient(shard.owner.app)
    responses = list[Any]()
    for number in range(1, 60):
        responses.append(send(client, number))
        shard.owner.save_snapshot()
    assert "a snapshot after event 40 is saved" in caplog.text
    shard.log.forget_message_ids()
    cold = shard.copy()
    assert shard.connection.count < 40
    cold.promote("second")
    again = TestClient(cold.app)
    assert [send(again, number) for number in range(1, 60)] == responses
    assert cold.books.last_sequence == shard.books.last_sequence == 48


def test_all_workers_of_a_cluster_save_snapshots_and_a_cold_one_takes_over_with_them() -> None:
    cluster = WorkerCluster(("s1",), snapshot_every=5)
    cluster.start("one")
    cluster.run(3)
    for order_id in range(1, 41):
        cluster.books("s1").add_order(order_id, "JPM", Side.BUY, 20, 20)
        cluster.run()
    state_hash_ = cluster.books("s1").state_hash()
    assert sum(name.isdecimal() for name in cluster.snapshots["s1"].contents) == 2
    cluster.kill("one")
    cluster.start("two")
    cluster.run(12)
    assert cluster.books("s1").state_hash() == state_hash_
    assert cluster.owner("s1").replicas["s1"]._journal.snapshot().sequence == 40
