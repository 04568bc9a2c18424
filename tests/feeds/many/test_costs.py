"""The samples of costs are those of the books at the same moment."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from oms import InsufficientLiquidityError, InvalidArgumentError, OrderManagement, Side
from oms.feeds import CostSample, CostSampler, ReplayUnit, UnitReplay
from support.many_units import CAPTURE, write_units


def cost(om: OrderManagement, side: Side, amount: int) -> int | None:
    try:
        return om.calculate_price("DEMO", side, amount)
    except InsufficientLiquidityError:
        return None


def test_the_samples_are_the_costs_after_the_first_event_of_each_interval(tmp_path: Path) -> None:
    [unit] = write_units(tmp_path, [400])
    run = UnitReplay(unit)
    expected = [
        CostSample(
            time, "DEMO", side, amount, run.om.available_amount("DEMO", side), cost(run.om, side, amount)
        )
        for time in run.every(10)
        for side in Side
        for amount in (100, 5_000)
    ]
    assert CostSampler([100, 5_000], every=10)(UnitReplay(unit)) == tuple(expected)
    assert {sample.total_price is None for sample in expected} == {True, False}


def test_without_an_interval_the_samples_are_those_at_the_end_of_each_symbol(tmp_path: Path) -> None:
    path = tmp_path / "capture"
    path.write_text(CAPTURE)
    run = UnitReplay(ReplayUnit(path))
    samples = CostSampler([60])(run)
    time = 1652459226300000000
    assert samples == (
        CostSample(time, "ETH/USD", Side.BUY, 60, 9, None),
        CostSample(time, "ETH/USD", Side.SELL, 60, 0, None),
        CostSample(time, "XBT/USD", Side.BUY, 60, 75, 50 * 102 + 10 * 103),
        CostSample(time, "XBT/USD", Side.SELL, 60, 40, None),
    )


@pytest.mark.parametrize("amounts", [[100, 5_000], []])
def test_pickled_samples_are_equal_named_tuples_in_fewer_bytes(tmp_path: Path, amounts: list[int]) -> None:
    [unit] = write_units(tmp_path, [400])
    samples = CostSampler(amounts, every=10)(UnitReplay(unit))
    pickled = pickle.dumps(samples)
    copy = pickle.loads(pickled)  # noqa: S301 - our own pickle
    assert copy == samples
    assert [type(sample) for sample in copy] == [CostSample] * len(samples)
    assert not samples or len(pickled) < len(pickle.dumps(list(samples)))


def test_a_sampler_can_be_pickled_and_compared() -> None:
    sampler = CostSampler([100], every=1)
    assert pickle.loads(pickle.dumps(sampler)) == sampler  # noqa: S301 - our own pickle
    assert sampler != CostSampler([100], every=2)


@pytest.mark.parametrize(
    ("amounts", "every", "message"),
    [
        ([0], None, "amounts must be an int >= 1"),
        (5, None, "amounts must be"),
        ([1], 0, "every must be a finite"),
    ],
)
def test_invalid_amounts_and_intervals_are_rejected_at_once(amounts: Any, every: Any, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        CostSampler(amounts, every)
