"""Running sums over the best price levels: they make a price flat in the amount, also after changes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate, islice
from operator import mul, sub

__all__ = ["PriceSums"]

MOST_SHIFTS = 8
"""How many changed levels a question goes past before walking the book anew would cost less."""

NOWHERE = -(2**63)
"""A rank better than any price has."""

Shift = tuple[int, int, int]
"""Before which row a changed level stands, its rank, and by how much its amount changed."""

Known = tuple[list[int], list[int], list[int], tuple[Shift, ...], int]
"""Rows, a column each: a level's rank; all amount down to it; and the offset that makes what an amount ending
there costs offset + amount * rank. Then the shifts, best first, and how many of the book's levels are no
worse than the last row."""

NOTHING: Known = ([], [], [], (), 0)


class PriceSums:
    """What the best levels cost, summed up, and how the book has changed since.

    A question that goes deeper than those before it adds rows for the levels it walks over. A
    change at a level within them leaves the rows alone: it is a shift of everything from that
    level on, kept beside them, so that the next question is as fast as the last. When there are
    too many shifts everything is forgotten.

    `_known` is replaced as one, and no list in it is ever changed: a reader without the lock needs
    but to make sure that nothing changed while it read.
    """

    __slots__ = ("_known", "_totals", "worst")

    def __init__(self, totals: dict[int, int]) -> None:
        self._totals = totals  # rank -> amount of each level of the book, which keeps it true
        self.forget()

    def forget(self) -> None:
        """Know nothing, as in the beginning."""
        self._known = NOTHING
        self.worst = NOWHERE  # the rank down to which a change must be told

    def price(self, amount: int) -> int | None:
        """What an amount costs, in O(log k); None if the rows do not reach so far."""
        ranks, reach, offsets, shifts, _ = self._known
        if shifts:
            return self._shifted_price(ranks, reach, offsets, shifts, amount)
        row = bisect_left(reach, amount)
        if row == len(reach):
            return None
        return abs(offsets[row] + amount * ranks[row])

    def _shifted_price(
        self, ranks: list[int], reach: list[int], offsets: list[int], shifts: tuple[Shift, ...], amount: int
    ) -> int | None:
        start = more = paid = 0
        for row, rank, shift in shifts:
            better = spent = 0
            if row:
                better = reach[row - 1]
                spent = offsets[row - 1] + better * ranks[row - 1]
            left = amount - more - better
            if left <= 0:
                break
            if left <= self._totals.get(rank, 0):
                return abs(spent + paid + left * rank)
            start, more, paid = row, more + shift, paid + shift * rank
        amount -= more
        row = bisect_left(reach, amount, start)
        if row == len(reach):
            return None
        return abs(offsets[row] + paid + amount * ranks[row])

    def grow(self, levels: Iterable[int], amount: int) -> int:
        """Add a row for each further level of all, best first, until they hold an amount.

        Returns what they hold in the end, at most so much less as the book holds too little.
        """
        ranks, reach, offsets, shifts, known = self._known
        more = sum(shift for _, _, shift in shifts)
        reached = reach[-1] if reach else 0
        added: list[int] = []
        ends = [reached]
        for rank in islice(levels, known, None):
            if reached + more >= amount:
                break
            reached += self._totals[rank]
            ends.append(reached)
            added.append(rank)
        if added:
            # At the end of a level the next one takes over: what it costs there is the same by either.
            before = [ranks[-1] if ranks else 0, *added]
            steps = map(mul, ends, map(sub, before, added))
            start = offsets[-1] if offsets else 0
            self.worst = added[-1]
            self._known = (
                ranks + added,
                reach + ends[1:],
                offsets + list(accumulate(steps, initial=start))[1:],
                shifts,
                known + len(added),
            )
        return reached + more

    def shift(self, rank: int, change: int, opened: int) -> None:
        """Take note that the amount at a rank no worse than `worst` changed, in O(log k).

        `opened` is 1 if the level is new, -1 if it is gone, else 0.
        """
        ranks, reach, offsets, shifts, known = self._known
        row = bisect_left(ranks, rank)
        if row == len(ranks):
            return  # a question was struck before it had its rows
        at = rest = bisect_left(shifts, (row, rank))
        if at < len(shifts) and shifts[at][1] == rank:
            change += shifts[at][2]
            rest += 1
        elif len(shifts) == MOST_SHIFTS:
            self.forget()
            return
        now = ((row, rank, change),) if change else ()
        self._known = (ranks, reach, offsets, shifts[:at] + now + shifts[rest:], known + opened)

    def _check(self, levels: Iterable[int]) -> None:
        """Assert that all that is known is true of the book's levels, best first."""
        ranks, reach, offsets, shifts, known = self._known
        worst = ranks[-1] if ranks else NOWHERE
        assert self.worst >= worst, "every change within the rows is told"
        assert known == sum(rank <= worst for rank in levels), "levels within the rows are counted"
        assert ranks == sorted(set(ranks)), "rows are best first"
        assert list(shifts) == sorted(shifts), "shifts are best first"
        assert len(shifts) <= MOST_SHIFTS, "shifts are few"
        within = {rank: held for rank, held in self._totals.items() if rank <= worst}
        for _, rank, change in shifts:
            within[rank] = within.get(rank, 0) - change
        held = {rank: within.pop(rank, 0) for rank in ranks}
        assert not any(within.values()), "a level without a row has come since, and is a shift"
        assert reach == list(accumulate(held.values())), "sums of amounts are true but for the shifts"
        spent = list(accumulate(map(mul, held, held.values())))
        ends = [cost - end * rank for cost, end, rank in zip(spent, reach, ranks, strict=True)]
        assert offsets == ends, "so is what they cost"
