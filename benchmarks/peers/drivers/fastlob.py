"""fastlob: a limit order book in pure Python over sortedcontainers and Decimal.

A book starts a thread that polls ten times a second, and the process does not end until the book is stopped.
The book assigns random strings as ids, and keeps filled and canceled orders. It has no market order, so the
driver sends a limit order that crosses the book. A trade lists no fills. License: MIT. Measured as 0.0.24.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import Any

from peers.driver import Driver


class Fastlob(Driver):
    """A book that computes in Decimal."""

    package = "fastlob"
    module = "fastlob"
    core = "Python"
    license = "MIT"
    lacks = "fills, order ids of your choice, bounded memory, market orders"

    def __init__(self) -> None:
        logging.disable(logging.WARNING)
        fastlob = import_module(self.module)
        self._book = fastlob.Orderbook("X", start=True)
        self._process, self._cancel = self._book.process, self._book.cancel
        self._order, self._buy, self._sell = fastlob.OrderParams, fastlob.OrderSide.BID, fastlob.OrderSide.ASK
        self._its_id: dict[int, str] = {}

    def add(self, order_id: int, bid: bool, amount: int, price: int) -> None:
        response = self._process(self._order(self._buy if bid else self._sell, price, amount))
        self._its_id[order_id] = response.orderid()

    def remove(self, order_id: int) -> None:
        self._cancel(self._its_id.pop(order_id))

    def quote(self, buy: bool, amount: int) -> Any:
        book, deep = self._book, 4
        best, levels = (book.best_asks, book.n_asks()) if buy else (book.best_bids, book.n_bids())
        while True:
            total, remaining = 0, amount
            for price, resting, _ in best(min(deep, levels)):
                if resting >= remaining:
                    return total + price * remaining
                total += price * resting
                remaining -= resting
            if deep >= levels:
                raise ValueError("not enough")
            deep *= 4

    def trade(self, buy: bool, amount: int) -> Any:
        side, through = (self._buy, 10**7) if buy else (self._sell, 1)
        return self._process(self._order(side, through, amount))

    def close(self) -> None:
        self._book.stop()
