"""Plain changes: one compact change for each of the most common calls of a matching engine.

The problem: most calls submit an order that rests, trade with orders that are not icebergs, or cancel or
replace an order. If the engine makes such a call as a sequence of elementary changes, the call is two to
three times slower than with a plain change. The sequence consists of many small objects that only the event
of the call needs.

The solution: a plain change describes the whole call, and is applied at once. Its elementary changes are
created from it only if an event or a rollback needs them. For all other calls, `plain_change` returns None,
and `Crossing` makes one elementary change after another.

Invariants:

- A plain change has the same effect as its elementary changes. They are the ones that `Crossing` would make.
- A plain change contains all data that its elementary changes need. So they can be created before the plain
  change is applied, afterwards, or after an interrupt.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Self, TypeAlias, cast

from oms import pricing
from oms.books import APPLY, PARTS, Change
from oms.engine_books import EngineBooks, EntryChanged, LastPriceChanged
from oms.engine_events import EngineEvent, OrderReplaced, OrdersCanceled, OrderSubmitted, Owners
from oms.engine_state import Entry, new_entry
from oms.events import OrderAdded, OrderRemoved, TradePlaced
from oms.models import OrderFill, OrderRow, Side, Trade, new_fill
from oms.order_book import OrderBook
from oms.submission import (
    CancelReason,
    Execution,
    OrderId,
    SelfTradePrevention,
    Submission,
    Terms,
    TimeInForce,
    new_execution,
    new_submission,
)
from oms.usage import Usage

__all__ = ["PlainCanceled", "PlainChange", "PlainReplaced", "PlainSubmitted", "plain_change"]

Resting: TypeAlias = tuple[Entry, OrderRow]
"""The entry of an order in the register, and the row of the same order in the book."""

Taken: TypeAlias = tuple[Trade, int, list[Entry], int | None]
"""A trade, the remaining amount of the last filled order, the entries of all filled orders, and the symbol's
last price before the trade. The fills of the trade are plain tuples."""

PlainChange: TypeAlias = tuple[
    Submission, tuple[Execution, ...], Resting | None, Taken | None, Resting | None
]
"""The order that a call acts on, its execution, the order that is removed, what is taken, and the order that
is added. A cancel has no execution. Each of the last three can be None."""

# On Python 3.11, a look-up in a dict or a global is several times as fast as an attribute of an enum.
_IOC, _FOK = TimeInForce.IOC, TimeInForce.FOK
_OPPOSITE = {side: side.opposite for side in Side}
_NO_PREVENTION = SelfTradePrevention.NONE
_NO_LIQUIDITY = CancelReason.NO_LIQUIDITY

Fills: TypeAlias = tuple[OrderFill[OrderId], ...]

_new_own_fill = cast("Callable[[tuple[OrderId, int, int]], OrderFill[OrderId]]", new_fill)

_new_trade: Callable[[tuple[Any, ...]], Trade] = partial(
    tuple.__new__,  # pyright: ignore[reportUnknownMemberType]  # see new_order
    Trade,
)


def plain_change(
    books: EngineBooks, terms: Terms, filled: int = 0, removed: Resting | None = None
) -> PlainChange | None:
    """Return the change that executes an order, or None if it is not a plain change.

    `filled` is the amount that was filled before the order was replaced, and `removed` is the order that is
    replaced.
    """
    order_id, symbol, side, amount, price, time_in_force, _, _, display, stop_price, _ = terms
    if stop_price is not None or display is not None:
        return None
    traded, total = 0, 0
    taken: Taken | None = None
    fills: Fills = ()
    book = books.by_name.get((symbol, side))
    if book is not None and book.is_crossed_by(price):
        if _may_not_trade(books, terms):
            return None
        taken, fills = _taken(books, book, terms)
        if taken is None:
            return None
        traded, total = taken[0][3:5]
    order = new_submission(terms)
    remaining, canceled, reason, rested = amount - traded, 0, None, None
    if remaining:
        if price is not None and time_in_force is not _IOC and time_in_force is not _FOK:
            arrival = books.next_arrival
            entry = new_entry((arrival, order, filled + amount, 0, False))
            rested = entry, (arrival, symbol, _OPPOSITE[side], remaining, price)
        elif taken is None:
            return None
        else:
            remaining, canceled, reason = 0, remaining, _NO_LIQUIDITY
    execution = new_execution(
        (order_id, symbol, side, amount, traded, total, fills, remaining, canceled, reason)
    )
    return order, (execution,), removed, taken, rested


def _may_not_trade(books: EngineBooks, terms: Terms) -> bool:
    """Return True if a rule could prevent a trade, or if a trade could trigger a stop order."""
    time_in_force, post_only, owner = terms[5:8]
    return (
        post_only is not None
        or time_in_force is _FOK
        or (owner is not None and books.prevention is not _NO_PREVENTION)
        or len(books.register.stops) > 0
    )


def _taken(books: EngineBooks, book: OrderBook, terms: Terms) -> tuple[Taken | None, Fills]:
    """Return the trade of an order and its fills, or None and () if a filled order has hidden lots."""
    symbol, side, amount, price = terms[1:5]
    rows, traded, total = pricing.consumed(book, amount, price)
    entries = books.register.entries
    makers: list[Entry] = []
    fills: list[OrderFill[OrderId]] = []
    for arrival, lots, at in rows:
        maker = entries[arrival]
        if maker[3]:
            return None, ()
        makers.append(maker)
        fills.append(_new_own_fill((maker[1][0], lots, at)))
    last_id, last_amount, _ = rows[-1]
    left = books.orders[last_id][3] - last_amount
    trade = _new_trade((books.next_trade_id, symbol, side, traded, total, rows))
    return (trade, left, makers, books.last_prices.get(symbol)), tuple(fills)


def _apply(books: EngineBooks, change: PlainChange) -> None:
    _, _, removed, taken, rested = change
    register, usage = books.register, books.usage
    if removed is not None:
        entry, row = removed
        if usage is not None:
            usage.change_entry(entry, None)  # before its row is removed from the book
        books.remove(row)
        register.remove(entry)
    if taken is not None:
        trade, left, makers, _ = taken
        books.trade((trade, left))
        register.remove_many(makers[:-1] if left else makers)
        books.last_prices[trade[1]] = trade[5][-1][2]
    if rested is not None:
        entry, row = rested
        books.add(row)
        register.add(entry)
        books.next_arrival = row[0] + 1
    if usage is not None:
        _count(usage, taken, rested)


def _count(usage: Usage, taken: Taken | None, rested: Resting | None) -> None:
    """Count the filled orders and the new order. `Books.trade` has already counted the fills."""
    if taken is not None:
        _, left, makers, _ = taken
        for maker in makers[:-1] if left else makers:
            usage.change_entry(maker, None)
    if rested is not None:
        usage.change_entry(None, rested[0])


def _parts(change: PlainChange) -> list[Change]:
    """Return the elementary changes, in order."""
    _, _, removed, taken, rested = change
    parts: list[Change] = []
    if removed is not None:
        entry, row = removed
        parts += (EntryChanged, (entry, None)), (OrderRemoved, row)
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


class _Plain(EngineEvent):
    """A kind of plain changes. A plain change creates the same event as its elementary changes."""

    __slots__ = ()

    _event: ClassVar[type[EngineEvent]]

    @classmethod
    def about(cls, subject: PlainChange, sequence: int, note: str | None, time: int | None) -> Self:  # type: ignore[override]  # a plain change is the subject of no event
        """Return the event of a plain change. See Event."""
        order, executions, *_ = subject
        parts = tuple(_parts(subject))
        event = cls._event.about(((order,), executions, _owners(subject), parts), sequence, note, time)
        return cast("Self", event)


class PlainSubmitted(_Plain):
    """The kind of a plain change that submits an order."""

    __slots__ = ()

    _event = OrderSubmitted


class PlainReplaced(_Plain):
    """The kind of a plain change that replaces an order."""

    __slots__ = ()

    _event = OrderReplaced


class PlainCanceled(_Plain):
    """The kind of a plain change that cancels an order."""

    __slots__ = ()

    _event = OrdersCanceled


_KINDS = (PlainSubmitted, PlainReplaced, PlainCanceled)
APPLY.update(dict.fromkeys(_KINDS, _apply))
PARTS.update(dict.fromkeys(_KINDS, _parts))
