"""The report of a simulated market."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms.simulation import Interval, SimulationReport
from oms.simulation.report import merged

EMPTY = Interval(0, 10, 0, 0, 0, 100, None, 0, 0, 0, 0, 0.0)
BUSY = Interval(10, 10, 7, 3, 12, 101, 203, 4, 10, 50, 61, 0.0004)


def test_the_means_are_over_the_steps_in_which_both_sides_had_orders() -> None:
    assert (BUSY.mid, BUSY.spread) == (Fraction(203, 2), Fraction(5, 2))
    assert (BUSY.ask_depth, BUSY.bid_depth) == (Fraction(25, 2), Fraction(61, 4))


def test_an_interval_without_prices_has_no_means_and_no_volatility() -> None:
    assert (EMPTY.mid, EMPTY.spread, EMPTY.ask_depth, EMPTY.bid_depth) == (None, None, None, None)
    assert EMPTY.volatility == 0.0


def test_the_volatility_is_the_root_of_the_summed_squared_returns_in_basis_points() -> None:
    assert BUSY.volatility == pytest.approx(200.0)


def test_the_total_covers_the_whole_simulation() -> None:
    total = SimulationReport("XYZ", (EMPTY, BUSY), {}, "").total
    assert total == Interval(0, 20, 7, 3, 12, 101, 203, 4, 10, 50, 61, 0.0004)


@given(number=st.integers(0, 40), most=st.integers(1, 20))
def test_merged_intervals_cover_the_same_steps_in_parts_of_equal_length(number: int, most: int) -> None:
    intervals = [BUSY._replace(first_step=10 * n) for n in range(number)]
    result = merged(intervals, most)
    assert len(result) <= most
    assert sum(each.steps for each in result) == 10 * number
    assert sum(each.volume for each in result) == 12 * number
    assert [each.first_step for each in result] == [
        sum(each.steps for each in result[:n]) for n in range(len(result))
    ]
    assert len({each.steps for each in result[:-1]}) <= 1
    assert not result or 10 <= result[-1].steps <= result[0].steps
