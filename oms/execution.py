"""Making a price true, and taking it back: what was priced is what leaves the book."""

from __future__ import annotations

from collections.abc import Iterable

from oms.models import Order, OrderFill
from oms.order_book import OrderBook

__all__ = ["execute", "revert"]


def execute(book: OrderBook, fills: Iterable[OrderFill]) -> list[int]:
    """Take the fills out of the book and return the ids that no longer rest, in O(k log n)."""
    filled: list[int] = []
    for order_id, amount, _ in fills:
        left = book[order_id].amount - amount
        if left:
            book.resize(order_id, left)
        else:
            book.remove(order_id)
            filled.append(order_id)
    return filled


def revert(book: OrderBook, fills: Iterable[OrderFill]) -> list[int]:
    """Put the fills back and return the ids that rest again, in O(k log n)."""
    back: list[int] = []
    for order_id, amount, price in fills:
        if order_id in book:
            book.resize(order_id, book[order_id].amount + amount)
        else:
            book.add(Order(order_id, book.symbol, book.side, amount, price))
            back.append(order_id)
    return back
