"""The register of a matching engine: the open orders by arrival number and by the submitter's id."""

from __future__ import annotations

from collections.abc import Iterable

from sortedcontainers import SortedList

from oms.engine_state import Entry
from oms.models import Side
from oms.submission import OrderId

__all__ = ["Register"]


class Register:
    """The entries of all open orders, with indexes by id, by stop price, and by expiry.

    The books identify an order by its arrival number. So at the same price, the order that arrived first is
    filled first. The indexes are derived from the entries. In the docstrings of the methods, n is the number
    of entries.

    >>> from oms.submission import Submission
    >>> register = Register([Entry(1, Submission("a", "JPM", Side.BUY, 20, 20), 20)])
    >>> register.arrivals["a"], register.entries[1].total
    (1, 20)

    """

    __slots__ = ("arrivals", "deadlines", "entries", "stops")

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.entries: dict[int, Entry] = {}
        self.arrivals: dict[OrderId, int] = {}
        self.stops: dict[tuple[str, Side], SortedList[tuple[int, int]]] = {}
        self.deadlines: SortedList[tuple[int, int]] = SortedList()
        for entry in entries:
            self.add(entry)

    def add(self, entry: Entry) -> None:
        """Add an entry. O(1), or O(log n) if the order waits or expires."""
        arrival, order, waiting = entry[0], entry[1], entry[4]
        self.entries[arrival] = entry
        self.arrivals[order[0]] = arrival
        if waiting:
            self.stops.setdefault((order.symbol, order.side), SortedList()).add(_stop_key(entry))
        expires = order[10]
        if expires is not None:
            self.deadlines.add((expires, arrival))

    def remove(self, entry: Entry) -> None:
        """Remove an entry. O(1), or O(log n) if the order waits or expires."""
        arrival, order, waiting = entry[0], entry[1], entry[4]
        del self.entries[arrival], self.arrivals[order[0]]
        if waiting:
            stops = self.stops[order.symbol, order.side]
            stops.remove(_stop_key(entry))
            if not stops:
                del self.stops[order.symbol, order.side]
        expires = order[10]
        if expires is not None:
            self.deadlines.remove((expires, arrival))

    def remove_many(self, entries: Iterable[Entry]) -> None:
        """Remove m entries of orders that do not wait. O(m), or O(m log n) if the orders expire."""
        by_arrival, by_id = self.entries, self.arrivals
        for entry in entries:
            arrival, order = entry[0], entry[1]
            del by_arrival[arrival], by_id[order[0]]
            expires = order[10]
            if expires is not None:
                self.deadlines.remove((expires, arrival))

    def triggered(self, symbol: str, lowest: int, highest: int) -> list[Entry]:
        """Return the waiting orders that trades at these prices (ticks) trigger, in order of arrival.

        A BUY stop is triggered at its stop price or above, and a SELL stop at its stop price or below.
        O(m log n) for m triggered orders.
        """
        arrivals: list[int] = []
        for side, price in ((Side.BUY, highest), (Side.SELL, lowest)):
            for key, arrival in self.stops.get((symbol, side), ()):
                if key > side.sign * price:
                    break
                arrivals.append(arrival)
        return [self.entries[arrival] for arrival in sorted(arrivals)]

    def expired(self, now: int) -> list[Entry]:
        """Return the m orders that expire at `now` (ns since 1970) or before, in order of expiry. O(m)."""
        arrivals: list[int] = []
        for expires, arrival in self.deadlines:
            if expires > now:
                break
            arrivals.append(arrival)
        return [self.entries[arrival] for arrival in arrivals]

    def _check(self) -> None:
        """Assert every invariant. O(n log n) for n entries."""
        rebuilt = Register(self.entries.values())
        for name in self.__slots__:
            assert getattr(self, name) == getattr(rebuilt, name), f"{name} matches the entries"


def _stop_key(entry: Entry) -> tuple[int, int]:
    order = entry.order
    assert order.stop_price is not None, "a waiting order has a stop price"
    return order.side.sign * order.stop_price, entry.arrival
