"""Your own orders in a replayed market: all orders that the replay did not submit.

The problem: a recording knows nothing about your orders. To compare the book with the published data, the
replay needs the book without them. Searching through all orders after every message would take O(n) for n
resting orders.

The solution: index the ids of your orders by price. The index stays valid as long as the books' version shows
that only the replay has changed them. After the first other change, subscribe to the OrderManagement's
events, and update the index with each event.

1. An order is yours if it is in the symbol's books and its id is not in `recorded`.
2. The amounts of your orders are read from the book, so repeated or out-of-order events do no harm.
3. An open transaction does not publish its events. The latest sequence number is then larger than the number
   of the last event received. In this case, the index is rebuilt from the books before each message, in O(n).
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from contextlib import suppress
from itertools import islice

from oms.direct_books import DirectBooks
from oms.errors import OrderNotFoundError
from oms.events import Event, OrderAdded, OrderAmended, OrderRemoved, OrdersAdded, OrdersRemoved, TradePlaced
from oms.feeds.top_of_book import Level
from oms.management import OrderManagement
from oms.models import Order, Side

__all__ = ["OwnOrders"]

_UNKNOWN = -2  # a sequence number that no event follows


class OwnOrders:
    """The orders of `symbol` whose ids are not in `recorded`.

    `recorded` contains the ids of the orders that the caller has added with `books`. Before using the index,
    the caller calls `refresh` if anything else may have changed the books.
    """

    def __init__(
        self, om: OrderManagement, symbol: str, books: DirectBooks, recorded: Container[int]
    ) -> None:
        self._om = om
        self.books = books
        self._symbol = symbol
        self._recorded = recorded
        self._sequence = _UNKNOWN  # the sequence number of the latest change in this index
        self.orders: dict[int, Order] = {}  # from the latest events; the amounts may be out of date
        self._at: dict[Side, dict[int, set[int]]] = {side: {} for side in Side}

        self._unsubscribe: Callable[[], None] | None = None
        self.are_alone = True  # True if only the caller has changed the books, as of the latest `refresh`
        if books.version % 2:
            self._listen()  # inside a transaction, the version does not show changes
        self._rebuild(om.last_sequence)

    def refresh(self) -> None:
        """Update the index. O(1), or O(n) for n orders if there are unpublished changes."""
        if self.are_alone:
            if self.books.version == self.books.expected_version:
                return
            self._listen()
        sequence = self._om.last_sequence
        if sequence != self._sequence:
            self._rebuild(sequence)

    def close(self) -> None:
        """Unsubscribe from the OrderManagement's events."""
        if self._unsubscribe is not None:
            self._unsubscribe()

    def _listen(self) -> None:
        self._unsubscribe = self._om.subscribe(self._on_event)
        self.are_alone = False
        self._sequence = _UNKNOWN

    def _rebuild(self, sequence: int) -> None:
        self._discard(tuple(self.orders))
        self._add(self._om.orders(self._symbol))
        self._sequence = sequence

    def __contains__(self, order_id: object) -> bool:
        """Return True if this order is one of yours."""
        return order_id in self.orders

    def ids(self) -> frozenset[int]:
        """Return the ids of your orders."""
        return frozenset(self.orders)

    def __len__(self) -> int:
        """Return the number of your orders. O(1)."""
        return len(self.orders)

    def rest_on(self, side: Side) -> bool:
        """Return True if one of your orders is resting on this side. O(1)."""
        return bool(self._at[side])

    def release(self, order_id: int) -> None:
        """Drop an order that was filled, or that is now treated as part of the recorded market."""
        self._discard((order_id,))

    def levels_without(self, side: Side, count: int) -> list[Level]:
        """Return the best `count` levels without your orders, best first.

        O((count + p) log n) for n levels, if p levels are skipped because they contain only your orders.
        """
        own, depth = self._at[side], count
        while True:
            levels = self._om.depth(self._symbol, side, depth)
            remaining = (Level(price, amount - self._amount_at(own, price)) for price, amount, _ in levels)
            best = list(islice((level for level in remaining if level.amount > 0), count))
            if len(best) == count or len(levels) < depth:
                return best
            depth *= 2

    def _amount_at(self, own: dict[int, set[int]], price: int) -> int:
        amount = 0
        for order_id in tuple(own.get(price, ())):
            with suppress(OrderNotFoundError):  # removed inside an open transaction, event still pending
                amount += self._om.get_order(order_id).amount
        return amount

    # ------------------------------------------------------------------ events

    def _on_event(self, event: Event) -> None:
        if event.sequence != self._sequence + 1:
            self._sequence = _UNKNOWN  # events are missing or out of order, so rebuild the index
            return
        match event:
            case OrderAdded(order=order):
                self._add((order,))
            case OrdersAdded(orders=orders):
                self._add(orders)
            case OrderAmended(after=order):
                self._add((order,))
            case OrderRemoved(order=order):
                self._discard((order.order_id,))
            case OrdersRemoved(orders=orders):
                self._discard(order.order_id for order in orders)
            case TradePlaced(trade=trade):
                self._discard(fill.order_id for fill in trade.fills if fill.order_id not in self._om)
            case _:  # an unknown kind of event
                self._sequence = _UNKNOWN
                return
        self._sequence = event.sequence

    def _add(self, orders: Iterable[Order]) -> None:
        for order in orders:
            if order.symbol == self._symbol and order.order_id not in self._recorded:
                self._discard((order.order_id,))
                self.orders[order.order_id] = order
                self._at[order.side].setdefault(order.price, set()).add(order.order_id)

    def _discard(self, order_ids: Iterable[int]) -> None:
        for order_id in order_ids:
            order = self.orders.pop(order_id, None)
            if order is not None:
                prices = self._at[order.side]
                prices[order.price].discard(order_id)
                if not prices[order.price]:
                    del prices[order.price]
