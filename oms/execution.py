"""Making a price true, and taking it back: what was priced is what leaves the book."""

from __future__ import annotations

from collections.abc import Mapping

from oms.models import OrderRow, Trade
from oms.order_book import OrderBook

__all__ = ["execute", "revert"]


def execute(book: OrderBook, trade: Trade) -> None:
    """Take a trade's fills out of its book, in O(k log n)."""
    book.take(trade.fills, trade.amount)


def revert(book: OrderBook, trade: Trade, resting: Mapping[int, OrderRow]) -> None:
    """Put a trade's fills back where they were, in O(k log n); `resting` are the orders by id."""
    for order_id, amount, price in trade.fills:
        rest = resting.get(order_id)
        if rest is None:
            book.add((order_id, trade.symbol, trade.side, amount, price))
        else:
            book.resize(rest, rest[3] + amount)
