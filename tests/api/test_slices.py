"""Slices of the resting orders, read while the books change, show the state at one moment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oms import OmsError, Order, OrderManagement, Side
from oms.api.slices import RestingOrders, SymbolIndex
from oms.models import OrderRow, new_order
from support.book_commands import commands, run
from support.strategies import amounts, distinct_orders, order_ids, prices, symbols

amendments = st.tuples(st.just("amend_order"), order_ids, amounts, prices)
clearings = st.tuples(st.just("remove_orders"), st.none() | symbols)
changes = st.lists(commands | amendments | clearings, max_size=6)
steps = st.lists(changes | st.integers(1, 4), max_size=30)


def change(om: OrderManagement, verbs: list[Any]) -> None:
    for verb in verbs:
        if verb[0] == "amend_order":
            with suppress(OmsError):
                om.amend_order(verb[1], amount=verb[2], price=verb[3])
        else:
            run(om, [verb])


def begun(om: OrderManagement, symbol: str | None = None) -> RestingOrders:
    """Return the orders at this moment. Both objects subscribe, as they do for a stream."""
    symbols = SymbolIndex(om)
    orders = RestingOrders(om, symbols, symbol)
    om.subscribe(symbols)
    om.subscribe(orders)
    return orders


def read(orders: RestingOrders, limit: int) -> list[OrderRow]:
    rows: list[OrderRow] = []
    while not orders.is_complete:
        part = orders.next(limit)
        assert len(part) <= limit
        rows += part
    return rows


def as_orders(rows: Iterable[OrderRow]) -> tuple[Order, ...]:
    return tuple(map(new_order, rows))


@given(distinct_orders(), changes, steps, st.none() | symbols, st.integers(1, 3))
@settings(max_examples=300)
def test_slices_together_are_the_orders_at_the_beginning_whatever_changes_between_them(
    first: list[Order], before: list[Any], steps: list[Any], symbol: str | None, last: int
) -> None:
    om = OrderManagement()
    om.add_orders(first)
    change(om, before)
    expected = om.orders(symbol)
    orders = begun(om, symbol)
    rows: list[OrderRow] = []
    for step in steps:
        if isinstance(step, int):
            rows += orders.next(step)
        else:
            change(om, step)
    assert as_orders(rows + read(orders, last)) == expected


def test_a_slice_is_empty_only_after_the_last_order() -> None:
    om = OrderManagement()
    om.add_orders(Order(number, "JPM", Side.BUY, 1, number) for number in range(1, 10))
    orders = begun(om)
    om.remove_orders()
    om.add_orders(Order(number, "JPM", Side.BUY, 1, number) for number in range(10, 19))
    assert [row[0] for row in orders.next(9)] == list(range(1, 10))
    assert orders.next(9) == []
    assert orders.is_complete


def test_changes_in_a_transaction_count_when_it_is_committed_and_not_when_it_is_rolled_back() -> None:
    om = OrderManagement()
    om.add_orders(Order(number, "JPM", Side.BUY, 1, number) for number in range(1, 5))
    orders = begun(om)
    first = orders.next(1)
    with om.transaction():
        om.amend_order(3, amount=9)
        om.remove_order(2)
    with om.what_if():
        om.remove_orders()
    with pytest.raises(ZeroDivisionError), om.transaction():
        om.remove_orders()
        raise ZeroDivisionError
    assert [row[0] for row in first + read(orders, 2)] == [1, 2, 3, 4]


def test_the_state_of_an_order_can_be_looked_up_as_it_was() -> None:
    om = OrderManagement()
    om.add_order(1, "JPM", Side.BUY, 5, 20)
    om.add_order(2, "JPM", Side.BUY, 5, 21)
    orders = begun(om)
    om.place_trade("JPM", Side.BUY, 3)
    om.add_order(3, "JPM", Side.BUY, 5, 21)
    read(orders, 10)
    assert [orders.before(number) for number in (1, 2, 3, 4)] == [
        (1, "JPM", Side.BUY, 5, 20),
        (2, "JPM", Side.BUY, 5, 21),
        None,
        None,
    ]


def test_the_lock_is_held_for_one_slice_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    om = OrderManagement()
    om.add_orders(Order(number, f"S{number % 7}", Side.BUY, 1, number % 5 + 1) for number in range(100))
    orders = begun(om)
    read_rows = 0

    def counted(rows: Any) -> Any:
        nonlocal read_rows
        for row in rows:
            read_rows += 1
            yield row

    original = orders._rows
    monkeypatch.setattr(orders, "_rows", lambda symbol: counted(original(symbol)))
    for slices in range(1, 11):
        assert len(orders.next(10)) == 10
        assert read_rows <= slices * 10


class CountedSymbols:
    """The symbols at the beginning. `counts` contains the number of symbols read for each slice."""

    def __init__(self, symbols: Iterable[str]) -> None:
        self.counts: list[int] = []
        self._symbols = sorted(symbols)

    def from_symbol(self, symbol: str | None) -> Iterator[str]:
        self.counts.append(0)
        for each in self._symbols:
            if symbol is None or each >= symbol:
                self.counts[-1] += 1
                yield each


@pytest.mark.parametrize("limit", [1, 2, 7])
@pytest.mark.parametrize("remaining", [0, 3])
def test_the_lock_is_held_for_few_symbols_at_a_time_even_if_they_have_no_orders_any_more(
    limit: int, remaining: int
) -> None:
    om = OrderManagement()
    om.add_orders(Order(number, f"S{number:03}", Side.BUY, 1, 1) for number in range(100))
    expected = om.orders()
    symbols = CountedSymbols(om.symbols())
    orders = RestingOrders(om, symbols, None)
    om.subscribe(orders)
    rows = orders.next(limit)
    for number in range(100 - remaining):
        om.remove_order(number)
    assert as_orders(rows + read(orders, limit)) == expected
    assert max(symbols.counts) <= limit + 1


@given(changes, changes)
def test_the_index_contains_the_symbols_with_resting_orders(before: list[Any], after: list[Any]) -> None:
    om = OrderManagement()
    change(om, before)
    index = SymbolIndex(om)
    om.subscribe(index)
    change(om, after)
    assert tuple(index.from_symbol(None)) == om.symbols()
    assert tuple(index.from_symbol("B")) == tuple(symbol for symbol in om.symbols() if symbol >= "B")
