"""Workers that own and follow shards: who serves which shard, and that no acknowledged change is lost."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from oms import JournalError, OmsError, OrderManagement, Side
from oms.cluster.log.log_journal import LogJournal
from oms.cluster.log.replicated_log import UnavailableError
from oms.cluster.ownership.membership import ReplacedError
from oms.cluster.worker import opening
from oms.cluster.worker.opening import Place
from support.memory_bucket import BucketFaults
from support.replicated_log import ALL_FAULTS, Connection, MemoryLog, MemorySnapshots, impatient
from support.worker_cluster import WorkerCluster


@pytest.fixture
def cluster() -> WorkerCluster:
    return WorkerCluster()


def test_a_single_worker_serves_all_shards_after_two_steps(cluster: WorkerCluster) -> None:
    cluster.start("a")
    cluster.run(3)
    assert [cluster.owners(shard) for shard in cluster.names] == [["a"], ["a"]]


def test_a_killed_worker_is_replaced_and_its_books_are_complete(cluster: WorkerCluster) -> None:
    cluster.start("a")
    cluster.run(3)
    cluster.books("s1").add_order(1, "JPM", Side.BUY, 20, 20)
    state = cluster.books("s1").state_hash()
    cluster.kill("a")
    cluster.start("b")
    cluster.run(12)
    assert cluster.owners("s1") == ["b"]
    assert cluster.books("s1").state_hash() == state


def test_a_standby_takes_over_after_the_lease_without_opening_anything_again(cluster: WorkerCluster) -> None:
    cluster.start("a")
    standby = cluster.start("z", standby=True)
    cluster.run(4)
    assert cluster.owners("s1") == ["a"]
    copies = dict(standby.replicas)
    assert set(copies) == {"s1", "s2"}
    cluster.books("s1").add_order(1, "JPM", Side.BUY, 20, 20)
    cluster.kill("a")
    cluster.run(7)
    assert cluster.owners("s1") == cluster.owners("s2") == ["z"]
    assert standby.replicas == copies
    assert 1 in cluster.books("s1")


def test_a_stopped_worker_that_wakes_is_fenced_and_gives_its_shards_up(cluster: WorkerCluster) -> None:
    first = cluster.start("a")
    cluster.run(3)
    books = cluster.books("s1")
    books.add_order(1, "JPM", Side.BUY, 20, 20)
    cluster.start("b")
    cluster.run(12, "b")  # the first worker is stopped
    assert cluster.owners("s1") == ["b"]
    with pytest.raises(JournalError, match="another writer has taken over: b"):
        books.add_order(2, "JPM", Side.BUY, 20, 20)  # checked before it was stopped
    assert not first.owns("s1")
    cluster.run(1)
    assert "s1" not in first.replicas or not first.replicas["s1"].is_owner
    assert [order.order_id for order in cluster.books("s1")] == [1]


@pytest.mark.parametrize("standbys", [0, 1])
def test_a_joining_worker_gets_its_shards_when_it_is_warm(standbys: int) -> None:
    cluster = WorkerCluster(("s1", "s2", "s3", "s4"))
    first = cluster.start("a")
    cluster.run(3)
    for number in range(standbys):
        cluster.start(f"z{number}", standby=True)
    for shard in cluster.names:
        cluster.books(shard).add_order(1, cluster.symbol(shard), Side.BUY, 20, 20)
    second = cluster.start("b")
    cluster.run(12)
    expected = {shard: first.membership.preferred(shard) for shard in cluster.names}
    assert set(expected.values()) == {"a", "b"}
    for shard, name in expected.items():
        assert cluster.owners(shard) == [name]
        assert 1 in cluster.books(shard)
    assert set(second.replicas) == {shard for shard, name in expected.items() if name == "b"}


def test_a_worker_that_stops_gives_its_shards_up_at_once(cluster: WorkerCluster) -> None:
    cluster.start("a")
    cluster.start("b")
    cluster.run(12)
    cluster.books("s1").add_order(1, "JPM", Side.BUY, 20, 20)
    stopping = cluster.owners("s1")[0]
    cluster.kill(stopping).stop()
    cluster.run(3)
    assert len(cluster.owners("s1")) == len(cluster.owners("s2")) == 1
    assert 1 in cluster.books("s1")


class Later(Executor):
    """An executor whose calls wait until the test makes them."""

    def __init__(self) -> None:
        self.calls: list[tuple[Future[Any], Callable[[], Any]]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.calls.append((future, partial(fn, *args, **kwargs)))
        return future


def test_a_worker_that_stops_opens_no_further_shard_and_closes_the_one_that_it_is_opening(
    cluster: WorkerCluster,
) -> None:
    worker, later = cluster.start("a"), Later()
    worker._executor = later
    cluster.run(1)
    (begun, open_first), (waiting, _) = later.calls
    assert begun.set_running_or_notify_cancel()
    worker.stop()
    assert waiting.cancelled()
    replica = open_first()
    begun.set_result(replica)
    assert replica.is_closed
    assert [connection.is_closed for connection in cluster.connections] == [True]


def test_few_shards_are_opened_at_once_so_that_a_promotion_finds_a_free_thread() -> None:
    cluster, executor = WorkerCluster(tuple(f"s{number}" for number in range(10))), Later()
    cluster.start("a")._executor = executor
    cluster.run(5)
    assert len(executor.calls) == 3


def test_a_promotion_that_begins_after_another_worker_has_claimed_the_shard_does_not_fence_it(
    cluster: WorkerCluster,
) -> None:
    first = cluster.start("a")
    cluster.run(1)
    executor = first._executor = Later()
    cluster.run(1)
    assert len(executor.calls) == len(cluster.names)  # the promotions
    cluster.start("b")
    cluster.run(12, "b")
    assert cluster.owners("s1") == ["b"]
    for _, call in executor.calls:
        call()
    cluster.books("s1").add_order(1, "JPM", Side.BUY, 20, 20)


def test_a_worker_whose_journal_was_fenced_by_another_program_opens_it_again(cluster: WorkerCluster) -> None:
    cluster.start("a")
    cluster.run(3)
    with OrderManagement(LogJournal(Connection(cluster.logs["s1"]), patience=impatient())) as other:
        other.add_order(1, "JPM", Side.BUY, 20, 20)
    with pytest.raises(JournalError):
        cluster.books("s1").add_order(2, "JPM", Side.BUY, 20, 20)
    cluster.run(4)
    cluster.books("s1").add_order(2, "JPM", Side.BUY, 20, 20)
    assert [order.order_id for order in cluster.books("s1")] == [1, 2]


def test_a_shard_that_cannot_be_opened_is_given_to_another_worker(
    cluster: WorkerCluster, caplog: pytest.LogCaptureFixture
) -> None:
    first = cluster.start("a")

    def fail(shard: str) -> Any:
        raise JournalError(shard, "it cannot be opened here")

    first._open_replica = fail
    cluster.run(3)
    assert any("shard s1 cannot be opened: s1: it cannot be opened here" in line for line in caplog.messages)
    assert first.unable == ["s1", "s2"]
    cluster.start("b")
    cluster.run(10)
    assert cluster.owners("s1") == cluster.owners("s2") == ["b"]


def test_a_copy_that_differs_from_the_owner_does_not_take_over(cluster: WorkerCluster) -> None:
    cluster = WorkerCluster(("s1",), every=1)
    cluster.start("a")
    standby = cluster.start("z", standby=True)
    cluster.run(4)
    books = standby.replicas["s1"].books._books
    books.next_trade_id = 7  # a bit of its memory has changed
    cluster.books("s1").add_order(1, "JPM", Side.BUY, 20, 20)
    cluster.run(3)
    assert standby.replicas["s1"].problem is not None
    cluster.kill("a")
    cluster.run(20)
    assert cluster.owners("s1") == []
    cluster.start("b")
    cluster.run(10)
    assert cluster.owners("s1") == ["b"]
    assert 1 in cluster.books("s1")


class WorkerMachine(RuleBasedStateMachine):
    """Three workers that are stopped for any time, killed, and started again, over faulty logs and buckets.

    Each change has a new order id, so that the test can find it in the log.
    """

    shards = ("s1", "s2")
    names = ("a", "b", "z")

    def __init__(self) -> None:
        super().__init__()
        few = BucketFaults(*[0.05] * len(BucketFaults._fields))
        self.cluster = WorkerCluster(self.shards, faults=ALL_FAULTS, bucket_faults=few, every=3)
        self.ids = count(1)
        self.acknowledged: dict[str, list[int]] = {shard: [] for shard in self.shards}
        self.former: list[tuple[str, Any]] = []  # books of workers that were killed in our view only
        for name in self.names:
            self.start(name)

    def start(self, name: str) -> None:
        worker = self.cluster.workers.get(name)
        if worker is not None:
            self.former += [(shard, each.books) for shard, each in worker.replicas.items() if each.is_owner]
        self.cluster.start(name, standby=name == "z")

    @rule(seconds=st.sampled_from([0.2, 1.0, 3.0, 8.0]))
    def time_passes(self, seconds: float) -> None:
        self.cluster.clock.pause(seconds)

    @rule(name=st.sampled_from(names))
    def steps(self, name: str) -> None:
        try:
            self.cluster.workers[name].step()
        except UnavailableError:
            return
        except ReplacedError:
            self.start(name)

    @rule(name=st.sampled_from(names))
    def follows(self, name: str) -> None:
        self.cluster.workers[name].follow()
        self.cluster.workers[name].hash()

    @rule(name=st.sampled_from(names))
    def starts_again(self, name: str) -> None:
        self.start(name)

    @rule(shard=st.sampled_from(shards), name=st.sampled_from(names))
    def changes(self, shard: str, name: str) -> None:
        """Change the books as a request does that was admitted long ago: the lease is not checked again."""
        replica = self.cluster.workers[name].replicas.get(shard)
        if replica is not None:
            self.change(shard, replica.books)

    @rule(data=st.data())
    def a_former_owner_wakes(self, data: st.DataObject) -> None:
        if self.former:
            self.change(*data.draw(st.sampled_from(self.former)))

    def change(self, shard: str, books: Any) -> None:
        order_id = next(self.ids)
        with suppress(OmsError):
            books.add_order(order_id, self.cluster.symbol(shard), Side.BUY, 1, 1)
            self.acknowledged[shard].append(order_id)

    @invariant()
    def each_shard_has_at_most_one_owner(self) -> None:
        for shard in self.shards:
            assert len(self.cluster.owners(shard)) <= 1

    def teardown(self) -> None:
        """Without faults, each shard is served, and has every acknowledged change exactly once."""
        self.cluster.heal()
        for log in self.cluster.logs.values():
            while log.late:
                log.deliver()
        while self.cluster.bucket.late:
            self.cluster.bucket.deliver()
        self.cluster.run(30)
        for shard in self.shards:
            journal = LogJournal(Connection(self.cluster.logs[shard]), read_only=True, patience=impatient())
            stored = [event.order.order_id for event in journal.read()]  # type: ignore[attr-defined]  # OrderAdded
            assert len(set(stored)) == len(stored)
            assert set(self.acknowledged[shard]) <= set(stored)
            assert [id_ for id_ in stored if id_ in set(self.acknowledged[shard])] == self.acknowledged[shard]
            hashes = {
                worker.replicas[shard].books.state_hash()
                for worker in self.cluster.workers.values()
                if shard in worker.replicas
            }
            assert hashes == {OrderManagement(journal).state_hash()}
            self.cluster.books(shard).add_order(next(self.ids), self.cluster.symbol(shard), Side.BUY, 1, 1)


@pytest.mark.parametrize("examples", [10, pytest.param(200, marks=pytest.mark.long)])
def test_no_acknowledged_change_is_lost_whatever_stops_and_fails(examples: int) -> None:
    limits = settings(max_examples=examples, stateful_step_count=40, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(WorkerMachine, settings=limits)


class KnownLog(Connection):
    """The connection to a log of which one of the servers has `known_length` messages."""

    known_length = 0


def test_a_worker_does_not_open_a_log_with_fewer_messages_than_one_of_the_servers_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = MemoryLog()
    LogJournal(Connection(log)).keep_reply("a reply")
    connection = KnownLog(log)
    monkeypatch.setattr(opening, "open_log", lambda *_args, **_options: connection)
    monkeypatch.setattr(opening, "ObjectSnapshots", lambda *_args: MemorySnapshots())
    monkeypatch.setattr(opening, "_SECONDS", 0.05)
    place = Place(["nats://127.0.0.1:4222"])
    connection.known_length = 2
    assert place.open_journal("main").head.position == 2
    connection.known_length = 3
    with pytest.raises(JournalError, match="it ends with message 2, but one of the servers has 3"):
        place.open_journal("main")
    assert connection.is_closed
