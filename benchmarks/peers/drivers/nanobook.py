"""nanobook: a deterministic exchange in Rust for backtests.

It assigns its own ids, so the driver translates them with a dict. It keeps every event and trade. There is no
quote, so the driver reads the depth of both sides, and more of it until the amount is covered. License: MIT.
Measured as 0.19.2.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from peers.driver import Driver


class Nanobook(Driver):
    """An exchange in Rust."""

    package = "nanobook"
    module = "nanobook"
    core = "Rust"
    license = "MIT"
    lacks = "order ids of your choice, bounded memory, a quote"

    def __init__(self) -> None:
        exchange = import_module(self.module).Exchange()
        self._limit, self._cancel = exchange.submit_limit, exchange.cancel
        self._depth, self._market = exchange.depth, exchange.submit_market
        self._its_id: dict[int, int] = {}

    def add(self, order_id: int, bid: bool, amount: int, price: int) -> None:
        self._its_id[order_id] = self._limit("buy" if bid else "sell", price, amount).order_id

    def remove(self, order_id: int) -> None:
        self._cancel(self._its_id.pop(order_id))

    def quote(self, buy: bool, amount: int) -> Any:
        deep = 4
        while True:
            depth = self._depth(deep)
            levels = depth.asks if buy else depth.bids
            total, remaining = 0, amount
            for level in levels:
                resting = level.quantity
                if resting >= remaining:
                    return total + level.price * remaining
                total += level.price * resting
                remaining -= resting
            if len(levels) < deep:
                raise ValueError("not enough")
            deep *= 4

    def trade(self, buy: bool, amount: int) -> Any:
        return self._market("buy" if buy else "sell", amount).trades

    def paid(self, result: Any) -> float:
        return float(sum(fill.price * fill.quantity for fill in result))
