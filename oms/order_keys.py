"""The sorted keys of a book: price first, then order id, in one integer."""

from __future__ import annotations

from bisect import bisect_left

from sortedcontainers import SortedList

from oms.models import MAX_INT

__all__ = ["ID_BITS", "OrderKeys", "id_of"]

ID_BITS = MAX_INT.bit_length()

id_of = MAX_INT.__and__
"""The order id in a key; what is above its bits is the rank."""


class OrderKeys(SortedList[int]):
    """A SortedList of (rank, order_id), best first, each in one integer: rank * 2^63 + order_id.

    An integer compares in one step, where a tuple compares its parts, and takes half the memory.

    >>> keys = OrderKeys([(21 << ID_BITS) + 4, (20 << ID_BITS) + 7, (20 << ID_BITS) + 1])
    >>> [(key >> ID_BITS, id_of(key)) for key in keys]
    [(20, 1), (20, 7), (21, 4)]

    """

    # Shorter lists than usual: orders come and go all the time, and nobody asks for the n-th. The container
    # documents this name, and those below, for subclasses.
    DEFAULT_LOAD_FACTOR = 200  # type: ignore[misc]  # the stubs call it final
    _lists: list[list[int]]
    _load: int
    _index: list[int]
    _len: int
    _maxes: list[int]

    def count_rank(self, rank: int) -> int:
        """How many orders have a rank, in O(log n) and a step for each list of theirs.

        Two positions would tell it too, but a list that is asked for positions keeps them up at each change.
        """
        first, after = rank << ID_BITS, (rank + 1) << ID_BITS
        start, stop = bisect_left(self._maxes, first), bisect_left(self._maxes, after)
        before, until = (
            bisect_left(self._lists[at], key) if at < len(self._lists) else 0
            for at, key in ((start, first), (stop, after))
        )
        return sum(map(len, self._lists[start:stop])) + until - before

    def drop(self, count: int) -> None:
        """Take out the first ones: as one slice where they are in the first list and it can spare them."""
        first = self._lists[0]
        if len(first) - count > self._load >> 1:
            del first[:count]
            del self._index[:]
            self._len -= count
        else:
            for _ in range(count):
                self.pop(0)
