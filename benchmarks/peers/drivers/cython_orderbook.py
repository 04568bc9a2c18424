"""cython-orderbook: sorted levels of ordered dicts, compiled by Cython.

Ids are strings from one counter for all books, and amounts are C ints. A log of trades grows without limit;
it is the only place that shows the fills of a market order. There is no quote, and a partial fill makes the
level totals wrong, so the driver walks the orders. The import in its readme fails, but the inner module can
be imported. Its metadata states no license. Measured as 0.1.2.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from peers.driver import Driver


class CythonOrderbook(Driver):
    """A SortedDict compiled by Cython."""

    package = "cython-orderbook"
    module = "cython_orderbook.orderbook"
    core = "Cython"
    license = "not stated"
    lacks = "a quote, correct level totals, order ids of your choice, large integers, bounded memory"

    def __init__(self) -> None:
        library = import_module(self.module)
        self._book = library.OrderBook()
        self._limit, self._cancel = self._book.add_limit_order, self._book.cancel_order
        self._market, self._order = self._book.add_market_order, library.Order
        self._buy, self._sell = library.OrderSide.BID, library.OrderSide.ASK
        self._its_id: dict[int, str] = {}

    def add(self, order_id: int, bid: bool, amount: int, price: int) -> None:
        order = self._order(self._buy if bid else self._sell, amount, price)
        self._limit(order)
        self._its_id[order_id] = order.order_id

    def remove(self, order_id: int) -> None:
        self._cancel(self._its_id.pop(order_id))

    def quote(self, buy: bool, amount: int) -> Any:
        total = 0
        for price, level in (self._book.asks if buy else self._book.bids).items():
            for order in level.queue.values():
                resting = order.remaining_quantity
                if resting >= amount:
                    return total + price * amount
                total += price * resting
                amount -= resting
        raise ValueError("not enough")

    def trade(self, buy: bool, amount: int) -> Any:
        log = self._book.trade_log
        before = len(log)
        self._market(self._order(self._buy if buy else self._sell, amount))
        return log[before:]

    def paid(self, result: Any) -> float:
        return float(sum(fill.price * fill.quantity_filled for fill in result))
