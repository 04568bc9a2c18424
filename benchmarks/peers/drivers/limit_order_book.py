"""limit-order-book: a C++ matching core behind a binding.

It cannot list its levels, so a quote reads the amount at each tick. A trade reports neither its fills
nor the filled amount. Large numbers wrap silently (an amount of 2^32 + 5 becomes 5), and a duplicate id is
ignored silently. License: MIT. Measured as 2.0.0 (ctypes, Python 3.11) and 3.1.0 (Cython, needs Python
3.13).
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from peers.driver import Driver


class LimitOrderBook(Driver):
    """A C++ core with a small interface."""

    package = "limit-order-book"
    module = "limit_order_book"
    core = "C++"
    license = "MIT"
    lacks = "fills, a view of the depth, numbers above 2^32"
    needs = (3, 13)

    def __init__(self) -> None:
        book = import_module(self.module).LimitOrderBook()
        self._book = book
        self._bid, self._ask, self._cancel = book.limit_buy, book.limit_sell, book.cancel
        self._bought, self._sold = book.market_buy, book.market_sell
        self._bids_at, self._asks_at = book.volume_buy, book.volume_sell

    def add(self, order_id: int, bid: bool, amount: int, price: int) -> None:
        (self._bid if bid else self._ask)(order_id, amount, price)

    def remove(self, order_id: int) -> None:
        self._cancel(order_id)

    def quote(self, buy: bool, amount: int) -> Any:
        if buy:
            at, price, tick = self._asks_at, self._book.best_sell(), 1
        else:
            at, price, tick = self._bids_at, self._book.best_buy(), -1
        if amount > at():
            raise ValueError("not enough")
        total = 0
        while (resting := at(price)) < amount:
            total += price * resting
            amount -= resting
            price += tick
        return total + price * amount

    def trade(self, buy: bool, amount: int) -> None:
        (self._bought if buy else self._sold)(0, amount)
