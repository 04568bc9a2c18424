"""One price of an order book: the resting orders at it, in the order in which trades take them."""

from __future__ import annotations

from bisect import bisect_left, insort

from sortedcontainers import SortedList

__all__ = ["Level"]

MANY = 1_000
"""Past this many ids a list's memory moves cost more than a SortedList's bookkeeping."""


class Level:
    """The total amount at one price and the ids of the orders there, in ascending order.

    A level has at least one order. Its ids are a plain list, and a SortedList once there are many of them,
    so that a change stays O(log n) however many orders share the price. Ids that arrive in ascending order
    are appended without a search.

    >>> level = Level(20, [7])
    >>> level.add(4, 10)
    >>> level.amount, list(level.ids)
    (30, [4, 7])

    """

    __slots__ = ("amount", "ids")

    def __init__(self, amount: int, ids: list[int]) -> None:
        self.amount = amount
        self.ids: list[int] | SortedList[int] = ids if len(ids) <= MANY else SortedList(ids)

    def add(self, order_id: int, amount: int) -> None:
        """Add an order, in O(log n)."""
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
        """Add several orders, whose ids are in ascending order, in O(m log n)."""
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
        """Remove an order, in O(log n)."""
        self.amount -= amount
        ids = self.ids
        if isinstance(ids, list):
            del ids[bisect_left(ids, order_id)]
        else:
            ids.remove(order_id)
