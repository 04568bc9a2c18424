"""One price level of an order book: its price, its total amount, and the ids of its orders."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable

from sortedcontainers import SortedList

__all__ = ["Level"]

MANY = 1_000
"""The maximum number of ids in a plain list. Beyond that, inserting into a SortedList is faster."""


class Level:
    """A price, the total amount at this price, and the ids of the orders at this price in ascending order.

    Trades fill the order with the lowest id first. A level has at least one order. The ids are in a plain
    list, or in a SortedList if there are more than MANY of them. So each change takes O(log n) for n orders
    at this price. A new id is usually the largest, so it can be appended without a search.

    >>> level = Level(101, 20, [7])
    >>> level.add(4, 10)
    >>> level.amount, list(level.ids)
    (30, [4, 7])

    """

    __slots__ = ("amount", "ids", "price")

    def __init__(self, price: int, amount: int, ids: list[int]) -> None:
        self.price = price
        self.amount = amount
        self.ids: list[int] | SortedList[int] = ids if len(ids) <= MANY else SortedList(ids)

    def add(self, order_id: int, amount: int) -> None:
        """Add an order. O(log n)."""
        self.amount += amount
        ids = self.ids
        if not isinstance(ids, list):
            ids.add(order_id)
            return
        if order_id > ids[-1]:
            ids.append(order_id)
        else:
            insort(ids, order_id)
        if len(ids) > MANY:
            self.ids = SortedList(ids)

    def extend(self, order_ids: list[int], amount: int) -> None:
        """Add m orders with ascending ids and a combined amount of `amount`. O(m log n)."""
        self.amount += amount
        ids = self.ids
        if not isinstance(ids, list):
            ids.update(order_ids)
            return
        ascending = order_ids[0] > ids[-1]
        ids += order_ids
        if not ascending:
            ids.sort()
        if len(ids) > MANY:
            self.ids = SortedList(ids)

    def remove(self, order_id: int, amount: int) -> None:
        """Remove an order of `amount` lots. O(log n)."""
        self.amount -= amount
        ids = self.ids
        if isinstance(ids, list):
            del ids[bisect_left(ids, order_id)]
        else:
            ids.remove(order_id)

    def ids_after(self, order_id: int) -> Iterable[int]:
        """Iterate over the ids above `order_id`, which does not have to be at this level. O(log n) to begin.

        The level must not change during the iteration.

        >>> list(Level(101, 20, [4, 7, 9]).ids_after(5))
        [7, 9]

        """
        ids = self.ids
        if isinstance(ids, list):
            return ids[bisect_right(ids, order_id) :]
        # Not bisect: it makes SortedList build a position index that every later insert must maintain.
        return ids.irange(order_id, inclusive=(False, True))
