"""The cached running sums of a book, compared with sums that are computed again each time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms.level import Level
from oms.price_sums import MOST_CORRECTIONS, NOWHERE, PriceSums

ranks = st.integers(-9, 9).filter(bool)
amounts = st.integers(1, 5)
changes = st.lists(st.tuples(ranks, st.integers(0, 5), st.integers(0, 40)), max_size=40)


class Levels(Mapping[int, Level]):
    """The levels of a book, as a mapping from rank to level that records each lookup.

    The rank of a level is its price with the sign of its side, so that the best level has the lowest rank.
    """

    def __init__(self, totals: dict[int, int]) -> None:
        self._totals = totals
        self.lookups: list[int] = []

    def __getitem__(self, rank: int) -> Level:
        self.lookups.append(rank)
        return Level(rank, self._totals[rank], [1])

    def __iter__(self) -> Iterator[int]:
        return iter(self._totals)

    def __len__(self) -> int:
        return len(self._totals)


def price_by_loop(totals: dict[int, int], amount: int) -> int | None:
    total = 0
    for rank in sorted(totals):
        filled = min(amount, totals[rank])
        total += filled * rank
        amount -= filled
        if not amount:
            return abs(total)
    return None


def set_amount(sums: PriceSums, totals: dict[int, int], rank: int, amount: int) -> None:
    before = totals.pop(rank, 0)
    if amount:
        totals[rank] = amount
    if amount != before and rank <= sums.worst:
        sums.add_correction(rank, amount - before, amount)


@given(st.dictionaries(ranks.map(abs), amounts), st.sampled_from([1, -1]), changes)
def test_a_cached_price_equals_a_computed_price_after_changes_at_any_level(
    totals: dict[int, int], sign: int, changes: list[tuple[int, int, int]]
) -> None:
    totals = {sign * rank: amount for rank, amount in totals.items()}
    sums = PriceSums(Levels(totals))
    for rank, amount, requested in changes:
        set_amount(sums, totals, sign * abs(rank), amount)
        sums._check(sorted(totals))
        for number in range(1, sum(totals.values()) + 2):
            assert sums.price(number) in (None, price_by_loop(totals, number))
        if requested and sums.price(requested) is None:
            covered = sums.grow(sorted(totals), requested)
            assert covered >= requested or covered == sum(totals.values())
            sums._check(sorted(totals))
        if requested:
            assert sums.price(requested) == price_by_loop(totals, requested)


@given(st.dictionaries(ranks.map(abs), amounts), st.sampled_from([1, -1]), changes, st.data())
def test_the_prices_of_many_amounts_equal_the_price_of_each_amount_alone(
    totals: dict[int, int], sign: int, changes: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    totals = {sign * rank: amount for rank, amount in totals.items()}
    sums = PriceSums(Levels(totals))
    for rank, amount, requested in changes:
        set_amount(sums, totals, sign * abs(rank), amount)
        covered = sums.grow(sorted(totals), requested)
        if covered:
            amounts = sorted(data.draw(st.lists(st.integers(1, covered), min_size=1, max_size=9)))
            assert sums.prices(amounts) == [price_by_loop(totals, amount) for amount in amounts]
            every = range(1, covered + 1)
            assert sums.prices(every) == [price_by_loop(totals, amount) for amount in every]


def test_a_level_that_returns_to_its_old_amount_leaves_no_correction_in_the_cache() -> None:
    totals = {20: 5, 21: 5}
    sums = PriceSums(Levels(totals))
    sums.grow([20, 21], 10)
    before = sums._cache
    set_amount(sums, totals, 20, 3)
    assert sums._cache != before
    set_amount(sums, totals, 20, 5)
    assert sums._cache == before


def test_prices_stay_cached_until_more_than_eight_levels_have_changed() -> None:
    totals = dict.fromkeys(range(20, 40), 5)
    sums = PriceSums(Levels(totals))
    sums.grow(sorted(totals), 100)
    for rank in range(20, 20 + MOST_CORRECTIONS):
        set_amount(sums, totals, rank, 6)
        assert sums.price(90) == price_by_loop(totals, 90)
    set_amount(sums, totals, 39, 6)
    assert sums.price(90) is None
    sums.grow(sorted(totals), 90)
    assert sums.price(90) == price_by_loop(totals, 90)


def test_extending_the_sums_reads_only_levels_that_are_not_cached_yet() -> None:
    levels = Levels(dict.fromkeys(range(20, 40), 5))
    sums = PriceSums(levels)
    sums.grow(sorted(levels), 12)
    assert levels.lookups == [20, 21, 22]
    sums.grow(sorted(levels), 16)
    assert levels.lookups == [20, 21, 22, 23]


def test_a_change_at_a_level_without_cached_sums_is_ignored() -> None:
    totals = {20: 5}
    sums = PriceSums(Levels(totals))
    sums.worst = 25  # an interrupt can leave this value
    set_amount(sums, totals, 22, 5)
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
        (lambda sums: _set(sums, corrections=((1, 21, 1, 5), (0, 20, 1, 5))), "corrections are best first"),
        (
            lambda sums: _set(sums, corrections=((0, 20, 1, 5),) * (MOST_CORRECTIONS + 1)),
            "at most MOST_CORRECTIONS",
        ),
        (lambda sums: _set(sums, corrections=((0, 20, 1, 4),)), "a correction has the amount"),
        (lambda sums: _set(sums, ranks=[NOWHERE, 19, 21]), "a level without a row"),
        (lambda sums: _set(sums, reach=[0, 5, 11]), "the amounts of the rows"),
        (lambda sums: _set(sums, offsets=[0, 0, -6]), "the offsets of the rows"),
    ],
)
def test_the_self_check_detects_each_kind_of_damage(
    damage: Callable[[PriceSums], object], invariant: str
) -> None:
    sums = PriceSums(Levels({20: 5, 21: 5}))
    sums.grow([20, 21], 10)
    sums._check([20, 21])
    damage(sums)
    with pytest.raises(AssertionError, match=invariant):
        sums._check([20, 21])


def _set(sums: PriceSums, **parts: object) -> None:
    names = ("ranks", "reach", "offsets", "corrections", "covered")
    cache = dict(zip(names, sums._cache, strict=True)) | parts
    sums._cache = tuple(cache[name] for name in names)  # type: ignore[assignment]  # intentional damage
