"""What an amount costs, and what a budget buys: pure functions over what rests, best first.

Each looks at one entry per price level (or order) that it consumes, whatever the size of the book.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

from oms.errors import InsufficientLiquidityError
from oms.models import OrderFill, Quote, Side, new_fill
from oms.order_book import OrderBook

__all__ = [
    "Filled",
    "amount_for",
    "amount_within",
    "available_amount",
    "fill",
    "price_curve",
    "quote",
    "total_prices",
]

Filled = tuple[tuple[OrderFill, ...], int, int]
"""Fills, best first; how much they are in all; and what that costs or raises."""


def total_prices(book: OrderBook, amounts: Sequence[int]) -> list[int]:
    """The total price of each amount, with one walk as deep as the largest needs.

    Raises InsufficientLiquidityError for the first, as given, that the book cannot serve.
    """
    with suppress(InsufficientLiquidityError):
        book.find_price(max(amounts, default=1))
    return list(map(book.find_price, amounts))


def fill(book: OrderBook, requested: int, limit_price: int | None, *, allow_partial: bool) -> Filled:
    """What a trade takes, order by order, in O(k).

    Raises InsufficientLiquidityError if less than `requested` lies within the limit; with
    `allow_partial`, only if nothing does.
    """
    taken: list[tuple[int, int, int]] = []
    left, total = requested, 0
    for order_id, _, _, amount, price in book.rows(limit_price):
        if amount >= left:
            taken.append((order_id, left, price))
            total += left * price
            left = 0
            break
        taken.append((order_id, amount, price))
        total += amount * price
        left -= amount
    if left and not (allow_partial and taken):
        raise InsufficientLiquidityError(book.symbol, book.side, requested, requested - left)
    return tuple(map(new_fill, taken)), requested - left, total


def quote(symbol: str, side: Side, requested: int, filled: Filled) -> Quote:
    """What a trade would be, told of what it takes, in O(k)."""
    fills, amount, total = filled
    prices = [fill.price for fill in fills]
    left = requested - amount
    levels = len(set(prices))
    return Quote(symbol, side, requested, amount, left, total, prices[0], prices[-1], levels, fills)


def price_curve(levels: Iterable[tuple[int, int]]) -> dict[str, list[int]]:
    """One row a level: its price and amount, and both summed up to there."""
    curve: dict[str, list[int]] = {"price": [], "amount": [], "cumulative_amount": [], "cumulative_price": []}
    reached = total = 0
    for price, amount in levels:
        reached += amount
        total += amount * price
        for column, value in zip(curve.values(), (price, amount, reached, total), strict=True):
            column.append(value)
    return curve


def available_amount(book: OrderBook, limit_price: int | None) -> int:
    """All that rests no worse than the limit."""
    return sum(amount for _, amount in book.amounts(limit_price))


def amount_for(book: OrderBook, budget: int, limit_price: int | None) -> int:
    """BUY: the most that `budget` pays for. SELL: the least that raises `budget`.

    Raises InsufficientLiquidityError, in money, where the whole SELL book raises less.
    """
    selling = book.side is Side.SELL
    left, reached = budget, 0
    for price, available in book.amounts(limit_price):
        if left <= available * price:
            # A buyer leaves what does not pay for one more lot; a seller must sell one more for it.
            return reached + (-(-left // price) if selling else left // price)
        left -= available * price
        reached += available
    if selling:
        raise InsufficientLiquidityError(book.symbol, book.side, budget, budget - left, "money")
    return reached


def amount_within(levels: Iterable[tuple[int, int]], max_slippage_bps: int) -> int:
    """The largest amount whose slippage is at most so many basis points of it at the best price.

    With the best price b, an amount a and its slippage s(a), it holds as long as
    10,000 s(a) <= bps * b * a. On a level d ticks worse than b, s grows by d a lot.
    """
    reached = slippage = best = 0
    for price, available in levels:
        best = best or price
        worse = abs(price - best)
        # Past `reached`, each further lot uses up `excess` of the slack that the better ones left.
        excess = 10_000 * worse - max_slippage_bps * best
        slack = max_slippage_bps * best * reached - 10_000 * slippage
        if excess * available > slack:
            return reached + slack // excess
        reached += available
        slippage += worse * available
    return reached
