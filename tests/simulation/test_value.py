"""The fundamental value of a simulated market."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms import InvalidOrderError
from oms.simulation import FundamentalValue


@given(seed=st.integers(), steps=st.lists(st.integers(0, 300), max_size=5))
def test_the_value_at_a_step_does_not_depend_on_the_steps_asked_for_before(
    seed: int, steps: list[int]
) -> None:
    value = FundamentalValue(seed)
    assert [value.at(step) for step in steps] == [FundamentalValue(seed).at(step) for step in steps]


@given(seed=st.integers(), every=st.integers(1, 10), largest=st.integers(1, 5))
def test_the_value_moves_by_at_most_the_largest_move_and_stays_positive(
    seed: int, every: int, largest: int
) -> None:
    value = FundamentalValue(seed, 3, every=every, largest_move=largest)
    values = [value.at(step) for step in range(200)]
    assert values[0] == 3
    assert min(values) >= 1
    assert max(abs(after - before) for before, after in pairwise(values)) <= largest


def test_news_arrives_as_often_as_requested_and_is_as_often_good_as_bad() -> None:
    value = FundamentalValue(1, every=10, largest_move=4)
    moves = [value.at(step + 1) - value.at(step) for step in range(10_000)]
    assert 900 < sum(move != 0 for move in moves) < 1_100
    assert 450 < sum(move > 0 for move in moves) < 550
    assert set(moves) == {-4, -3, -2, -1, 0, 1, 2, 3, 4}


def test_different_seeds_give_different_values() -> None:
    assert len({FundamentalValue(seed).at(10_000) for seed in range(10)}) > 5


@pytest.mark.parametrize("argument", ["start", "every", "largest_move"])
def test_an_argument_that_is_not_a_positive_integer_is_rejected(argument: str) -> None:
    with pytest.raises(InvalidOrderError, match=f"^{argument} must be an int in 1"):
        FundamentalValue(1, **{argument: 0})
