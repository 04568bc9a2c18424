"""The resting orders as of one sequence number, read slice by slice while the books change.

The problem: a snapshot of 1,000,000 orders takes seconds. If the books' lock were held during this time,
every other request would have to wait. Without the lock, the books change between two reads.

What does not work: a copy of the books, because the copy itself takes O(n) with the lock held, and needs
O(n) memory for each reader.

The solution: the lock is held only while one slice is read. A slice begins where the previous slice ended. A
reader also subscribes to the books. When an order changes for the first time, its state before the change is
recorded. A slice then contains the recorded state instead of the current state. A subscriber only queues each
event, and the reader processes the queue later. So a writer waits for at most one slice.

Invariants:

- When a slice is read, all events up to this moment have been recorded, because both happen with the lock
  held. If an event was missed, no more slices are read (see `oms.api.followers`).
- `_before` contains every order that has changed since the first sequence number, as it was then, or None
  if it did not rest then.
- `_missed` contains the orders in `_before` that rested then, and that no slice has contained yet.
- A slice contains no order in `_before` unless it comes from `_missed`. So each order is read exactly once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Protocol, TypeAlias

from sortedcontainers import SortedDict, SortedSet

from oms.api.followers import Follower, MissedEventError
from oms.books import ORDERS_BEFORE, Change, parts_of
from oms.events import Event
from oms.facade import Facade
from oms.models import OrderRow, Side
from oms.order_book import NO_RANK

__all__ = ["RestingOrders", "SymbolIndex", "Symbols", "changes_of"]

Position: TypeAlias = tuple[str, bool, int, int]
"""The place of an order: its symbol, True for SELL, its price times the sign of its side, and its id."""


def changes_of(event: Event) -> list[Change]:
    """Return the elementary changes of an event, in order. O(m) for m changes."""
    return parts_of([(type(event), event.subject())])


class Symbols(Protocol):
    """Sorted symbols, which include all symbols of the orders that a RestingOrders reads."""

    def from_symbol(self, symbol: str | None) -> Iterable[str]:
        """Iterate over the symbols from this one on. The caller holds the lock."""
        ...


class SymbolIndex(Follower):
    """The sorted symbols that have resting orders. Create it, and subscribe it, while you hold the lock."""

    def __init__(self, books: Facade) -> None:
        super().__init__(books)
        self._by_name = books._books.by_name
        self._symbols: SortedSet[str] = SortedSet()
        self.catch_up()

    def _build(self) -> None:
        """Index the current symbols. O(n log n) for n symbols."""
        self._symbols = SortedSet(symbol for symbol, _ in self._by_name)

    def _apply(self, event: Event) -> None:
        """Update the symbols that an event touches. O(m log n) for m touched orders."""
        symbol = event.symbol
        for each in {row[1] for row in event.rows()} if symbol is None else (symbol,):
            if any((each, side) in self._by_name for side in Side):
                self._symbols.add(each)
            else:
                self._symbols.discard(each)

    def from_symbol(self, symbol: str | None) -> Iterable[str]:
        """Iterate over the symbols from this one on. The caller holds the lock."""
        self.catch_up()
        return self._symbols.irange(symbol)


class RestingOrders(Follower):
    """The resting orders of one symbol, or of all symbols, as they are when this object is created.

    Create it, and subscribe it, while you hold the lock. `symbols` contains all symbols with resting orders.
    With `after`, only the orders behind this place are read. If an event was missed, the former orders are
    unknown, so `next` raises MissedEventError.
    """

    def __init__(
        self,
        books: Facade,
        symbols: Symbols | None,
        symbol: str | None,
        side: Side | None = None,
        *,
        after: Position | None = None,
    ) -> None:
        super().__init__(books)
        self._sequence = books.last_sequence
        self._symbols = symbols
        self._symbol = symbol
        self._sides: Iterable[Side] = Side if side is None else (side,)
        self._events: deque[Event] = deque()
        self._before: dict[int, OrderRow | None] = {}
        self._missed: SortedDict[Position, OrderRow] = SortedDict()
        self._end = after  # the end of the last slice
        self.is_complete = False

    def _build(self) -> None:
        raise MissedEventError

    def _apply(self, event: Event) -> None:
        """Queue an event, unless it belongs to another symbol. O(1)."""
        if self._symbol is None or event.symbol in (None, self._symbol):
            self._events.append(event)

    def next(self, limit: int) -> list[OrderRow]:
        """Return the next orders, at most `limit`, sorted as in `OrderManagement.orders`.

        The result is empty only if all orders have been read. The lock is held for O(limit).
        """
        slice_: list[OrderRow] = []
        while not slice_ and not self.is_complete:
            with self._recorded():
                rows, end = self._present(limit)
            slice_ = self._corrected(rows, end, limit)
        return slice_

    @contextmanager
    def _recorded(self) -> Generator[None]:
        """Hold the lock in this block. All changes so far have been recorded."""
        self._record_changes()
        with self._books.locked(to_read=True):
            self.catch_up()
            self._record_changes()
            yield

    def before(self, order_id: int) -> OrderRow | None:
        """Return a resting order as it was, or None if it did not rest. The caller holds the lock. O(1).

        All events so far must have been recorded.
        """
        if order_id in self._before:
            return self._before[order_id]
        return self._books._books.orders.get(order_id)

    # ------------------------------------------------------------------ slices

    def _present(self, limit: int) -> tuple[list[OrderRow], Position | None]:
        """Return the current orders after the last slice, and the end of this slice. O(limit).

        The end is None if no more orders follow. A slice covers at most `limit` symbols after the one in
        which the last slice ended, because many of them may have no orders any more.
        """
        rows: list[OrderRow] = []
        for number, symbol in enumerate(self._names()):
            rows += islice(self._rows(symbol), limit - len(rows))
            if len(rows) == limit:
                return rows, _position(rows[-1])
            if number == limit:
                return rows, (symbol, True, NO_RANK, -1)
        return rows, None

    def _names(self) -> Iterable[str]:
        """Iterate over the symbols from the end of the last slice on."""
        if self._symbol is not None:
            return (self._symbol,)
        assert self._symbols is not None, "the orders of all symbols need an index"
        return self._symbols.from_symbol(self._end and self._end[0])

    def _rows(self, symbol: str) -> Iterator[OrderRow]:
        """Iterate over the current orders of a symbol after the last slice."""
        start = self._end
        for side in self._sides:
            book = self._books._books.by_name.get((symbol, side))
            if book is None or (start is not None and (symbol, side is Side.SELL) < start[:2]):
                continue
            if start is not None and (symbol, side is Side.SELL) == start[:2]:
                yield from book.rows_after(side.sign * start[2], start[3])
            else:
                yield from book.rows()

    def _corrected(self, rows: list[OrderRow], end: Position | None, limit: int) -> list[OrderRow]:
        """Replace the orders that have changed by their former state, and advance to the end of the slice."""
        rows = [row for row in rows if row[0] not in self._before] if self._before else rows
        if not self._missed or (end is not None and self._missed.keys()[0] > end):
            self._end, self.is_complete = end, end is None
            return rows
        missed = islice(self._missed.irange(maximum=end), limit)
        slice_ = {position: self._missed[position] for position in missed}
        slice_ |= {_position(row): row for row in rows}
        positions = sorted(slice_)[:limit]
        if len(positions) == limit:
            end = positions[-1]
        for position in positions:
            self._missed.pop(position, None)
        self._end, self.is_complete = end, end is None
        return [slice_[position] for position in positions]

    # ------------------------------------------------------------------ changes

    def record(self, change: Change) -> None:
        """Record the state of the orders before a change. O(m log n) for m orders."""
        kind, subject = change
        if kind not in ORDERS_BEFORE:
            return
        for row, rested in ORDERS_BEFORE[kind](subject):
            if row[0] not in self._before and self._symbol in (None, row[1]) and row[2] in self._sides:
                self._before[row[0]] = row if rested else None
                if rested and not self._is_read(row):
                    self._missed[_position(row)] = row

    def _record_changes(self) -> None:
        while self._events:
            for change in changes_of(self._events.popleft()):
                self.record(change)

    def _is_read(self, row: OrderRow) -> bool:
        return self.is_complete or (self._end is not None and _position(row) <= self._end)


def _position(row: OrderRow) -> Position:
    order_id, symbol, side, _, price = row
    return symbol, side is Side.SELL, side.sign * price, order_id
