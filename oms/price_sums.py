"""Cached running sums over the best price levels, for fast prices.

The problem: the price of an amount is a sum over the price levels that the amount covers, best first. Adding
them up costs O(k) for k levels, each time. Programs ask for prices again and again, and the book changes a
little in between, mostly near the best price.

What does not work: plain running sums. A change of one level makes the sums of all worse levels wrong, and
most changes are at the best levels.

The solution: rows and shifts.

- Each row belongs to one level. It stores the total amount of all levels down to this one, and an offset
  for the price of any amount that ends in this level. So a query is one bisection over the rows.
- A change of a level does not touch the rows. It is stored as a shift: the level, and the difference between
  its present amount and its amount in the rows. A query applies the shifts one by one, best first. Each shift
  that lies before the end of the requested amount changes the amount that the query looks up in the rows, and
  adds to the price. So a query costs O(log k), plus at most MOST_SHIFTS short steps.
- The rows reach only as deep as the deepest query so far. A deeper query adds rows. When more than
  MOST_SHIFTS levels have changed, all rows and shifts are dropped, and the next query starts again.

The price of an amount: let a level have rank r (its price times the sign of the side), and let all better
levels have the total amount a and the total cost c. An amount m that ends in this level costs
c + (m - a) * r. The row of the level stores offset = c - a * r, so the price is offset + m * r.

Invariants:

- The lists of ranks, amounts, and offsets never change. A change replaces the whole cache in one
  assignment, so a reader without the lock sees either the old cache or the new one.
- Row 0 is a sentinel that precedes every level, so that the first level is not a special case.
- A row describes its level at the time when the row was created. Rows and shifts together describe the
  present book. A level that has returned to its amount in the rows has no shift.
- Each level of the book down to the last row has a row, a shift, or both.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from itertools import accumulate, islice
from operator import mul, sub

from oms.level import Level

__all__ = ["PriceSums"]

MOST_SHIFTS = 8
"""The largest number of shifts. With more of them, adding up the levels again would be faster."""

NOWHERE = -(2**63)
"""The rank of the sentinel row, which is better than the rank of any price."""

Shift = tuple[int, int, int, int]
"""The last row before the changed level, the level's rank, the change of its amount, and its new amount."""

Cache = tuple[list[int], list[int], list[int], tuple[Shift, ...], int]
"""Three columns of rows (the rank of a level, the amount of all levels down to it, and its offset), the
shifts, best first, and the number of levels in the book down to the last row."""

EMPTY: Cache = ([NOWHERE], [0], [0], (), 0)


class PriceSums:
    """Cached running sums over the best levels of one book.

    The book calls `shift` after each change of a level that is not worse than `worst`, and `forget` after
    larger changes. A reader without the lock may call `price`. It must then check that the book did not
    change meanwhile.
    """

    __slots__ = ("_cache", "_levels", "worst")

    def __init__(self, levels: Mapping[int, Level]) -> None:
        self._levels = levels  # by rank; the book changes this dict
        self.forget()

    def forget(self) -> None:
        """Drop all rows and shifts."""
        self._cache = EMPTY
        self.worst = NOWHERE  # the book must report changes of ranks up to this one

    def price(self, amount: int) -> int | None:
        """Return the total price of an amount, or None if the rows are not deep enough. O(log k)."""
        ranks, reach, offsets, shifts, _ = self._cache
        paid = 0
        for row, rank, change, total in shifts:
            remaining = amount - reach[row]  # what the better levels do not cover
            if remaining <= total:
                if remaining <= 0:
                    break  # the amount ends before the changed level
                return abs(offsets[row] + reach[row] * ranks[row] + paid + remaining * rank)
            # The amount ends after the changed level, so subtract this change before the lookup.
            amount -= change
            paid += change * rank
        row = bisect_left(reach, amount)
        if row == len(reach):
            return None
        return abs(offsets[row] + paid + amount * ranks[row])

    def grow(self, levels: Iterable[int], amount: int) -> int:
        """Add rows until they cover `amount`, and return the amount that they cover.

        `levels` are the ranks of all levels, best first. The result is less than `amount` only if the book
        has less.
        """
        ranks, reach, offsets, shifts, covered = self._cache
        shifted = sum(change for _, _, change, _ in shifts)
        ends = [reach[-1]]
        added: list[int] = []
        for rank in islice(levels, covered, None):
            if ends[-1] + shifted >= amount:
                break
            ends.append(ends[-1] + self._levels[rank].amount)
            added.append(rank)
        if added:
            # An amount that ends exactly between two levels has the same price with the offset of either
            # level. So the next offset is the previous one plus this amount times the difference of ranks.
            steps = map(mul, ends, map(sub, [ranks[-1], *added], added))
            self.worst = added[-1]
            self._cache = (
                ranks + added,
                reach + ends[1:],
                offsets + list(accumulate(steps, initial=offsets[-1]))[1:],
                shifts,
                covered + len(added),
            )
        return ends[-1] + shifted

    def shift(self, rank: int, change: int, total: int) -> None:
        """Record that the amount of a level changed by `change` to `total`. O(log k)."""
        ranks, reach, offsets, shifts, covered = self._cache
        row = bisect_left(ranks, rank) - 1
        if row + 1 == len(ranks):
            return  # an interrupt between the two assignments in `grow`: the level has no row yet
        covered += (total > 0) - (total > change)  # the level is new (+1), removed (-1), or neither
        start = stop = bisect_left(shifts, (row, rank))
        if start < len(shifts) and shifts[start][1] == rank:  # replace the shift of this level
            change += shifts[start][2]
            stop += 1
        elif len(shifts) == MOST_SHIFTS:
            self.forget()
            return
        new = ((row, rank, change, total),) if change else ()
        self._cache = (ranks, reach, offsets, shifts[:start] + new + shifts[stop:], covered)

    def _check(self, levels: Iterable[int]) -> None:
        """Assert every invariant; `levels` are the ranks of all levels, best first."""
        ranks, reach, offsets, shifts, covered = self._cache
        worst = ranks[-1]
        assert self.worst >= worst, "every change within the rows is reported"
        assert covered == sum(rank <= worst for rank in levels), "levels within the rows are counted"
        assert ranks == [NOWHERE, *sorted(set(ranks[1:]))], "rows are best first"
        assert list(shifts) == sorted(shifts), "shifts are best first"
        assert len(shifts) <= MOST_SHIFTS, "there are at most MOST_SHIFTS shifts"
        within = {rank: level.amount for rank, level in self._levels.items() if rank <= worst}
        for _, rank, change, total in shifts:
            assert total == within.get(rank, 0), "a shift has the amount of its level"
            within[rank] = total - change
        original = [within.pop(rank, 0) for rank in ranks]
        assert not any(within.values()), "a level without a row has a shift"
        assert reach == list(accumulate(original)), "the amounts of the rows are right, without the shifts"
        spent = accumulate(map(mul, ranks, original))
        ends = [cost - end * rank for cost, end, rank in zip(spent, reach, ranks, strict=True)]
        assert offsets == ends, "the offsets of the rows are right, without the shifts"
