"""Intervals are finite numbers of seconds above 0."""

from __future__ import annotations

from typing import Any

import pytest

from oms import InvalidArgumentError
from oms.feeds.intervals import nanoseconds_in


@pytest.mark.parametrize(("seconds", "expected"), [(1, 10**9), (0.5, 5 * 10**8), (1e-12, 1)])
def test_an_interval_is_a_whole_number_of_nanoseconds_of_at_least_one(seconds: float, expected: int) -> None:
    assert nanoseconds_in("every", seconds) == expected


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan"), True, "1", None])
def test_any_other_interval_is_rejected_by_the_name_of_its_argument(seconds: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="seconds must be a finite number of seconds above 0, not"):
        nanoseconds_in("seconds", seconds)
