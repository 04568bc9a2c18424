"""The hash of the whole state, computed without holding the lock for a long time.

All orders are read in slices, as they are at the beginning (see `oms.api.slices`). Before that, while the
lock is held once, the names of the books are copied, and the arrival numbers and last prices of a
MatchingEngine. The indexes of the stream could replace these copies, but a hash should not depend on an index
that may be wrong.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain, groupby
from operator import itemgetter

from oms.api.engine.snapshot import EngineOrders
from oms.api.followers import retried
from oms.api.slices import RestingOrders
from oms.books import Contents, hash_of_books
from oms.engine_books import hash_of_engine
from oms.engine_state import Entry
from oms.facade import Facade
from oms.matching import MatchingEngine
from oms.models import Side

__all__ = ["SLICE", "begin_hash", "state_hash"]

SLICE = 1_000
"""The number of orders that are read while the lock is held."""

_NAME = itemgetter(1, 2)
_SYMBOL = itemgetter(0)


def state_hash(books: Facade) -> tuple[int, str]:
    """Return the last sequence number, and what `books.state_hash()` returns at this moment.

    O(n log n) for n open orders. The lock is held once to copy a name for each book, and a number for each
    order and symbol of a MatchingEngine, and then for O(SLICE) at a time. The largest book needs O(m) memory
    for m orders.
    """
    return retried(partial(_state_hash, books))


def _state_hash(books: Facade) -> tuple[int, str]:
    """Return the number and the hash, or raise MissedEventError."""
    sequence, finish = begin_hash(books)
    return sequence, finish()


def begin_hash(books: Facade) -> tuple[int, Callable[[], str]]:
    """Return the last sequence number, and a function that computes the hash of the state at this moment.

    A subscriber can begin a hash, too. Call the function once, from any thread. It raises MissedEventError if
    an event was not published in the meantime.
    """
    with books.locked(to_read=True):
        sequence, next_trade_id = books.last_sequence, books._books.next_trade_id
        symbols = _Symbols(books._books.by_name)
        orders, complete = _begin(books, symbols)
        unsubscribe = books.subscribe(orders)

    def finish() -> str:
        try:
            symbols.sort()
            return complete(hash_of_books(next_trade_id, sequence + 1, _contents(orders)))
        finally:
            unsubscribe()

    return sequence, finish


def _begin(books: Facade, symbols: _Symbols) -> tuple[RestingOrders, Callable[[str], str]]:
    """Return the resting orders, and a function that completes their hash. The caller holds the lock."""
    if not isinstance(books, MatchingEngine):
        return RestingOrders(books, symbols, None), str
    state = books._books
    next_arrival, last_prices = state.next_arrival, dict(state.last_prices)
    arrivals = _Arrivals(state.register.entries)
    orders = EngineOrders(books, symbols, arrivals, None, None)

    def complete(hash_: str) -> str:
        arrivals.sort()
        return hash_of_engine(hash_, next_arrival, last_prices, _entries(orders))

    return orders, complete


def _contents(orders: RestingOrders) -> Iterator[Contents]:
    rows = chain.from_iterable(iter(partial(orders.next, SLICE), []))
    for (symbol, side), group in groupby(rows, _NAME):
        of_book = list(group)
        yield symbol, side, len(of_book), of_book


def _entries(orders: EngineOrders) -> Iterator[Entry]:
    for entry, _ in chain.from_iterable(iter(partial(orders.next_entries, SLICE), [])):
        yield entry


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
