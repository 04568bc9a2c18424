"""`GET /events` returns what the stream sends, and `GET /trades` every trade, or they say what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from oms import Order, OrderManagement, Side, journal
from oms.api import Settings, create_app
from oms.journal import SqliteJournal
from support.api_books import problem
from support.memory_journal import MemoryJournal
from support.sessions import execute, noon, session

LENGTH = 40
KINDS = ["memory", "other journal", "journal"]


def opened(kind: str, folder: Path) -> OrderManagement:
    if kind == "journal":
        return journal.open(folder / "book.db", durability="off", clock=noon)
    return OrderManagement(MemoryJournal() if kind == "other journal" else None, clock=noon)


def pages(client: TestClient, path: str, name: str, limit: int, after: int | None = None) -> list[Any]:
    """Return the items of all pages."""
    items: list[Any] = []
    while True:
        query = f"?limit={limit}" + ("" if after is None else f"&after={after}")
        page = client.get(f"{path}{query}").json()
        assert len(page[name]) == limit or page["next"] is None
        items += page[name]
        after = page["next"]
        if after is None:
            return items


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_the_pages_of_events_are_the_messages_of_the_stream(kind: str, limit: int, tmp_path: Path) -> None:
    with opened(kind, tmp_path) as om:
        client = TestClient(create_app(om, Settings()))
        with client.websocket_connect("/stream") as stream:
            assert stream.receive_json()["sequence"] == 0
            for command in session(3, LENGTH):
                execute(command, om)
            om.clock = None
            om.add_order(99_999, "JPM", Side.BUY, 1, 1)
            messages = [stream.receive_json() for _ in range(om.last_sequence)]
        assert pages(client, "/events", "events", limit) == messages
        assert pages(client, "/events", "events", limit, after=5) == messages[5:]
        trades = [message for message in messages if message["type"] == "TradePlaced"]
        assert len(trades) > 3
        expected = [{"sequence": m["sequence"], "time": m["time"], **m["trade"]} for m in trades]
        assert pages(client, "/trades", "trades", limit) == expected
        assert pages(client, "/trades", "trades", limit, after=2) == expected[2:]


@pytest.mark.parametrize("kind", KINDS[1:])
def test_a_new_service_returns_the_events_and_trades_in_its_journal(kind: str, tmp_path: Path) -> None:
    with opened(kind, tmp_path) as om:
        for command in session(3, LENGTH):
            execute(command, om)
        client = TestClient(create_app(om, Settings()))
        sequences = [event["sequence"] for event in pages(client, "/events", "events", 9)]
        assert sequences == list(range(1, om.last_sequence + 1))
        assert client.get("/trades").json()["first"] == 1


def test_dropped_events_are_a_problem_if_they_are_requested(tmp_path: Path) -> None:
    with opened("journal", tmp_path) as om:
        for command in session(3, LENGTH):
            execute(command, om)
        client = TestClient(create_app(om, Settings()))
        before = client.get("/trades?limit=1000").json()["trades"]
        assert isinstance(om.journal, SqliteJournal)
        om.journal.compact(20)
        first = om.journal.droppable(1).first
        rejection = problem(client.get("/events?after=3"))
        assert (rejection["status"], rejection["code"]) == (410, "no_longer_available")
        assert rejection["first"] == first
        assert f"the events 4 to {first - 1} are no longer available" in rejection["detail"]
        page = client.get("/events?limit=1").json()
        assert (page["first"], page["events"][0]["sequence"]) == (first, first)
        assert client.get(f"/events?after={first - 1}").json()["events"][0]["sequence"] == first
        left = [trade for trade in before if trade["sequence"] >= first]
        assert client.get("/trades").json()["trades"] == left
        assert problem(client.get("/trades?after=0"))["first"] == left[0]["trade_id"]
        om.journal.compact()
        assert client.get("/events").json() == {"first": om.last_sequence + 1, "events": [], "next": None}
        assert client.get("/trades").json() == {
            "first": before[-1]["trade_id"] + 1,
            "trades": [],
            "next": None,
        }


def test_without_a_journal_only_the_latest_events_are_available() -> None:
    om = OrderManagement()
    om.add_orders([Order(n, "JPM", Side.BUY, 5, 20) for n in range(20)])
    om.place_trade("JPM", Side.BUY, 5)
    client = TestClient(create_app(om, Settings(recent_changes=3)))
    assert client.get("/events").json() == {"first": 3, "events": [], "next": None}
    assert client.get("/trades").json() == {"first": 2, "trades": [], "next": None}
    assert problem(client.get("/trades?after=0"))["first"] == 2
    for _ in range(4):
        om.place_trade("JPM", Side.BUY, 5)
    assert [event["sequence"] for event in client.get("/events").json()["events"]] == [4, 5, 6]
    assert [trade["trade_id"] for trade in client.get("/trades?after=2").json()["trades"]] == [3, 4, 5]
    assert problem(client.get("/events?after=2"))["first"] == 4
    om.remove_orders()  # more orders than the service keeps
    assert client.get("/events").json() == {"first": 8, "events": [], "next": None}
    assert problem(client.get("/events?after=6"))["first"] == 8
    assert len(client.get("/trades?after=2").json()["trades"]) == 3


@pytest.mark.parametrize("path", ["/events", "/trades"])
def test_a_page_after_the_end_is_empty(path: str, tmp_path: Path) -> None:
    for kind in KINDS:
        with opened(kind, tmp_path) as om:
            client = TestClient(create_app(om, Settings()))
            for after in (0, 7, 10**99):
                page = client.get(f"{path}?after={after}").json()
                assert (page["first"], page[path[1:]], page["next"]) == (1, [], None)


@pytest.mark.parametrize("path", ["/events", "/trades"])
@pytest.mark.parametrize(
    "query", ["after=-1", "after=x", "limit=0", "limit=1001", "symbol=JPM", "after=1&after=2"]
)
def test_an_invalid_query_is_rejected(path: str, query: str) -> None:
    client = TestClient(create_app(OrderManagement(), Settings()))
    rejection = problem(client.get(f"{path}?{query}"))
    assert (rejection["status"], rejection["code"]) == (422, "invalid_order")


@pytest.mark.parametrize("path", ["/events", "/trades"])
def test_a_journal_that_cannot_be_read_is_a_problem(path: str, tmp_path: Path) -> None:
    om = opened("journal", tmp_path)
    client = TestClient(create_app(om, Settings()))
    om.close()
    rejection = problem(client.get(path))
    assert (rejection["status"], rejection["code"], rejection["reason"]) == (503, "not_ready", "it is closed")
