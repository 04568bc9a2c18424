"""The preview of an order agrees with its execution, and changes nothing."""

from __future__ import annotations

from random import Random

import pytest

from oms import MatchingEngine, Side
from oms.preview import Preview, posted_price, preview
from oms.submission import PostOnly, SelfTradePrevention, Submission, TimeInForce
from support.engine_machine import EngineMachine, random_step, random_submission

BUY, SELL = Side.BUY, Side.SELL


def engine_with_asks(prevention: SelfTradePrevention = SelfTradePrevention.NONE) -> MatchingEngine:
    """Return an engine with an iceberg at 101, Ann's order at 102, and a last ask at 103."""
    engine = MatchingEngine(self_trade_prevention=prevention)
    engine.submit("iceberg", "JPM", SELL, 9, 101, display=3)
    engine.submit("ann", "JPM", SELL, 6, 102, owner="Ann")
    engine.submit("last", "JPM", SELL, 5, 103)
    return engine


@pytest.mark.parametrize("policy", SelfTradePrevention)
def test_the_preview_agrees_with_the_execution_of_random_orders(policy: SelfTradePrevention) -> None:
    machine, random, rested = EngineMachine(), Random(0), 0
    machine.start(policy)
    for _ in range(400):
        random_step(machine, random)
        order, books = random_submission(random)._replace(order_id="new"), machine.engine._books
        before = machine.engine.state_hash()
        expected = preview(books, order)
        assert machine.engine.state_hash() == before
        with machine.engine.what_if() as engine:
            waiting = [each.order.order_id for each in engine if each.waiting]
            for order_id in waiting:  # so that the order triggers nothing
                engine.cancel(order_id)
            own = [each for each in engine if (each.order.owner, each.order.symbol) == order[7:0:-6]]
            execution = engine.submit(*order[:5], **dict(list(order._asdict().items())[5:]))
            left = {each.order.order_id for each in engine}
        assert execution.resting == expected.resting
        if execution.resting:
            rested += 1
            gone = [each for each in own if each.order.order_id not in left]
            amounts = len(gone), sum(each.remaining for each in gone)
            assert amounts == (expected.own_orders, expected.own_amount)
        if order.time_in_force is not TimeInForce.FOK:
            prices = [fill.price for fill in execution.fills]
            assert (prices[-1] if prices else None) == expected.worst_price
    machine.teardown()
    assert rested > 70


def test_hidden_lots_are_filled_before_the_next_price() -> None:
    books = engine_with_asks()._books
    assert preview(books, Submission("b", "JPM", BUY, 9, owner="Bob")) == Preview(101, 0)
    assert preview(books, Submission("b", "JPM", BUY, 10, owner="Bob")) == Preview(102, 0)
    assert preview(books, Submission("b", "JPM", BUY, 10, 101, owner="Bob")) == Preview(101, 1)
    assert preview(books, Submission("b", "IBM", BUY, 10, 101)) == Preview(None, 10)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (SelfTradePrevention.NONE, Preview(103, 10, 1, 6)),
        (SelfTradePrevention.CANCEL_NEWEST, Preview(101, 0, 1, 6)),
        (SelfTradePrevention.CANCEL_OLDEST, Preview(103, 16, 1, 6)),
        (SelfTradePrevention.CANCEL_BOTH, Preview(101, 0, 1, 6)),
        (SelfTradePrevention.DECREMENT, Preview(103, 10, 1, 6)),
    ],
)
def test_the_policy_of_self_trade_prevention_says_what_would_rest(
    policy: SelfTradePrevention, expected: Preview
) -> None:
    order = Submission("b", "JPM", BUY, 30, 103, owner="Ann")
    assert preview(engine_with_asks(policy)._books, order) == expected


def test_an_order_that_waits_or_is_post_only_does_not_trade() -> None:
    books = engine_with_asks()._books
    assert preview(books, Submission("b", "JPM", BUY, 5, stop_price=110)) == Preview(None, 5)
    post_only = Submission("b", "JPM", BUY, 5, 101, post_only=PostOnly.REJECT)
    assert preview(books, post_only) == Preview(None, 0)
    assert preview(books, post_only._replace(price=100)) == Preview(None, 5)
    slide = post_only._replace(post_only=PostOnly.SLIDE)
    assert preview(books, slide) == Preview(None, 5)
    assert posted_price(slide, 101) == 100
    assert posted_price(slide, 1) is None


def test_an_order_that_may_not_rest_leaves_nothing() -> None:
    books = engine_with_asks()._books
    for time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
        assert preview(books, Submission("b", "JPM", BUY, 50, 102, time_in_force, owner="Bob")) == Preview(
            102, 0
        )
