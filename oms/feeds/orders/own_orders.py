"""Your own orders in a replayed market: all orders that the replay did not submit.

The problem: a recording says what became of the recording's orders, and nothing of yours. The comparison
with what the exchange published needs the book without your orders, and looking at every order after every
message to tell them apart would cost O(n) each time.

The solution: listen to the events of the OrderManagement, and keep the ids of your orders by price.

1. An order is yours exactly if it rests in the symbol's books and its id is not in `recorded`.
2. Only ids are kept; amounts are looked up, so that hearing of a change late or twice does no harm.
3. Inside an open transaction no events are published. The sequence numbers then run ahead of those heard,
   and the books are searched once more before each message, in O(n).
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from contextlib import suppress
from itertools import islice

from oms.errors import OrderNotFoundError
from oms.events import Event, OrderAdded, OrderAmended, OrderRemoved, OrdersAdded, OrdersRemoved, TradePlaced
from oms.feeds.top_of_book import Level
from oms.management import OrderManagement
from oms.models import Order, Side

__all__ = ["OwnOrders"]

_UNKNOWN = -2  # no event follows it


class OwnOrders:
    """The orders of `symbol` whose ids are not in `recorded`, kept up to date while it listens."""

    def __init__(self, om: OrderManagement, symbol: str, recorded: Container[int]) -> None:
        self._om = om
        self._symbol = symbol
        self._recorded = recorded
        self._heard = _UNKNOWN  # the sequence number up to which this is true
        self._orders: dict[int, Order] = {}  # as last heard of: their amounts may have changed
        self._at: dict[Side, dict[int, set[int]]] = {side: {} for side in Side}

    def listen(self) -> Callable[[], None]:
        """Follow the events from now on; call the returned function to stop."""
        unsubscribe = self._om.subscribe(self._hear)
        self.refresh()
        return unsubscribe

    def refresh(self) -> None:
        """Search the books again if something changed unheard, in O(n); otherwise O(1)."""
        sequence = self._om.last_sequence
        if sequence != self._heard:
            self._forget(tuple(self._orders))
            self._keep(self._om.orders(self._symbol))
            self._heard = sequence

    def __contains__(self, order_id: object) -> bool:
        """Return True if this order is one of yours."""
        return order_id in self._orders

    def ids(self) -> frozenset[int]:
        """Return the ids of all your orders."""
        return frozenset(self._orders)

    def rest_on(self, side: Side) -> bool:
        """Return True if an order of yours rests on this side, in O(1)."""
        return bool(self._at[side])

    def release(self, order_id: int) -> None:
        """Treat an order as one of the recording's from now on."""
        self._forget((order_id,))

    def levels_without(self, side: Side, count: int) -> list[Level]:
        """List the best `count` levels as they are without your orders, best first.

        O((count + p) log n) if p levels that hold nothing but your orders come before the last of them.
        """
        own, depth = self._at[side], count
        while True:
            levels = self._om.depth(self._symbol, side, depth)
            rest = (Level(price, amount - self._amount_at(own, price)) for price, amount, _ in levels)
            found = list(islice((level for level in rest if level.amount > 0), count))
            if len(found) == count or len(levels) < depth:
                return found
            depth *= 2

    def _amount_at(self, own: dict[int, set[int]], price: int) -> int:
        amount = 0
        for order_id in tuple(own.get(price, ())):
            with suppress(OrderNotFoundError):  # removed inside an open transaction, so not heard of
                amount += self._om.get_order(order_id).amount
        return amount

    # ------------------------------------------------------------------ what is heard

    def _hear(self, event: Event) -> None:
        if event.sequence != self._heard + 1:
            self._heard = _UNKNOWN  # the events of a transaction, which the books showed before
            return
        match event:
            case OrderAdded(order=order):
                self._keep((order,))
            case OrdersAdded(orders=orders):
                self._keep(orders)
            case OrderAmended(after=order):
                self._keep((order,))
            case OrderRemoved(order=order):
                self._forget((order.order_id,))
            case OrdersRemoved(orders=orders):
                self._forget(order.order_id for order in orders)
            case TradePlaced(trade=trade):
                self._forget(fill.order_id for fill in trade.fills if fill.order_id not in self._om)
            case _:  # a kind of event that is not known here
                self._heard = _UNKNOWN
                return
        self._heard = event.sequence

    def _keep(self, orders: Iterable[Order]) -> None:
        for order in orders:
            if order.symbol == self._symbol and order.order_id not in self._recorded:
                self._forget((order.order_id,))
                self._orders[order.order_id] = order
                self._at[order.side].setdefault(order.price, set()).add(order.order_id)

    def _forget(self, order_ids: Iterable[int]) -> None:
        for order_id in order_ids:
            order = self._orders.pop(order_id, None)
            if order is not None:
                prices = self._at[order.side]
                prices[order.price].discard(order_id)
                if not prices[order.price]:
                    del prices[order.price]
