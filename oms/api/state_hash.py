"""The whole state as of one moment, or its hash, without holding the lock for a long time.

All orders are read in slices, as they are at the beginning (see `oms.api.slices`). Before that, the lock is
held once, to copy the names of the books, and a MatchingEngine's arrival numbers and last prices. The indexes
of the stream could replace these copies, but a hash should not depend on an index that may be wrong.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain, groupby
from operator import itemgetter
from typing import TypeVar

from oms.api.engine.snapshot import EngineOrders
from oms.api.followers import retried
from oms.api.slices import RestingOrders
from oms.books import Contents, hash_of_books
from oms.engine_books import hash_of_engine
from oms.engine_state import EngineState, Entry
from oms.events import Snapshot
from oms.facade import Facade
from oms.matching import MatchingEngine
from oms.models import Order, OrderRow, Side

T = TypeVar("T")

__all__ = ["SLICE", "begin_copy", "begin_hash", "state_hash"]

SLICE = 1_000
"""The number of orders that are read while the lock is held."""

_NAME = itemgetter(1, 2)
_SYMBOL = itemgetter(0)


def state_hash(books: Facade) -> tuple[int, str]:
    """Return the last sequence number, and what `books.state_hash()` returns at this moment.

    O(n log n) for n open orders. The lock is first held to copy a name for each book, and a number for each
    order and symbol of a MatchingEngine. After that, it is held only while about SLICE orders are read at a
    time. The largest book needs O(m) memory for m orders.
    """
    return retried(partial(_state_hash, books))


def _state_hash(books: Facade) -> tuple[int, str]:
    """Return the number and the hash, or raise MissedEventError."""
    sequence, finish = begin_hash(books)
    return sequence, finish()


def begin_hash(books: Facade) -> tuple[int, Callable[[], str]]:
    """Return the last sequence number, and a function that computes the hash of the state at this moment.

    A subscriber can begin a hash, too. Call the returned function once, from any thread. It raises
    MissedEventError if an event was not published in the meantime.
    """
    with books.locked(to_read=True):
        moment = _Moment(books)
    return moment.sequence, moment.hash


def begin_copy(books: Facade) -> tuple[int, Callable[[], tuple[Snapshot, str]]]:
    """Return the last sequence number, and a function that returns the state at this moment with its hash.

    The function needs O(n) memory for n orders. See begin_hash.
    """
    with books.locked(to_read=True):
        moment = _Moment(books)
    return moment.sequence, moment.copy


class _Moment:
    """The state of the books at the moment when this object is created. The caller holds the lock then."""

    def __init__(self, books: Facade) -> None:
        self.sequence = books.last_sequence
        self._next_trade_id = books._books.next_trade_id
        self._instruments = books._books.instruments  # a change replaces the mapping
        self._symbols = _Symbols(books._books.by_name)
        self._engine = _Engine(books, self._symbols) if isinstance(books, MatchingEngine) else None
        self._orders = (
            RestingOrders(books, self._symbols, None) if self._engine is None else self._engine.orders
        )
        self._unsubscribe = books.subscribe(self._orders)

    def hash(self) -> str:
        """Return the hash of the state. Call either this or `copy`, and only once."""
        try:
            self._symbols.sort()
            hash_ = self._hash(_slices(self._orders.next))
            return hash_ if self._engine is None else self._engine.hash(hash_, self._engine.entries())
        finally:
            self._unsubscribe()

    def copy(self) -> tuple[Snapshot, str]:
        """Return the state and its hash."""
        try:
            self._symbols.sort()
            rows = list(_slices(self._orders.next))
            hash_, state = self._hash(rows), None
            if self._engine is not None:
                entries = tuple(self._engine.entries())
                hash_, state = self._engine.hash(hash_, entries), self._engine.state(entries)
        finally:
            self._unsubscribe()
        orders, instruments = tuple(map(Order._make, rows)), tuple(self._instruments.items())
        return Snapshot(self.sequence, self._next_trade_id, orders, instruments, state), hash_

    def _hash(self, rows: Iterable[OrderRow]) -> str:
        return hash_of_books(self._next_trade_id, self.sequence + 1, _contents(rows))


class _Engine:
    """The part of the state that only a matching engine has. See _Moment."""

    def __init__(self, engine: MatchingEngine, symbols: _Symbols) -> None:
        books = engine._books
        self._next_arrival, self._prevention = books.next_arrival, books.prevention
        self._last_prices = dict(books.last_prices)
        self._arrivals = _Arrivals(books.register.entries)
        self.orders = EngineOrders(engine, symbols, self._arrivals, None, None)

    def entries(self) -> Iterator[Entry]:
        """Yield the entries of all open orders, in order of arrival."""
        self._arrivals.sort()
        for entry, _ in _slices(self.orders.next_entries):
            yield entry

    def hash(self, hash_of_books: str, entries: Iterable[Entry]) -> str:
        """Return the hash of the whole state."""
        return hash_of_engine(hash_of_books, self._next_arrival, self._last_prices, entries)

    def state(self, entries: tuple[Entry, ...]) -> EngineState:
        """Return the part of a Snapshot."""
        return EngineState(
            self._next_arrival, entries, tuple(sorted(self._last_prices.items())), self._prevention
        )


def _slices(next_slice: Callable[[int], list[T]]) -> Iterator[T]:
    return chain.from_iterable(iter(partial(next_slice, SLICE), []))


def _contents(rows: Iterable[OrderRow]) -> Iterator[Contents]:
    for (symbol, side), group in groupby(rows, _NAME):
        of_book = list(group)
        yield symbol, side, len(of_book), of_book


class _Symbols:
    """The symbols of all books at the beginning. Sort them before the first slice, without the lock."""

    def __init__(self, names: Iterable[tuple[str, Side]]) -> None:
        self._symbols = list(map(_SYMBOL, names))

    def sort(self) -> None:
        """Sort the symbols. O(s log s) for s symbols."""
        self._symbols = sorted(set(self._symbols))

    def from_symbol(self, symbol: str | None) -> Iterable[str]:
        """Iterate over the symbols from this one on. O(log s) to begin."""
        start = 0 if symbol is None else bisect_left(self._symbols, symbol)
        return map(self._symbols.__getitem__, range(start, len(self._symbols)))


class _Arrivals:
    """The arrival numbers of all open orders at the beginning. Sort them before the first slice."""

    def __init__(self, arrivals: Iterable[int]) -> None:
        self._arrivals = list(arrivals)

    def sort(self) -> None:
        """Sort the arrival numbers. O(n log n) for n orders."""
        self._arrivals.sort()

    def after(self, number: int, owner: str | None) -> Iterable[int]:
        """Iterate over the larger numbers of all owners. O(log n) to begin."""
        assert owner is None, "the hash covers the orders of all owners"
        start = bisect_right(self._arrivals, number)
        return map(self._arrivals.__getitem__, range(start, len(self._arrivals)))
