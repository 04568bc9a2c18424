"""oms, the project itself, through its public methods.

The side of an order names the trade that it serves: a bid serves SELL trades, and an ask serves BUY trades.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from peers.driver import Driver

if TYPE_CHECKING:
    from oms import OrderManagement, Trade


class Oms(Driver):
    """Exact prices, with fills and the caller's ids."""

    package = "sortedcontainers"  # oms itself comes from the checkout
    module = "oms"
    core = "Python"
    license = "MIT"
    lacks = "nothing that is measured here"

    def __init__(self) -> None:
        oms = import_module("oms")
        self._buy, self._sell = oms.Side.BUY, oms.Side.SELL
        self._om: OrderManagement = oms.OrderManagement()

    def add(self, order_id: int, bid: bool, amount: int, price: int) -> None:
        self._om.add_order(order_id, "X", self._sell if bid else self._buy, amount, price)

    def remove(self, order_id: int) -> None:
        self._om.remove_order(order_id)

    def quote(self, buy: bool, amount: int) -> int:
        return self._om.calculate_price("X", self._buy if buy else self._sell, amount)

    def trade(self, buy: bool, amount: int) -> Trade:
        return self._om.place_trade("X", self._buy if buy else self._sell, amount)

    def paid(self, result: Trade) -> float:
        return sum(fill.price * fill.amount for fill in result.fills)
