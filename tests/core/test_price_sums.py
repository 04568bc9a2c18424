"""Running sums beside a list of levels that is added up anew each time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms.level import Level
from oms.price_sums import MOST_SHIFTS, NOWHERE, PriceSums

ranks = st.integers(-9, 9).filter(bool)
amounts = st.integers(1, 5)
changes = st.lists(st.tuples(ranks, st.integers(0, 5), st.integers(0, 40)), max_size=40)


class Levels(Mapping[int, Level]):
    """Total amounts by rank, as the levels of a book; notes which of them are looked at."""

    def __init__(self, totals: dict[int, int]) -> None:
        self._totals = totals
        self.looked_at: list[int] = []

    def __getitem__(self, rank: int) -> Level:
        self.looked_at.append(rank)
        return Level(self._totals[rank], [1])

    def __iter__(self) -> Iterator[int]:
        return iter(self._totals)

    def __len__(self) -> int:
        return len(self._totals)


def walked(totals: dict[int, int], amount: int) -> int | None:
    paid = 0
    for rank in sorted(totals):
        taken = min(amount, totals[rank])
        paid += taken * rank
        amount -= taken
        if not amount:
            return abs(paid)
    return None


def change_to(sums: PriceSums, totals: dict[int, int], rank: int, amount: int) -> None:
    before = totals.pop(rank, 0)
    if amount:
        totals[rank] = amount
    if amount != before and rank <= sums.worst:
        sums.shift(rank, amount - before, amount)


@given(st.dictionaries(ranks.map(abs), amounts), st.sampled_from([1, -1]), changes)
def test_a_cached_price_equals_a_walk_whatever_changed_above_in_or_below_the_rows(
    totals: dict[int, int], sign: int, changes: list[tuple[int, int, int]]
) -> None:
    totals = {sign * rank: amount for rank, amount in totals.items()}
    sums = PriceSums(Levels(totals))
    for rank, amount, asked in changes:
        change_to(sums, totals, sign * abs(rank), amount)
        sums._check(sorted(totals))
        for each in range(1, sum(totals.values()) + 2):
            assert sums.price(each) in (None, walked(totals, each))
        if asked and sums.price(asked) is None:
            held = sums.grow(sorted(totals), asked)
            assert held >= asked or held == sum(totals.values())
            sums._check(sorted(totals))
        if asked:
            assert sums.price(asked) == walked(totals, asked)


def test_a_level_that_changes_back_has_no_shift() -> None:
    totals = {20: 5, 21: 5}
    sums = PriceSums(Levels(totals))
    sums.grow([20, 21], 10)
    before = sums._cache
    change_to(sums, totals, 20, 3)
    assert sums._cache != before
    change_to(sums, totals, 20, 5)
    assert sums._cache == before


def test_prices_stay_cached_until_more_than_eight_levels_have_changed() -> None:
    totals = dict.fromkeys(range(20, 40), 5)
    sums = PriceSums(Levels(totals))
    sums.grow(sorted(totals), 100)
    for rank in range(20, 20 + MOST_SHIFTS):
        change_to(sums, totals, rank, 6)
        assert sums.price(90) == walked(totals, 90)
    change_to(sums, totals, 39, 6)
    assert sums.price(90) is None
    sums.grow(sorted(totals), 90)
    assert sums.price(90) == walked(totals, 90)


def test_growing_looks_only_at_levels_that_have_no_row_yet() -> None:
    levels = Levels(dict.fromkeys(range(20, 40), 5))
    sums = PriceSums(levels)
    sums.grow(sorted(levels), 12)
    assert levels.looked_at == [20, 21, 22]
    sums.grow(sorted(levels), 16)
    assert levels.looked_at == [20, 21, 22, 23]


def test_a_change_reported_before_the_rows_exist_is_ignored() -> None:
    totals = {20: 5}
    sums = PriceSums(Levels(totals))
    sums.worst = 25  # as an interrupt may leave it
    change_to(sums, totals, 22, 5)
    sums._check([20, 22])
    assert sums.grow([20, 22], 7) == 10
    assert sums.price(7) == 20 * 5 + 22 * 2


@pytest.mark.parametrize(
    ("damage", "invariant"),
    [
        (lambda sums: setattr(sums, "worst", 20), "every change within the rows is reported"),
        (lambda sums: _set(sums, covered=1), "levels within the rows are counted"),
        (
            lambda sums: _set(sums, ranks=[NOWHERE, 21, 20]),
            "levels within the rows are counted|rows are best first",
        ),
        (lambda sums: _set(sums, shifts=((1, 21, 1, 5), (0, 20, 1, 5))), "shifts are best first"),
        (lambda sums: _set(sums, shifts=((0, 20, 1, 5),) * (MOST_SHIFTS + 1)), "at most MOST_SHIFTS"),
        (lambda sums: _set(sums, shifts=((0, 20, 1, 4),)), "a shift has the amount"),
        (lambda sums: _set(sums, ranks=[NOWHERE, 19, 21]), "a level without a row"),
        (lambda sums: _set(sums, reach=[0, 5, 11]), "the amounts of the rows"),
        (lambda sums: _set(sums, offsets=[0, 0, -6]), "the offsets of the rows"),
    ],
)
def test_the_check_detects_each_kind_of_damage(damage: Callable[[PriceSums], object], invariant: str) -> None:
    sums = PriceSums(Levels({20: 5, 21: 5}))
    sums.grow([20, 21], 10)
    sums._check([20, 21])
    damage(sums)
    with pytest.raises(AssertionError, match=invariant):
        sums._check([20, 21])


def _set(sums: PriceSums, **parts: object) -> None:
    names = ("ranks", "reach", "offsets", "shifts", "covered")
    cache = dict(zip(names, sums._cache, strict=True)) | parts
    sums._cache = tuple(cache[name] for name in names)  # type: ignore[assignment]  # damage on purpose
