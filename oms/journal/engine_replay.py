"""Checks that an elementary change of a matching engine fits the books that it would change.

A verification applies the changes that the event log contains. It does not match the orders again, so a
journal stays valid if a later version of the engine has another rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from oms import pricing
from oms.books import ORDERS_BEFORE
from oms.engine_books import EngineBooks, EntryChange, EntryChanged, LastPrice, LastPriceChanged
from oms.engine_events import EngineEvent
from oms.events import Event, OrderAdded, OrderAmended, OrderRemoved, TradePlaced
from oms.models import Trade, check_order

__all__ = ["FITS", "adds_up", "trades_of"]


def trades_of(event: Event) -> Iterator[TradePlaced]:
    """Yield the trades of an event, as events of their own with the same sequence number and note."""
    if isinstance(event, TradePlaced):
        yield event
    elif isinstance(event, EngineEvent):
        for kind, subject in event.changes:
            if kind is TradePlaced:
                trade, remaining = subject
                yield TradePlaced(trade, remaining, event.sequence, event.note, event.time)


def adds_up(event: EngineEvent) -> bool:
    """Return True if the executions of an event have the amounts and the total price of its trades."""
    trades = [trade.trade for trade in trades_of(event)]
    fills = [fill for execution in event.executions for fill in execution.fills]
    return (
        all(each.requested == each.amount + each.resting + each.canceled for each in event.executions)
        and sum(each.amount for each in event.executions) == sum(fill.amount for fill in fills)
        and sum(fill.amount for fill in fills) == sum(trade.amount for trade in trades)
        and sum(each.total_price for each in event.executions) == sum(trade.total_price for trade in trades)
    )


def _fits(kind: type) -> Callable[[EngineBooks, Any], bool]:
    """Return the check that the orders before the change are those in the books."""

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
