"""The orders that represent the levels of one book in an OrderManagement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from oms.batch import change_orders, unused_ids
from oms.errors import OrderNotFoundError
from oms.instrument import Instrument
from oms.management import OrderManagement
from oms.models import OrderRow, Side

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
        self._ids: dict[Side, dict[int, int]] = {side: {} for side in Side}  # by key

    def update(self, levels: Mapping[Side, Mapping[int, int]]) -> None:
        """Set the order amounts of some levels. An amount of 0 removes the order.

        `levels` maps the keys of each side's levels to amounts. A key is the price times the side's sign.
        Other threads see either all of the changes or none. O(k log n) for k levels and n orders.
        """
        try:
            self._update(levels)
        except OrderNotFoundError:  # someone else traded against or removed some orders
            for ids in self._ids.values():
                for key in [key for key, order_id in ids.items() if order_id not in self._om]:
                    del ids[key]
            self._update(levels)

    def update_to(self, levels: Mapping[Side, Mapping[int, int]], instrument: Instrument) -> None:
        """Set the order amounts at the prices of a snapshot, in the ticks and lots of an instrument.

        If the symbol has a different tick size or lot size in the books, replace the feed's orders, and
        convert the symbol's other orders, in one transaction. The symbol keeps its name and its currency.
        Raises InvalidArgumentError if an order cannot be converted exactly. O(n log n) for n orders of the
        symbol.
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
                self.update({side: dict.fromkeys(ids, 0) for side, ids in before.items()})
                self._om.convert_orders(self._symbol, resized)
                self.update(levels)
        except BaseException:
            # An exception in a subscriber does not roll back the transaction, so check which orders rest.
            keys = {order.order_id: order.side.sign * order.price for order in self._om.orders(self._symbol)}
            for side, ids in self._ids.items():
                both = [*before[side].items(), *ids.items()]
                self._ids[side] = {key: each for key, each in both if keys.get(each) == key}
            raise

    def _update(self, levels: Mapping[Side, Mapping[int, int]]) -> None:
        amounts: dict[int, int] = {}  # by order id
        removed: list[tuple[dict[int, int], int]] = []
        new: list[OrderRow] = []
        for side, changes in levels.items():
            ids, sign = self._ids[side], side.sign
            new_keys: list[int] = []
            for key in sorted(changes):
                amount = changes[key]
                order_id = ids.get(key)
                if order_id is not None:
                    amounts[order_id] = amount
                    if not amount:
                        removed.append((ids, key))
                elif amount and key:  # no order can have the price 0
                    new_keys.append(key)
            if new_keys:
                new_ids = unused_ids(self._om, self._new_ids, len(new_keys))
                ids.update(zip(new_keys, new_ids, strict=True))
                new += [(ids[key], self._symbol, side, changes[key], sign * key) for key in new_keys]
        if amounts or new:
            try:
                change_orders(self._om, amounts, new)
            except BaseException:
                self._forget_unless_resting(new)
                raise
        for ids, key in removed:
            del ids[key]

    def _forget_unless_resting(self, new: Iterable[OrderRow]) -> None:
        """Forget the ids of new orders that were not added, because a bot may use such an id next."""
        for order in new:
            order_id, _, side, _, price = order
            if order_id not in self._om or self._om.get_order(order_id) != order:
                del self._ids[side][side.sign * price]
