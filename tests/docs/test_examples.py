"""The examples that people copy do what they say, not only run."""

from __future__ import annotations

import asyncio
import runpy
from pathlib import Path

import asyncio_embedding
import market_maker
import pytest
import slice_parent_order
from hypothesis import given
from hypothesis import strategies as st

from oms import InsufficientLiquidityError, OrderAdded, Side, TradePlaced

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_is_short_and_shows_something_when_it_is_run(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(path.read_text().splitlines()) <= 110
    runpy.run_path(str(path), run_name="__main__")
    assert capsys.readouterr().out


# ------------------------------------------------------------------ the market maker


def test_the_market_maker_earns_the_same_in_every_run() -> None:
    bot, earned = market_maker.run()
    again, earned_again = market_maker.run()
    assert (bot.held, bot.cash, earned) == (again.held, again.cash, earned_again)
    assert earned > 0


@given(seed=st.integers(0, 2**32), steps=st.integers(1, 60))
def test_the_market_maker_counts_what_others_paid_it_and_keeps_within_its_limit(
    seed: int, steps: int
) -> None:
    bot, earned = market_maker.run(steps, seed)
    held = cash = 0
    worth = 0
    # Told again from the tape alone: the wall is never reached, so the other side of each trade is the bot.
    for worth, taker, amount in market_maker.tape(steps, seed):
        middle = worth - held // 10
        gain = -1 if taker is Side.BUY else 1
        room = min(20, 60 - gain * held)
        price = middle - gain * 5
        traded = min(amount, room)
        if traded > 0 and gain * (worth - price) <= 15:
            held, cash = held + gain * traded, cash - gain * traded * price
    assert (bot.held, bot.cash, earned) == (held, cash, cash + held * worth)
    assert -bot.most <= bot.held <= bot.most
    assert len(bot.om) == 2, "the wall alone is left when it has taken out its quotes"


# ------------------------------------------------------------------ the parent order


def test_the_slices_trade_all_of_the_parent_order_for_less_than_at_once() -> None:
    at_once, sliced = slice_parent_order.run()
    assert sliced.amount == sum(trade.amount for trade in sliced.trades) == 2_000
    assert sliced.total_price == sum(trade.total_price for trade in sliced.trades)
    assert sliced.total_price < at_once
    assert len(sliced.trades) > 1


@given(amount=st.integers(1, 5_000), slices=st.integers(1, 20), seed=st.integers(0, 99))
def test_no_slice_but_the_last_goes_further_from_the_best_price_than_its_premium(
    amount: int, slices: int, seed: int
) -> None:
    _, sliced = slice_parent_order.run(amount, slices, seed)
    assert sliced.amount == amount
    for premium, trade in enumerate(sliced.trades[: slices - 1]):
        assert trade.fills[-1].price - trade.fills[0].price <= premium


def test_in_a_market_that_does_not_refill_slices_cost_what_one_trade_costs() -> None:
    om = slice_parent_order.book()
    at_once = om.calculate_price("XYZ", Side.BUY, 700)
    sliced = slice_parent_order.execute(om, "XYZ", Side.BUY, 700, iter(()), 5)
    assert (sliced.amount, sliced.total_price) == (700, at_once)
    om.add_order(9_001, "XYZ", Side.SELL, 10, 90)
    om.add_order(9_002, "XYZ", Side.SELL, 10, 80)
    assert slice_parent_order.execute(om, "XYZ", Side.SELL, 15, iter(()), 3).total_price == 900 + 400


def test_a_parent_order_larger_than_the_market_is_an_error_that_says_how_large_it_was() -> None:
    with pytest.raises(InsufficientLiquidityError) as refused:
        slice_parent_order.run(amount=100_000, slices=1)
    assert (refused.value.requested, refused.value.available) == (100_000, 5_000)


# ------------------------------------------------------------------ asyncio


def test_the_patient_trader_buys_at_its_price_and_the_stingy_one_never() -> None:
    (patient, stingy), log = asyncio.run(asyncio_embedding.run())
    assert patient is not None
    assert (patient.amount, patient.total_price) == (20, 2_040)
    assert stingy is None
    assert [event.sequence for event in log] == list(range(1, 8))
    kinds = [type(event) for event in log]
    assert kinds == [*[OrderAdded] * 4, TradePlaced, *[OrderAdded] * 2], "no sooner than the price is right"
