"""Plain changes: what most calls of a matching engine change, in one compact step.

The problem: most calls submit an order that rests, trade with orders that are not icebergs, or cancel or
replace an order. As a sequence of elementary changes, such a call is two to three times slower, because it
creates many small objects that only its event needs.

The solution: a plain change describes the whole call, and is applied at once. Its elementary changes are
created from it only if an event or a rollback needs them. `plain_change` returns None for every other call.
Then `Crossing` makes one elementary change after another.

Invariants:

- A plain change has the same effect as its elementary changes, which are those that `Crossing` makes.
- A plain change contains all data that its elementary changes need. So they can be created before the plain
  change is applied, afterwards, or after an interrupt.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

from oms import pricing
from oms.books import APPLY, PARTS, Change
from oms.engine_books import EngineBooks, EntryChanged, LastPriceChanged
from oms.engine_events import EngineEvent, OrderReplaced, OrdersCanceled, OrderSubmitted, Owners
from oms.events import OrderAdded, OrderRemoved, TradePlaced
from oms.models import OrderFill, OrderRow, Trade, new_fill
from oms.order_book import OrderBook
from oms.register import Entry, new_entry
from oms.submission import (
    CancelReason,
    Execution,
    OrderId,
    SelfTradePrevention,
    Submission,
    TimeInForce,
    new_execution,
)

__all__ = ["PLAIN", "PlainChange", "plain_change"]

Resting: TypeAlias = tuple[Entry, OrderRow]
"""An order of the register, and the same order in the book."""

Taken: TypeAlias = tuple[Trade, int, list[Entry], int | None]
"""A trade, the remaining amount of the last order filled, all filled orders, and the last price before. The
fills of the trade are plain tuples."""

PlainChange: TypeAlias = tuple[Submission, Execution | None, Resting | None, Taken | None, Resting | None]
"""The order that a call acts on, its execution, the order that is removed, what is taken, and the order that
is added. Each of the last four can be None."""

_GTC, _IOC, _FOK = TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK
_NO_PREVENTION = SelfTradePrevention.NONE
_NO_LIQUIDITY = CancelReason.NO_LIQUIDITY

_new_trade: Callable[[tuple[Any, ...]], Trade] = partial(
    tuple.__new__,  # pyright: ignore[reportUnknownMemberType]  # see new_order
    Trade,
)


def plain_change(
    books: EngineBooks, order: Submission, filled: int = 0, removed: Resting | None = None
) -> PlainChange | None:
    """Return the change that executes an order, or None if it is not a plain change.

    `filled` is the amount that was filled before the order was replaced, and `removed` is the order that is
    replaced.
    """
    order_id, symbol, side, amount, price, time_in_force, post_only, _, display, stop_price, _ = order
    if stop_price is not None or display is not None:
        return None
    book, taken, traded, total, fills = books.by_name.get((symbol, side)), None, 0, 0, ()
    if book is not None and book.is_crossed_by(price):
        if post_only is not None or time_in_force is _FOK or not _trades_with_all(books, order):
            return None
        taken = _taken(books, book, order)
        if taken is None:
            return None
        trade, _, makers, _ = taken
        traded, total = trade[3:5]
        fills = _own_fills(makers, trade)
    remaining, canceled, rested = amount - traded, 0, None
    if remaining:
        if price is None or time_in_force is _IOC or time_in_force is _FOK:
            if taken is None:
                return None
            remaining, canceled = 0, remaining
        else:
            arrival = books.next_arrival
            entry = new_entry((arrival, order, filled + amount, 0, False))
            rested = entry, (arrival, symbol, side.opposite, remaining, price)
    reason = _NO_LIQUIDITY if canceled else None
    execution = new_execution(
        (order_id, symbol, side, amount, traded, total, fills, remaining, canceled, reason)
    )
    return order, execution, removed, taken, rested


def _trades_with_all(books: EngineBooks, order: Submission) -> bool:
    """Return True if no order is exempt from trading with this one, and no trade triggers a stop order."""
    return not books.register.stops and (books.prevention is _NO_PREVENTION or order[7] is None)


def _taken(books: EngineBooks, book: OrderBook, order: Submission) -> Taken | None:
    """Return what an order that crosses the book takes, or None if a part of an iceberg order is hidden."""
    _, symbol, side, amount, price, *_ = order
    rows, traded, total = pricing.consumed(book, amount, price)
    entries = books.register.entries
    makers = [entries[row[0]] for row in rows]
    for maker in makers:
        if maker[3]:
            return None
    last_id, last_amount, _ = rows[-1]
    left = books.orders[last_id][3] - last_amount
    trade = _new_trade((books.next_trade_id, symbol, side, traded, total, rows))
    return trade, left, makers, books.last_prices.get(symbol)


def _own_fills(makers: list[Entry], trade: Trade) -> tuple[OrderFill[OrderId], ...]:
    fills = zip(makers, trade[5], strict=True)
    return tuple([new_fill((maker[1][0], amount, price)) for maker, (_, amount, price) in fills])


def _apply(books: EngineBooks, change: PlainChange) -> None:
    _, _, removed, taken, rested = change
    register = books.register
    if removed is not None:
        entry, row = removed
        books.remove(row)
        register.remove(entry)
    if taken is not None:
        trade, left, makers, _ = taken
        books.trade((trade, left))
        for maker in makers[:-1] if left else makers:
            register.remove(maker)
        books.last_prices[trade[1]] = trade[5][-1][2]
    if rested is not None:
        entry, row = rested
        books.add(row)
        register.add(entry)
        books.next_arrival = row[0] + 1


def _parts(change: PlainChange) -> list[Change]:
    """Return the elementary changes, in order."""
    _, _, removed, taken, rested = change
    parts: list[Change] = []
    if removed is not None:
        entry, row = removed
        parts += (OrderRemoved, row), (EntryChanged, (entry, None))
    if taken is not None:
        trade, left, makers, _ = taken
        trade = trade._replace(fills=tuple(map(new_fill, trade[5])))
        parts.append((TradePlaced, (trade, left)))
        parts += [(EntryChanged, (maker, None)) for maker in (makers[:-1] if left else makers)]
    if rested is not None:
        entry, row = rested
        parts += (OrderAdded, row), (EntryChanged, (None, entry))
    if taken is not None:
        trade, _, _, last_price = taken
        price = trade[5][-1][2]
        if price != last_price:
            parts.append((LastPriceChanged, (trade.symbol, last_price, price)))
    return parts


def _owners(change: PlainChange) -> Owners:
    order, _, _, taken, _ = change
    if taken is None:
        return ()
    orders = (order, *[maker.order for maker in taken[2]])
    return tuple({each.order_id: each.owner for each in orders if each.owner is not None}.items())


class _Plain:
    """The kind of a plain change, which knows the event that describes it."""

    def __init__(self, kind: type[EngineEvent]) -> None:
        self._kind = kind
        APPLY[self], PARTS[self] = _apply, _parts

    def about(self, change: PlainChange, sequence: int, note: str | None, time: int | None) -> EngineEvent:
        """Return the event of a plain change. See Event."""
        execution = change[1]
        executions = () if execution is None else (execution,)
        subject = ((change[0],), executions, _owners(change), tuple(_parts(change)))
        return self._kind.about(subject, sequence, note, time)


PLAIN = {kind: _Plain(kind) for kind in (OrderSubmitted, OrderReplaced, OrdersCanceled)}
