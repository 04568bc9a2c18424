"""What an amount costs: pure functions over what rests, best first."""

from __future__ import annotations

from oms.errors import InsufficientLiquidityError
from oms.models import OrderFill
from oms.order_book import OrderBook

__all__ = ["fills", "total_price"]


def total_price(book: OrderBook, amount: int) -> int:
    """What `amount` lots cost (BUY) or raise (SELL), in ticks times lots.

    It looks at one entry per price level consumed, so at no more than the k orders consumed:
    at most O(k), whatever the size of the book. Raises InsufficientLiquidityError.
    """
    total, left = 0, amount
    for price, available in book.levels():
        if left <= available:
            return total + left * price
        total += available * price
        left -= available
    raise InsufficientLiquidityError(book.symbol, book.side, amount, amount - left)


def fills(book: OrderBook, amount: int) -> tuple[OrderFill, ...]:
    """What each order gives to a trade of `amount` lots, best first, in O(k).

    Raises InsufficientLiquidityError.
    """
    taken: list[OrderFill] = []
    left = amount
    for order_id, _, _, available, price in book:
        if left <= available:
            taken.append(OrderFill(order_id, left, price))
            return tuple(taken)
        taken.append(OrderFill(order_id, available, price))
        left -= available
    raise InsufficientLiquidityError(book.symbol, book.side, amount, amount - left)
