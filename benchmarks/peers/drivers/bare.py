"""The bare container: a SortedList of tuples per side and a dict of ids. It calibrates the measurements.

It shows the minimum time of each operation, without checks, symbols, a lock, events, and totals. A quote is
a loop over orders. A trade removes the best orders one by one.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from peers.driver import Driver

Entry = tuple[int, int, int]
"""Price (negative for a bid, so that the best order comes first), id, amount."""


class Bare(Driver):
    """Two sorted lists and a dict."""

    package = "sortedcontainers"
    module = "sortedcontainers"
    core = "Python"
    license = "Apache-2.0"
    lacks = "every check; it is a lower bound, not a library"

    def __init__(self) -> None:
        make = import_module("sortedcontainers").SortedList
        self._bids: Any = make()
        self._asks: Any = make()
        self._where: dict[int, tuple[Any, Entry]] = {}

    def add(self, order_id: int, bid: bool, amount: int, price: int) -> None:
        orders = self._bids if bid else self._asks
        entry = (-price if bid else price, order_id, amount)
        self._where[order_id] = orders, entry
        orders.add(entry)

    def remove(self, order_id: int) -> None:
        orders, entry = self._where.pop(order_id)
        orders.remove(entry)

    def quote(self, buy: bool, amount: int) -> Any:
        total = 0
        for price, _, resting in self._asks if buy else self._bids:
            if resting >= amount:
                return abs(total + price * amount)
            total += price * resting
            amount -= resting
        raise ValueError("not enough")

    def trade(self, buy: bool, amount: int) -> list[tuple[int, int, int]]:
        orders = self._asks if buy else self._bids
        fills = []
        while amount:
            price, order_id, resting = orders.pop(0)
            filled = resting if resting <= amount else amount
            amount -= filled
            fills.append((order_id, filled, abs(price)))
            if filled < resting:
                rest = (price, order_id, resting - filled)
                orders.add(rest)
                self._where[order_id] = orders, rest
            else:
                del self._where[order_id]
        return fills

    def paid(self, result: list[tuple[int, int, int]]) -> float:
        return sum(amount * price for _, amount, price in result)
