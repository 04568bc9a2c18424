"""fastlob: a limit order book in pure Python over sortedcontainers and Decimal.

Starting a book starts a thread that polls every tenth of a second, and the process does not end until it is
stopped. Ids are random strings that the book gives out; what was filled or cancelled is kept for ever. It
has no market order (the driver sends a limit order through the book), and a trade lists no fills. MIT.
Measured as 0.0.24.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import Any

from peers.driver import Driver


class Fastlob(Driver):
    """Everything in Decimal."""

    package = "fastlob"
    module = "fastlob"
    core = "Python"
    licence = "MIT"
    gives_up = "fills, the caller's ids, memory (keeps what is done), market orders"

    def __init__(self) -> None:
        logging.disable(logging.WARNING)
        fastlob = import_module(self.module)
        self._book = fastlob.Orderbook("X", start=True)
        self._process, self._cancel = self._book.process, self._book.cancel
        self._order, self._buy, self._sell = fastlob.OrderParams, fastlob.OrderSide.BID, fastlob.OrderSide.ASK
        self._its_id: dict[int, str] = {}

    def add(self, order_id: int, bid: bool, amount: int, price: int) -> None:
        answer = self._process(self._order(self._buy if bid else self._sell, price, amount))
        self._its_id[order_id] = answer.orderid()

    def remove(self, order_id: int) -> None:
        self._cancel(self._its_id.pop(order_id))

    def quote(self, buy: bool, amount: int) -> Any:
        book, deep = self._book, 4
        best, levels = (book.best_asks, book.n_asks()) if buy else (book.best_bids, book.n_bids())
        while True:
            total, left = 0, amount
            for price, resting, _ in best(min(deep, levels)):
                if resting >= left:
                    return total + price * left
                total += price * resting
                left -= resting
            if deep >= levels:
                raise ValueError("not enough")
            deep *= 4

    def trade(self, buy: bool, amount: int) -> Any:
        side, through = (self._buy, 10**7) if buy else (self._sell, 1)
        return self._process(self._order(side, through, amount))

    def close(self) -> None:
        self._book.stop()
