"""pylobo (imported as lobo): limit order books in Rust with polars outputs.

The book assigns UUIDs as ids. A quote is a simulated market order that reports a float average price. If
the book holds too little, it averages what is available. It requires one exact release of polars. License:
MIT. Measured as 0.1.2.
"""

from __future__ import annotations

import uuid
from importlib import import_module
from typing import Any

from peers.driver import Driver


class Pylobo(Driver):
    """A Rust book that quotes by simulation."""

    package = "pylobo"
    module = "lobo"
    core = "Rust"
    license = "MIT"
    lacks = "exact totals, an error if liquidity is insufficient, order ids of your choice"

    def __init__(self) -> None:
        lobo, orders = import_module("lobo"), import_module("lobo.orders")
        book = lobo.Book("X", update_user_map=False)
        self._fill, self._cancel = book.fill, book.cancel
        self._limit, self._market = orders.LimitOrder, orders.MarketOrder
        self._buy, self._sell = orders.Side.Buy, orders.Side.Sell
        self._impact, self._fills = lobo.Reports(include_market_impact=True), lobo.Reports(include_fills=True)
        self._simulated = lobo.Execution.Simulation
        self._trader = uuid.UUID(int=1)
        self._its_id: dict[int, Any] = {}

    def add(self, order_id: int, bid: bool, amount: int, price: int) -> None:
        order = self._limit(price, amount, self._trader, self._buy if bid else self._sell)
        self._its_id[order_id] = self._fill(order).remaining_order_id

    def remove(self, order_id: int) -> None:
        self._cancel(self._its_id.pop(order_id))

    def quote(self, buy: bool, amount: int) -> Any:
        order = self._market(amount, self._trader, self._buy if buy else self._sell)
        return self._fill(order, self._impact, self._simulated).report.market_impact.avg_price

    def cost(self, quote: Any, amount: int) -> float:
        return float(quote) * amount

    def trade(self, buy: bool, amount: int) -> Any:
        order = self._market(amount, self._trader, self._buy if buy else self._sell)
        return self._fill(order, self._fills).report.fills

    def paid(self, result: Any) -> float:
        return float(sum(fill.price * fill.fill_quantity for fill in result))
