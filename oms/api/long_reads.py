"""The price levels of large books, read without holding the lock for a long time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from itertools import chain, groupby, islice
from operator import itemgetter

from oms.api.followers import MissedEventError
from oms.api.slices import RestingOrders
from oms.models import PriceLevel, Side
from oms.queries import Queries

__all__ = ["SLICE", "depth"]

SLICE = 1_000
"""The number of levels or orders that are read while the lock is held."""


def depth(books: Queries, symbol: str, side: Side, levels: int | None = None) -> tuple[PriceLevel, ...]:
    """Return the same as `books.depth`, also if other threads change a large book in the meantime.

    The levels show the state at one moment during the call. The lock is held for O(SLICE) at a time. If more
    levels are read, all orders of these levels are read: O(m log m) for m orders. Raises what `books.depth`
    raises.
    """
    while True:
        with suppress(MissedEventError):  # read the levels again, as they are now
            return _depth(books, symbol, side, levels)


def _depth(books: Queries, symbol: str, side: Side, levels: int | None) -> tuple[PriceLevel, ...]:
    """Return the levels as they are at the beginning. Raise MissedEventError if they are lost."""
    with books.locked(to_read=True):
        book = books._books.by_name.get((symbol, side))
        count = 0 if book is None else len(book.levels)
        wanted = count if levels is None else min(levels, count)
        if wanted <= SLICE:
            return books.depth(symbol, side, levels)
        orders = RestingOrders(books, None, symbol, side)
        unsubscribe = books.subscribe(orders)
    try:
        return tuple(islice(_levels(orders), wanted))
    finally:
        unsubscribe()


def _levels(orders: RestingOrders) -> Iterator[PriceLevel]:
    """Iterate over the levels of the orders, best first."""
    slices = iter(partial(orders.next, SLICE), [])
    for price, rows in groupby(chain.from_iterable(slices), itemgetter(4)):
        amounts = [amount for _, _, _, amount, _ in rows]
        yield PriceLevel(price, sum(amounts), len(amounts))
