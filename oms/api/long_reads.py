"""Questions about large books, answered without holding the lock for a long time.

The problem: a question that reads m orders or levels takes O(m). If it held the books' lock during this time,
every change and most other questions would have to wait.

What does not work: reading slice by slice, and again from the start if the book has changed meanwhile. In a
busy market, each attempt would fail.

The solution: a question about levels holds the lock once if the book has at most SLICE levels, or if it asks
for at most SLICE levels. A `quote` holds the lock once if the levels that cover its amount have at most SLICE
orders. Any other question reads the book in slices, as it was at the beginning (see `oms.api.slices` and
`oms.api.level_slices`), and passes the slices to the functions of `oms.pricing`. Prices are different,
because the book caches sums. The sums are extended in slices, each under the lock, so that later questions
are fast. But a change between two slices can make the book discard the sums. So after as much work as two
passes over the book, the prices are computed from slices, too.

Invariants:

- The lock is held while about SLICE levels or orders are read at a time. To extend the sums, the lock is held
  while the sums are copied, and at most MOST_SUMS levels are added to them.
- Each result shows one state of the book. The result or the error is the same as for the method with the same
  name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain, islice, takewhile
from sys import maxsize
from time import sleep
from typing import TypeVar

from oms import pricing
from oms.api.followers import retried
from oms.api.level_slices import PriceLevels
from oms.api.read_budget import allowance, spend
from oms.api.slices import RestingOrders
from oms.models import (
    OrderRow,
    PriceLevel,
    Quote,
    Side,
    as_amounts,
    check_fill,
    check_limit,
    check_positive,
    check_slippage,
)
from oms.order_book import OrderBook
from oms.queries import Queries

__all__ = [
    "MOST_SUMS",
    "SLICE",
    "amount_within",
    "available_amount",
    "calculate_amount",
    "calculate_price",
    "calculate_prices",
    "depth",
    "quote",
]

SLICE = 1_000
"""The number of levels or orders that are read while the lock is held."""

MOST_SUMS = 5_000
"""The number of levels by which cached sums are extended while the lock is held."""

_PAUSE = 0.0002
"""The seconds in which a waiting thread gets the lock. Without them, the next slice would often be first."""

T = TypeVar("T")


class _Orders:
    """The orders of a large book, as they were when this object was created. They can be read once."""

    def __init__(self, books: Queries, symbol: str, side: Side) -> None:
        self.symbol = symbol
        self.side = side
        self.reader = RestingOrders(books, None, symbol, side)

    def rows(self, limit_price: int | None = None) -> Iterator[OrderRow]:
        """Iterate over the fields of the orders. See OrderBook.rows."""
        rows = chain.from_iterable(_slices(self.reader.next))
        if limit_price is None:
            return rows
        sign = self.side.sign
        return takewhile(lambda row: sign * row[4] <= sign * limit_price, rows)


class _Levels:
    """The levels of a large book, as they were when this object was created. They can be read once."""

    def __init__(self, books: Queries, symbol: str, side: Side) -> None:
        self.symbol = symbol
        self.side = side
        self.reader = PriceLevels(books, symbol, side)

    def levels(self) -> Iterator[PriceLevel]:
        """Iterate over the levels, best first."""
        return chain.from_iterable(_slices(self.reader.next))

    def amounts(self, limit_price: int | None = None) -> Iterator[tuple[int, int]]:
        """Iterate over the prices and amounts of the levels. See OrderBook.amounts."""
        sign = self.side.sign
        for price, amount, _ in self.levels():
            if limit_price is not None and sign * price > sign * limit_price:
                return
            yield price, amount


def _slices(next_slice: Callable[[int], list[T]]) -> Iterator[list[T]]:
    """Yield all slices. Raise ProblemError if they exceed what a what-if may read."""
    for slice_ in iter(lambda: next_slice(allowance(SLICE)), []):
        spend(len(slice_))
        yield slice_


Large = TypeVar("Large", _Orders, _Levels)


def quote(
    books: Queries,
    symbol: str,
    side: Side,
    amount: int,
    *,
    limit_price: int | None = None,
    allow_partial: bool = False,
) -> Quote:
    """Return the same as `books.quote`. O(k) for k fills, read in slices."""
    check_fill(amount, limit_price, allow_partial)

    def in_slices(orders: _Orders) -> Quote:
        filled = pricing.fill(orders, amount, limit_price, allow_partial=allow_partial)
        return pricing.quote(symbol, side, amount, filled)

    def count_orders(book: OrderBook) -> int:
        orders = covered = 0
        most = allowance(SLICE)
        for level in book.levels_after(None):
            orders, covered = orders + level.orders, covered + level.amount
            if covered >= amount or orders > most:
                break
        return orders

    at_once = partial(books.quote, symbol, side, amount, limit_price=limit_price, allow_partial=allow_partial)
    return _answer(books, symbol, side, at_once, count_orders, _Orders, in_slices)


def calculate_price(books: Queries, symbol: str, side: Side, amount: int) -> int:
    """Return the same as `books.calculate_price`. See calculate_prices."""
    check_positive("amount", amount)
    book = books._books.by_name.get((symbol, side))
    if book is None:
        return books.calculate_price(symbol, side, amount)
    if len(book.levels) <= allowance(MOST_SUMS):
        before = book.cached_levels
        price = books.calculate_price(symbol, side, amount)
        spend(book.cached_levels - before)
        return price
    return calculate_prices(books, symbol, side, [amount])[0]


def calculate_prices(books: Queries, symbol: str, side: Side, amounts: Sequence[int]) -> list[int]:
    """Return the same as `books.calculate_prices`.

    The lock is held while at most MOST_SUMS levels at a time are added to the cached sums, and then for
    O(log k) per amount if k levels are cached.
    """
    amounts = as_amounts(amounts)
    at_once = partial(books.calculate_prices, symbol, side, amounts)
    if not amounts:
        return at_once()
    for _ in range(2 * _count_levels(books, symbol, side) // MOST_SUMS + 1):
        with books.locked(to_read=True):
            book = books._books.by_name.get((symbol, side))
            if book is None:
                return at_once()
            before = book.cached_levels
            is_cached = book.cache_sums(max(amounts), allowance(MOST_SUMS))
            spend(book.cached_levels - before)
            if is_cached:
                return at_once()
        sleep(_PAUSE)

    def in_slices(levels: _Levels) -> list[int]:
        prices, lots = zip(*_covering(levels.amounts(), max(amounts)), strict=True)
        copy = OrderBook(symbol, side)  # with one order at each level
        copy.load(prices, [1] * len(prices), range(len(prices)), lots)
        return pricing.total_prices(copy, amounts)

    return _from_levels(books, symbol, side, at_once, in_slices)


def calculate_amount(
    books: Queries, symbol: str, side: Side, budget: int, *, limit_price: int | None = None
) -> int:
    """Return the same as `books.calculate_amount`. O(k) for k levels, read in slices."""
    check_positive("budget", budget)
    check_limit(limit_price)

    def in_slices(levels: _Levels) -> int:
        return pricing.amount_for(levels, budget, limit_price)

    at_once = partial(books.calculate_amount, symbol, side, budget, limit_price=limit_price)
    return _from_levels(books, symbol, side, at_once, in_slices)


def available_amount(books: Queries, symbol: str, side: Side, *, limit_price: int | None = None) -> int:
    """Return the same as `books.available_amount`. O(k) for k levels, read in slices."""
    check_limit(limit_price)

    def in_slices(levels: _Levels) -> int:
        return pricing.available_amount(levels, limit_price)

    at_once = partial(books.available_amount, symbol, side, limit_price=limit_price)
    return _from_levels(books, symbol, side, at_once, in_slices)


def amount_within(books: Queries, symbol: str, side: Side, max_slippage_bps: int) -> int:
    """Return the same as `books.amount_within`. O(k) for k levels, read in slices."""
    check_slippage(max_slippage_bps)

    def in_slices(levels: _Levels) -> int:
        return pricing.amount_within(levels.amounts(), max_slippage_bps)

    at_once = partial(books.amount_within, symbol, side, max_slippage_bps)
    return _from_levels(books, symbol, side, at_once, in_slices)


def depth(books: Queries, symbol: str, side: Side, levels: int | None = None) -> tuple[PriceLevel, ...]:
    """Return the same as `books.depth`. O(k) for k returned levels, read in slices."""
    at_once = partial(books.depth, symbol, side, levels)
    most = maxsize if levels is None else min(levels, maxsize)  # no book can have more levels

    def count_levels(book: OrderBook) -> int:
        return min(most, len(book.levels))

    def in_slices(large: _Levels) -> tuple[PriceLevel, ...]:
        return tuple(islice(large.levels(), most))

    return _answer(books, symbol, side, at_once, count_levels, _Levels, in_slices)


def _count_levels(books: Queries, symbol: str, side: Side) -> int:
    book = books._books.by_name.get((symbol, side))
    return 0 if book is None else len(book.levels)


def _covering(levels: Iterator[tuple[int, int]], amount: int) -> Iterator[tuple[int, int]]:
    """Yield the prices and amounts of the best levels, until they cover an amount."""
    covered = 0
    for price, available in levels:
        yield price, available
        covered += available
        if covered >= amount:
            return


def _from_levels(
    books: Queries, symbol: str, side: Side, at_once: Callable[[], T], in_slices: Callable[[_Levels], T]
) -> T:
    """Answer a question about levels: at once if the book has few levels, and in slices otherwise."""
    return _answer(books, symbol, side, at_once, lambda book: len(book.levels), _Levels, in_slices)


def _answer(
    books: Queries,
    symbol: str,
    side: Side,
    at_once: Callable[[], T],
    count: Callable[[OrderBook], int],
    large: Callable[[Queries, str, Side], Large],
    in_slices: Callable[[Large], T],
) -> T:
    """Answer a question: at once if it reads at most SLICE elements of the book, and in slices otherwise."""

    def read() -> T:
        with books.locked(to_read=True):
            book = books._books.by_name.get((symbol, side))
            number = 0 if book is None else count(book)
            if number <= SLICE:
                spend(number)
                return at_once()
            view = large(books, symbol, side)
            unsubscribe = books.subscribe(view.reader)
        try:
            return in_slices(view)
        finally:
            unsubscribe()

    return retried(read)
