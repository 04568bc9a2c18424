"""A plain change has the same effect and the same event as the elementary changes that it stands for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

import pytest

from oms import Event, InvalidOrderError, Side, matching
from oms.matching import MatchingEngine
from oms.plain_changes import PlainChange, plain_change
from oms.submission import (
    OrderId,
    PostOnly,
    SelfTradePrevention,
    Submission,
    TimeInForce,
)
from support.engine_machine import outcome, random_submission
from support.interrupts import Interrupt, interrupted_at_line

BUY, SELL = Side.BUY, Side.SELL
Verb = Callable[[MatchingEngine], object]


def order(side: Side, amount: int, price: int | None, **terms: Any) -> Submission:
    return Submission("x", "JPM", side, amount, price)._replace(**terms)


def small_engine(prevention: SelfTradePrevention = SelfTradePrevention.CANCEL_BOTH) -> MatchingEngine:
    """Return an engine without stop orders."""
    engine = MatchingEngine(self_trade_prevention=prevention)
    engine.submit("a", "JPM", SELL, 5, 101, owner="Ann")
    engine.submit("b", "JPM", SELL, 3, 101, time_in_force=TimeInForce.GTD, expires=9)
    engine.submit("c", "JPM", SELL, 4, 102)
    engine.submit("iceberg", "JPM", SELL, 9, 103, display=2)
    engine.submit("bid", "JPM", BUY, 5, 99, time_in_force=TimeInForce.DAY)
    return engine


# ---------------------------------------------------------------------- which orders are plain


@pytest.mark.parametrize(
    "plain",
    [
        order(BUY, 5, 100),
        order(SELL, 5, 100, time_in_force=TimeInForce.GTD, expires=3),
        order(BUY, 5, 100, post_only=PostOnly.REJECT),
        order(BUY, 5, 100, owner="Ann"),
        order(SELL, 5, 99),
        order(BUY, 12, 102),
        order(BUY, 20, 102),
        order(BUY, 20, 102, time_in_force=TimeInForce.IOC),
        order(BUY, 7, None),
    ],
)
def test_an_order_that_rests_or_trades_with_orders_that_are_not_icebergs_is_plain(plain: Submission) -> None:
    assert plain_change(small_engine()._books, plain) is not None


@pytest.mark.parametrize(
    "other",
    [
        order(BUY, 5, 100, display=1),
        order(BUY, 5, 100, stop_price=104),
        order(BUY, 5, 100, time_in_force=TimeInForce.IOC),
        order(BUY, 5, 100, time_in_force=TimeInForce.FOK),
        order(BUY, 5, 101, time_in_force=TimeInForce.FOK),
        order(BUY, 5, 101, post_only=PostOnly.SLIDE),
        order(BUY, 5, 101, owner="Ann"),
        order(BUY, 13, 103),
        order(BUY, 5, None)._replace(symbol="NEW"),
    ],
)
def test_any_other_order_is_not_plain(other: Submission) -> None:
    assert plain_change(small_engine()._books, other) is None


def test_an_order_with_an_owner_is_plain_without_self_trade_prevention() -> None:
    books = small_engine(SelfTradePrevention.NONE)._books
    assert plain_change(books, order(BUY, 5, 101, owner="Ann")) is not None


def test_an_order_that_trades_while_a_stop_order_waits_is_not_plain() -> None:
    engine = small_engine()
    engine.submit("stop", "IBM", BUY, 1, stop_price=7)
    assert plain_change(engine._books, order(BUY, 5, 101)) is None


# ---------------------------------------------------------------------- the same events


class Pair:
    """Two engines that receive the same calls. Only one of them makes plain changes."""

    def __init__(self, prevention: SelfTradePrevention, monkeypatch: pytest.MonkeyPatch) -> None:
        self.plain, self.stepwise = (MatchingEngine(self_trade_prevention=prevention) for _ in range(2))
        self.events: list[Event] = []
        self.expected: list[Event] = []
        self.plain.subscribe(self.events.append)
        self.stepwise.subscribe(self.expected.append)
        self._monkeypatch = monkeypatch
        self.plain_changes = 0

    def call(self, verb: Verb, stepwise_verb: Verb | None = None) -> None:
        """Call a verb of both engines, and compare their results, events, and states."""
        actual = outcome(partial(verb, self.plain))
        with self._monkeypatch.context() as patch:
            patch.setattr(matching, "plain_change", self._never_plain)
            expected = outcome(partial(stepwise_verb or verb, self.stepwise))
        assert actual == expected
        assert self.events == self.expected
        assert self.plain.state_hash() == self.stepwise.state_hash()
        self.plain._check()

    def _never_plain(self, *arguments: object) -> None:
        change: PlainChange | None = plain_change(*arguments)  # type: ignore[arg-type]  # passed on as they are
        self.plain_changes += change is not None


def submit(order: Submission, engine: MatchingEngine) -> object:
    return engine.submit(**order._asdict())


def replace(order_id: OrderId, amount: int | None, price: int, engine: MatchingEngine) -> object:
    return engine.replace(order_id, amount=amount, price=price)


def cancel(order_id: OrderId, engine: MatchingEngine) -> object:
    return engine.cancel(order_id)


def cancel_stepwise(order_id: OrderId, engine: MatchingEngine) -> object:
    return engine._cancel([engine._entry(order_id)])[0]


@pytest.mark.parametrize("prevention", SelfTradePrevention)
def test_a_random_sequence_of_calls_has_the_same_events_with_and_without_plain_changes(
    prevention: SelfTradePrevention, monkeypatch: pytest.MonkeyPatch
) -> None:
    random, pair = Random(7), Pair(prevention, monkeypatch)
    for number in range(400):
        ids = [each.order.order_id for each in pair.plain] or ["none"]
        order_id, chance = random.choice(ids), random.random()
        if chance < 0.6:
            new = random_submission(random)._replace(order_id=number)
            if chance < 0.45:  # most stop orders and icebergs would make most trades stepwise
                new = new._replace(stop_price=None, display=None)
            pair.call(partial(submit, new))
        elif chance < 0.85:
            pair.call(partial(replace, order_id, random.choice([None, 4, 9]), random.randint(1, 7)))
        else:
            pair.call(partial(cancel, order_id), partial(cancel_stepwise, order_id))
        if random.random() < 0.02:
            pair.call(MatchingEngine.cancel_all)
    assert pair.plain_changes > 100


# ---------------------------------------------------------------------- interrupts

VERBS: dict[str, Verb] = {
    "rests": lambda engine: engine.submit("x", "JPM", BUY, 5, 100),
    "rests in a new book": lambda engine: engine.submit("x", "NEW", BUY, 5, 100),
    "takes a part of an order": lambda engine: engine.submit("x", "JPM", BUY, 4, 101),
    "takes two prices and rests": lambda engine: engine.submit("x", "JPM", BUY, 20, 102),
    "takes and is canceled": lambda engine: engine.submit(
        "x", "JPM", BUY, 20, 101, time_in_force=TimeInForce.IOC
    ),
    "replaces and rests": lambda engine: engine.replace("b", amount=7, price=104),
    "replaces, takes, and rests": lambda engine: engine.replace("bid", amount=9, price=101),
    "cancels": lambda engine: engine.cancel("b"),
    "cancels the only order of a book": lambda engine: engine.cancel("bid"),
}


def after(verb: str) -> str:
    engine = small_engine()
    VERBS[verb](engine)
    return engine.state_hash()


@pytest.mark.parametrize("error", [Interrupt, MemoryError])
@pytest.mark.parametrize("verb", VERBS)
def test_a_plain_change_interrupted_at_any_line_is_made_as_a_whole_or_not_at_all(
    verb: str, error: type[BaseException]
) -> None:
    step, before, expected = 1, small_engine().state_hash(), after(verb)
    engine = small_engine()
    while interrupted_at_line(step, partial(VERBS[verb], engine), error):
        engine._check()
        assert engine.state_hash() in (before, expected)
        if engine.state_hash() == before:
            VERBS[verb](engine)
            assert engine.state_hash() == expected
        engine, step = small_engine(), step + 1
    assert step > 15


@pytest.mark.parametrize("verb", VERBS)
def test_a_plain_change_interrupted_inside_a_transaction_is_rolled_back(verb: str) -> None:
    step, hit, untouched = 1, True, small_engine().state_hash()
    while hit:
        engine = small_engine()
        with engine.what_if():
            engine.submit("earlier", "JPM", SELL, 3, 101)
            before = engine.state_hash()
            with engine.what_if():
                VERBS[verb](engine)
                expected = engine.state_hash()
            assert engine.state_hash() == before
            hit = interrupted_at_line(step, partial(VERBS[verb], engine))
            engine._check()
            assert engine.state_hash() in (before, expected)
        engine._check()
        assert engine.state_hash() == untouched
        step += 1
    assert step > 15


def test_an_invalid_id_is_not_an_unknown_id() -> None:
    engine = small_engine()
    for call in (engine.cancel, partial(engine.replace, amount=1)):
        for order_id in (True, 2**300, "", None):
            with pytest.raises(InvalidOrderError, match="order_id"):
                call(order_id)  # type: ignore[arg-type]  # the wrong types
