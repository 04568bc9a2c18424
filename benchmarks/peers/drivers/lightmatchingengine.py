"""lightmatchingengine: a matching engine in pure Python, a dict of lists per side.

Each step of a match searches all prices for the best one, and a cancellation searches the level. The engine
assigns its own ids. The unfilled part of a market order rests at price 0. There is no quote, so the driver
sorts the prices. Each match is recorded twice, for the taker and the maker. License: MIT. Measured as
2019.1.4.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from peers.driver import Driver


class LightMatchingEngine(Driver):
    """A book of dicts of lists."""

    package = "lightmatchingengine"
    module = "lightmatchingengine.lightmatchingengine"
    core = "Python"
    license = "MIT"
    lacks = "a quote, order ids of your choice, sorted books"

    def __init__(self) -> None:
        engine = import_module(self.module).LightMatchingEngine()
        self._add, self._cancel, self._books = engine.add_order, engine.cancel_order, engine.order_books
        self._its_id: dict[int, int] = {}

    def add(self, order_id: int, bid: bool, amount: int, price: int) -> None:
        order, _ = self._add("X", price, amount, 1 if bid else 2)
        self._its_id[order_id] = order.order_id

    def remove(self, order_id: int) -> None:
        self._cancel(self._its_id.pop(order_id), "X")

    def quote(self, buy: bool, amount: int) -> Any:
        book, total = self._books["X"], 0
        levels = book.asks if buy else book.bids
        for price in sorted(levels, reverse=not buy):
            for order in levels[price]:
                resting = order.leaves_qty
                if resting >= amount:
                    return total + price * amount
                total += price * resting
                amount -= resting
        raise ValueError("not enough")

    def trade(self, buy: bool, amount: int) -> Any:
        return self._add("X", 0, amount, 1 if buy else 2)[1]

    def paid(self, result: Any) -> float:
        return float(sum(fill.trade_price * fill.trade_qty for fill in result) / 2)
