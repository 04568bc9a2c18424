"""Events have the time of their clock, and the clock changes nothing else."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms import (
    Event,
    InvalidArgumentError,
    JournalError,
    OpenTransactionError,
    Order,
    OrderAdded,
    OrderManagement,
    Side,
)
from oms.batch import change_orders
from oms.clock import as_iso
from oms.direct_books import DirectBooks
from support.memory_journal import FailingJournal, MemoryJournal
from support.sessions import execute, session

BUY, SELL = Side.BUY, Side.SELL
ORDER = Order(1, "JPM", BUY, 20, 20)


class Clock:
    """A clock that returns 100, 101, 102, and so on, or the values that it is given."""

    def __init__(self) -> None:
        self.calls = 0
        self.values: list[Any] = []

    def __call__(self) -> int:
        self.calls += 1
        if not self.values:
            return 99 + self.calls
        value = self.values.pop(0)
        if isinstance(value, BaseException):
            raise value
        return value  # type: ignore[no-any-return]  # any value at all


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def om(clock: Clock) -> OrderManagement:
    return OrderManagement(clock=clock)


@pytest.fixture
def events(om: OrderManagement) -> list[Event]:
    events: list[Event] = []
    om.subscribe(events.append)
    return events


def times(events: list[Event]) -> list[int | None]:
    return [event.time for event in events]


# ---------------------------------------------------------------------- the time of an event


def test_every_method_calls_the_clock_once_and_its_event_has_that_time(
    om: OrderManagement, events: list[Event], clock: Clock
) -> None:
    om.add_order(*ORDER)
    om.amend_order(1, amount=15)
    om.amend_order(1, amount=15)  # changes nothing
    om.place_trade("JPM", BUY, 5)
    om.remove_order(1)
    om.add_orders([ORDER, ORDER._replace(order_id=2)])
    DirectBooks(om, "JPM").set_amount(om.get_order(1), 3)
    om.remove_orders()
    om.remove_orders()
    assert times(events) == [100, 101, 102, 103, 104, 105, 106]
    assert clock.calls == 7


def test_the_time_is_the_last_field_and_is_none_without_a_clock() -> None:
    om = OrderManagement()
    events: list[Event] = []
    om.subscribe(events.append)
    om.add_order(*ORDER)
    assert om.clock is None
    assert events == [OrderAdded(ORDER, 1, None, None)]
    assert OrderAdded(ORDER, 1, None, 5) == OrderAdded(ORDER, sequence=1, time=5) != events[0]


def test_each_event_of_a_transaction_has_the_time_at_which_its_method_was_called(
    om: OrderManagement, events: list[Event], clock: Clock
) -> None:
    with om.transaction("why"):
        clock.values = [7]
        om.add_order(*ORDER)
        with om.transaction():
            clock.values = [5]  # a time can go back
            om.place_trade("JPM", BUY, 5)
        with om.what_if():
            om.remove_orders()
        clock.values = [9]
        change_orders(om, {1: 3}, [])
        assert events == []
    assert times(events) == [7, 5, 9]
    assert {event.note for event in events} == {"why"}


def test_a_what_if_does_not_call_the_clock(om: OrderManagement, events: list[Event], clock: Clock) -> None:
    clock.values = [RuntimeError("called")]
    with om.what_if():
        om.add_order(*ORDER)
        with om.transaction():
            om.remove_order(1)
    assert (clock.calls, events) == (0, [])


def test_the_clock_is_not_called_if_nobody_needs_the_event(om: OrderManagement, clock: Clock) -> None:
    clock.values = [RuntimeError("called")]
    om.add_order(*ORDER)
    change_orders(om, {1: 3}, [ORDER._replace(order_id=2)])
    change_orders(om, {1: 0}, [])
    assert clock.calls == 0


def test_a_journal_and_a_subscriber_get_the_same_event_and_the_clock_is_called_once(clock: Clock) -> None:
    journal = MemoryJournal()
    om = OrderManagement(journal, clock=clock)
    events: list[Event] = []
    om.subscribe(events.append)
    om.add_order(*ORDER)
    with om.transaction():
        om.place_trade("JPM", BUY, 5)
        om.place_trade("JPM", BUY, 5)
    assert events == journal.events
    assert times(events) == [100, 101, 102]
    assert OrderManagement(journal).state_hash() == om.state_hash()


@given(seed=st.integers(0, 10_000), jumps=st.lists(st.integers(0, 2**63 - 1), min_size=1))
def test_a_clock_changes_nothing_except_the_times(seed: int, jumps: list[int]) -> None:
    ticks = count()
    om, expected = OrderManagement(clock=lambda: jumps[next(ticks) % len(jumps)]), OrderManagement()
    events: list[Event] = []
    expected_events: list[Event] = []
    om.subscribe(events.append)
    expected.subscribe(expected_events.append)
    for command in session(seed, 30):
        execute(command, om)
        execute(command, expected)
    om._check()
    assert om.state_hash() == expected.state_hash()
    assert set(times(events)) <= set(jumps)
    assert [event.about(event.subject(), event.sequence, event.note, None) for event in events] == (
        expected_events
    )


# ---------------------------------------------------------------------- setting the clock


def test_the_clock_can_be_read_and_set_outside_and_inside_a_transaction(
    om: OrderManagement, events: list[Event], clock: Clock
) -> None:
    assert om.clock is clock
    om.clock = None
    om.add_order(*ORDER)
    with om.transaction():
        om.clock = lambda: 5
        om.remove_order(1)
        om.clock = clock
        om.add_order(*ORDER)
    assert times(events) == [None, 5, 100]
    assert om.clock is clock


@pytest.mark.parametrize("value", [5, "12:00", datetime(2026, 1, 1, tzinfo=UTC)], ids=repr)
def test_a_clock_that_is_not_callable_is_rejected_and_the_old_one_remains(
    value: Any, om: OrderManagement, clock: Clock
) -> None:
    with pytest.raises(InvalidArgumentError, match="clock must be None or a callable"):
        OrderManagement(clock=value)
    with pytest.raises(InvalidArgumentError, match="clock must be None or a callable"):
        om.clock = value
    assert om.clock is clock


def test_a_copy_a_pickle_and_a_snapshot_do_not_contain_the_clock() -> None:
    om = OrderManagement(clock=time.time_ns)
    om.add_order(*ORDER)
    local = OrderManagement(clock=lambda: 5)  # a function that cannot be pickled
    pickled = pickle.loads(pickle.dumps(local))  # noqa: S301 - our own data
    for each in (om.copy(), pickled, OrderManagement.from_snapshot(om.snapshot())):
        assert each.clock is None
    assert om.copy().state_hash() == om.state_hash()


def test_the_real_clock_gives_the_current_time(om: OrderManagement, events: list[Event]) -> None:
    om.clock = time.time_ns
    before = time.time_ns()
    om.add_order(*ORDER)
    (now,) = times(events)
    assert now is not None
    assert before <= now <= time.time_ns()


# ---------------------------------------------------------------------- clocks that fail


def change_in_a_transaction(om: OrderManagement) -> None:
    with om.transaction():
        om.remove_order(1)


CHANGES: dict[str, Callable[[OrderManagement], object]] = {
    "add_order": lambda om: om.add_order(9, "JPM", BUY, 1, 1),
    "add_orders": lambda om: om.add_orders([ORDER._replace(order_id=9)]),
    "remove_order": lambda om: om.remove_order(1),
    "remove_orders": lambda om: om.remove_orders(),
    "amend_order": lambda om: om.amend_order(1, price=30),
    "place_trade": lambda om: om.place_trade("JPM", BUY, 25),
    "change_orders": lambda om: change_orders(om, {1: 0, 2: 5}, [ORDER._replace(order_id=9)]),
    "transaction": change_in_a_transaction,
}
WRONG = [True, 1.0, "5", None, -1, 2**63, RuntimeError("broken"), KeyboardInterrupt(), JournalError("", "")]


def books(clock: Clock, journal: MemoryJournal | None) -> tuple[OrderManagement, list[Event]]:
    om = OrderManagement(journal, clock=clock)
    events: list[Event] = []
    om.subscribe(events.append)
    om.add_orders([ORDER, Order(2, "JPM", BUY, 10, 20), Order(3, "IBM", SELL, 10, 9)])
    return om, events


@pytest.mark.parametrize("durable", [False, True], ids=["memory", "journal"])
@pytest.mark.parametrize("value", WRONG, ids=repr)
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_clock_that_raises_or_returns_no_time_prevents_the_change(
    change: Callable[[OrderManagement], object], value: object, durable: bool, clock: Clock
) -> None:
    journal = MemoryJournal() if durable else None
    om, events = books(clock, journal)
    orders, state, calls = om.orders(), om.state_hash(), clock.calls
    kind = type(value) if isinstance(value, BaseException) else InvalidArgumentError
    clock.values = [value]
    with pytest.raises(kind):
        change(om)
    om._check()
    assert (om.orders(), om.state_hash(), clock.calls) == (orders, state, calls + 1)
    assert len(events) == 1
    assert journal is None or journal.events == events
    clock.values = [5]
    om.add_order(50, "JPM", BUY, 1, 1)
    assert times(events) == [100, 5]


def test_a_failing_clock_rolls_back_only_its_own_method_in_a_transaction(
    om: OrderManagement, events: list[Event], clock: Clock
) -> None:
    with om.transaction():
        om.add_order(*ORDER)
        clock.values = [None, 5]
        with pytest.raises(InvalidArgumentError, match=r"the result of clock\(\) must be an int"):
            om.remove_order(1)
        om.place_trade("JPM", BUY, 2)
    om._check()
    assert times(events) == [100, 5]
    assert om.get_order(1).amount == 18


def test_a_failing_clock_leaves_a_closed_journal_readable(clock: Clock) -> None:
    class Unreadable(FailingJournal):
        @property
        def last_sequence(self) -> int:
            raise JournalError("memory", "it is closed")

    om = OrderManagement(Unreadable(), clock=clock)
    clock.values = [RuntimeError("broken")]
    with pytest.raises(RuntimeError):
        om.add_order(*ORDER)
    assert om.orders() == ()


USES: dict[str, Callable[[OrderManagement], object]] = {
    "change": lambda om: om.remove_order(2),
    "question": lambda om: om.orders(),
    "setting the clock": lambda om: setattr(om, "clock", None),
    "transaction": lambda om: om.transaction().__enter__(),
}


@pytest.mark.parametrize("durable", [False, True], ids=["memory", "journal"])
@pytest.mark.parametrize("use", USES.values(), ids=USES)
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_clock_cannot_use_the_books_whose_event_it_times(
    change: Callable[[OrderManagement], object],
    use: Callable[[OrderManagement], object],
    durable: bool,
    clock: Clock,
) -> None:
    om, events = books(clock, MemoryJournal() if durable else None)
    state = om.state_hash()

    def wrong_clock() -> int:
        use(om)
        return 5

    om.clock = wrong_clock
    with pytest.raises(OpenTransactionError, match="in the middle of another change"):
        change(om)
    om._check()
    assert (om.state_hash(), len(events)) == (state, 1)
    assert om.clock is wrong_clock
    om.clock = None
    change(om)
    om._check()


# ---------------------------------------------------------------------- times as text


@given(st.integers(0, 2**63 - 1))
def test_a_time_as_text_has_every_nanosecond_and_can_be_parsed(nanoseconds: int) -> None:
    text = as_iso(nanoseconds)
    whole, fraction = text.removesuffix("Z").split(".")
    since = datetime.fromisoformat(f"{whole}+00:00") - datetime(1970, 1, 1, tzinfo=UTC)
    assert since // timedelta(seconds=1) * 10**9 + int(fraction) == nanoseconds
    assert len(text) == len("2026-10-26T07:00:00.000000001Z")
