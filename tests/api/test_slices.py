"""A read in slices returns the state at one sequence number, and never holds the lock for long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from functools import partial
from itertools import chain, count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms import MatchingEngine, OmsError, Order, OrderManagement, Side
from oms.api import slices
from oms.api.sliced_books import LevelsOfBook, RestingOrders
from oms.api.slices import Sliced, read_in_slices
from oms.events import Event, OrderAdded
from oms.facade import Facade
from support.book_commands import commands, run
from support.strategies import distinct_orders, sides, symbols

BUY, SELL = Side.BUY, Side.SELL
TINY = 2

changes = commands | st.builds(
    lambda order_id, amount, price: ("amend_order", order_id, amount, price),
    st.integers(0, 30),
    st.integers(1, 9),
    st.integers(1, 12),
)


def make(om: OrderManagement, command: Any) -> None:
    if command[0] == "amend_order":
        with suppress(OmsError):
            om.amend_order(command[1], amount=command[2], price=command[3])
    else:
        run(om, [command])


def making(om: OrderManagement, steps: list[list[Any]]) -> Iterator[Callable[[], None]]:
    """Yield functions that make the changes of one step each."""

    def change(step: list[Any]) -> None:
        for command in step:
            make(om, command)

    return (partial(change, step) for step in steps)


class Counting:
    """A source that counts the items that are read under each lock."""

    def __init__(self, source: Any) -> None:
        self._source = source
        self.reads: list[int] = []
        self.key, self.touched = source.key, source.touched

    def after(self, last: Any, limit: int) -> Any:
        items = self._source.after(last, limit)
        self.reads[-1] += len(items)
        return items

    def get(self, key: Any) -> Any:
        self.reads[-1] += 1
        return self._source.get(key)


def busy(patch: pytest.MonkeyPatch, source: Any, between: Iterator[Callable[[], object]]) -> Counting:
    """Make the books change each time before a reader acquires the lock. Return the source, which counts."""
    counting, locked = Counting(source), Facade.locked

    def lock(om: Any, *, to_read: bool = False) -> AbstractContextManager[object]:
        if not om._lock._is_owned():
            next(between, lambda: None)()
            counting.reads.append(0)
        return locked(om, to_read=to_read)

    patch.setattr(slices, "SLICE", TINY)
    patch.setattr(Facade, "locked", lock)
    return counting


def read_while_changing(
    om: Any, source: Any, between: Iterator[Callable[[], object]], state: Callable[[], Any]
) -> tuple[Sliced[Any, Any], Counting]:
    with pytest.MonkeyPatch.context() as patch:
        counting = busy(patch, source, between)
        return read_in_slices(om, counting, lambda: (om.last_sequence, state())), counting


@given(
    resting=distinct_orders(20),
    steps=st.lists(st.lists(changes, max_size=5), max_size=30),
    symbol=st.none() | symbols,
    side=st.none() | sides,
)
def test_the_orders_are_those_at_one_sequence_number_whatever_changes_between_the_slices(
    resting: list[Order], steps: list[list[Any]], symbol: str | None, side: Side | None
) -> None:
    om = OrderManagement()
    om.add_orders(resting)

    result, counting = read_while_changing(
        om, RestingOrders(om._books, symbol, side), making(om, steps), lambda: om.orders(symbol, side)
    )
    sequence, orders = result.made
    assert result.sequence == sequence
    assert [tuple(row) for row in result.items()] == [tuple(order) for order in orders]
    assert all(result.slices)
    assert max(counting.reads[:-1], default=0) <= TINY


@given(
    resting=distinct_orders(20),
    steps=st.lists(st.lists(changes, max_size=5), max_size=30),
    symbol=symbols,
    side=sides,
)
def test_the_levels_are_those_at_one_sequence_number_whatever_changes_between_the_slices(
    resting: list[Order], steps: list[list[Any]], symbol: str, side: Side
) -> None:
    om = OrderManagement()
    om.add_orders(resting)

    result, counting = read_while_changing(
        om, LevelsOfBook(om._books, symbol, side), making(om, steps), lambda: om.depth(symbol, side)
    )
    sequence, levels = result.made
    assert result.sequence == sequence
    assert tuple(result.items()) == levels
    assert max(counting.reads[:-1], default=0) <= TINY


def books(count: int = 10) -> OrderManagement:
    om = OrderManagement()
    om.add_orders(Order(n, "JPM", BUY, 5, 100 + n) for n in range(count))
    return om


def test_the_resting_orders_of_an_engine_are_read_by_their_arrival_numbers() -> None:
    engine = MatchingEngine()
    for n in range(6):
        engine.submit(f"a{n}", "JPM", SELL, 5, 101 + n % 2)
    fills = iter([lambda: engine.submit("b", "JPM", BUY, 7, 101)] * 1)
    result, _ = read_while_changing(
        engine, RestingOrders(engine._books), chain(iter([lambda: None] * 2), fills), lambda: None
    )
    assert [(row[0], row[3]) for row in result.items()] == [(3, 3), (5, 5), (2, 5), (4, 5), (6, 5)]


def test_a_subscription_in_then_receives_exactly_the_later_events() -> None:
    om, received = books(), list[Event]()
    numbers = iter(range(100, 200))
    steps = (lambda: om.add_order(next(numbers), "JPM", BUY, 1, 1) for _ in range(9))
    with pytest.MonkeyPatch.context() as patch:
        counting = busy(patch, RestingOrders(om._books), steps)
        result = read_in_slices(om, counting, lambda: om.subscribe(received.append))
    om.remove_order(0)
    assert [event.sequence for event in received] == [result.sequence + 1]


def test_the_reader_unsubscribes_at_the_end_and_after_a_failure() -> None:
    om = books()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slices, "SLICE", TINY)
        read_in_slices(om, RestingOrders(om._books), lambda: None)
        assert not om._ledger.subscribers.callbacks
        with pytest.raises(KeyError):
            read_in_slices(om, RestingOrders(om._books), set[int]().pop)
    assert not om._ledger.subscribers.callbacks


def test_a_read_that_fits_into_one_slice_does_not_subscribe(monkeypatch: pytest.MonkeyPatch) -> None:
    om = books()
    monkeypatch.setattr(OrderManagement, "subscribe", None)
    assert len(list(read_in_slices(om, RestingOrders(om._books), lambda: None).items())) == 10
    assert read_in_slices(om, RestingOrders(om._books, "IBM"), lambda: None).slices == []


def test_the_reader_starts_over_if_an_event_was_not_published() -> None:
    om = books()

    def change_silently() -> None:
        callbacks = om._ledger.subscribers.callbacks
        hidden = dict(callbacks)
        callbacks.clear()
        om._ledger.commit(OrderAdded, (50, "JPM", BUY, 5, 1))  # behind the reader
        callbacks.update(hidden)

    steps = iter([lambda: None] * 4 + [change_silently])
    result, counting = read_while_changing(om, RestingOrders(om._books), steps, om.orders)
    assert [tuple(row) for row in result.items()] == [tuple(order) for order in result.made[1]]
    assert len(counting.reads) > 10  # two attempts


def test_a_change_of_many_orders_is_read_again_in_slices() -> None:
    om = books()
    steps = iter([lambda: None, lambda: om.place_trade("JPM", BUY, 37), lambda: None])
    result, counting = read_while_changing(om, RestingOrders(om._books), steps, om.orders)
    assert [tuple(row) for row in result.items()] == [tuple(order) for order in result.made[1]]
    assert max(counting.reads) <= TINY


def test_the_read_ends_even_if_every_change_touches_more_than_one_slice() -> None:
    om = books()

    def change(amount: int) -> None:
        with om.transaction():
            for order_id in range(5):
                om.amend_order(order_id, amount=amount)

    steps = (partial(change, amount) for amount in count(10))
    result, counting = read_while_changing(om, RestingOrders(om._books), steps, om.orders)
    assert [tuple(row) for row in result.items()] == [tuple(order) for order in result.made[1]]
    assert max(counting.reads[:-1]) <= TINY < counting.reads[-1] <= 8
