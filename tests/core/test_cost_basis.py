"""Entry prices and realized profit, with FIFO and with average cost."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms import CostBasis, FeeSchedule
from oms.cost_basis import Fifo, Holding
from support.naive_account import PartyFill, naive_position

FREE = FeeSchedule()
Fill = tuple[int, int]
"""An amount (negative for a sale) and a price."""

amounts = st.integers(1, 9).flatmap(lambda amount: st.sampled_from([amount, -amount]))
fills_of_one_owner = st.lists(st.tuples(amounts, st.integers(1, 30)), max_size=40)
BASES = pytest.mark.parametrize("basis", CostBasis)


def booked(basis: CostBasis, *batches: list[Fill]) -> Holding:
    """Return a holding after batches of fills."""
    holding = Holding.flat(basis)
    for batch in batches:
        holding = holding.after([(amount, price, True) for amount, price in batch], FREE)
    return holding


def figures(basis: CostBasis, *fills: Fill) -> tuple[object, ...]:
    """Return the amount, the average entry price, and the realized profit."""
    position = booked(basis, list(fills)).position(None, "JPM", FREE, None)
    return position.amount, position.average_entry, position.realized


def test_a_sale_closes_the_lots_that_were_bought_first_or_lots_at_the_average_price() -> None:
    fills = (10, 100), (10, 110), (-5, 120)
    assert figures(CostBasis.FIFO, *fills) == (15, Fraction(5 * 100 + 10 * 110, 15), 5 * 20)
    assert figures(CostBasis.AVERAGE, *fills) == (15, 105, 5 * 15)


@BASES
def test_a_fill_that_crosses_zero_closes_the_position_and_opens_one_at_its_own_price(
    basis: CostBasis,
) -> None:
    assert figures(basis, (10, 100), (-25, 103)) == (-15, 103, 30)
    assert figures(basis, (-10, 100), (25, 103)) == (15, 103, -30)


@BASES
def test_a_short_position_gains_when_the_price_falls(basis: CostBasis) -> None:
    assert figures(basis, (-10, 100), (4, 90)) == (-6, 100, 40)


@BASES
def test_a_flat_position_has_no_entry_price(basis: CostBasis) -> None:
    assert figures(basis) == (0, None, 0)
    assert figures(basis, (3, 100), (-3, 99)) == (0, None, -3)
    assert figures(basis, (3, 100), (-3, 99), (2, 50)) == (2, 50, -3)


def test_an_average_that_is_not_whole_is_a_fraction_in_lowest_terms() -> None:
    assert figures(CostBasis.AVERAGE, (2, 100), (1, 101), (-1, 101)) == (
        2,
        Fraction(301, 3),
        Fraction(2, 3),
    )


@BASES
@given(fills=fills_of_one_owner, data=st.data())
def test_every_number_is_that_of_a_list_of_single_lots_however_the_fills_are_divided_into_batches(
    basis: CostBasis, fills: list[Fill], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(fills)))
    position = booked(basis, fills[:cut], fills[cut:]).position("Ann", "JPM", FREE, 7)
    naive = [PartyFill("JPM", "Ann", amount, price, True) for amount, price in fills]
    assert position == naive_position(naive, "JPM", "Ann", basis, FREE)._replace(last_price=7)


@given(fills_of_one_owner)
def test_all_numbers_are_integers_with_fifo_except_the_average_entry_price(fills: list[Fill]) -> None:
    position = booked(CostBasis.FIFO, fills).position(None, "JPM", FREE, None)
    assert {type(value) for value in position[2:4] + position[5:9]} == {int}


@BASES
@given(fills=fills_of_one_owner)
def test_a_number_is_a_fraction_only_if_it_is_not_whole(basis: CostBasis, fills: list[Fill]) -> None:
    position = booked(basis, fills).position(None, "JPM", FREE, None)
    for value in (position.average_entry, position.realized, position.fees):
        assert value is None or type(value) is int or value.denominator > 1


def test_an_earlier_holding_stays_valid_when_a_later_one_was_not_kept() -> None:
    first = booked(CostBasis.FIFO, [(10, 100), (10, 110)])
    before = first.position(None, "JPM", FREE, None)
    first.after([(5, 500, True), (-12, 1, True)], FREE)  # the result is dropped, as after an interrupt
    assert first.position(None, "JPM", FREE, None) == before
    after = first.after([(-25, 120, True)], FREE).position(None, "JPM", FREE, None)
    assert (after.amount, after.average_entry, after.realized) == (-5, 120, 10 * 20 + 10 * 10)


def test_closed_lots_are_dropped_so_memory_depends_on_the_open_lots_only() -> None:
    holding = booked(CostBasis.FIFO, [(3, 100)])
    for _ in range(1000):
        holding = holding.after([(1, 101, True), (-1, 102, True)], FREE)
    assert isinstance(holding.lots, Fifo)
    assert len(holding.lots.lots) < 200
    assert holding.position(None, "JPM", FREE, None).amount == 3


@BASES
def test_a_copy_shares_no_lots(basis: CostBasis) -> None:
    holding = booked(basis, [(10, 100), (-4, 101), (2, 102)])
    copy = holding.copy()
    holding.after([(1, 1, True)], FREE)
    later = copy.after([(-8, 110, True)], FREE).position(None, "JPM", FREE, None)
    assert later.realized == holding.after([(-8, 110, True)], FREE).position(None, "JPM", FREE, None).realized
