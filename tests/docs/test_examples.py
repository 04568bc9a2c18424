"""The examples run, and their results are as documented."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import asyncio_embedding
import cost_study
import market_maker
import pytest
import slice_parent_order
from hypothesis import given
from hypothesis import strategies as st

from oms import InsufficientLiquidityError, OrderAdded, Side, TradePlaced
from oms.feeds import ReplayUnit, replay_many

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=[pytest.mark.slow] if path.stem in {"cost_study", "two_bots"} else [])
        for path in sorted(EXAMPLES.glob("*.py"))
    ],
    ids=lambda path: path.stem,
)
def test_an_example_is_short_and_prints_something(path: Path, tmp_path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 110
    shown = subprocess.run(
        [sys.executable, str(path)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert shown.stdout
    assert not shown.stderr


# ------------------------------------------------------------------ the market maker


def test_the_market_maker_earns_the_same_in_every_run() -> None:
    bot, profit = market_maker.run()
    second_bot, second_profit = market_maker.run()
    assert (bot.position, bot.cash, profit) == (second_bot.position, second_bot.cash, second_profit)
    assert profit > 0


@given(seed=st.integers(0, 2**32), steps=st.integers(1, 60))
def test_the_market_maker_counts_its_cash_and_stays_within_its_limit(seed: int, steps: int) -> None:
    bot, profit = market_maker.run(steps, seed)
    position = cash = 0
    fair_price = 0
    # Compute position and cash from the tape alone. No trade reaches the wall, so every trade fills orders of
    # the bot.
    for fair_price, taker, amount in market_maker.tape(steps, seed):
        middle = fair_price - position // 10
        gain = -1 if taker is Side.BUY else 1
        quoted = min(20, 60 - gain * position)
        price = middle - gain * 5
        traded = min(amount, quoted)
        if traded > 0 and gain * (fair_price - price) <= 15:
            position, cash = position + gain * traded, cash - gain * traded * price
    assert (bot.position, bot.cash, profit) == (position, cash, cash + position * fair_price)
    assert -bot.limit <= bot.position <= bot.limit
    assert len(bot.om) == 2, "after the bot has canceled its quotes, only the wall rests"


# ------------------------------------------------------------------ the parent order


def test_the_slices_trade_the_whole_parent_order_for_less_than_one_trade() -> None:
    at_once, sliced = slice_parent_order.run()
    assert sliced.amount == sum(trade.amount for trade in sliced.trades) == 2_000
    assert sliced.total_price == sum(trade.total_price for trade in sliced.trades)
    assert sliced.total_price < at_once
    assert len(sliced.trades) > 1


@given(amount=st.integers(1, 5_000), slices=st.integers(1, 20), seed=st.integers(0, 99))
def test_every_slice_but_the_last_stays_within_its_premium_of_the_best_price(
    amount: int, slices: int, seed: int
) -> None:
    _, sliced = slice_parent_order.run(amount, slices, seed)
    assert sliced.amount == amount
    for premium, trade in enumerate(sliced.trades[: slices - 1]):
        assert trade.fills[-1].price - trade.fills[0].price <= premium


def test_slices_cost_as_much_as_one_trade_if_the_book_is_not_refilled() -> None:
    om = slice_parent_order.book()
    at_once = om.calculate_price("XYZ", Side.BUY, 700)
    sliced = slice_parent_order.execute(om, "XYZ", Side.BUY, 700, iter(()), 5)
    assert (sliced.amount, sliced.total_price) == (700, at_once)
    om.add_order(9_001, "XYZ", Side.SELL, 10, 90)
    om.add_order(9_002, "XYZ", Side.SELL, 10, 80)
    assert slice_parent_order.execute(om, "XYZ", Side.SELL, 15, iter(()), 3).total_price == 900 + 400


def test_a_parent_order_larger_than_the_market_is_an_error_with_the_available_amount() -> None:
    with pytest.raises(InsufficientLiquidityError) as raised:
        slice_parent_order.run(amount=100_000, slices=1)
    assert (raised.value.requested, raised.value.available) == (100_000, 5_000)


# ------------------------------------------------------------------ asyncio


def test_the_trader_with_the_higher_limit_buys_and_the_other_never_does() -> None:
    (patient, stingy), log = asyncio.run(asyncio_embedding.run())
    assert patient is not None
    assert (patient.amount, patient.total_price) == (20, 2_040)
    assert stingy is None
    assert [event.sequence for event in log] == list(range(1, 8))
    kinds = [type(event) for event in log]
    assert kinds == [*[OrderAdded] * 4, TradePlaced, *[OrderAdded] * 2], (
        "the trade follows the order that makes the price low enough"
    )


# ------------------------------------------------------------------ the study of costs


def test_the_study_gives_the_same_costs_in_one_process_for_each_seed(tmp_path: Path) -> None:
    unit, same = (tmp_path / name for name in ("a.csv", "b.csv"))
    for path in (unit, same):
        cost_study.write_day(path, seed=1, events=600)
    units = [ReplayUnit(unit), ReplayUnit(same)]
    first, second = (result.value for result in replay_many(units, cost_study.slippage_per_minute, workers=1))
    assert first == second
    assert first.minutes > 1
    assert 0 < first.mean < first.worst
