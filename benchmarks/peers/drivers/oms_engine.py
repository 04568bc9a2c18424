"""The matching engine of oms, through its public methods.

An order rests only if it does not trade at once, as with the peers that match incoming orders. A trade is a
market order.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from peers.driver import Driver

if TYPE_CHECKING:
    from oms import Execution, MatchingEngine

TAKER = -1
"""The id of every market order. A market order never rests, so its id is free again."""


class OmsEngine(Driver):
    """Incoming orders trade with resting orders."""

    package = "sortedcontainers"  # oms itself comes from the checkout
    module = "oms"
    core = "Python"
    license = "MIT"
    lacks = "nothing that is measured here"

    def __init__(self) -> None:
        oms = import_module("oms")
        self._buy, self._sell = oms.Side.BUY, oms.Side.SELL
        self._engine: MatchingEngine = oms.MatchingEngine()

    def add(self, order_id: int, bid: bool, amount: int, price: int) -> None:
        self._engine.submit(order_id, "X", self._buy if bid else self._sell, amount, price)

    def remove(self, order_id: int) -> None:
        self._engine.cancel(order_id)

    def replace(self, order_id: int, bid: bool, amount: int, price: int) -> None:
        del bid
        self._engine.replace(order_id, amount=amount, price=price)

    def quote(self, buy: bool, amount: int) -> int:
        return self._engine.calculate_price("X", self._buy if buy else self._sell, amount)

    def trade(self, buy: bool, amount: int) -> Execution:
        return self._engine.submit(TAKER, "X", self._buy if buy else self._sell, amount)

    def paid(self, result: Execution) -> float:
        return sum(fill.price * fill.amount for fill in result.fills)
