"""The orders that represent the levels of one book in an OrderManagement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext

from oms.errors import OrderNotFoundError
from oms.management import OrderManagement
from oms.models import Order, OrderRow, Side

__all__ = ["LevelOrders"]

_BULK = 20  # for more new orders than this, one sort is faster than individual inserts


class LevelOrders:
    """The orders of one symbol, with one order for each level.

    An order keeps its id as long as its level exists. If someone else traded against or removed the order,
    the next update of its level restores it.
    """

    def __init__(self, om: OrderManagement, symbol: str, new_ids: Iterator[int]) -> None:
        self._om = om
        self._symbol = symbol
        self._new_ids = new_ids
        self._ids: dict[Side, dict[int, int]] = {side: {} for side in Side}  # by price

    def update(self, changes: Mapping[Side, Iterable[tuple[int, int]]]) -> None:
        """Set the amounts of the orders at some prices. The amount 0 removes the order.

        Other threads see all of the changes or none. If this method raises an exception, nothing has changed.
        O(k log n) for k prices and n orders.
        """
        old: list[OrderRow] = []
        new: list[Order] = []
        for side, amounts in changes.items():
            ids = self._ids[side]
            for price, amount in amounts:
                order_id = ids.get(price)
                if order_id is not None:
                    old.append((order_id, self._symbol, side, amount, price))
                elif amount:
                    new.append(self._new_order(side, amount, price))
        # A single change needs no transaction.
        with self._om.transaction() if len(old) + len(new) > 1 else nullcontext():
            new += [self._new_order(*order[2:]) for order in self._change(old)]
            self._add(new)
        for _, _, side, amount, price in old:
            if not amount:
                del self._ids[side][price]

    def _new_order(self, side: Side, amount: int, price: int) -> Order:
        order_id = next(new for new in self._new_ids if new not in self._om)
        self._ids[side][price] = order_id
        return Order(order_id, self._symbol, side, amount, price)

    def _change(self, orders: Iterable[OrderRow]) -> list[OrderRow]:
        """Amend or remove the orders, and return those that must be added again."""
        missing: list[OrderRow] = []
        for order in orders:
            order_id, _, _, amount, _ = order
            try:
                if amount:
                    self._om.amend_order(order_id, amount=amount)
                else:
                    self._om.remove_order(order_id)
            except OrderNotFoundError:  # someone else traded against or removed this order
                if amount:
                    missing.append(order)
        return missing

    def _add(self, orders: Sequence[Order]) -> None:
        if len(orders) > _BULK:
            self._om.add_orders(orders)
        else:
            for order in orders:
                self._om.add_order(*order)
