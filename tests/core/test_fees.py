"""Fee schedules: exact rates for makers and takers, tiers, rebates, and rounding."""

from __future__ import annotations

import pickle
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms import FeeRounding, FeeSchedule, FeeTier, FeeVolume, InvalidArgumentError
from support.naive_account import PartyFill, naive_fee

rates = st.one_of(
    st.integers(-20, 20),
    st.decimals("-9", "9", places=3),
    st.fractions(-3, 3, max_denominator=12),
    st.sampled_from(["0", "-0.5", "2.75", "1e-3"]),
)
tier_rates = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("maker_bps", "taker_bps", "maker_per_lot", "taker_per_lot"), rates)
)


@st.composite
def schedules(draw: st.DrawFn) -> FeeSchedule:
    """Draw a schedule, usually with a few tiers, and sometimes with rounding."""
    volumes = sorted(draw(st.sets(st.integers(1, 200), max_size=3)))
    return FeeSchedule(
        **draw(tier_rates),
        tiers=tuple(FeeTier(volume, **draw(tier_rates)) for volume in volumes),
        tier_by=draw(st.sampled_from(FeeVolume)),
        round_to=draw(st.none() | st.integers(1, 5)),
        rounding=draw(st.sampled_from(FeeRounding)),
    )


fills = st.lists(st.tuples(st.integers(-40, 40).filter(bool), st.integers(1, 60), st.booleans()), max_size=12)


@given(schedules(), fills)
def test_the_fees_of_fills_are_the_sum_of_their_single_fees(
    schedule: FeeSchedule, fills: list[tuple[int, int, bool]]
) -> None:
    total, volume = Fraction(0), 0
    for amount, price, is_taker in fills:
        fee = naive_fee(schedule, PartyFill("JPM", None, amount, price, is_taker), volume)
        assert schedule.fee(abs(amount), price, is_taker=is_taker, volume=volume) == fee
        total += fee
        volume += abs(amount) if schedule.tier_by is FeeVolume.AMOUNT else abs(amount) * price
    charged, reached = schedule.charge(fills, 0)
    assert Fraction(charged, schedule.denominator) == total
    needs_volume = schedule.tiers and not schedule.is_free
    assert reached == volume or not needs_volume


def test_a_maker_and_a_taker_have_their_own_rates() -> None:
    schedule = FeeSchedule(maker_bps="-0.5", taker_bps=5, taker_per_lot=2)
    assert schedule.fee(10, 2000, is_taker=False) == -1
    assert schedule.fee(10, 2000, is_taker=True) == 10 + 20


def test_without_rates_there_are_no_fees() -> None:
    assert FeeSchedule().is_free
    assert FeeSchedule().fee(10, 2000, is_taker=True) == 0
    assert not FeeSchedule(tiers=[FeeTier(5, maker_bps=1)]).is_free


def test_a_tier_begins_with_the_first_fill_after_its_volume_has_been_reached() -> None:
    schedule = FeeSchedule(taker_per_lot=3, tiers=(FeeTier(100, taker_per_lot=2),))
    whole, _ = schedule.charge([(99, 7, True), (50, 7, True), (-50, 7, True)], 0)
    assert whole == 99 * 3 + 50 * 3 + 50 * 2


def test_tiers_can_begin_at_a_traded_total_price() -> None:
    tiers = (FeeTier(700, taker_per_lot=2),)
    schedule = FeeSchedule(taker_per_lot=3, tiers=tiers, tier_by=FeeVolume.TOTAL_PRICE)
    assert schedule.charge([(100, 7, True), (1, 7, True)], 0) == (302, 707)


@pytest.mark.parametrize(
    ("rounding", "fee", "rebate"),
    [(FeeRounding.NEAREST, 20, -20), (FeeRounding.UP, 30, -20), (FeeRounding.DOWN, 20, -30)],
)
def test_the_fee_of_each_fill_is_rounded_to_a_multiple(rounding: FeeRounding, fee: int, rebate: int) -> None:
    schedule = FeeSchedule(maker_per_lot=-25, taker_per_lot=25, round_to=10, rounding=rounding)
    assert schedule.fee(1, 7, is_taker=True) == fee
    assert schedule.fee(1, 7, is_taker=False) == rebate


def test_nearest_rounds_up_above_one_half_and_half_to_the_even_multiple() -> None:
    schedule = FeeSchedule(taker_per_lot="0.5", round_to=1)
    assert [schedule.fee(lots, 1, is_taker=True) for lots in (1, 3, 5)] == [0, 2, 2]
    assert FeeSchedule(taker_per_lot="0.51", round_to=1).fee(1, 1, is_taker=True) == 1


def test_equal_rates_of_different_types_charge_equal_fees() -> None:
    for rate in ("0.5", Decimal("0.5"), Fraction(1, 2), "5e-1"):
        assert FeeSchedule(taker_bps=rate).fee(3, 7, is_taker=True) == Fraction(21, 20_000)


@pytest.mark.parametrize(
    "rate",
    [
        *(0.5, True, "x", "", "nan", "inf", None, Decimal("nan"), Decimal("-inf")),
        *("1e-99999999", "1e1001", Decimal("-2e1001"), Decimal("1e-1001")),  # the first would take minutes
    ],
)
@pytest.mark.parametrize("name", ["maker_bps", "taker_bps", "maker_per_lot", "taker_per_lot"])
def test_a_rate_that_is_not_an_exact_number_is_rejected(name: str, rate: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=f"{name} must be an exact number"):
        FeeSchedule(**{name: rate})
    with pytest.raises(InvalidArgumentError, match=f"{name} must be an exact number"):
        FeeTier(1, **{name: rate})


@pytest.mark.parametrize("value", [0, -1, True, 1.5, "1", Fraction(1, 2)])
@pytest.mark.parametrize("name", ["amount", "price"])
def test_a_fee_is_that_of_a_whole_amount_at_a_whole_price(name: str, value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=f"^{name} must be an int >= 1, not "):
        FeeSchedule(taker_per_lot=2).fee(**{"amount": 10, "price": 100, name: value}, is_taker=True)


def test_a_schedule_is_shown_without_default_values_and_survives_a_pickle() -> None:
    schedule = FeeSchedule(taker_bps="2.5", tiers=(FeeTier(9, taker_bps=1),), round_to=100)
    assert repr(schedule) == (
        "FeeSchedule(taker_bps='2.5', tiers=(FeeTier(volume=9, taker_bps=1),), round_to=100)"
    )
    assert repr(FeeSchedule()) == "FeeSchedule()"
    schedule.fee(1, 1, is_taker=True)
    assert pickle.loads(pickle.dumps(schedule)) == schedule  # noqa: S301 - our own data
    assert hash(schedule) == hash(FeeSchedule(taker_bps="2.5", tiers=[*schedule.tiers], round_to=100))
