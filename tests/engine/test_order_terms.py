"""The terms of an order: time in force, post-only, stops, icebergs, owners, and groups of cancels.

The tests cover `oms.submission_checks`, `oms.crossing`, and `oms.matching`.
"""

from __future__ import annotations

import pytest

from oms import Event, InvalidArgumentError, InvalidOrderError, OrderNotFoundError, Side
from oms.engine_events import EngineEvent
from oms.matching import MatchingEngine
from oms.submission import (
    CancelReason,
    Execution,
    OrderId,
    PostOnly,
    QueueAhead,
    SelfTradePrevention,
    Submission,
    TimeInForce,
)
from support.engine_queue import queue

BUY, SELL = Side.BUY, Side.SELL
GTC, IOC, FOK, GTD, DAY = TimeInForce


@pytest.fixture
def engine() -> MatchingEngine:
    """Return an engine with two asks and two bids."""
    engine = MatchingEngine()
    engine.submit("a1", "JPM", SELL, 5, 101)
    engine.submit("a2", "JPM", SELL, 5, 102)
    engine.submit("b1", "JPM", BUY, 5, 99)
    engine.submit("b2", "JPM", BUY, 5, 98)
    return engine


def ids(engine: MatchingEngine, side: Side) -> list[OrderId]:
    return [each.order_id for each in queue(engine, "JPM", side)]


def recorded(engine: MatchingEngine) -> list[tuple[Execution, ...]]:
    """Return a list that receives the executions of each later event."""
    executions: list[tuple[Execution, ...]] = []

    def record(event: Event) -> None:
        assert isinstance(event, EngineEvent)
        executions.append(event.executions)

    engine.subscribe(record)
    return executions


# ---------------------------------------------------------------------- time in force


@pytest.mark.parametrize("time_in_force", [GTC, DAY])
def test_the_rest_of_an_order_with_a_price_stays_in_the_book(
    engine: MatchingEngine, time_in_force: TimeInForce
) -> None:
    execution = engine.submit("x", "JPM", BUY, 8, 101, time_in_force=time_in_force)
    assert execution == ("x", "JPM", BUY, 8, 5, 505, (("a1", 5, 101),), 3, 0, None)
    assert ids(engine, BUY) == ["x", "b1", "b2"]


def test_the_rest_of_an_ioc_order_is_canceled(engine: MatchingEngine) -> None:
    execution = engine.submit("x", "JPM", BUY, 8, 101, time_in_force=IOC)
    assert execution[4:] == (5, 505, (("a1", 5, 101),), 0, 3, CancelReason.NO_LIQUIDITY)
    assert ids(engine, BUY) == ["b1", "b2"]


def test_an_order_that_does_not_trade_and_may_not_rest_is_no_event(engine: MatchingEngine) -> None:
    before = engine.state_hash()
    assert engine.submit("x", "JPM", BUY, 8, 100, time_in_force=IOC).canceled == 8
    assert engine.submit("x", "JPM", BUY, 11, 102, time_in_force=FOK).canceled == 11
    assert engine.submit("x", "JPM", BUY, 8, 101, post_only=PostOnly.REJECT).canceled == 8
    assert engine.submit("x", "IBM", BUY, 8).canceled == 8
    assert engine.state_hash() == before


@pytest.mark.parametrize(("amount", "filled"), [(10, 10), (11, 0)])
@pytest.mark.parametrize("price", [102, None])
def test_a_fok_order_is_filled_as_a_whole_or_not_at_all(
    engine: MatchingEngine, amount: int, filled: int, price: int | None
) -> None:
    execution = engine.submit("x", "JPM", BUY, amount, price, time_in_force=FOK)
    assert (execution.amount, execution.canceled) == (filled, amount - filled)
    assert execution.reason is (None if filled else CancelReason.FILL_OR_KILL)


def test_a_fok_order_counts_the_hidden_lots_of_icebergs() -> None:
    engine = MatchingEngine()
    engine.submit("ice", "JPM", SELL, 10, 101, display=2)
    assert engine.submit("x", "JPM", BUY, 11, 101, time_in_force=FOK).amount == 0
    assert engine.submit("x", "JPM", BUY, 10, 101, time_in_force=FOK).amount == 10


def test_a_market_order_takes_the_available_amount_and_never_rests(engine: MatchingEngine) -> None:
    execution = engine.submit("x", "JPM", SELL, 12)
    assert execution.fills == (("b1", 5, 99), ("b2", 5, 98))
    assert (execution.total_price, execution.average_price) == (985, 98.5)
    assert (execution.canceled, execution.reason) == (2, CancelReason.NO_LIQUIDITY)
    assert engine.submit("x", "JPM", SELL, 1).average_price is None


def test_gtd_orders_expire_at_their_time_in_the_order_of_their_times(engine: MatchingEngine) -> None:
    for order_id, expires in (("late", 30), ("first", 10), ("second", 10), ("later", 40)):
        engine.submit(order_id, "JPM", BUY, 1, 90, time_in_force=GTD, expires=expires)
    assert engine.expire(9) == ()
    assert [each.order.order_id for each in engine.expire(30)] == ["first", "second", "late"]
    assert ids(engine, BUY) == ["b1", "b2", "later"]
    with pytest.raises(OrderNotFoundError):
        engine.order("late")


def test_day_orders_end_with_the_day_of_their_symbol(engine: MatchingEngine) -> None:
    engine.submit("day", "JPM", BUY, 1, 90, time_in_force=DAY)
    engine.submit("stop", "JPM", BUY, 1, 110, stop_price=109, time_in_force=DAY)
    engine.submit("other", "IBM", BUY, 1, 90, time_in_force=DAY)
    assert [each.order.order_id for each in engine.end_day("JPM")] == ["day", "stop"]
    assert [each.order.order_id for each in engine.end_day()] == ["other"]
    assert engine.end_day() == ()
    assert ids(engine, BUY) == ["b1", "b2"]


# ---------------------------------------------------------------------- post-only


@pytest.mark.parametrize(("side", "price", "slid"), [(BUY, 105, 100), (SELL, 95, 100), (BUY, 101, 100)])
def test_a_post_only_order_slides_to_the_best_price_that_does_not_cross(
    engine: MatchingEngine, side: Side, price: int, slid: int
) -> None:
    execution = engine.submit("x", "JPM", side, 3, price, post_only=PostOnly.SLIDE)
    assert (execution.fills, execution.resting) == ((), 3)
    assert queue(engine, "JPM", side)[0] == ("x", 3, slid)
    assert engine.order("x").price == slid
    assert engine.order("x").order.price == price


@pytest.mark.parametrize("post_only", PostOnly)
def test_a_post_only_order_that_does_not_cross_rests_at_its_price(
    engine: MatchingEngine, post_only: PostOnly
) -> None:
    assert engine.submit("x", "JPM", BUY, 3, 100, post_only=post_only).resting == 3
    assert queue(engine, "JPM", BUY)[0] == ("x", 3, 100)


def test_a_post_only_order_that_crosses_is_rejected(engine: MatchingEngine) -> None:
    execution = engine.submit("x", "JPM", SELL, 3, 99, post_only=PostOnly.REJECT)
    assert execution[7:] == (0, 3, CancelReason.POST_ONLY)
    assert ids(engine, SELL) == ["a1", "a2"]


@pytest.mark.parametrize(("side", "price"), [(BUY, 1), (SELL, 2**63 - 1)])
def test_a_post_only_order_that_has_no_price_to_slide_to_is_rejected(side: Side, price: int) -> None:
    engine = MatchingEngine()
    engine.submit("edge", "JPM", side.opposite, 1, price)
    assert (
        engine.submit("x", "JPM", side, 1, price, post_only=PostOnly.SLIDE).reason is CancelReason.POST_ONLY
    )


# ---------------------------------------------------------------------- stops


def test_a_stop_order_waits_outside_the_book_until_a_trade_reaches_its_price(engine: MatchingEngine) -> None:
    assert engine.submit("stop", "JPM", BUY, 2, stop_price=102).resting == 2
    state = engine.order("stop")
    assert (state.waiting, state.displayed, state.remaining, state.price) == (True, 0, 2, None)
    assert len(engine) == 5
    engine.submit("x", "JPM", BUY, 1, 101)
    assert engine.order("stop").waiting
    executions = recorded(engine)
    engine.submit("y", "JPM", BUY, 5)
    [(own, triggered)] = executions
    assert own.fills == (("a1", 4, 101), ("a2", 1, 102))
    assert (triggered.order_id, triggered.fills) == ("stop", (("a2", 2, 102),))
    with pytest.raises(OrderNotFoundError):
        engine.order("stop")


def test_a_stop_order_whose_price_was_reached_before_it_arrives_is_executed_at_once(
    engine: MatchingEngine,
) -> None:
    engine.submit("x", "JPM", SELL, 1)
    assert engine.submit("stop", "JPM", SELL, 2, stop_price=99).fills == (("b1", 2, 99),)
    assert engine.submit("other", "JPM", SELL, 2, stop_price=98).resting == 2


def test_a_triggered_stop_limit_order_rests_at_its_limit_and_does_not_wait_again(
    engine: MatchingEngine,
) -> None:
    engine.submit("stop", "JPM", BUY, 9, 101, stop_price=101)
    engine.submit("x", "JPM", BUY, 1, 101)
    assert engine.order("stop")[1:] == (4, 5, 5, 101)
    assert engine.replace("stop", price=98).resting == 5
    engine.submit("y", "JPM", SELL, 2, 99)
    assert engine.last_price("JPM") == 99
    assert engine.replace("stop", price=97).resting == 5
    assert not engine.order("stop").waiting, "the last price is below the stop price, but it was triggered"
    assert queue(engine, "JPM", BUY)[-1] == ("stop", 5, 97)


def test_a_waiting_order_can_be_reduced_replaced_and_canceled(engine: MatchingEngine) -> None:
    engine.submit("stop", "JPM", BUY, 9, 110, stop_price=105)
    assert engine.reduce("stop", 4).remaining == 5
    assert engine.replace("stop", price=108).resting == 5
    assert engine.order("stop").waiting
    assert engine.order("stop").price == 108
    assert engine.cancel("stop").remaining == 5
    assert engine._books.register.stops == {}


def test_a_waiting_order_has_no_place_in_a_queue(engine: MatchingEngine) -> None:
    engine.submit("stop", "JPM", BUY, 9, 110, stop_price=105)
    with pytest.raises(InvalidOrderError, match="this order waits for its stop price"):
        engine.queue_ahead("stop")


def test_triggered_stops_are_executed_in_the_order_of_their_arrival_and_not_of_their_prices(
    engine: MatchingEngine,
) -> None:
    engine.submit("second price", "JPM", BUY, 3, stop_price=102)
    engine.submit("first price", "JPM", BUY, 3, stop_price=101)
    engine.submit("sell side", "JPM", SELL, 3, stop_price=102)
    executions = recorded(engine)
    engine.submit("x", "JPM", BUY, 6)
    assert [(each.order_id, each.amount) for each in executions[0]] == [
        ("x", 6),
        ("second price", 3),
        ("first price", 1),
        ("sell side", 3),
    ]


def test_a_cascade_of_stops_ends_and_triggers_each_order_once() -> None:
    engine = MatchingEngine()
    for step in range(50):
        engine.submit(f"bid {step}", "JPM", BUY, 1, 100 - step)
        engine.submit(f"stop {step}", "JPM", SELL, 1, stop_price=100 - step)
    executions = recorded(engine)
    engine.submit("x", "JPM", SELL, 1)
    assert [each.order_id for each in executions[0]] == ["x", *[f"stop {step}" for step in range(50)]]
    assert len(engine) == 0
    assert engine._books.register.entries == {}


def test_two_stops_that_would_trigger_each_other_again_and_again_are_executed_once(
    engine: MatchingEngine,
) -> None:
    engine.submit("up", "JPM", BUY, 1, stop_price=1)
    engine.submit("down", "JPM", SELL, 1, stop_price=1_000)
    engine.submit("x", "JPM", BUY, 1)
    assert [each.amount for each in queue(engine, "JPM", SELL)] == [3, 5]
    assert [each.amount for each in queue(engine, "JPM", BUY)] == [4, 5]


def test_a_stop_is_triggered_by_trades_of_its_own_symbol_only(engine: MatchingEngine) -> None:
    engine.submit("stop", "IBM", BUY, 1, 110, stop_price=1)
    engine.submit("x", "JPM", BUY, 1)
    assert engine.order("stop").waiting


# ---------------------------------------------------------------------- icebergs


def test_an_iceberg_shows_its_tip_and_refills_it_at_the_back_of_the_queue() -> None:
    engine = MatchingEngine()
    engine.submit("ice", "JPM", SELL, 10, 101, display=4)
    engine.submit("plain", "JPM", SELL, 3, 101)
    assert engine.order("ice")[1:4] == (0, 10, 4)
    assert engine.submit("x", "JPM", BUY, 4, 101).fills == (("ice", 4, 101),)
    assert queue(engine, "JPM", SELL) == [("plain", 3, 101), ("ice", 4, 101)]
    assert engine.order("ice")[1:4] == (4, 6, 4)
    assert engine.queue_ahead("ice") == QueueAhead(1, 3)
    fills = engine.submit("y", "JPM", BUY, 8, 101).fills
    assert fills == (("plain", 3, 101), ("ice", 4, 101), ("ice", 1, 101))
    assert engine.order("ice")[1:4] == (9, 1, 1)


def test_a_tip_that_is_partly_filled_keeps_its_place() -> None:
    engine = MatchingEngine()
    engine.submit("ice", "JPM", SELL, 10, 101, display=4)
    engine.submit("plain", "JPM", SELL, 3, 101)
    engine.submit("x", "JPM", BUY, 3, 101)
    assert queue(engine, "JPM", SELL) == [("ice", 1, 101), ("plain", 3, 101)]


def test_two_icebergs_at_a_price_take_turns() -> None:
    engine = MatchingEngine()
    engine.submit("i", "JPM", SELL, 5, 101, display=2)
    engine.submit("j", "JPM", SELL, 5, 101, display=2)
    fills = engine.submit("x", "JPM", BUY, 10, 101).fills
    assert [fill[:2] for fill in fills] == [("i", 2), ("j", 2), ("i", 2), ("j", 2), ("i", 1), ("j", 1)]
    assert len(engine) == 0


def test_the_hidden_lots_of_an_iceberg_are_reduced_before_its_tip() -> None:
    engine = MatchingEngine()
    engine.submit("ice", "JPM", SELL, 10, 101, display=4)
    assert engine.reduce("ice", 5)[1:4] == (0, 5, 4)
    assert engine.reduce("ice", 3)[1:4] == (0, 2, 2)
    assert engine.order("ice").order.amount == 10


def test_an_incoming_iceberg_trades_with_all_of_its_lots_and_shows_only_the_tip_of_the_rest(
    engine: MatchingEngine,
) -> None:
    execution = engine.submit("ice", "JPM", BUY, 12, 101, display=3)
    assert (execution.amount, execution.resting) == (5, 7)
    assert queue(engine, "JPM", BUY)[0] == ("ice", 3, 101)


# ---------------------------------------------------------------------- self-trade prevention


def owned(prevention: SelfTradePrevention) -> MatchingEngine:
    """Return an engine with an ask of another owner between two asks of the owner "me"."""
    engine = MatchingEngine(self_trade_prevention=prevention)
    engine.submit("own", "JPM", SELL, 4, 101, owner="me")
    engine.submit("other", "JPM", SELL, 5, 101, owner="you")
    engine.submit("own too", "JPM", SELL, 6, 101, owner="me")
    return engine


@pytest.mark.parametrize(
    ("prevention", "fills", "canceled", "asks"),
    [
        (SelfTradePrevention.NONE, [("own", 4), ("other", 5), ("own too", 1)], 0, [("own too", 5)]),
        (SelfTradePrevention.CANCEL_NEWEST, [], 10, [("own", 4), ("other", 5), ("own too", 6)]),
        (SelfTradePrevention.CANCEL_OLDEST, [("other", 5)], 0, []),
        (SelfTradePrevention.CANCEL_BOTH, [], 10, [("other", 5), ("own too", 6)]),
        (SelfTradePrevention.DECREMENT, [("other", 5)], 5, [("own too", 5)]),
    ],
)
def test_each_policy_decides_what_happens_when_an_owner_would_trade_with_itself(
    prevention: SelfTradePrevention, fills: list[tuple[str, int]], canceled: int, asks: list[tuple[str, int]]
) -> None:
    engine = owned(prevention)
    execution = engine.submit("x", "JPM", BUY, 10, 101, owner="me")
    assert [fill[:2] for fill in execution.fills] == fills
    assert execution.canceled == canceled
    assert execution.resting == 10 - canceled - execution.amount
    assert execution.reason is (CancelReason.SELF_TRADE if canceled else None)
    assert [each[:2] for each in queue(engine, "JPM", SELL)] == asks


@pytest.mark.parametrize("prevention", SelfTradePrevention)
@pytest.mark.parametrize("owner", [None, "somebody"])
def test_an_order_without_an_owner_or_of_another_owner_trades_with_every_order(
    prevention: SelfTradePrevention, owner: str | None
) -> None:
    assert owned(prevention).submit("x", "JPM", BUY, 15, 101, owner=owner).amount == 15


@pytest.mark.parametrize(
    ("prevention", "most"),
    [
        (SelfTradePrevention.NONE, 15),
        (SelfTradePrevention.CANCEL_NEWEST, 0),
        (SelfTradePrevention.CANCEL_OLDEST, 5),
        (SelfTradePrevention.CANCEL_BOTH, 0),
        (SelfTradePrevention.DECREMENT, 0),
    ],
)
def test_a_fok_order_counts_only_what_it_may_trade_with(prevention: SelfTradePrevention, most: int) -> None:
    for amount in (1, 5, 6, 15, 16):
        engine = owned(prevention)
        before = engine.state_hash()
        execution = engine.submit("x", "JPM", BUY, amount, 101, owner="me", time_in_force=FOK)
        assert execution.amount == (amount if amount <= most else 0)
        assert (engine.state_hash() == before) is (amount > most)


def test_a_fok_order_does_not_reach_hidden_lots_that_are_behind_an_order_of_its_owner() -> None:
    engine = MatchingEngine(self_trade_prevention=SelfTradePrevention.CANCEL_NEWEST)
    engine.submit("ice", "JPM", SELL, 10, 101, display=4)
    engine.submit("own", "JPM", SELL, 1, 101, owner="me")
    assert engine.submit("x", "JPM", BUY, 5, 101, owner="me", time_in_force=FOK).amount == 0
    assert engine.submit("y", "JPM", BUY, 4, 101, owner="me", time_in_force=FOK).amount == 4


def test_decrementing_an_iceberg_takes_its_hidden_lots_first() -> None:
    engine = MatchingEngine(self_trade_prevention=SelfTradePrevention.DECREMENT)
    engine.submit("ice", "JPM", SELL, 10, 101, display=4, owner="me")
    assert engine.submit("x", "JPM", BUY, 7, 101, owner="me").canceled == 7
    assert engine.order("ice")[1:4] == (0, 3, 3)


# ---------------------------------------------------------------------- cancel, cancel_all, queue_ahead


def test_cancel_all_cancels_the_orders_of_a_symbol_a_side_and_an_owner_in_the_order_of_arrival(
    engine: MatchingEngine,
) -> None:
    engine.submit("mine", "JPM", SELL, 1, 110, owner="me")
    engine.submit("stop", "JPM", SELL, 1, 90, owner="me", stop_price=80)
    engine.submit("ibm", "IBM", BUY, 1, 90, owner="me")

    def canceled(*selection: str | Side | None) -> list[OrderId]:
        with engine.what_if():
            return [each.order.order_id for each in engine.cancel_all(*selection)]  # type: ignore[arg-type]

    assert canceled("JPM", BUY) == ["b1", "b2"]
    assert canceled(None, None, "me") == ["mine", "stop", "ibm"]
    assert canceled("JPM", SELL, "me") == ["mine", "stop"]
    assert canceled(None, BUY) == ["b1", "b2", "ibm"]
    assert canceled("XXX") == []
    assert len(canceled()) == 7
    engine.cancel_all()
    engine._check()
    assert len(engine) == 0


def test_an_engine_counts_and_contains_its_open_orders_and_lists_them_in_the_order_of_arrival(
    engine: MatchingEngine,
) -> None:
    engine.submit("stop", "JPM", BUY, 2, stop_price=110)
    engine.reduce("b1", 1)
    engine.replace("a1", price=103)
    assert [each.order.order_id for each in engine] == ["a2", "b1", "b2", "stop", "a1"]
    assert tuple(engine) == engine.orders()
    assert [each.remaining for each in engine.orders("JPM", BUY)] == [4, 5, 2]
    assert len(engine) == 5
    assert "stop" in engine
    assert "filled" not in engine
    assert 1 not in engine
    assert ["stop"] not in engine
    assert (engine.last_price("JPM"), engine.last_price("IBM")) == (None, None)


def test_the_queue_ahead_of_an_order_counts_the_visible_lots_at_its_price() -> None:
    engine = MatchingEngine()
    engine.submit("better", "JPM", BUY, 50, 102)
    engine.submit("ice", "JPM", BUY, 10, 101, display=4)
    engine.submit("b", "JPM", BUY, 3, 101)
    engine.submit("c", "JPM", BUY, 2, 101)
    assert engine.queue_ahead("c") == QueueAhead(orders=2, amount=7)
    assert engine.queue_ahead("better") == QueueAhead(0, 0)


# ---------------------------------------------------------------------- terms that are not allowed

CONTRADICTIONS: dict[str, dict[str, object]] = {
    "post_only without a price": {"price": None, "post_only": PostOnly.SLIDE},
    "post_only with IOC": {"time_in_force": IOC, "post_only": PostOnly.REJECT},
    "post_only with a stop price": {"stop_price": 5, "post_only": PostOnly.REJECT},
    "post_only of another type": {"post_only": True},
    "display without a price": {"price": None, "display": 3},
    "display with FOK": {"time_in_force": FOK, "display": 3},
    "display of 0": {"display": 0},
    "GTD without a time": {"time_in_force": GTD},
    "a time without GTD": {"expires": 5},
    "a time of 0": {"time_in_force": GTD, "expires": 0},
    "a stop price of 0": {"stop_price": 0},
    "a price of 0": {"price": 0},
    "a negative price": {"price": -1},
    "a price of 2^63": {"price": 2**63},
    "a bool as a price": {"price": True},
    "an amount of 0": {"amount": 0},
    "a negative amount": {"amount": -1},
    "an amount of 2^63": {"amount": 2**63},
    "a float amount": {"amount": 1.0},
    "a time in force of another type": {"time_in_force": "GTC"},
    "an empty owner": {"owner": ""},
    "an int owner": {"owner": 7},
    "an owner that cannot be encoded": {"owner": "\ud800"},
    "an empty id": {"order_id": ""},
    "a bool as an id": {"order_id": True},
    "a float as an id": {"order_id": 1.0},
    "None as an id": {"order_id": None},
    "an id of 257 bits": {"order_id": 2**256},
    "an id that cannot be encoded": {"order_id": "\ud800"},
    "a symbol that cannot be encoded": {"symbol": "\ud800"},
    "an int as a symbol": {"symbol": 7},
    "an empty symbol": {"symbol": ""},
    "a text as a side": {"side": "BUY"},
}


@pytest.mark.parametrize("order_id", [7, "x"])
@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_terms_that_are_not_allowed_or_contradict_each_other_are_rejected(
    name: str, order_id: OrderId, engine: MatchingEngine
) -> None:
    before = engine.state_hash()
    terms: dict[str, object] = {
        **Submission(order_id, "JPM", BUY, 5, 100)._asdict(),
        **CONTRADICTIONS[name],
    }
    with pytest.raises(InvalidOrderError):
        engine.submit(**terms)  # type: ignore[arg-type]  # some of them have a wrong type
    assert engine.state_hash() == before


def test_the_policy_of_an_engine_is_a_member_of_self_trade_prevention() -> None:
    with pytest.raises(InvalidArgumentError, match="a member of SelfTradePrevention"):
        MatchingEngine(self_trade_prevention="NONE")  # type: ignore[arg-type]


def test_an_iceberg_order_has_at_most_ten_thousand_parts() -> None:
    engine = MatchingEngine()
    assert engine.submit("a", "JPM", Side.SELL, 20_000, 101, display=2).resting == 20_000
    with pytest.raises(InvalidOrderError, match="at least 3 for 20001 lots"):
        engine.submit("b", "JPM", Side.SELL, 20_001, 101, display=2)
    before = engine.state_hash()
    with pytest.raises(InvalidOrderError, match="at least 3 for 20001 lots"):
        engine.replace("a", amount=20_001)
    assert engine.state_hash() == before
    assert engine.submit("c", "JPM", Side.BUY, 20_000, 101).amount == 20_000
    assert "a" not in engine
