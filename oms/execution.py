"""Making a price true: what was priced is what is taken from the book."""

from __future__ import annotations

from collections.abc import Iterable

from oms.models import OrderFill
from oms.order_book import OrderBook

__all__ = ["execute"]


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
