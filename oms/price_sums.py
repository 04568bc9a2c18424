"""Running sums over the best price levels: they make a price flat in the amount, also after changes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from itertools import accumulate, islice
from operator import mul, sub

from oms.level import Level

__all__ = ["PriceSums"]

MOST_SHIFTS = 8
"""How many changed levels a question goes past before walking the book anew would cost less."""

NOWHERE = -(2**63)
"""A rank better than any price has."""

Shift = tuple[int, int, int, int]
"""After which row a changed level stands, its rank, by how much its amount changed, and what it holds now."""

Known = tuple[list[int], list[int], list[int], tuple[Shift, ...], int]
"""Rows, a column each: a level's rank; all amount down to it; and the offset that makes what an amount ending
there costs offset + amount * rank. Row 0 stands before all levels. Then the shifts, best first, and how many
of the book's levels are no worse than the last row."""

NOTHING: Known = ([NOWHERE], [0], [0], (), 0)


class PriceSums:
    """What the best levels cost, summed up, and how the book has changed since.

    A question that goes deeper than those before it adds rows for the levels it walks over. A
    change at a level within them leaves the rows alone: it is a shift of everything from that
    level on, kept beside them, so that the next question is as fast as the last. When there are
    too many shifts everything is forgotten.

    `_known` is replaced as one, and no list in it is ever changed: a reader without the lock needs
    but to make sure that nothing changed while it read.
    """

    __slots__ = ("_known", "_levels", "worst")

    def __init__(self, levels: Mapping[int, Level]) -> None:
        self._levels = levels  # those of the book, by rank
        self.forget()

    def forget(self) -> None:
        """Know nothing, as in the beginning."""
        self._known = NOTHING
        self.worst = NOWHERE  # the rank down to which a change must be told

    def price(self, amount: int) -> int | None:
        """What an amount costs, in O(log k); None if the rows do not reach so far."""
        ranks, reach, offsets, shifts, _ = self._known
        paid = 0
        for row, rank, change, held in shifts:
            left = amount - reach[row]
            if left <= held:
                if left <= 0:
                    break
                return abs(offsets[row] + reach[row] * ranks[row] + paid + left * rank)
            # Past it all is as in the rows, for as much less as the level holds more.
            amount -= change
            paid += change * rank
        row = bisect_left(reach, amount)
        if row == len(reach):
            return None
        return abs(offsets[row] + paid + amount * ranks[row])

    def grow(self, levels: Iterable[int], amount: int) -> int:
        """Add a row for each further level of all, best first, until they hold an amount.

        Returns what they hold in the end, at most so much less as the book holds too little.
        """
        ranks, reach, offsets, shifts, known = self._known
        more = sum(change for _, _, change, _ in shifts)
        ends = [reach[-1]]
        added: list[int] = []
        for rank in islice(levels, known, None):
            if ends[-1] + more >= amount:
                break
            ends.append(ends[-1] + self._levels[rank].amount)
            added.append(rank)
        if added:
            # At the end of a level the next one takes over: what it costs there is the same by either.
            steps = map(mul, ends, map(sub, [ranks[-1], *added], added))
            self.worst = added[-1]
            self._known = (
                ranks + added,
                reach + ends[1:],
                offsets + list(accumulate(steps, initial=offsets[-1]))[1:],
                shifts,
                known + len(added),
            )
        return ends[-1] + more

    def shift(self, rank: int, change: int, held: int) -> None:
        """Take note that a level no worse than `worst` now holds so much, `change` more, in O(log k)."""
        ranks, reach, offsets, shifts, known = self._known
        row = bisect_left(ranks, rank) - 1
        if row + 1 == len(ranks):
            return  # a question was struck before it had its rows
        known += (held > 0) - (held > change)
        at = rest = bisect_left(shifts, (row, rank))
        if at < len(shifts) and shifts[at][1] == rank:
            change += shifts[at][2]
            rest += 1
        elif len(shifts) == MOST_SHIFTS:
            self.forget()
            return
        now = ((row, rank, change, held),) if change else ()
        self._known = (ranks, reach, offsets, shifts[:at] + now + shifts[rest:], known)

    def _check(self, levels: Iterable[int]) -> None:
        """Assert that all that is known is true of the book's levels, best first."""
        ranks, reach, offsets, shifts, known = self._known
        worst = ranks[-1]
        assert self.worst >= worst, "every change within the rows is told"
        assert known == sum(rank <= worst for rank in levels), "levels within the rows are counted"
        assert ranks == [NOWHERE, *sorted(set(ranks[1:]))], "rows are best first"
        assert list(shifts) == sorted(shifts), "shifts are best first"
        assert len(shifts) <= MOST_SHIFTS, "shifts are few"
        within = {rank: level.amount for rank, level in self._levels.items() if rank <= worst}
        for _, rank, change, held in shifts:
            assert held == within.get(rank, 0), "a shift says what its level holds"
            within[rank] = held - change
        original = [within.pop(rank, 0) for rank in ranks]
        assert not any(within.values()), "a level without a row has come since, and is a shift"
        assert reach == list(accumulate(original)), "sums of amounts are true but for the shifts"
        spent = accumulate(map(mul, ranks, original))
        ends = [cost - end * rank for cost, end, rank in zip(spent, reach, ranks, strict=True)]
        assert offsets == ends, "so is what they cost"
