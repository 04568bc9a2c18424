"""order-book: sorted price levels in C, as a feed handler needs them.

It stores amounts per price and no orders, so the driver keeps the orders in a dict. There is no quote, so
the driver walks the levels. License: GPL-3.0. Measured as 0.6.1 (Python 3.11) and 1.1.0 (needs Python
3.13), which can iterate over its levels as pairs.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from peers.driver import Driver


class OrderBook(Driver):
    """Levels in C and orders in a dict."""

    package = "order-book"
    module = "order_book"
    core = "C"
    license = "GPL-3.0"
    lacks = "orders (levels only), trades"
    needs = (3, 13)

    def __init__(self) -> None:
        book = import_module(self.module).OrderBook()
        self._bids, self._asks = book.bids, book.asks
        self._has_pairs = hasattr(self._bids, "items")
        self._resting: dict[int, tuple[Any, int, int]] = {}

    def add(self, order_id: int, bid: bool, amount: int, price: int) -> None:
        levels = self._bids if bid else self._asks
        self._resting[order_id] = levels, price, amount
        try:
            levels[price] += amount
        except KeyError:
            levels[price] = amount

    def remove(self, order_id: int) -> None:
        levels, price, amount = self._resting.pop(order_id)
        remaining = levels[price] - amount
        if remaining:
            levels[price] = remaining
        else:
            del levels[price]

    def quote(self, buy: bool, amount: int) -> Any:
        levels, total = self._asks if buy else self._bids, 0
        if not self._has_pairs:
            return self._quote_by_price(levels, amount)
        for price, resting in levels.items():
            if resting >= amount:
                return total + price * amount
            total += price * resting
            amount -= resting
        raise ValueError("not enough")

    def _quote_by_price(self, levels: Any, amount: int) -> Any:
        """Answer a quote with a release that can iterate over prices only."""
        total = 0
        for price in levels:
            resting = levels[price]
            if resting >= amount:
                return total + price * amount
            total += price * resting
            amount -= resting
        raise ValueError("not enough")
