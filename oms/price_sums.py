"""Running sums over the best price levels: they make a price flat in the amount, also after changes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate, islice
from operator import mul

__all__ = ["PriceSums"]

MOST_SHIFTS = 8
"""How many changed levels a question goes past before walking the book anew would cost less."""

NOWHERE = -(2**63)
"""A rank better than any price has."""

Shift = tuple[int, int, int]
"""Before which row a changed level stands, its rank, and by how much its amount changed."""

Known = tuple[list[int], list[int], list[int], tuple[Shift, ...], int]
"""Rows of rank, all amount down to it and all rank times amount; shifts, best first; and how many of
the book's levels are no worse than the last row."""

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
        ranks, reach, spent, shifts, _ = self._known
        start = more = paid = 0
        for row, rank, shift in shifts:
            better = more + reach[row - 1] if row else more
            if amount <= better:
                break
            if amount - better <= self._totals.get(rank, 0):
                return abs((spent[row - 1] + paid if row else paid) + (amount - better) * rank)
            start, more, paid = row, more + shift, paid + shift * rank
        amount -= more
        if not reach or amount > reach[-1]:
            return None
        row = bisect_left(reach, amount, start)
        return abs(spent[row] + paid - (reach[row] - amount) * ranks[row])

    def grow(self, levels: Iterable[int], amount: int) -> int:
        """Add a row for each further level of all, best first, until they hold an amount.

        Returns what they hold in the end, at most so much less as the book holds too little.
        """
        ranks, reach, spent, shifts, known = self._known
        more = sum(shift for _, _, shift in shifts)
        reached = reach[-1] if reach else 0
        amounts: list[int] = []
        added: list[int] = []
        for rank in islice(levels, known, None):
            if reached + more >= amount:
                break
            held = self._totals[rank]
            reached += held
            amounts.append(held)
            added.append(rank)
        if added:
            self.worst = added[-1]
            self._known = (
                ranks + added,
                _running(reach, amounts),
                _running(spent, map(mul, added, amounts)),
                shifts,
                known + len(added),
            )
        return reached + more

    def shift(self, rank: int, change: int, opened: int) -> None:
        """Take note that the amount at a rank no worse than `worst` changed, in O(log k).

        `opened` is 1 if the level is new, -1 if it is gone, else 0.
        """
        ranks, reach, spent, shifts, known = self._known
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
        self._known = (ranks, reach, spent, shifts[:at] + now + shifts[rest:], known + opened)

    def _check(self, levels: Iterable[int]) -> None:
        """Assert that all that is known is true of the book's levels, best first."""
        ranks, reach, spent, shifts, known = self._known
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
        assert spent == list(accumulate(map(mul, held, held.values()))), "so are sums of money"


def _running(sums: list[int], values: Iterable[int]) -> list[int]:
    """Running sums, extended by values."""
    return [*sums[:-1], *accumulate(values, initial=sums[-1])] if sums else list(accumulate(values))
