"""Cached running sums over the best price levels, for fast price queries.

The problem: the price of an amount is a sum over the price levels that it covers, best first. Adding up k
levels takes O(k) for every query. Programs query prices often, and between two queries the book usually
changes only a little, near the best price.

What does not work: plain running sums. If a level changes, its sum and the sums of all worse levels become
invalid. Most changes happen near the best price, so they would invalidate almost all sums.

The solution: rows and corrections.

- Each row belongs to one level. It stores the cumulative amount: the total amount of this level and all
  better levels. It also stores an offset, from which the price of any amount that ends in this level can be
  computed. A query is therefore a binary search over the rows.
- Each correction belongs to one level that has changed since the rows were created. A correction has two
  numbers. One is added to the cumulative amounts of that level and all worse levels. The other is added to
  their cumulative prices. When a level changes, it gets a correction, and the rows stay the same. A query
  applies the corrections one by one, best first, until it reaches the level in which the amount ends. So a
  query takes O(log k), plus at most MOST_CORRECTIONS short steps.
- The rows go only as deep as the deepest query so far. A deeper query adds rows. When more than
  MOST_CORRECTIONS levels have changed, all rows and corrections are discarded, and the next query starts
  from scratch.

The price of an amount: a level's rank r is its price in the BUY book, and its negated price in the SELL book.
A better level therefore has a lower rank. Let a be the total amount of all better levels, and c their total
cost (the sum of amount times rank). Then an amount m that ends in this level costs c + (m - a) * r. The
level's row stores the offset c - a * r, so the cost is offset + m * r. The price is the absolute value.

Invariants:

- The rank, amount, and offset lists are never modified. Every change replaces the whole cache in one
  assignment, so a lock-free reader sees either the old cache or the new one.
- Row 0 is a sentinel that precedes every level, so that the first level is not a special case.
- A row describes its level as it was when the row was created. Only rows and corrections together describe
  the current book. If a level returns to its original amount, its correction is removed.
- Each level of the book down to the last row has a row, a correction, or both.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, islice
from operator import mul, sub

from oms.level import Level

__all__ = ["PriceSums"]

MOST_CORRECTIONS = 8
"""The maximum number of corrections. With more of them, it would be faster to rebuild the rows."""

NOWHERE = -(2**63)
"""The rank of the sentinel row. It is better than the rank of any price."""

Correction = tuple[int, int, int, int]
"""The index of the last row before the changed level, the level's rank, the change in its amount, and its new
amount. The correction to the cumulative price is the change times the rank."""

Cache = tuple[list[int], list[int], list[int], tuple[Correction, ...], int]
"""Three lists with the rank, cumulative amount, and offset of each row; the corrections, best first; and the
number of levels in the book down to the last row."""

EMPTY: Cache = ([NOWHERE], [0], [0], (), 0)


class PriceSums:
    """Cached running sums over the best levels of one book.

    After each change to a level whose rank is at most `worst`, the book calls `add_correction`. After larger
    changes, it calls `clear`. A reader may call `price` without the lock, but must then check that the book
    did not change during the call.
    """

    __slots__ = ("_cache", "_levels", "worst")

    def __init__(self, levels: Mapping[int, Level]) -> None:
        self._levels = levels  # by rank; the book changes this dict
        self.clear()

    def clear(self) -> None:
        """Discard all rows and corrections."""
        self._cache = EMPTY
        self.worst = NOWHERE  # the book must report changes to levels up to this rank

    @property
    def covered_levels(self) -> int:
        """The number of levels down to the last row. O(1)."""
        return self._cache[4]

    def price(self, amount: int) -> int | None:
        """Return the total price of an amount, or None if the rows are not deep enough. O(log k)."""
        ranks, reach, offsets, corrections, _ = self._cache
        cost = 0
        for row, rank, change, total in corrections:
            remaining = amount - reach[row]  # the amount that the better levels do not cover
            if remaining <= total:
                if remaining <= 0:
                    break  # the amount ends in a better level
                return abs(offsets[row] + reach[row] * ranks[row] + cost + remaining * rank)
            # The amount ends in a worse level, so subtract this change before the lookup.
            amount -= change
            cost += change * rank
        row = bisect_left(reach, amount)
        if row == len(reach):
            return None
        return abs(offsets[row] + cost + amount * ranks[row])

    def prices(self, amounts: Sequence[int]) -> list[int]:
        """Return the total prices of m ascending amounts. The rows must cover all amounts. O(m log k).

        The corrections divide the amounts into segments. All amounts of a segment need the same corrections
        of the cumulative amount (`moved`) and of the cumulative price (`cost`).
        """
        ranks, reach, offsets, corrections, _ = self._cache
        totals: list[int] = []
        start = row = moved = cost = 0
        for last_row, rank, change, total in (*corrections, (len(ranks) - 1, 0, 0, 0)):
            better = reach[last_row] + moved  # the amount of all levels before the changed level
            stop = bisect_right(amounts, better, start)
            ends = amounts[start:stop]  # where the amounts end in the rows
            if moved:
                ends = [amount - moved for amount in ends]
            for end in ends:
                if reach[row] < end:
                    row += 1  # usually right, and faster than a bisection
                    if reach[row] < end:
                        row = bisect_left(reach, end, row)
                totals.append(offsets[row] + end * ranks[row])
            if cost:
                totals[start:] = [total + cost for total in totals[start:]]
            start = bisect_right(amounts, better + total, stop)
            offset = offsets[last_row] + reach[last_row] * ranks[last_row] + cost - better * rank
            totals += [offset + amount * rank for amount in amounts[stop:start]]
            moved += change
            cost += change * rank
        return totals if ranks[-1] > 0 else [-total for total in totals]

    def grow(self, levels: Iterable[int], amount: int) -> int:
        """Add rows until they cover `amount`, and return the amount that they cover.

        `levels` contains the rank of each price level, best first (see the top of this file). The result is
        less than `amount` only if the book does not have enough liquidity.
        """
        ranks, reach, offsets, corrections, covered = self._cache
        pending = sum(change for _, _, change, _ in corrections)
        ends = [reach[-1]]
        added: list[int] = []
        for rank in islice(levels, covered, None):
            if ends[-1] + pending >= amount:
                break
            ends.append(ends[-1] + self._levels[rank].amount)
            added.append(rank)
        if added:
            # If an amount ends exactly between two levels, both levels' offsets give the same price. So each
            # offset is the previous one plus this amount times the difference between the ranks.
            steps = map(mul, ends, map(sub, [ranks[-1], *added], added))
            self.worst = added[-1]
            self._cache = (
                ranks + added,
                reach + ends[1:],
                offsets + list(accumulate(steps, initial=offsets[-1]))[1:],
                corrections,
                covered + len(added),
            )
        return ends[-1] + pending

    def add_correction(self, rank: int, change: int, total: int) -> None:
        """Record that a level's amount changed by `change` to `total`. O(log k)."""
        ranks, reach, offsets, corrections, covered = self._cache
        row = bisect_left(ranks, rank) - 1
        if row + 1 == len(ranks):
            return  # the level has no row, because an interrupt stopped `grow` between its two assignments
        covered += (total > 0) - (total > change)  # the level is new (+1), removed (-1), or neither
        start = stop = bisect_left(corrections, (row, rank))
        if start < len(corrections) and corrections[start][1] == rank:  # replace this level's correction
            change += corrections[start][2]
            stop += 1
        elif len(corrections) == MOST_CORRECTIONS:
            self.clear()
            return
        new = ((row, rank, change, total),) if change else ()
        self._cache = (ranks, reach, offsets, corrections[:start] + new + corrections[stop:], covered)

    def _check(self, levels: Iterable[int]) -> None:
        """Assert every invariant. `levels` contains the rank of each price level, best first."""
        ranks, reach, offsets, corrections, covered = self._cache
        worst = ranks[-1]
        assert self.worst >= worst, "every change within the rows is reported"
        assert covered == sum(rank <= worst for rank in levels), "levels within the rows are counted"
        assert ranks == [NOWHERE, *sorted(set(ranks[1:]))], "rows are best first"
        assert list(corrections) == sorted(corrections), "corrections are best first"
        assert len(corrections) <= MOST_CORRECTIONS, "there are at most MOST_CORRECTIONS corrections"
        within = {rank: level.amount for rank, level in self._levels.items() if rank <= worst}
        for _, rank, change, total in corrections:
            assert total == within.get(rank, 0), "a correction has the amount of its level"
            within[rank] = total - change
        original = [within.pop(rank, 0) for rank in ranks]
        assert not any(within.values()), "a level without a row has a correction"
        assert reach == list(accumulate(original)), "the amounts of the rows are right before corrections"
        costs = accumulate(map(mul, ranks, original))
        expected = [cost - end * rank for cost, end, rank in zip(costs, reach, ranks, strict=True)]
        assert offsets == expected, "the offsets of the rows are right before corrections"
