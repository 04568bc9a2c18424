"""pyorderbook: an order book in pure Python, with a heap of levels and UUIDs as ids.

Importing it configures the root logger. A canceled order leaves its level in the heap. It has no view of the
depth, so the driver sorts the prices. It has no market order, so the driver sends a limit order that crosses
the book. License: MIT. Measured as 0.4.9.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import Any

from peers.driver import Driver


class Pyorderbook(Driver):
    """A heap of levels."""

    package = "pyorderbook"
    module = "pyorderbook"
    core = "Python"
    license = "MIT"
    lacks = "a quote, a view of the depth, order ids of your choice, market orders"

    def __init__(self) -> None:
        pyorderbook = import_module(self.module)
        side = import_module("pyorderbook.order").Side
        logging.disable(logging.CRITICAL)
        book = pyorderbook.Book()
        self._match, self._cancel, self._levels = book.match, book.cancel, book.level_map
        self._buy, self._sell = pyorderbook.bid, pyorderbook.ask
        self._bids, self._asks = side.BID, side.ASK
        self._resting: dict[int, Any] = {}

    def add(self, order_id: int, bid: bool, amount: int, price: int) -> None:
        order = (self._buy if bid else self._sell)("X", price, amount)
        self._match(order)
        self._resting[order_id] = order

    def remove(self, order_id: int) -> None:
        self._cancel(self._resting.pop(order_id))

    def quote(self, buy: bool, amount: int) -> Any:
        levels = self._levels["X"][self._asks if buy else self._bids]
        total = 0
        for price in sorted(levels, reverse=not buy):
            for order in levels[price].orders.values():
                resting = order.quantity
                if resting >= amount:
                    return total + price * amount
                total += price * resting
                amount -= resting
        raise ValueError("not enough")

    def trade(self, buy: bool, amount: int) -> Any:
        return self._match(self._buy("X", 10**7, amount) if buy else self._sell("X", 1, amount)).trades

    def paid(self, result: Any) -> float:
        return float(sum(fill.fill_price * fill.fill_quantity for fill in result))
