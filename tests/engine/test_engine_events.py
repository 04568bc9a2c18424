"""Each verb of the engine is one event, inside and outside transactions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from oms import Event, Instrument, InvalidArgumentError, OpenTransactionError, Side
from oms.engine_events import (
    ENGINE_KINDS,
    EngineEvent,
    OrderReduced,
    OrderReplaced,
    OrdersCanceled,
    OrderSubmitted,
)
from oms.matching import MatchingEngine
from oms.submission import EngineFill, SelfTradePrevention, Submission, TimeInForce
from support.engine_machine import EngineMachine, random_step
from support.threads import in_a_thread

BUY, SELL = Side.BUY, Side.SELL


@pytest.fixture
def engine() -> MatchingEngine:
    """Return an engine with two asks and a bid."""
    engine = MatchingEngine()
    engine.submit("a1", "JPM", SELL, 5, 101)
    engine.submit("a2", "JPM", SELL, 5, 102)
    engine.submit("b1", "IBM", BUY, 5, 99, time_in_force=TimeInForce.DAY)
    return engine


def recorded(engine: MatchingEngine) -> list[EngineEvent]:
    """Return a list that receives each later event."""
    events: list[EngineEvent] = []

    def record(event: Event) -> None:
        assert isinstance(event, EngineEvent)
        events.append(event)

    engine.subscribe(record)
    return events


def test_each_verb_is_one_event_that_names_its_orders(engine: MatchingEngine) -> None:
    events = recorded(engine)
    engine.submit("x", "JPM", BUY, 7, 102)
    engine.reduce("a2", 1)
    engine.replace("a2", price=103)
    engine.cancel("a2")
    engine.cancel_all()
    assert [type(event) for event in events] == [
        OrderSubmitted,
        OrderReduced,
        OrderReplaced,
        OrdersCanceled,
        OrdersCanceled,
    ]
    assert {type(event) for event in events} == ENGINE_KINDS
    assert [[order.order_id for order in event.orders] for event in events] == [
        ["x"],
        ["a2"],
        ["a2"],
        ["a2"],
        ["b1"],
    ]
    assert [event.sequence for event in events] == [4, 5, 6, 7, 8]
    assert events[0].orders == (Submission("x", "JPM", BUY, 7, 102),)
    assert [each.fills for each in events[0].executions] == [(("a1", 5, 101), ("a2", 2, 102))]


def test_a_verb_that_changes_nothing_is_no_event(engine: MatchingEngine) -> None:
    events = recorded(engine)
    engine.submit("x", "JPM", BUY, 1, 100, time_in_force=TimeInForce.IOC)
    engine.submit("x", "JPM", BUY, 99, 102, time_in_force=TimeInForce.FOK)
    engine.cancel_all("XXX")
    engine.expire(99)
    engine.end_day("JPM")
    assert events == []
    assert engine.last_sequence == 3


def test_an_event_has_a_symbol_if_all_of_its_orders_have_the_same_one(engine: MatchingEngine) -> None:
    events = recorded(engine)
    engine.cancel("a1")
    engine.cancel_all()
    assert [event.symbol for event in events] == ["JPM", None]


def test_an_event_can_be_made_again_from_its_subject(engine: MatchingEngine) -> None:
    events = recorded(engine)
    engine.submit("x", "JPM", BUY, 7, 102)
    [event] = events
    assert type(event).about(event.subject(), event.sequence, event.note, event.time) == event


@pytest.mark.parametrize("policy", SelfTradePrevention)
def test_the_rows_of_the_events_add_up_to_the_orders_in_the_books(policy: SelfTradePrevention) -> None:
    machine, random = EngineMachine(), Random(7)
    machine.start(policy)
    for _ in range(150):
        random_step(machine, random)
    machine.teardown()
    amounts: dict[tuple[object, ...], int] = {}
    for event in machine.events:
        for *order, change in event.rows():
            key = tuple(order)
            amounts[key] = amounts.get(key, 0) + change
    rows = machine.engine._books.orders.values()
    resting = {(order_id, symbol, side, price): amount for order_id, symbol, side, amount, price in rows}
    assert {key: amount for key, amount in amounts.items() if amount} == resting


def test_events_become_one_row_for_each_changed_amount(engine: MatchingEngine) -> None:
    events = recorded(engine)
    engine.submit("buyer", "XYZ", BUY, 5, 100)
    engine.submit("seller", "XYZ", SELL, 2, 100)
    columns = engine.to_columns(events)
    assert columns["event"] == ["OrderSubmitted", "OrderSubmitted"]
    assert columns["change"] == [5, -2]


def test_an_instrument_whose_size_would_change_is_rejected_while_orders_are_resting(
    engine: MatchingEngine,
) -> None:
    engine.set_instrument("XYZ", Instrument("0.01"))
    for stop_price in (None, 105):  # an order that rests, and one that waits
        engine.submit("buyer", "XYZ", BUY, 5, 100, stop_price=stop_price)
        with pytest.raises(InvalidArgumentError, match="before the first trade, cancel the open orders"):
            engine.set_instrument("XYZ", Instrument("0.001"))
        engine.cancel("buyer")
    engine.set_instrument("XYZ", Instrument("0.001"))


def test_an_instrument_whose_size_would_change_is_rejected_after_a_trade_that_was_not_rolled_back(
    engine: MatchingEngine,
) -> None:
    cent, mill = Instrument("0.01"), Instrument("0.001")
    engine.set_instrument("XYZ", cent)
    with engine.what_if():
        trade_once(engine, "XYZ")
    engine.set_instrument("XYZ", mill)
    trade_once(engine, "XYZ")
    for each in (engine, engine.copy()):
        with pytest.raises(InvalidArgumentError, match="after it, use a new MatchingEngine"):
            each.set_instrument("XYZ", cent)
        assert (each.last_price("XYZ"), each.instrument("XYZ")) == (100, mill)
    engine.set_instrument("XYZ", Instrument("0.0010", currency="USD"))  # the same sizes
    engine.set_instrument("ABC", cent)
    engine.set_instrument("ABC", mill)


def trade_once(engine: MatchingEngine, symbol: str) -> None:
    """Let two orders trade at 100, so that no order of the symbol stays open."""
    engine.submit("buyer", symbol, BUY, 5, 100)
    engine.submit("seller", symbol, SELL, 5, 100)


# ---------------------------------------------------------------------- transactions


def test_the_events_of_a_transaction_are_published_together_at_its_end_with_its_note(
    engine: MatchingEngine,
) -> None:
    events = recorded(engine)
    with engine.transaction("why"):
        engine.submit("x", "JPM", BUY, 1, 101)
        with engine.transaction():
            engine.cancel("a1")
        assert events == []
    assert [(event.sequence, event.note) for event in events] == [(4, "why"), (5, "why")]


def test_a_failed_transaction_and_a_what_if_leave_no_event_and_the_same_state(engine: MatchingEngine) -> None:
    events, before = recorded(engine), engine.state_hash()
    with pytest.raises(KeyError), engine.transaction():
        engine.submit("x", "JPM", BUY, 7, 102)
        engine.submit("stop", "JPM", BUY, 7, stop_price=200)
        raise KeyError
    with engine.what_if():
        assert engine.submit("x", "JPM", BUY, 7, 102).amount == 7
        with pytest.raises(KeyError), engine.transaction():
            engine.cancel_all()
            raise KeyError
        assert engine.order("a2").remaining == 3
    assert (engine.state_hash(), events) == (before, [])
    engine.submit("x", "JPM", BUY, 1, 101)
    assert events[0].sequence == 4


def test_a_verb_of_another_thread_waits_until_the_transaction_ends(
    engine: MatchingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oms.admission.LONGEST_WAIT", 0.01)
    with engine.transaction():
        engine.submit("x", "JPM", BUY, 1, 101)
        with pytest.raises(OpenTransactionError):
            in_a_thread(lambda: engine.submit("y", "JPM", BUY, 1, 101))
    in_a_thread(lambda: engine.submit("y", "JPM", BUY, 1, 101))
    assert engine.order("a1").filled == 2


def test_a_subscriber_can_call_a_verb_whose_event_follows(engine: MatchingEngine) -> None:
    events = recorded(engine)

    def hedge(event: Event) -> None:
        if isinstance(event, OrderSubmitted) and event.orders[0].symbol == "JPM":
            engine.submit("hedge", "IBM", SELL, 1, 99)

    engine.subscribe(hedge)
    engine.submit("x", "JPM", BUY, 1, 101)
    assert [event.orders[0].order_id for event in events] == ["x", "hedge"]
    assert engine.order("b1").filled == 1


def test_threads_that_submit_at_the_same_time_lose_no_lot() -> None:
    engine = MatchingEngine()
    events = recorded(engine)

    def submit_many(name: str, side: Side) -> None:
        random = Random(name)
        for number in range(200):
            engine.submit(f"{name} {number}", "JPM", side, random.randint(1, 5), random.randint(95, 105))

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(submit_many, ["seller", "buyer", "other buyer"], [SELL, BUY, BUY]))
    engine._check()
    executions = [event.executions[0] for event in events]
    assert [event.sequence for event in events] == list(range(1, 601))
    bought = sum(each.requested for each in executions if each.side is BUY)
    traded = sum(each.amount for each in executions)
    assert bought == traded + sum(order.remaining for order in engine.orders("JPM", BUY))


def test_fills_name_the_owners_of_both_parties() -> None:
    engine = MatchingEngine()
    engine.submit("ask", "JPM", SELL, 5, 101, owner="maker")
    engine.submit("anonymous", "JPM", SELL, 5, 102)
    events = recorded(engine)
    engine.submit("stop", "JPM", BUY, 2, stop_price=102, owner="stopped")
    engine.submit("cheap", "JPM", SELL, 9, 103, owner="late")
    engine.submit("bid", "JPM", BUY, 10, 102, owner="taker")
    assert [list(event.fills()) for event in events[:2]] == [[], []]
    assert list(events[2].fills()) == [
        EngineFill("JPM", BUY, 5, 101, "bid", "taker", "ask", "maker"),
        EngineFill("JPM", BUY, 5, 102, "bid", "taker", "anonymous", None),
        EngineFill("JPM", BUY, 2, 103, "stop", "stopped", "cheap", "late"),
    ]
    assert events[2].owners == (("bid", "taker"), ("ask", "maker"), ("stop", "stopped"), ("cheap", "late"))
