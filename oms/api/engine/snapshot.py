"""The open orders and the price levels of a matching engine as of one sequence number, read slice by slice.

The books contain the resting orders by arrival number. The register contains the terms of each open order.
Both can change while a snapshot is read, so the state of both is recorded when it first changes. See
`oms.api.slices`.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Protocol

from sortedcontainers import SortedSet

from oms.api.slices import RestingOrders, Symbols
from oms.books import Change
from oms.engine_books import EntryChanged
from oms.engine_state import Entry
from oms.matching import MatchingEngine
from oms.models import OrderRow, Side
from oms.submission import OpenOrder

__all__ = ["Arrivals", "EngineOrders", "Level"]

Level = tuple[str, Side, int, int]
"""A symbol, a side, a price (ticks), and the visible amount (lots) at this price."""


class Arrivals(Protocol):
    """Sorted arrival numbers, which include the numbers of all orders that an EngineOrders reads."""

    def after(self, number: int, owner: str | None) -> Iterable[int]:
        """Iterate over the larger numbers of an owner, or of all owners. The caller holds the lock."""
        ...


class EngineOrders(RestingOrders):
    """The price levels, and the open orders of one owner or of all owners. See RestingOrders."""

    def __init__(
        self,
        engine: MatchingEngine,
        symbols: Symbols,
        arrivals: Arrivals,
        symbol: str | None,
        owner: str | None,
    ) -> None:
        super().__init__(engine, symbols, symbol)
        self._engine = engine
        self._arrivals = arrivals
        self._owner = owner
        self._level: Level | None = None  # the last one, which may have more orders in the next slice
        self._entries_before: dict[int, Entry | None] = {}
        self._missed_entries: SortedSet[int] = SortedSet()
        self._last_arrival = -1
        self.has_all_levels = False
        self.has_all_orders = False

    def next_levels(self, limit: int) -> list[Level]:
        """Return the next price levels, at most `limit` + 1, best first for each symbol and side.

        The result is empty only if all levels have been read. The lock is held for O(limit) at a time.
        """
        levels: list[Level] = []
        while not levels and not self.has_all_levels:
            for _, symbol, side, amount, price in self.next(limit):
                last = self._level
                if last is not None and last[:3] == (symbol, side, price):
                    self._level = (symbol, side, price, last[3] + amount)
                    continue
                if last is not None:
                    levels.append(last)
                self._level = (symbol, side, price, amount)
            if self.is_complete:
                self.has_all_levels = True
                levels += [] if self._level is None else [self._level]
        return levels

    def next_orders(self, limit: int) -> list[OpenOrder]:
        """Return the next open orders, at most `limit`, in order of arrival.

        The result is empty only if all orders have been read. The lock is held for O(limit) at a time.
        """
        return [_open_order(entry, row) for entry, row in self.next_entries(limit)]

    def next_entries(self, limit: int) -> list[tuple[Entry, OrderRow | None]]:
        """Return the entries of the next open orders, each with the row in its book. See next_orders."""
        entries: list[tuple[Entry, OrderRow | None]] = []
        while not entries and not self.has_all_orders:
            with self._recorded():
                arrivals = self._next_arrivals(limit)
                former = [(self._former_entry(each), self.before(each)) for each in arrivals]
            self._missed_entries.difference_update(arrivals)
            entries = [(entry, row) for entry, row in former if entry is not None]
        return entries

    def record(self, change: Change) -> None:
        """Record the state of the orders before a change. See RestingOrders."""
        kind, subject = change
        if kind is not EntryChanged:
            super().record(change)
            return
        before: Entry | None = subject[0]
        for entry in filter(None, subject):
            arrival = entry.arrival
            if arrival not in self._entries_before:
                rested = before is not None and before.arrival == arrival
                self._entries_before[arrival] = before if rested else None
                if rested and arrival > self._last_arrival and not self.has_all_orders:
                    self._missed_entries.add(arrival)

    def _next_arrivals(self, limit: int) -> list[int]:
        """Return the arrival numbers of the next orders, and advance behind them."""
        present = list(islice(self._arrivals.after(self._last_arrival, self._owner), limit))
        end = present[-1] if len(present) == limit else None
        missed = islice(self._missed_entries.irange(maximum=end), limit)
        arrivals = sorted({*present, *missed})[:limit]
        if len(arrivals) == limit:
            end = arrivals[-1]
        if end is None:
            self.has_all_orders = True
        else:
            self._last_arrival = end
        return arrivals

    def _former_entry(self, arrival: int) -> Entry | None:
        """Return the entry of an order as it was, or None if the stream does not contain it."""
        if arrival in self._entries_before:
            entry = self._entries_before[arrival]
        else:
            entry = self._engine._books.register.entries[arrival]
        if entry is None or self._symbol not in (None, entry.order.symbol):
            return None
        return entry if self._owner in (None, entry.order.owner) else None


def _open_order(entry: Entry, row: OrderRow | None) -> OpenOrder:
    """Return the open order of an entry and, unless it waits for its stop price, the row in its book."""
    _, order, total, hidden, waiting = entry
    if waiting:
        return OpenOrder(order, 0, total, 0, order.price)
    assert row is not None, "an order that does not wait is resting"
    amount, price = row[3:]
    remaining = amount + hidden
    return OpenOrder(order, total - remaining, remaining, amount, price)
