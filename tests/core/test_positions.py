"""Positions and points of a curve: the figures that are computed from their fields."""

from __future__ import annotations

from fractions import Fraction

import pytest

from oms import InvalidArgumentError, Position, ProfitPoint

LONG = Position("Ann", "JPM", 20, -2010, Fraction(201, 2), 0, Fraction(5, 2), 20, 0, 102)


def test_the_unrealized_profit_is_that_at_the_last_price_or_at_the_mark() -> None:
    assert LONG.unrealized() == 20 * 102 - 2010
    assert LONG.unrealized(mark=100) == -10
    assert LONG.unrealized(mark=Fraction(403, 4)) == 5
    assert type(LONG.unrealized(mark=Fraction(403, 4))) is int


def test_a_short_position_gains_when_the_price_falls() -> None:
    short = LONG._replace(amount=-20, cash=2010)
    assert short.unrealized(mark=100) == 10


def test_a_flat_position_has_no_unrealized_profit_even_without_a_price() -> None:
    flat = Position(None, "JPM", 0, 7, None, 7, 2, 5, 5, None)
    assert (flat.unrealized(), flat.unrealized(mark=9), flat.profit()) == (0, 0, 5)


def test_the_profit_is_cash_plus_the_value_of_the_position_minus_fees() -> None:
    assert LONG.profit(mark=100) == LONG.cash + 20 * 100 - LONG.fees
    assert LONG.profit() == LONG.cash + 20 * 102 - LONG.fees


@pytest.mark.parametrize("mark", [1.5, "100", True])
def test_a_mark_that_is_not_exact_is_rejected(mark: object) -> None:
    with pytest.raises(InvalidArgumentError, match="mark must be an int or a Fraction, in ticks"):
        LONG.unrealized(mark=mark)  # type: ignore[arg-type] # the mistake


def test_the_profit_of_a_point_is_the_sum_of_its_parts() -> None:
    point = ProfitPoint(7, None, 20, 102, 3, 30, Fraction(1, 2))
    assert point.profit == Fraction(65, 2)
    assert point._replace(fees=1).profit == 32
