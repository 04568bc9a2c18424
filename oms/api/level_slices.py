"""The price levels of one book as of one sequence number, read slice by slice while the book changes.

The problem is described in `oms.api.slices`. A book has fewer levels than orders, so a reader that needs only
the levels should not read the orders.

The solution: the lock is held only while one slice of levels is read. A reader subscribes to the books, and
adds up the changes of each level since the first sequence number. A slice contains each level's current
amount minus this change.

Invariants:

- When a slice is read, all events up to this moment have been added to `_changes`, because both happen with
  the lock held. If an event was missed, no more slices are read (see `oms.api.followers`).
- A level's current amount minus its change is its amount at the first sequence number. A level that does not
  exist has the amount 0. So a level that has been removed since then is still returned, and a new level is
  not.
- Each slice begins after the end of the previous slice. So each level is read exactly once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Any

from sortedcontainers import SortedDict

from oms.api.followers import Follower, MissedEventError
from oms.api.slices import changes_of
from oms.events import Event, OrderAdded, OrderAmended, OrderRemoved, OrdersAdded, OrdersRemoved, TradePlaced
from oms.facade import Facade
from oms.models import PriceLevel, Side

__all__ = ["PriceLevels"]


class PriceLevels(Follower):
    """The price levels of one book, as they are when this object is created.

    Create it, and subscribe it, while you hold the lock. If an event was missed, `next` raises
    MissedEventError.
    """

    def __init__(self, books: Facade, symbol: str, side: Side) -> None:
        super().__init__(books)
        self._sequence = books.last_sequence
        self._name = symbol, side
        self._events: deque[Event] = deque()
        # The change in the amount and in the number of orders since the beginning, by rank (see OrderBook)
        self._changes: SortedDict[int, tuple[int, int]] = SortedDict()
        self._end: int | None = None  # the last price of the last slice
        self.is_complete = False

    def _build(self) -> None:
        raise MissedEventError

    def _apply(self, event: Event) -> None:
        """Queue an event, unless it belongs to another symbol. O(1)."""
        if event.symbol in (None, self._name[0]):
            self._events.append(event)

    def next(self, limit: int) -> list[PriceLevel]:
        """Return the next price levels, best first: at most `limit`, and those that have been removed.

        The result is empty only if all levels have been read. The lock is held for O(limit).
        """
        slice_: list[PriceLevel] = []
        while not slice_ and not self.is_complete:
            self._record_changes()
            with self._books.locked(to_read=True):
                self.catch_up()
                self._record_changes()
                book = self._books._books.by_name.get(self._name)
                levels = [] if book is None else list(islice(book.levels_after(self._end), limit))
            slice_ = self._next_slice(levels, is_last=len(levels) < limit)
        return slice_

    def _next_slice(self, levels: list[PriceLevel], *, is_last: bool) -> list[PriceLevel]:
        """Return the levels of the slice as they were at the beginning, and advance to its end."""
        sign = self._name[1].sign
        start, end = self._end, None if is_last else levels[-1].price
        self._end, self.is_complete = end, is_last
        first, last = (None if price is None else sign * price for price in (start, end))
        changed = list(self._changes.irange(first, last, inclusive=(False, True)))
        if not changed:
            return levels
        by_rank = {sign * level.price: level for level in levels}
        for rank in changed:
            amount, orders = self._changes[rank]
            level = by_rank.get(rank) or PriceLevel(sign * rank, 0, 0)
            by_rank[rank] = PriceLevel(level.price, level.amount - amount, level.orders - orders)
        return [level for _, level in sorted(by_rank.items()) if level.amount]

    def _record_changes(self) -> None:
        while self._events:
            for kind, subject in changes_of(self._events.popleft()):
                for symbol, side, price, amount, orders in _differences(kind, subject):
                    if (symbol, side) == self._name:
                        rank = side.sign * price
                        before = self._changes.get(rank, (0, 0))
                        self._changes[rank] = before[0] + amount, before[1] + orders


def _differences(kind: type, subject: Any) -> Iterator[tuple[str, Side, int, int, int]]:
    """Yield each changed level's book name and price, and the changes in its amount and its order count."""
    if kind is OrderAdded or kind is OrderRemoved:
        yield _of_order(subject, 1 if kind is OrderAdded else -1)
    elif kind is OrdersAdded or kind is OrdersRemoved:
        for order in subject:
            yield _of_order(order, 1 if kind is OrdersAdded else -1)
    elif kind is OrderAmended:
        before, after = subject
        yield _of_order(before, -1)
        yield _of_order(after, 1)
    elif kind is TradePlaced:
        trade, remaining = subject
        for fill in trade.fills:
            is_filled = not remaining or fill is not trade.fills[-1]
            yield trade.symbol, trade.side, fill.price, -fill.amount, -int(is_filled)


def _of_order(order: Any, sign: int) -> tuple[str, Side, int, int, int]:
    _, symbol, side, amount, price = order
    return symbol, side, price, sign * amount, sign
