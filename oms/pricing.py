"""What an amount costs, and what a budget buys: pure functions over what rests, best first.

Each looks at one entry per price level (or order) that it consumes, whatever the size of the book.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter

from oms.errors import InsufficientLiquidityError
from oms.models import Order, OrderFill, Quote, Side, new_fill
from oms.order_book import OrderBook

__all__ = [
    "amount_for",
    "amount_within",
    "available_amount",
    "price_curve",
    "quote",
    "total_price",
    "total_prices",
]

_ID_AMOUNT_PRICE = itemgetter(0, 3, 4)  # of an Order


def total_price(book: OrderBook, amount: int) -> int:
    """What `amount` lots cost (BUY) or raise (SELL), in ticks times lots; at most O(k).

    Raises InsufficientLiquidityError.
    """
    return book.find_price(amount)


def total_prices(book: OrderBook, amounts: Sequence[int]) -> list[int]:
    """The total price of each amount, with one walk as deep as the largest needs.

    Raises InsufficientLiquidityError for the first, as given, that the book cannot serve.
    """
    prices: dict[int, int] = {}
    levels = book.levels()
    price = total = reached = 0
    for amount in sorted(set(amounts)):
        while reached < amount:
            level = next(levels, None)
            if level is None:
                short = next(each for each in amounts if each > reached)
                raise InsufficientLiquidityError(book.symbol, book.side, short, reached)
            price, available = level
            total += available * price
            reached += available
        prices[amount] = total - (reached - amount) * price
    return [prices[amount] for amount in amounts]


def quote(book: OrderBook, requested: int, limit_price: int | None, *, allow_partial: bool) -> Quote:
    """What a trade would be, order by order, in O(k).

    Raises InsufficientLiquidityError if less than `requested` lies within the limit; with
    `allow_partial`, only if nothing does.
    """
    taken: list[Order] = []
    left = requested
    for order in book.orders(limit_price):
        taken.append(order)
        left -= order.amount
        if left <= 0:
            break
    if not taken or (left > 0 and not allow_partial):
        raise InsufficientLiquidityError(book.symbol, book.side, requested, requested - left)
    fills = fills_of(taken)
    if left < 0:  # the last one gives a part
        last = taken[-1]
        fills[-1] = OrderFill(last.order_id, last.amount + left, last.price)
        left = 0
    prices = [order.price for order in taken]
    total = sum(fill.amount * fill.price for fill in fills)
    return Quote(
        book.symbol,
        book.side,
        requested,
        requested - left,
        left,
        total,
        prices[0],
        prices[-1],
        len(set(prices)),
        tuple(fills),
    )


def fills_of(orders: Iterable[Order]) -> list[OrderFill]:
    """A fill of all of each order, made in C: a quote is asked far more often than anything else."""
    return list(map(new_fill, map(_ID_AMOUNT_PRICE, orders)))


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
    return sum(amount for _, amount in book.levels(limit_price))


def amount_for(book: OrderBook, budget: int, limit_price: int | None) -> int:
    """BUY: the most that `budget` pays for. SELL: the least that raises `budget`.

    Raises InsufficientLiquidityError, in money, where the whole SELL book raises less.
    """
    selling = book.side is Side.SELL
    left, reached = budget, 0
    for price, available in book.levels(limit_price):
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
