"""The meter of a simulated market, against sums over the same orders that are written out here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms import MatchingEngine, Side
from oms.simulation.meter import Meter

KINDS = {"Ann": "bank", "Bob": "fund", "Cid": "fund"}


def orders() -> st.SearchStrategy[list[tuple[Side, int, int, str | None]]]:
    order = st.tuples(
        st.sampled_from(Side), st.integers(1, 9), st.integers(95, 105), st.sampled_from([*KINDS, "Dan", None])
    )
    return st.lists(order, max_size=30)


def run(submitted: Sequence[tuple[Side, int, int, str | None]], steps: int) -> tuple[Meter, MatchingEngine]:
    """Submit one order in each step, as long as there are orders."""
    engine = MatchingEngine()
    meter = Meter(engine, "XYZ", KINDS, steps)
    for step in range(steps):
        if step < len(submitted):
            side, amount, price, owner = submitted[step]
            engine.submit(step, "XYZ", side, amount, price, owner=owner)
        meter.end_step(100 + step)
    return meter, engine


@given(submitted=orders(), value=st.integers(1, 200))
def test_the_profits_are_those_of_the_fills_and_add_up_to_zero(
    submitted: list[tuple[Side, int, int, str | None]], value: int
) -> None:
    meter, _ = run(submitted, len(submitted) or 1)
    naive = dict.fromkeys(["bank", "fund", "other"], 0)
    traded = dict(naive)
    engine = MatchingEngine()
    for step, (side, amount, price, owner) in enumerate(submitted):
        for fill in engine.submit(step, "XYZ", side, amount, price, owner=owner).fills:
            assert isinstance(fill.order_id, int)
            gain = side.sign * fill.amount * (value - fill.price)
            for name, sign in ((owner, 1), (submitted[fill.order_id][3], -1)):
                naive[KINDS.get(name or "", "other")] += sign * gain
                traded[KINDS.get(name or "", "other")] += fill.amount
    profits = meter.profits(value)
    assert {kind: profit.profit for kind, profit in profits.items()} == {
        kind: profit for kind, profit in naive.items() if kind != "other" or traded["other"]
    }
    for kind, profit in profits.items():
        assert profit.traded == traded[kind]
        assert profit.profit == sum(profit.against.values())
        assert profit.against.get(kind, 0) == 0
        assert all(profits[other].against[kind] == -gain for other, gain in profit.against.items())
    assert sum(profit.position for profit in profits.values()) == 0
    assert (profits["bank"].agents, profits["fund"].agents) == (1, 2)


@given(submitted=orders(), extra=st.integers(1, 300))
def test_the_intervals_cover_all_steps_and_add_up(
    submitted: list[tuple[Side, int, int, str | None]], extra: int
) -> None:
    steps = len(submitted) + extra
    meter, engine = run(submitted, steps)
    intervals = meter.intervals(7)
    assert len(intervals) <= min(120, steps)
    assert [each.first_step for each in intervals] == [
        sum(each.steps for each in intervals[:n]) for n in range(len(intervals))
    ]
    assert sum(each.steps for each in intervals) == steps
    assert sum(each.events for each in intervals) == engine.last_sequence
    assert len({each.steps for each in intervals[:-1]}) <= 1
    assert 1 <= intervals[-1].steps <= intervals[0].steps
    assert [each.value for each in intervals] == [99 + each.first_step + each.steps for each in intervals]


@given(submitted=orders())
def test_the_sums_are_those_of_the_steps(submitted: list[tuple[Side, int, int, str | None]]) -> None:
    steps = 2 * len(submitted) + 1
    meter, _ = run(submitted, steps)
    engine, spreads, asks, bids = MatchingEngine(), [], [], []
    mids: list[Fraction] = []
    squares: list[float] = []
    for step in range(steps):
        if step < len(submitted):
            side, amount, price, owner = submitted[step]
            engine.submit(step, "XYZ", side, amount, price, owner=owner)
        top = engine.top("XYZ")
        if top.mid is not None and top.spread is not None:
            if mids:
                squares.append(float((top.mid - mids[-1]) / mids[-1]) ** 2)
            mids.append(top.mid)
            spreads.append(top.spread)
            asks.append(sum(level.amount for level in engine.depth("XYZ", Side.BUY)[:5]))
            bids.append(sum(level.amount for level in engine.depth("XYZ", Side.SELL)[:5]))
    intervals = meter.intervals(0)
    assert sum(each.quoted for each in intervals) == len(mids)
    assert sum(each.spread_sum for each in intervals) == sum(spreads)
    assert sum(each.ask_depth_sum for each in intervals) == sum(asks)
    assert sum(each.bid_depth_sum for each in intervals) == sum(bids)
    assert sum(each.squared_returns for each in intervals) == pytest.approx(math.fsum(squares))
    assert intervals[-1].mid == (mids[-1] if mids else None)


def test_an_unfinished_interval_is_included() -> None:
    engine = MatchingEngine()
    meter = Meter(engine, "XYZ", KINDS, steps=1_200)
    assert [each.steps for each in meter.intervals(100)] == [0]
    for done in range(1, 21):
        meter.end_step(100)
        lengths = [each.steps for each in meter.intervals(100)]
        assert lengths == {10: [10], 20: [10, 10]}.get(done, [10] * (done // 10) + [done % 10])
