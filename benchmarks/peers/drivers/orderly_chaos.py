"""orderly-chaos: a C++ matching core called through ctypes; the calls cost more than the core.

There is no quote. Where prices are dense, the fastest public way is to read the amount at each tick. After
a gap the driver reads the depth, and more of it until the amount is covered. A callback receives the fills.
License: MIT. Measured as 0.2.0, built from source at installation.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from peers.driver import Driver

GAP = 64
"""After this many empty ticks, reading the depth is faster."""


class OrderlyChaos(Driver):
    """A C++ core behind ctypes."""

    package = "orderly-chaos"
    module = "orderly_chaos"
    core = "C++"
    license = "MIT"
    lacks = "a quote, amounts above 2^32"

    def __init__(self) -> None:
        library = import_module(self.module)
        self._fills: list[Any] = []
        self._book = library.LimitOrderBook(on_trade=self._fills.append)
        self._limit, self._cancel, self._market = self._book.limit, self._book.cancel, self._book.market
        self._buy, self._sell = library.Side.BUY, library.Side.SELL

    def add(self, order_id: int, bid: bool, amount: int, price: int) -> None:
        self._limit(self._buy if bid else self._sell, order_id, amount, price)

    def remove(self, order_id: int) -> None:
        self._cancel(order_id)

    def quote(self, buy: bool, amount: int) -> Any:
        book, side = self._book, self._sell if buy else self._buy
        price, remaining, total, gap = book.best(side) or 0, amount, 0, 0
        at, tick = (book.volume_sell, 1) if buy else (book.volume_buy, -1)
        while price > 0 and gap < GAP:
            resting = at(price)
            if resting >= remaining:
                return total + price * remaining
            gap = 0 if resting else gap + 1
            total += price * resting
            remaining -= resting
            price += tick
        return self._quote_by_depth(side, amount)

    def _quote_by_depth(self, side: Any, amount: int) -> Any:
        deep = 4
        while True:
            levels = self._book.depth(side, deep)
            total, remaining = 0, amount
            for level in levels:
                if level.volume >= remaining:
                    return total + level.price * remaining
                total += level.price * level.volume
                remaining -= level.volume
            if len(levels) < deep:
                raise ValueError("not enough")
            deep *= 4

    def trade(self, buy: bool, amount: int) -> list[Any]:
        self._fills.clear()
        self._market(self._buy if buy else self._sell, 0, amount)
        return list(self._fills)

    def paid(self, result: list[Any]) -> float:
        return float(sum(fill.price * fill.quantity for fill in result))
