"""The stream and the past of an engine: oms.api.engine.stream and oms.api.engine.past in one story."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oms import MatchingEngine, Side
from oms.api import ApiKey, Settings, create_app
from oms.api.engine.messages import order_json
from oms.api.engine.order_index import index_of_engine
from oms.api.engine.past import RecentTrades
from oms.api.engine.stream import EngineFeed, EngineTape
from oms.api.integers import json_text
from oms.api.stream import READER_TOO_SLOW
from oms.events import Event
from support.api_books import problem
from support.engine_api import Callers, bearer, engine_client, order
from support.engine_commands import run_verbs, verbs


@pytest.fixture
def engine() -> MatchingEngine:
    return MatchingEngine()


def test_an_owner_s_stream_contains_market_data_and_their_own_executions(engine: MatchingEngine) -> None:
    callers = Callers(engine)
    callers.ann.post("/submissions", json=order("a", "SELL", 20, 101, display=5))
    callers.bob.post("/submissions", json=order("b", "BUY", 3, 90))
    with callers.ann.websocket_connect("/stream") as stream:
        snapshot = stream.receive_json()
        callers.bob.post("/submissions", json=order("c", "BUY", 8, 101))
        traded = stream.receive_json()
        callers.bob.delete("/orders/b")
        canceled = stream.receive_json()
        callers.bob.post("/submissions", json=order("stop", "BUY", 1, None, stop_price=200))  # not visible
        callers.ann.delete("/orders/a")
        closed = stream.receive_json()
    assert (snapshot["type"], snapshot["sequence"], snapshot["owner"]) == ("snapshot", 2, "Ann")
    assert snapshot["levels"] == [
        {"symbol": "JPM", "side": "BUY", "price": 101, "amount": 5},
        {"symbol": "JPM", "side": "SELL", "price": 90, "amount": 3},
    ]
    assert [each["order_id"] for each in snapshot["orders"]] == ["a"]
    assert traded == {
        "type": "OrderSubmitted",
        "previous": 2,
        "sequence": 3,
        "time": None,
        "changes": [{"symbol": "JPM", "side": "BUY", "price": 101, "change": -3}],
        "trades": traded["trades"],
        "executions": [],
        "fills": [
            {
                "order_id": "a",
                "owner": "Ann",
                "symbol": "JPM",
                "side": "SELL",
                "amount": amount,
                "price": 101,
                "role": "MAKER",
            }
            for amount in (5, 3)
        ],
        "orders": [
            {**snapshot["orders"][0], "status": "PARTIALLY_FILLED", "filled": 8, "remaining": 12}
            | {"displayed": 2}
        ],
    }
    assert [trade["taker"] for trade in traded["trades"]] == [None, None]
    assert (canceled["type"], canceled["orders"], canceled["executions"]) == ("BookChanged", [], [])
    assert canceled["changes"] == [{"symbol": "JPM", "side": "SELL", "price": 90, "change": -3}]
    assert (closed["type"], closed["previous"], closed["sequence"]) == ("OrdersCanceled", 4, 6)
    assert closed["orders"] == [{"order_id": "a", "status": "CLOSED", "symbol": "JPM", "owner": "Ann"}]


def received(stream: Any, messages: int) -> list[Any]:
    return [stream.receive_json() for _ in range(messages)]


@given(
    st.lists(verbs, max_size=12),
    st.lists(verbs, max_size=12),
    st.integers(1, 4),
    st.sampled_from([None, "JPM"]),
)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_shared_texts_contain_exactly_what_each_viewer_may_see(
    monkeypatch: pytest.MonkeyPatch, before: list[Any], after: list[Any], part: int, symbol: str | None
) -> None:
    monkeypatch.setattr("oms.api.stream.PART_LENGTH", part)
    monkeypatch.setattr("oms.api.stream.LARGE", part)  # so that a worker thread makes some of the texts
    engine = MatchingEngine()
    run_verbs(engine, before)
    viewers = {"key-of-the-operator": None} | {f"key-of-owner-{name}---": name for name in ("x", "y", "z")}
    keys = tuple(ApiKey.of(key, name=owner, owner=owner) for key, owner in viewers.items() if owner)
    app = create_app(engine, Settings(api_key="key-of-the-operator", keys=keys))
    path = "/stream" if symbol is None else f"/stream?symbol={symbol}"
    with TestClient(app) as client, ExitStack() as stack:
        streams = {
            viewer: stack.enter_context(client.websocket_connect(path, headers=bearer(key)))
            for key, viewer in viewers.items()
        }
        snapshots = {viewer: joined_snapshot(stream) for viewer, stream in streams.items()}
        for viewer, snapshot in snapshots.items():
            assert snapshot["orders"] == as_sent(order_json, engine.orders(symbol, owner=viewer))
        expected: dict[str | None, list[Any]] = {viewer: [] for viewer in streams}
        feed = EngineFeed(engine, EngineTape(), index_of_engine(engine))

        def record(event: Event) -> None:
            notice = feed.notice(event)
            for viewer, messages in expected.items():
                message = feed.message(notice, symbol, viewer)
                if message is not None:
                    previous = messages[-1]["sequence"] if messages else snapshots[viewer]["sequence"]
                    messages.append({**message, "previous": previous})

        unsubscribe = engine.subscribe(record)
        run_verbs(engine, after)
        unsubscribe()
        for viewer, stream in streams.items():
            assert received(stream, len(expected[viewer])) == as_sent(dict, expected[viewer])


def joined_snapshot(stream: Any) -> Any:
    """Return a snapshot that contains the lists of all of its parts."""
    snapshot = stream.receive_json()
    more = snapshot["more"]
    while more:
        part = stream.receive_json()
        assert (part["type"], part["sequence"]) == ("snapshot_part", snapshot["sequence"])
        for name in ("levels", "orders", "trades"):
            snapshot[name] += part[name]
        more = part["more"]
    return snapshot


def as_sent(convert: Callable[[Any], Any], values: Iterable[Any]) -> Any:
    return json.loads(json_text(list(map(convert, values))))


def test_the_stream_of_one_symbol_contains_nothing_of_another(engine: MatchingEngine) -> None:
    client = engine_client(engine)
    engine.submit(1, "IBM", Side.SELL, 5, 50)
    engine.submit(2, "JPM", Side.SELL, 5, 50)
    with client.websocket_connect("/stream?symbol=JPM") as stream:
        snapshot = stream.receive_json()
        engine.submit(3, "IBM", Side.BUY, 5, 50)
        engine.submit(4, "IBM", Side.BUY, 5, 40)
        engine.cancel_all()
        canceled = stream.receive_json()
    assert {each["symbol"] for each in snapshot["levels"] + snapshot["orders"]} == {"JPM"}
    assert (canceled["previous"], canceled["sequence"]) == (2, 5)
    assert {each["symbol"] for name in ("changes", "orders") for each in canceled[name]} == {"JPM"}


def test_an_order_whose_id_another_owner_already_uses_again_is_closed(engine: MatchingEngine) -> None:
    callers = Callers(engine)
    engine.submit("x", "JPM", Side.SELL, 5, 50, owner="Ann")
    with callers.ann.websocket_connect("/stream") as stream:
        stream.receive_json()
        with engine.transaction():
            engine.cancel("x")
            engine.submit("x", "JPM", Side.SELL, 5, 50, owner="Bob")
        closed, other = stream.receive_json(), stream.receive_json()
    assert [each["status"] for each in closed["orders"]] == ["CLOSED"]
    assert (other["type"], other["orders"]) == ("BookChanged", [])


def test_a_stream_that_is_too_slow_is_closed(engine: MatchingEngine) -> None:
    client = engine_client(engine, Settings(stream_backlog=0))
    with client.websocket_connect("/stream") as stream:
        stream.receive_json()
        engine.submit(1, "JPM", Side.SELL, 5, 50)
        assert stream.receive()["code"] == READER_TOO_SLOW


def test_the_snapshot_contains_the_last_twenty_trades(engine: MatchingEngine) -> None:
    client = engine_client(engine)
    engine.submit("maker", "JPM", Side.SELL, 50, 50)
    for number in range(25):
        engine.submit(number, "JPM", Side.BUY, 1, 50)
    with client.websocket_connect("/stream?symbol=JPM") as stream:
        trades = stream.receive_json()["trades"]
    assert [trade["trade_id"] for trade in trades] == list(range(6, 26))
    assert trades[0]["taker"] == 5
    assert trades == client.get("/trades?after=5").json()["trades"]
    with client.websocket_connect("/stream?symbol=IBM") as stream:
        assert stream.receive_json()["trades"] == []


def test_pages_of_past_events_and_trades_are_complete(engine: MatchingEngine) -> None:
    client = engine_client(engine)
    engine.submit("maker", "JPM", Side.SELL, 50, 50)
    for number in range(10):
        engine.submit(number, "JPM", Side.BUY, 1, 50)
    for name, key, total in (("events", "sequence", 11), ("trades", "trade_id", 10)):
        whole = client.get(f"/{name}").json()
        assert [each[key] for each in whole[name]] == list(range(1, total + 1))
        assert (whole["first"], whole["next"]) == (1, None)
        pages: list[Any] = []
        after: int | None = 0
        while after is not None:
            page = client.get(f"/{name}?after={after}&limit=3").json()
            pages += page[name]
            after = page["next"]
        assert pages == whole[name]


def test_the_service_forgets_the_oldest_events_and_trades_and_says_so(engine: MatchingEngine) -> None:
    client = engine_client(engine, Settings(recent_changes=4))
    engine.submit("maker", "JPM", Side.SELL, 50, 50)
    for number in range(10):
        engine.submit(number, "JPM", Side.BUY, 1, 50)
    for name, first in (("events", 8), ("trades", 7)):
        page = client.get(f"/{name}").json()
        assert page["first"] == first
        gone = problem(client.get(f"/{name}?after=1"))
        assert (gone["code"], gone["first"]) == ("no_longer_available", first)


def test_a_missed_event_drops_the_events_before_the_gap(engine: MatchingEngine) -> None:
    recent = RecentTrades(100)
    unsubscribe = engine.subscribe(recent)
    engine.submit(1, "JPM", Side.SELL, 50, 50)
    unsubscribe()
    engine.submit(2, "JPM", Side.SELL, 50, 50)
    engine.subscribe(recent)
    engine.submit(3, "JPM", Side.BUY, 50, 50)
    first, events, more = recent.events(None, 10)
    assert (first, len(events), more) == (3, 1, False)
    assert recent.trades(None, 10)[0] == 1
    recent.continue_at(9, 5)
    assert (recent.events(None, 10), recent.trades(None, 10)) == ((9, (), False), (5, (), False))
