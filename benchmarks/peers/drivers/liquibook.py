"""liquibook: the C++ matching engine of that name, wrapped by SWIG.

It shows only five levels of depth, so the driver cannot quote beyond them. A listener receives the fills;
it must implement every callback and fill the orders itself. A cancellation needs the order object, so the
driver keeps it. The metadata states no license (that of the C++ library is BSD-like). Measured as 2.0.1.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from peers.driver import Driver, UnsupportedError


class Liquibook(Driver):
    """A wrapped C++ engine that shows five levels."""

    package = "liquibook"
    module = "liquibook"
    core = "C++"
    license = "not stated"
    lacks = "quotes beyond five levels"

    def __init__(self) -> None:
        library = import_module(self.module)
        self._book, self._order = library.DepthOrderBook(), library.SimpleOrder
        self._book.set_symbol("X")
        self._fills: list[tuple[int, int]] = []
        self._listener = listener(library.OrderListener, self._fills)
        self._book.set_order_listener(self._listener)
        self._add, self._cancel = self._book.add, self._book.cancel
        self._resting: dict[int, Any] = {}

    def add(self, order_id: int, bid: bool, amount: int, price: int) -> None:
        order = self._order(bid, price, amount)
        self._resting[order_id] = order
        self._add(order)

    def remove(self, order_id: int) -> None:
        self._cancel(self._resting.pop(order_id))

    def quote(self, buy: bool, amount: int) -> Any:
        depth, total = self._book.depth(), 0
        for level in depth.get_ask_levels() if buy else depth.get_bid_levels():
            resting = level.aggregate_qty()
            if resting >= amount:
                return total + level.price() * amount
            total += level.price() * resting
            amount -= resting
        raise UnsupportedError("liquibook shows only five levels")

    def trade(self, buy: bool, amount: int) -> list[tuple[int, int]]:
        self._fills.clear()
        self._add(self._order(buy, 0, amount))
        return list(self._fills)

    def paid(self, result: list[tuple[int, int]]) -> float:
        return float(sum(price * amount for price, amount in result))


def listener(base: Any, fills: list[tuple[int, int]]) -> Any:
    """Return a listener that collects fills; the wrapper requires every callback."""

    def ignore(*_: object) -> None:
        pass

    def filled(_: object, resting: Any, incoming: Any, amount: int, price: int) -> None:
        resting.fill(amount, price, 0)
        incoming.fill(amount, price, 0)
        fills.append((price, amount))

    silent = ("accept", "reject", "cancel", "cancel_reject", "replace", "replace_reject", "trigger_stop")
    callbacks: dict[str, Any] = {f"on_{event}": ignore for event in silent}
    return type("Listener", (base,), {**callbacks, "on_fill": filled})()
