"""The orders that represent the levels of one book in an OrderManagement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from oms.batch import change_orders
from oms.errors import OrderNotFoundError
from oms.instrument import Instrument
from oms.management import OrderManagement
from oms.models import Order, Side, new_order

__all__ = ["LevelOrders"]


class LevelOrders:
    """The orders of one symbol, one for each level.

    An order keeps its id as long as its level exists. If someone else trades against the order or removes it,
    the next update to its level restores it.
    """

    def __init__(self, om: OrderManagement, symbol: str, new_ids: Iterator[int]) -> None:
        self._om = om
        self._symbol = symbol
        self._new_ids = new_ids
        self._ids: dict[Side, dict[int, int]] = {side: {} for side in Side}  # by price

    def update(self, levels: Mapping[Side, Iterable[tuple[int, int]]]) -> None:
        """Set the order amounts at some prices. An amount of 0 removes the order.

        `levels` contains (price, amount) pairs for each side. Other threads see either all of the changes or
        none. O(k log n) for k prices and n orders.
        """
        try:
            self._update(levels)
        except OrderNotFoundError:  # someone else traded against or removed some orders
            for ids in self._ids.values():
                for price in [price for price, order_id in ids.items() if order_id not in self._om]:
                    del ids[price]
            self._update(levels)

    def update_to(self, levels: Mapping[Side, Iterable[tuple[int, int]]], instrument: Instrument) -> None:
        """Set the order amounts at the prices of a snapshot, in the ticks and lots of an instrument.

        If the books know another size for the symbol, replace all orders of the feed, and convert those of
        others, in one transaction. The symbol keeps its name and its currency. Raises InvalidArgumentError if
        an order cannot be converted exactly. O(n log n) for n orders of the symbol.
        """
        known = self._om.instruments.get(self._symbol)
        if known is None or (known.tick, known.lot) == (instrument.tick, instrument.lot):
            self.update(levels)
            return
        sizes = {"tick_size": instrument.tick_size, "lot_size": instrument.lot_size}
        resized = replace(known, **sizes, price_decimals=None)
        before = {side: dict(ids) for side, ids in self._ids.items()}
        try:
            with self._om.transaction():
                self.update({side: [(price, 0) for price in ids] for side, ids in before.items()})
                self._om.convert_orders(self._symbol, resized)
                self.update(levels)
        except BaseException:
            # A failed subscriber does not roll the transaction back, so look which orders are resting.
            prices = {order.order_id: order.price for order in self._om.orders(self._symbol)}
            for side, ids in self._ids.items():
                both = [*before[side].items(), *ids.items()]
                self._ids[side] = {price: each for price, each in both if prices.get(each) == price}
            raise

    def _update(self, levels: Mapping[Side, Iterable[tuple[int, int]]]) -> None:
        amounts: dict[int, int] = {}  # by order id
        removed: list[tuple[dict[int, int], int]] = []
        new: list[Order] = []
        for side, changes in levels.items():
            ids = self._ids[side]
            for price, amount in changes:
                order_id = ids.get(price)
                if order_id is not None:
                    amounts[order_id] = amount
                    if not amount:
                        removed.append((ids, price))
                elif amount:
                    ids[price] = new_id = self._new_id()
                    new.append(new_order((new_id, self._symbol, side, amount, price)))
        if amounts or new:
            try:
                change_orders(self._om, amounts, new)
            except BaseException:
                self._forget_unless_resting(new)
                raise
        for ids, price in removed:
            del ids[price]

    def _forget_unless_resting(self, new: Iterable[Order]) -> None:
        """Forget the ids of new orders that were not added, because the next user of an id may be a bot."""
        for order in new:
            order_id, _, side, _, price = order
            if order_id not in self._om or self._om.get_order(order_id) != order:
                del self._ids[side][price]

    def _new_id(self) -> int:
        new_id = next(self._new_ids)
        while new_id in self._om:
            new_id = next(self._new_ids)
        return new_id
