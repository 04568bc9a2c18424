"""Requests that wait at the same time are made in one group, with one write to the journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import Event as Flag
from threading import Thread
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms import Event, JournalError, OmsError, OrderManagement, Side
from oms.api import group
from oms.api.first_responses import FirstResponses
from oms.api.group import Groups, Request
from oms.api.idempotency import Change, IdempotentChanges
from oms.api.problems import ProblemError
from oms.api.request_models import Amendment, NewOrder, NewTrade
from oms.api.restoring import restore
from support.interrupts import Interrupt, interrupted_at_line
from support.memory_journal import FailingJournal, MemoryJournal

BUY = Side.BUY
T = TypeVar("T")


class GatedJournal(FailingJournal):
    """A journal whose appends wait until a test opens the gate."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.gate = Flag(), Flag()
        self.gate.set()

    def append(self, batch: Sequence[Event]) -> None:
        self.reached.set()
        assert self.gate.wait(20)
        super().append(batch)


class Service:
    """The changes of a service whose requests can be held back, so that the next ones form a group."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.journal = GatedJournal()
        self.om = OrderManagement(self.journal)
        responses = FirstResponses()
        restore(self.om, responses)
        self.changes = IdempotentChanges(self.om, responses)
        self.groups = self.changes.groups
        self.sizes: list[int] = []
        self.groups.observers.append(lambda size, _seconds: self.sizes.append(size))
        self.pool = pool

    def hold(self) -> None:
        """Send a request whose append waits for `release`."""
        self.journal.gate.clear()
        self.journal.reached.clear()
        self.first = self.send(lambda: self.add(999))
        assert self.journal.reached.wait(20)

    def send(self, call: Callable[[], T]) -> Future[T]:
        """Send a request in a thread, and wait until it is in the queue."""
        before = len(self.groups)
        request = self.pool.submit(call)
        while len(self.groups) == before and not request.done():
            pass
        return request

    def fail_next_append(self) -> None:
        """Let the append of the group after the present one fail."""

        def fail(_size: int, _seconds: float) -> None:
            self.journal.error = JournalError("memory", "full")
            self.groups.observers.pop()

        self.groups.observers.append(fail)

    def release(self) -> None:
        self.journal.gate.set()
        self.first.result(20)

    def add(self, order_id: int, amount: int = 10, key: str | None = None) -> Change:
        order = NewOrder(order_id=order_id, symbol="JPM", side=BUY, amount=amount, price=20)
        return self.changes.add(order, key)

    def trade(self, amount: int, key: str | None = None) -> Change:
        return self.changes.trade(NewTrade(symbol="JPM", side=BUY, amount=amount), key)


@pytest.fixture
def service() -> Iterator[Service]:
    with ThreadPoolExecutor(32) as pool:
        yield Service(pool)


def test_requests_that_wait_share_one_append_and_are_made_in_the_order_of_arrival(service: Service) -> None:
    service.hold()
    requests = [service.send(partial(service.add, n)) for n in range(20)]
    service.release()
    assert [request.result(20).sequence for request in requests] == list(range(2, 22))
    assert [len(batch) for batch in service.journal.batches] == [1, 20]
    assert service.sizes == [1, 20]


def test_a_single_request_does_not_wait_for_others(service: Service) -> None:
    for n in range(5):
        assert service.add(n).sequence == n + 1
    assert service.sizes == [1] * 5


def test_no_request_is_acknowledged_before_its_group_is_stored(service: Service) -> None:
    service.hold()
    requests = [service.send(partial(service.add, n)) for n in range(5)]
    service.journal.reached.clear()
    assert service.om.last_sequence == 0
    service.journal.gate.set()
    for request in requests:
        assert request.result(20).sequence <= service.journal.last_sequence


def test_an_error_rolls_back_only_the_request_that_caused_it(service: Service) -> None:
    service.hold()
    good = service.send(lambda: service.add(1))
    bad = service.send(lambda: service.trade(500))
    later = service.send(lambda: service.trade(5))
    service.release()
    assert good.result(20).sequence == 2
    with pytest.raises(OmsError, match="20"):
        bad.result(20)
    assert later.result(20).sequence == 3
    assert [len(batch) for batch in service.journal.batches] == [1, 2]


@pytest.mark.parametrize("key", ["k", None])
def test_the_same_request_twice_at_once_is_made_once(service: Service, key: str | None) -> None:
    service.hold()
    requests = [service.send(lambda: service.add(1, key=key)) for _ in range(3)]
    service.release()
    changes = [request.result(20) for request in requests]
    assert sorted(change.replayed for change in changes) == [False, True, True]
    assert {change.sequence for change in changes} == {2}
    assert [len(batch) for batch in service.journal.batches] == [1, 1]


def test_another_request_with_a_key_of_the_same_group_is_rejected(service: Service) -> None:
    service.hold()
    first = service.send(lambda: service.add(1, key="k"))
    second = service.send(lambda: service.trade(1, key="k"))
    service.release()
    assert first.result(20).sequence == 2
    with pytest.raises(ProblemError, match="another request has used this"):
        second.result(20)


def test_a_failed_append_rejects_the_whole_group(service: Service) -> None:
    service.hold()
    requests = [service.send(partial(service.add, n)) for n in range(3)]
    rejected = service.send(lambda: service.trade(500))
    service.fail_next_append()
    service.release()
    for request in requests:
        with pytest.raises(JournalError, match="full"):
            request.result(20)
    with pytest.raises(JournalError, match="full"):  # its rejection would count orders that are not stored
        rejected.result(20)
    assert service.om.last_sequence == 1
    assert service.add(0).sequence == 2


def test_no_request_is_rejected_because_of_a_change_that_could_not_be_stored(service: Service) -> None:
    service.add(7)
    service.hold()
    removals = [service.send(partial(service.changes.remove, 7, key)) for key in ("a", "b")]
    service.fail_next_append()
    service.release()
    for removal in removals:
        with pytest.raises(JournalError, match="full"):
            removal.result(20)
    assert 7 in service.om


@pytest.mark.parametrize(
    "error", [OmsError("broken"), JournalError("another", "full")], ids=["OmsError", "JournalError"]
)
def test_a_failing_subscriber_is_an_error_for_the_group_but_the_changes_stay(
    service: Service, error: OmsError
) -> None:
    def fail(event: Event) -> None:
        if event.sequence > 1:
            raise error

    service.om.subscribe(fail)
    service.hold()
    requests = [service.send(partial(service.add, n)) for n in range(3)]
    service.release()
    for request in requests:
        with pytest.raises(RuntimeError, match="a subscriber failed after the change was made"):
            request.result(20)
    assert service.om.last_sequence == 4


def test_an_interrupted_leader_leaves_an_error_for_its_group_and_another_thread_leads(
    service: Service,
) -> None:
    service.journal.error = Interrupt()
    with pytest.raises(Interrupt):
        service.add(1)
    assert service.add(2).sequence == 1
    assert len(service.groups) == 0


def test_an_interrupt_at_any_line_of_a_leader_lets_the_next_request_lead() -> None:
    om, line = OrderManagement(MemoryJournal()), 1
    groups: Groups[int] = Groups(om, lambda: om.last_sequence, lambda result: result)

    def run() -> int:
        return groups.run(Request(lambda: 1, "note", frozenset()))

    while interrupted_at_line(line, run, files={group.__file__}):
        following = Thread(target=run, daemon=True)  # it would never end if nobody could lead
        following.start()
        following.join(20)
        assert not following.is_alive(), f"line {line}"
        line += 1
    assert line > 40
    assert (len(groups), groups._leader) == (0, {})


def count(made: list[int]) -> int:
    made.append(1)
    return 1


def test_a_request_that_an_interrupted_thread_left_in_the_queue_is_not_made_again() -> None:
    om, made = OrderManagement(MemoryJournal()), list[int]()
    groups: Groups[int] = Groups(om, lambda: om.last_sequence, lambda result: result)

    class Torn(Request[int]):
        def __setattr__(self, name: str, value: object) -> None:
            if name == "is_done" and value is True and not torn:
                torn.append(self)
                raise Interrupt
            super().__setattr__(name, value)

    torn: list[Torn] = []
    left = Torn(partial(count, made), "note", frozenset())
    with pytest.raises(Interrupt):
        groups.run(left)
    assert groups.run(Request(lambda: 2, "note", frozenset())) == 2
    assert made == [1]
    with pytest.raises(RuntimeError, match="was interrupted"):
        left.outcome()


def test_an_interrupt_at_any_line_of_a_leader_gives_the_rest_of_its_group_a_result_or_a_clear_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(group, "_LONGEST_SLEEP", 0.05)
    om, line, is_interrupted = OrderManagement(MemoryJournal()), 0, True
    with ThreadPoolExecutor(1) as pool:
        while is_interrupted:
            line += 1
            groups: Groups[int] = Groups(om, lambda: om.last_sequence, lambda result: result)
            groups._leader["leader"] = Request(lambda: 0, "another leader", frozenset())
            waiting = pool.submit(groups.run, Request(lambda: 2, "waiting", frozenset()))
            while not groups._waiting:
                pass
            groups._leader.clear()
            leader = Request(lambda: 1, "leader", frozenset())
            is_interrupted = interrupted_at_line(line, partial(groups.run, leader), files={group.__file__})
            error = waiting.exception(20)
            assert error is None or "retry with the same key" in str(error), f"line {line}: {error!r}"
            assert error is not None or waiting.result() == 2
    assert line > 40


def test_a_request_that_is_done_keeps_its_result_if_an_interrupted_thread_left_it_in_the_queue() -> None:
    om = OrderManagement(MemoryJournal())
    groups: Groups[int] = Groups(om, lambda: om.last_sequence, lambda result: result)
    left = Request(lambda: 1, "left", frozenset())
    left.result, left.is_begun, left.is_done = 1, True, True
    groups._waiting.append(left)
    assert groups.run(Request(lambda: 2, "note", frozenset())) == 2
    assert left.outcome() == 1


def test_a_group_ends_before_it_has_too_many_requests_or_too_many_claims() -> None:
    om, sizes = OrderManagement(MemoryJournal()), list[int]()
    groups: Groups[int] = Groups(om, lambda: -1, lambda result: result)
    groups.observers.append(lambda size, _seconds: sizes.append(size))
    big = Request(lambda: 0, "big", frozenset(range(10_000)))
    small = [Request(lambda: 0, "small", frozenset([-n])) for n in range(1, 600)]
    groups._waiting.extend([big, *small])
    groups.run(Request(lambda: 0, "last", frozenset()))
    assert sizes == [1, 256, 256, 88]


def test_a_group_waits_for_the_clients_of_the_last_one_but_for_a_limited_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The clock advances by 1 s per commit, and by 0.01 s per pause."""
    clock, arrivals, sizes = [0.0], list[Request[int]](), list[int]()
    om = OrderManagement(MemoryJournal())

    def begin() -> int:
        clock[0] += 1
        return -1

    def pause(_seconds: float) -> None:
        clock[0] += 0.01
        if arrivals:
            groups._waiting.append(arrivals.pop())

    def new() -> Request[int]:
        return Request(lambda: 0, "note", frozenset([object()]))

    monkeypatch.setattr("oms.api.group.perf_counter", lambda: clock[0])
    monkeypatch.setattr("oms.api.group.sleep", pause)
    groups: Groups[int] = Groups(om, begin, lambda result: result)
    groups.observers.append(lambda size, _seconds: sizes.append(size))
    groups.run(new())
    assert clock == [1], "a single client waits for no other"
    groups._waiting.extend([new(), new()])
    groups.run(new())
    arrivals += [new(), new()]
    groups.run(new())
    assert sizes == [1, 3, 3]
    groups.run(new())
    assert sizes == [1, 3, 3, 1]
    assert clock[0] < 4.3, "without arrivals, the group soon stops waiting"
    groups._waiting.extend(new() for _ in range(99))
    groups.run(new())
    arrivals += [new() for _ in range(90)]
    before = clock[0]
    groups.run(new())
    assert sizes[-1] in range(75, 78)
    assert clock[0] - before < 1.8


def test_a_response_to_a_request_that_changes_nothing_is_stored_after_its_group(service: Service) -> None:
    service.hold()
    added = service.send(lambda: service.add(1))
    unchanged = service.send(lambda: service.changes.amend(1, Amendment(amount=10), "k"))
    service.release()
    assert added.result(20).sequence == unchanged.result(20).sequence == 2
    assert len(service.journal.stored_replies) == 1
    again = service.changes.amend(1, Amendment(amount=10), "k")
    assert again.replayed
    assert again.sequence == 2


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(1, 5), st.integers(1, 9)),
        st.tuples(st.just("trade"), st.integers(1, 12)),
        st.tuples(st.just("remove"), st.integers(1, 5)),
        st.tuples(st.just("amend"), st.integers(1, 5), st.integers(1, 9)),
    ),
    max_size=12,
)


def outcome_of(changes: IdempotentChanges, step: tuple[Any, ...], key: str | None) -> object:
    try:
        match step:
            case ("add", order_id, amount):
                order = NewOrder(order_id=order_id, symbol="JPM", side=BUY, amount=amount, price=20)
                return changes.add(order, key)[:4]
            case ("trade", amount):
                return changes.trade(NewTrade(symbol="JPM", side=BUY, amount=amount), key)[:4]
            case ("remove", order_id):
                return changes.remove(order_id, key)[:4]
            case _:
                return changes.amend(step[1], Amendment(amount=step[2]), key)[:4]
    except (OmsError, ProblemError) as error:
        return type(error), str(error)


@given(STEPS, st.lists(st.sampled_from(["a", "b", "c", None]), min_size=12, max_size=12))
def test_a_group_has_the_same_results_as_its_requests_one_after_another(
    steps: list[tuple[Any, ...]], keys: list[str | None]
) -> None:
    with ThreadPoolExecutor(16) as pool:
        grouped, single = Service(pool), Service(pool)
        grouped.hold()
        requests = [
            grouped.send(partial(outcome_of, grouped.changes, step, key))
            for step, key in zip(steps, keys, strict=False)
        ]
        grouped.release()
        single.add(999)
        outcomes = [request.result(20) for request in requests]
    assert outcomes == [outcome_of(single.changes, *each) for each in zip(steps, keys, strict=False)]
    assert grouped.om.state_hash() == single.om.state_hash()
    assert OrderManagement(grouped.journal).state_hash() == grouped.om.state_hash()
