"""The sums of the open orders follow every change, forward and backward. See also `test_limits.py`."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from oms import MatchingEngine, Side
from oms.submission import SelfTradePrevention
from oms.usage import Usage
from support.limits_machine import LimitsMachine, random_limits_step

BUY, SELL = Side.BUY, Side.SELL


def walk(policy: SelfTradePrevention, seed: int, steps: int) -> LimitsMachine:
    """Make random steps, and check the sums and the verdicts of all limits after each step."""
    machine, random = LimitsMachine(), Random(seed)
    machine.start(policy)
    for _ in range(steps):
        random_limits_step(machine, random)
        machine.the_engine_is_consistent()
        machine.the_sums_are_those_of_the_open_orders()
        machine.the_open_orders_agree()
    machine.teardown()
    machine.the_events_rebuild_the_same_books()
    return machine


@pytest.mark.parametrize("policy", SelfTradePrevention)
def test_limits_and_sums_agree_with_the_naive_engine_in_a_short_random_walk(
    policy: SelfTradePrevention,
) -> None:
    assert len(walk(policy, seed=0, steps=300).rejected) >= 3


@pytest.mark.slow
def test_limits_and_sums_agree_with_the_naive_engine_in_long_random_walks() -> None:
    rejected = {
        name for policy in SelfTradePrevention for seed in (1, 2) for name in walk(policy, seed, 700).rejected
    }
    assert len(rejected) == 7, "each limit rejects an order"


@pytest.mark.slow
def test_limits_and_sums_agree_with_the_naive_engine_for_every_verb() -> None:
    run_state_machine_as_test(LimitsMachine, settings=settings(max_examples=150, stateful_step_count=40))


def test_the_sums_follow_plain_orders_without_icebergs_and_stops() -> None:
    engine, random = MatchingEngine(), Random(0)
    usage, filled = engine._books.open_usage(), 0
    for number in range(400):
        owner, side = random.choice(["x", "y", None]), random.choice(list(Side))
        with engine.transaction() if number % 3 else engine.what_if():
            execution = engine.submit(
                number, "JPM", side, random.randint(1, 9), random.randint(1, 6), owner=owner
            )
            filled += len(execution.fills)
            if len(engine) > 20:
                engine.cancel(random.choice(engine.orders()).order.order_id)
                engine.replace(random.choice(engine.orders()).order.order_id, amount=4)
            assert usage.sums == Usage(engine._books.register.entries, engine._books.orders).sums
        assert engine._books.usage is usage
        engine._check()
    assert filled > 200


def test_open_orders_count_with_hidden_lots_and_while_they_wait() -> None:
    engine = MatchingEngine()
    engine.submit("iceberg", "JPM", SELL, 9, 101, owner="Ann", display=3)
    engine.submit("stop", "JPM", SELL, 4, 90, owner="Ann", stop_price=95)
    engine.submit("bid", "JPM", BUY, 2, 99)
    usage = engine._books.open_usage()
    assert usage.sums == {("Ann", "JPM"): (2, 13), (None, "JPM"): (1, 2)}
    engine.submit("taker", "JPM", BUY, 4, 101)  # refills the iceberg order, and fills a part of the tip
    assert usage.sums == {("Ann", "JPM"): (2, 9), (None, "JPM"): (1, 2)}
    with engine.what_if():
        engine.submit("sweep", "JPM", BUY, 5, 101)
        engine.cancel_all()
        assert usage.sums == {}
    assert engine._books.usage is usage, "a rollback changes the sums, and does not recompute them"
    assert usage.sums == {("Ann", "JPM"): (2, 9), (None, "JPM"): (1, 2)}


def test_the_self_check_finds_sums_that_do_not_match_the_register() -> None:
    engine = MatchingEngine()
    engine.submit(1, "JPM", SELL, 9, 101)
    engine._books.usage = Usage({}, {})
    with pytest.raises(AssertionError, match="match the register"):
        engine._check()
