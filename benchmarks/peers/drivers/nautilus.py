"""nautilus-trader: the Rust order book of a trading platform, through its PyO3 binding (L3, market by order).

It follows a market and does not match, so no trade consumes its book. Its native quote returns a float
average price. If the book holds too little, the quote silently averages what is available. A removal needs
the order object, so the driver keeps it. Prices and quantities are objects, and the driver creates each one
once, which is the fastest public way. License: LGPL-3.0. Measured as 1.221.0 (Python 3.11) and 1.231.0
(needs Python 3.12).
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from peers.driver import Driver


class ObjectCache(dict[int, Any]):
    """A cache of objects by number; each is created at its first use."""

    def __init__(self, make: Callable[[int], Any]) -> None:
        self._make = make

    def __missing__(self, number: int) -> Any:
        value = self[number] = self._make(number)
        return value


class Nautilus(Driver):
    """A market-data book with native quotes."""

    package = "nautilus-trader"
    module = "nautilus_trader.core.nautilus_pyo3"
    core = "Rust"
    license = "LGPL-3.0"
    lacks = "exact totals, an error if liquidity is insufficient, trades"
    needs = (3, 12)

    def __init__(self) -> None:
        core = import_module(self.module)
        book = core.OrderBook(core.InstrumentId.from_str("X.Y"), core.BookType.L3_MBO)
        self._order = core.BookOrder
        self._buy, self._sell = core.OrderSide.BUY, core.OrderSide.SELL
        self._prices, self._amounts = ObjectCache(core.Price.from_int), ObjectCache(core.Quantity.from_int)
        self._add, self._delete, self._average = book.add, book.delete, book.get_avg_px_for_quantity
        self._resting: dict[int, Any] = {}

    def add(self, order_id: int, bid: bool, amount: int, price: int) -> None:
        side = self._buy if bid else self._sell
        order = self._order(side, self._prices[price], self._amounts[amount], order_id)
        self._resting[order_id] = order
        self._add(order, 0, 0, 0)

    def remove(self, order_id: int) -> None:
        self._delete(self._resting.pop(order_id), 0, 0, 0)

    def quote(self, buy: bool, amount: int) -> float:
        average: float = self._average(self._amounts[amount], self._buy if buy else self._sell)
        return average

    def cost(self, quote: float, amount: int) -> float:
        return quote * amount
