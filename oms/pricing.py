"""Pure functions that calculate prices, fills, and amounts from an order book.

Each function reads only the price levels or orders that it needs, best first, so its running time does not
depend on the size of the book. In each docstring, k is the number of levels or orders that the function
reads. The price of a single amount is computed in `oms/price_sums.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Protocol

from oms.errors import InsufficientLiquidityError
from oms.models import OrderFill, OrderRow, Quote, Side, new_fill
from oms.order_book import OrderBook
from oms.top_of_book import TopOfBook

__all__ = [
    "Amounts",
    "Filled",
    "Rows",
    "amount_for",
    "amount_within",
    "available_amount",
    "consumed",
    "fill",
    "price_curve",
    "quote",
    "top",
    "total_prices",
]

_PIECE = 10_000
"""The number of fills that can be created in about a millisecond."""

Filled = tuple[tuple[OrderFill, ...], int, int]
"""The fills (best first), their total amount, and their total price."""


class _Named(Protocol):
    """A book with its name. All attributes are only read."""

    @property
    def symbol(self) -> str: ...
    @property
    def side(self) -> Side: ...


class Rows(_Named, Protocol):
    """The orders of a book. An OrderBook is one."""

    def rows(self, limit_price: int | None = None) -> Iterator[OrderRow]:
        """Iterate over the fields of each order at the limit price or better, best first."""
        ...


class Amounts(_Named, Protocol):
    """The price levels of a book. An OrderBook is one."""

    def amounts(self, limit_price: int | None = None) -> Iterator[tuple[int, int]]:
        """Iterate over the (price, amount) of each level at the limit price or better, best first."""
        ...


def total_prices(book: OrderBook, amounts: Sequence[int]) -> list[int]:
    """Return the total price of each amount, in a single pass over the book.

    Raises InsufficientLiquidityError for the first of `amounts` that is not available.
    """
    ordered = sorted(amounts)
    try:
        prices = book.find_prices(ordered)
    except InsufficientLiquidityError:
        return list(map(book.find_price, amounts))  # raises for the first
    if ordered == amounts:
        return prices
    price_of = dict(zip(ordered, prices, strict=True))
    return [price_of[amount] for amount in amounts]


def fill(book: Rows, requested: int, limit_price: int | None, *, allow_partial: bool) -> Filled:
    """Return the fills that a trade would have, without changing the book. O(k).

    Raises InsufficientLiquidityError if less than `requested` is available at the limit price or better. With
    `allow_partial`, raises it only if nothing is available.
    """
    rows, amount, total = consumed(book, requested, limit_price)
    if amount < requested and not (allow_partial and rows):
        raise InsufficientLiquidityError(book.symbol, book.side, requested, amount)
    return _fills(rows), amount, total


def _fills(rows: list[tuple[int, int, int]]) -> tuple[OrderFill, ...]:
    """Return the fills with these fields. O(k).

    Other threads cannot run while `map` and `tuple` work, so many fills are created piece by piece.
    """
    if len(rows) <= _PIECE:
        return tuple(map(new_fill, rows))
    pieces = (map(new_fill, rows[start : start + _PIECE]) for start in range(0, len(rows), _PIECE))
    return tuple(chain.from_iterable(pieces))


def consumed(
    book: Rows, requested: int, limit_price: int | None
) -> tuple[list[tuple[int, int, int]], int, int]:
    """Return the fields of the fills of a trade, their total amount, and their total price. O(k)."""
    rows: list[tuple[int, int, int]] = []
    remaining, total = requested, 0
    for order_id, _, _, amount, price in book.rows(limit_price):
        if amount >= remaining:
            rows.append((order_id, remaining, price))
            total += remaining * price
            remaining = 0
            break
        rows.append((order_id, amount, price))
        total += amount * price
        remaining -= amount
    return rows, requested - remaining, total


def quote(symbol: str, side: Side, requested: int, filled: Filled) -> Quote:
    """Return a quote for a trade with these fills. O(k)."""
    fills, amount, total = filled
    prices = [fill.price for fill in fills]
    shortfall = requested - amount
    levels = len(set(prices))
    return Quote(symbol, side, requested, amount, shortfall, total, prices[0], prices[-1], levels, fills)


def price_curve(levels: Iterable[tuple[int, int]], limit: int | None) -> dict[str, list[int]]:
    """Return a dict of columns with one row for each of the `limit` best levels, or for all if it is None.

    The columns are the level's price, amount, cumulative amount, and cumulative price. The cumulative values
    include all better levels.
    """
    curve: dict[str, list[int]] = {"price": [], "amount": [], "cumulative_amount": [], "cumulative_price": []}
    cumulative = total = 0
    # islice accepts at most sys.maxsize. No book can have more levels.
    for price, amount in islice(levels, limit and min(limit, sys.maxsize)):
        cumulative += amount
        total += amount * price
        for column, value in zip(curve.values(), (price, amount, cumulative, total), strict=True):
            column.append(value)
    return curve


def available_amount(book: Amounts, limit_price: int | None) -> int:
    """Return the total amount of all orders at the limit price or better. O(k)."""
    return sum(amount for _, amount in book.amounts(limit_price))


def amount_for(book: Amounts, budget: int, limit_price: int | None) -> int:
    """Return the amount that `budget` can buy, or that must be sold to raise `budget`. O(k).

    For a BUY book, this is the largest amount that costs at most `budget`. For a SELL book, it is the
    smallest amount that brings in at least `budget`. Raises InsufficientLiquidityError with the unit "money"
    if all SELL orders at the limit price or better bring in less than that.
    """
    selling = book.side is Side.SELL
    remaining, amount = budget, 0
    for price, available in book.amounts(limit_price):
        if remaining <= available * price:
            # A buyer cannot buy part of a lot, so round down. A seller must reach the budget, so round up.
            return amount + (-(-remaining // price) if selling else remaining // price)
        remaining -= available * price
        amount += available
    if selling:
        raise InsufficientLiquidityError(book.symbol, book.side, budget, budget - remaining, "money")
    return amount


def amount_within(levels: Iterable[tuple[int, int]], max_slippage_bps: int) -> int:
    """Return the largest amount whose slippage is at most `max_slippage_bps` basis points. O(k).

    Let b be the best price, q an amount, and s(q) its slippage. The slippage is within the limit if
    10,000 * s(q) <= max_slippage_bps * b * q. Each lot at a level d ticks worse than b adds d to s(q).
    """
    amount = slippage = best = 0
    for price, available in levels:
        best = best or price
        worse = abs(price - best)
        # `slack` is the part of the limit that the better levels leave unused. Each lot at this level uses up
        # `excess` of it.
        excess = 10_000 * worse - max_slippage_bps * best
        slack = max_slippage_bps * best * amount - 10_000 * slippage
        if excess * available > slack:
            return amount + slack // excess
        amount += available
        slippage += worse * available
    return amount


def top(asks: OrderBook, bids: OrderBook) -> TopOfBook:
    """Return the best level of each of a symbol's two books. O(1)."""
    ask, ask_amount = _best(asks)
    bid, bid_amount = _best(bids)
    return TopOfBook(asks.symbol, bid, ask, bid_amount, ask_amount)


def _best(book: OrderBook) -> tuple[int | None, int]:
    level = next(iter(book.depth(1)), None)
    return (None, 0) if level is None else (level.price, level.amount)
