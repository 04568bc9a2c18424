"""The events of a matching engine as JSON: read back they are equal, and nothing inexact is accepted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oms import (
    Event,
    JournalError,
    MatchingEngine,
    OmsError,
    PostOnly,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from oms.engine_events import ENGINE_KINDS, EngineEvent
from oms.journal.connection import Connection
from oms.journal.engine_record import entry_of, entry_text
from oms.journal.event_log import EventLog
from oms.journal.record import body_of
from support.engine_sessions import ENGINE

BUY, SELL = Side.BUY, Side.SELL
LOG = EventLog(cast("Connection", None), "book.db")
"""A reader of rows that a test has made itself."""


def events_of_a_session(seed: int, length: int) -> tuple[list[Event], MatchingEngine]:
    engine: MatchingEngine = ENGINE.new(clock=lambda: seed)
    events: list[Event] = []
    engine.subscribe(events.append)
    for command in ENGINE.session(seed, length):
        with suppress(OmsError):
            command(engine)
    return events, engine


def read(event: Event, body: str) -> Event:
    """Return the event of a row with this body."""
    return LOG.event((event.sequence, 1, type(event).__name__, event.note, event.time, body, b""))


@settings(max_examples=25)
@given(seed=st.integers(0, 100_000), length=st.integers(1, 40))
def test_an_event_that_is_read_back_is_equal_and_has_the_same_json(seed: int, length: int) -> None:
    for event in events_of_a_session(seed, length)[0]:
        body = body_of(event)
        again = read(event, body)
        assert again == event
        assert isinstance(event, EngineEvent)
        assert isinstance(again, EngineEvent)
        assert repr(again[:3]) == repr(event[:3]), "each term has its exact type"
        assert list(again.fills()) == list(event.fills())
        assert list(again.rows()) == list(event.rows())
        assert body_of(again) == body


@settings(max_examples=25)
@given(seed=st.integers(0, 100_000), length=st.integers(1, 40))
def test_an_open_order_that_is_read_back_is_equal_and_has_the_same_json(seed: int, length: int) -> None:
    state = events_of_a_session(seed, length)[1].snapshot().engine
    assert state is not None
    for entry in state.entries:
        again = entry_of(json.loads(entry_text(entry)))
        assert repr(again) == repr(entry)
        assert entry_text(again) == entry_text(entry)


def test_terms_with_their_default_value_are_left_out() -> None:
    engine, events = MatchingEngine(), list[Event]()
    engine.subscribe(events.append)
    engine.submit(1, "JPM", SELL, 20, 101)
    order = '{"order_id":1,"symbol":"JPM","side":"SELL","amount":20,"price":101}'
    execution = (
        '{"order_id":1,"symbol":"JPM","side":"SELL","requested":20,"amount":0,"total_price":0,"fills":[],'
        '"resting":20,"canceled":0,"reason":null}'
    )
    resting = '{"order_id":1,"symbol":"JPM","side":"BUY","amount":20,"price":101}'
    entry = f'{{"arrival":1,"order":{order},"total":20,"hidden":0,"waiting":false}}'
    assert body_of(events[0]) == (
        f'{{"orders":[{order}],"executions":[{execution}],"owners":[],'
        f'"changes":[["OrderAdded",{resting}],["EntryChanged",[null,{entry}]]]}}'
    )


# ---------------------------------------------------------------------- content that is not exact


def events_with_every_field() -> list[Event]:
    """Return events of every kind, in which each field of an order and of an execution has a value."""
    engine = MatchingEngine(self_trade_prevention=SelfTradePrevention.DECREMENT)
    events: list[Event] = []
    engine.subscribe(events.append)
    engine.submit("iceberg", "JPM", SELL, 9, 101, display=3, owner="Ann")
    engine.submit(2, "JPM", SELL, 6, 101, time_in_force=TimeInForce.GTD, expires=9, owner="Bob")
    engine.submit(3, "JPM", BUY, 5, 99, post_only=PostOnly.SLIDE)
    engine.submit("stop", "JPM", SELL, 2, stop_price=101, owner="Cem")
    engine.submit("x", "JPM", BUY, 14, 103, owner="Bob", display=2)
    engine.reduce(3, 2)
    engine.replace(3, price=105)
    engine.cancel_all()
    assert {type(event) for event in events} == ENGINE_KINDS
    return events


EVENTS = events_with_every_field()

Path = tuple[str | int, ...]


def paths(content: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the path of each value in parsed JSON."""
    yield path
    keys = content if isinstance(content, dict) else range(len(content) if isinstance(content, list) else 0)
    for key in keys:
        yield from paths(content[key], (*path, key))


def value_at(content: Any, path: Path) -> Any:
    for key in path:
        content = content[key]
    return content


def with_value(content: Any, path: Path, value: object) -> Any:
    if not path:
        return value
    content = deepcopy(content)
    value_at(content, path[:-1])[path[-1]] = value
    return content


OPTIONAL_TERMS = {"price", "time_in_force", "post_only", "owner", "display", "stop_price", "expires"}
MAY_BE_NULL = {"price", "post_only", "owner", "display", "stop_price", "reason"}


def is_left_to_the_replay(path: Path) -> bool:
    """Return True for a symbol or the fills of an order book's change, which only a replay checks."""
    return path[:1] == ("changes",) and path[-1] in ("symbol", "fills") and "order" not in path


def wrong_values(path: Path, value: Any) -> Iterator[object]:
    """Yield values that the field at a path cannot have instead of its value."""
    name = path[-1] if path else ""
    is_part_of_a_pair = path[:1] == ("changes",) and len(path) == 4  # one of the two may be null
    if not (value is None or name in MAY_BE_NULL or is_part_of_a_pair):
        yield None
    if isinstance(value, dict):
        yield from (5, True, [], "", {**value, "unknown": 1})
        optional = OPTIONAL_TERMS if path[:1] == ("orders",) or name == "order" else set[str]()
        yield from (
            {key: value[key] for key in value if key != missing} for missing in value.keys() - optional
        )
    elif isinstance(value, list):
        yield from (5, True, {}, "")
    elif isinstance(value, str):
        yield from (True, 1.5, "", [value])
    elif type(value) is int:
        yield from (True, float(value), [value], *(() if name == "order_id" else ("5",)))
    else:
        yield from (int(value is True), 1.5, "true", {})


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: f"{event.sequence} {type(event).__name__}")
def test_a_wrong_value_of_any_field_raises_a_journal_error(event: Event) -> None:
    content = json.loads(body_of(event))
    attempts = 0
    for path in paths(content):
        if is_left_to_the_replay(path):
            continue
        for value in wrong_values(path, value_at(content, path)):
            with pytest.raises(JournalError, match="its content is not an event") as caught:
                read(event, json.dumps(with_value(content, path, value)))
                pytest.fail(f"{value!r} at {path}")
            assert caught.value.place == f"book.db: events, sequence {event.sequence}"
            attempts += 1
    assert attempts > 100
    assert read(event, json.dumps(content)) == event


@pytest.mark.parametrize(
    "change",
    [
        '["NoSuchChange",{}]',
        '["OrderSubmitted",{}]',
        '["EntryChanged",[null,null]]',
        '["EntryChanged",[null]]',
        '["LastPriceChanged",["JPM",null]]',
        '["LastPriceChanged",["JPM",0,5]]',
        '["LastPriceChanged",["",null,5]]',
        '["OrderAdded"]',
        '["OrderAdded",[]]',
        "[" * 100_000,
    ],
)
def test_a_change_that_does_not_exist_raises_a_journal_error(change: str) -> None:
    body = f'{{"orders":[],"executions":[],"owners":[],"changes":[{change}]}}'
    with pytest.raises(JournalError, match="its content is not an event"):
        read(EVENTS[0], body)


@pytest.mark.parametrize(
    ("term", "value"),
    {
        "side": "buy",
        "time_in_force": "gtc",
        "post_only": "SLIDES",
        "amount": 0,
        "price": 2**63,
        "expires": 5,
        "display": 0,
        "order_id": 2**256,
        "owner": "\ud800",
    }.items(),
)
def test_terms_that_no_order_can_have_raise_a_journal_error(term: str, value: object) -> None:
    content = json.loads(body_of(EVENTS[0]))
    for path in (("orders", 0), ("changes", 1, 1, 1, "order")):
        with pytest.raises(JournalError, match="its content is not an event"):
            read(EVENTS[0], json.dumps(with_value(content, (*path, term), value)))
