"""Checks that an event of a matching engine fits the books, and that its executions match its trades.

A verification applies the changes that the event log contains. It does not match the orders again, so a
journal stays valid if a later version of the engine matches orders differently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from oms import pricing
from oms.books import APPLY, ORDERS_BEFORE
from oms.engine_books import EngineBooks, EntryChange, EntryChanged, LastPrice, LastPriceChanged
from oms.engine_events import EngineEvent
from oms.engine_state import are_same_order
from oms.events import Event, OrderAdded, OrderAmended, OrderRemoved, TradePlaced
from oms.models import Order, OrderFill, Trade, check_order
from oms.submission import Execution, OrderId

__all__ = ["Replay", "trades_of"]


def trades_of(event: Event) -> Iterator[TradePlaced]:
    """Yield the trades of an event, as separate events with the same sequence number and note."""
    if isinstance(event, TradePlaced):
        yield event
    elif isinstance(event, EngineEvent):
        for kind, subject in event.changes:
            if kind is TradePlaced:
                trade, remaining = subject
                yield TradePlaced(trade, remaining, event.sequence, event.note, event.time)


class Replay:
    """The replay of one event. It collects the fills and orders that the event's executions must match."""

    def __init__(self, books: EngineBooks, event: EngineEvent) -> None:
        self._books = books
        self._event = event
        self._orders = {order.order_id: order for order in event.orders}
        self._fills: list[OrderFill[OrderId]] = []
        self._last_prices: dict[str, int] = {}  # of the symbols that traded
        self._arrivals: set[int] = set()  # of the orders that changed

    def run(self) -> bool:
        """Make the elementary changes one by one, each only if it fits the books.

        Return True if all of them fit, and if the executions and the owners match the trades. O(k log n) for
        k changes.
        """
        for kind, subject in self._event.changes:
            if not FITS[kind](self._books, subject):
                return False
            self._collect(kind, subject)
            APPLY[kind](self._books, subject)
        return len(self._event.changes) > 0 and self._is_consistent() and self._adds_up()

    def _collect(self, kind: type, subject: Any) -> None:
        """Collect the orders of a change, and the fills of a trade, before the change is made."""
        entries = self._books.register.entries
        if kind is EntryChanged:
            changed = [entry for entry in subject if entry is not None]
            self._arrivals.update(entry.arrival for entry in changed)
            self._orders.update((entry.order.order_id, entry.order) for entry in changed)
        elif kind is not LastPriceChanged:
            self._arrivals.update(order[0] for order, _ in ORDERS_BEFORE[kind](subject))
        if kind is TradePlaced:
            trade: Trade = subject[0]
            for arrival, amount, price in trade.fills:
                maker = entries[arrival].order
                self._orders[maker.order_id] = maker
                self._fills.append(OrderFill(maker.order_id, amount, price))
            self._last_prices[trade.symbol] = trade.fills[-1].price

    def _is_consistent(self) -> bool:
        """Return True if the changed orders match their entries, and the last prices match the trades."""
        books = self._books
        for arrival in self._arrivals:
            entry, row = books.register.entries.get(arrival), books.orders.get(arrival)
            is_resting = entry is not None and not entry.waiting
            if is_resting is not (row is not None):
                return False
            if entry is not None and row is not None and not are_same_order(entry, Order(*row)):
                return False
        return self._last_prices.items() <= books.last_prices.items()

    def _adds_up(self) -> bool:
        """Return True if the executions and the owners match the trades."""
        executions, owners = self._event.executions, self._event.owners
        traded = [fill.order_id for fill in self._fills] + [
            each.order_id for each in executions if each.fills
        ]
        expected = {order_id: self._orders[order_id].owner for order_id in traded}
        return (
            [fill for each in executions for fill in each.fills] == self._fills
            and all(map(_execution_adds_up, executions))
            and len(owners) == len(dict(owners))
            and dict(owners) == {key: owner for key, owner in expected.items() if owner is not None}
        )


def _execution_adds_up(execution: Execution) -> bool:
    _, _, _, requested, amount, total_price, fills, resting, canceled, _ = execution
    return (
        requested == amount + resting + canceled
        and amount == sum(fill.amount for fill in fills)
        and total_price == sum(fill.amount * fill.price for fill in fills)
    )


def _fits(kind: type) -> Callable[[EngineBooks, Any], bool]:
    """Return a function that returns True if the books contain the orders before the change."""

    def check(books: EngineBooks, subject: Any) -> bool:
        return all(
            books.orders.get(order[0]) == (order if rested else None)
            for order, rested in ORDERS_BEFORE[kind](subject)
        )

    return check


def _amendment_fits(books: EngineBooks, change: Any) -> bool:
    before, after = change
    check_order(*after)
    return _fits(OrderAmended)(books, change) and before[:3] == after[:3]


def _trade_fits(books: EngineBooks, change: tuple[Trade, int]) -> bool:
    trade, remaining = change
    _, symbol, side, amount, _, _ = trade
    book = books.by_name[symbol, side]
    fills, traded, price = pricing.fill(book, amount, None, allow_partial=False)
    expected = Trade(books.next_trade_id, symbol, side, traded, price, fills)
    return trade == expected and remaining == books.orders[fills[-1][0]][3] - fills[-1][1]


def _entry_fits(books: EngineBooks, change: EntryChange) -> bool:
    before, after = change
    register = books.register
    if before is not None and register.entries.get(before.arrival) != before:
        return False
    if after is None:
        return True
    is_same_order = before is not None and before.order.order_id == after.order.order_id
    is_new_arrival = after.arrival >= books.next_arrival
    is_free = is_same_order or after.order.order_id not in register.arrivals
    return is_free and (is_new_arrival or (before is not None and before.arrival == after.arrival))


def _last_price_fits(books: EngineBooks, change: LastPrice) -> bool:
    symbol, before, _ = change
    return books.last_prices.get(symbol) == before


def _addition_fits(books: EngineBooks, order: Any) -> bool:
    check_order(*order)
    return _fits(OrderAdded)(books, order)


FITS: dict[type, Callable[[EngineBooks, Any], bool]] = {
    OrderAdded: _addition_fits,
    OrderRemoved: _fits(OrderRemoved),
    OrderAmended: _amendment_fits,
    TradePlaced: _trade_fits,
    EntryChanged: _entry_fits,
    LastPriceChanged: _last_price_fits,
}
"""For each elementary change, a function that returns True if the change fits the books."""
