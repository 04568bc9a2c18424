"""The latest events and trades, for a service whose journal cannot read pages, or that has no journal.

A page of events or trades must be complete. So the service keeps consecutive events, and drops the oldest
ones if they are too many. If it misses an event, because an interrupt has prevented its publication, it drops
all events before the gap.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from threading import Lock
from typing import Generic, TypeVar

from oms.events import Event, OrdersAdded, OrdersRemoved, TradePlaced
from oms.journal import EventPage, TradePage

__all__ = ["Latest", "RecentEvents"]

E = TypeVar("E")


class RecentEvents:
    """A thread-safe store of the latest events and trades, which subscribes to the books.

    The events contain at most `limit` orders and fills in total, and so do the trades.
    """

    def __init__(self, limit: int) -> None:
        self._lock = Lock()
        self._events = Latest[Event](limit)
        self._trades = Latest[TradePlaced](limit)

    def __call__(self, event: Event) -> None:
        """Record an event. Amortized O(1)."""
        size = _size(event)
        with self._lock:
            self._events.append(event.sequence, event, size)
            if isinstance(event, TradePlaced):
                self._trades.append(event.trade.trade_id, event, size)

    def continue_at(self, sequence: int, trade_id: int) -> None:
        """Set the next event's sequence number and the next trade's id. Drop everything before a gap."""
        with self._lock:
            self._events.continue_at(sequence)
            self._trades.continue_at(trade_id)

    def page_of_events(self, after: int | None, limit: int) -> EventPage:
        """Return a page of events. See `oms.journal.Archive`. O(n) for n recent events."""
        with self._lock:
            return EventPage(*self._events.page(after, limit))

    def page_of_trades(self, after: int | None, limit: int) -> TradePage:
        """Return a page of trades. See `oms.journal.Archive`. O(n) for n recent trades."""
        with self._lock:
            return TradePage(*self._trades.page(after, limit))


def _size(event: Event) -> int:
    if isinstance(event, OrdersAdded | OrdersRemoved):
        return len(event.orders)
    return len(event.trade.fills) if isinstance(event, TradePlaced) else 1


class Latest(Generic[E]):
    """Consecutive events or trades, whose sizes add up to at most `limit`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size: int = 0
        self._events: deque[tuple[E, int]] = deque()
        self._first: int = 1

    def append(self, number: int, event: E, size: int) -> None:
        """Append an event. Drop the oldest events if the sizes are too large. Amortized O(1)."""
        self.continue_at(number)
        self._events.append((event, size))
        self._size += size
        while self._size > self._limit:
            _, dropped = self._events.popleft()
            self._size -= dropped
            self._first += 1

    def continue_at(self, number: int) -> None:
        """Set the number of the next event. Drop all events if this leaves a gap."""
        if number != self._first + len(self._events):
            self._events.clear()
            self._size, self._first = 0, number

    def page(self, after: int | None, limit: int) -> tuple[int, tuple[E, ...], bool]:
        """Return the first available number, at most `limit` events, and True if there are more. O(n)."""
        skipped = 0 if after is None else after + 1 - self._first
        if not 0 <= skipped < len(self._events):
            return self._first, (), False
        events = islice(self._events, skipped, skipped + limit)
        return self._first, tuple(event for event, _ in events), skipped + limit < len(self._events)
