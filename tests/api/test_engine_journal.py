"""A served engine with a journal: retries, past events, and past trades survive a restart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from oms import MatchingEngine, Side, journal
from oms.api.engine.past import JournalArchive
from oms.errors import JournalError
from oms.journal import SqliteJournal
from support.api_books import problem
from support.engine_api import Callers, engine_client, order


def trade_a_little(engine: MatchingEngine) -> list[Any]:
    """Send requests with keys, and return the requests and their responses."""
    callers = Callers(engine)
    requests: list[Any] = [
        (callers.ann, "POST", "/submissions", order("a", "SELL", 20, 101, display=5)),
        (callers.bob, "POST", "/submissions", order("b", "BUY", 7, 101)),
        (callers.bob, "POST", "/submissions", order("b", "BUY", 7, 1, time_in_force="IOC")),
        (callers.ann, "POST", "/reductions", {"order_id": "a", "amount": 6}),
        (callers.ann, "POST", "/reductions", {"order_id": "a", "amount": 5}),
        (callers.ann, "PATCH", "/orders/a", {"price": 100}),
        (callers.operator, "POST", "/day-ends", {}),
        (callers.operator, "POST", "/submissions", order("stop", "BUY", 2, None, stop_price=200)),
        (callers.operator, "POST", "/submissions", order("c", "BUY", 1, 100, owner="Bob")),
        (callers.ann, "DELETE", "/orders/a", None),
    ]
    sent: list[Any] = []
    for number, (client, method, path, body) in enumerate(requests):
        headers = {"Idempotency-Key": f"k{number}"}
        response = client.request(method, path, json=body, headers=headers)
        assert response.is_success, response.text
        sent.append(((client.headers["authorization"], method, path, body, headers), response.json()))
    return sent


def test_a_retry_after_a_restart_gets_the_first_response(tmp_path: Path) -> None:
    file = tmp_path / "venue.db"
    with journal.open_engine(file) as engine:
        sent = trade_a_little(engine)
        state = engine.state_hash()
    with journal.open_engine(file) as engine:
        client = Callers(engine).operator
        for (authorization, method, path, body, headers), first in sent:
            identity = {"Authorization": authorization}
            again = client.request(method, path, json=body, headers={**headers, **identity})
            assert again.json() == first
            assert again.headers["idempotent-replayed"] == "true"
        assert engine.state_hash() == state


def test_the_past_is_the_same_with_a_journal_without_one_and_after_a_restart(tmp_path: Path) -> None:
    def past(engine: MatchingEngine, number: int) -> list[Any]:
        client = list(vars(Callers(engine)).values())[number]
        pages = [f"/{name}{query}" for name in ("events", "trades") for query in ("", "?after=1&limit=2")]
        with client.websocket_connect("/stream") as stream:
            return [*(client.get(page).json() for page in pages), stream.receive_json()]

    memory = MatchingEngine()
    engine_client(memory)
    with journal.open_engine(tmp_path / "venue.db", clock=None) as engine:
        trade_a_little(engine)
        before = [past(engine, number) for number in range(3)]
    with journal.open_engine(tmp_path / "venue.db", clock=None) as engine:
        assert [past(engine, number) for number in range(3)] == before
    assert len(before[0][1]["events"]) == 2
    assert len(before[0][2]["trades"]) == 3


def test_a_closed_journal_is_not_ready(tmp_path: Path) -> None:
    engine = journal.open_engine(tmp_path / "venue.db")
    engine.submit("a", "JPM", Side.SELL, 5, 100)
    client = engine_client(engine)
    engine.close()
    for path in ("/events", "/trades", "/ready"):
        assert problem(client.get(path))["code"] == "not_ready"
    failed = problem(client.post("/submissions", json=order("b", "SELL", 5, 100)))
    assert failed["code"] == "journal_failed"


def test_a_trade_without_its_event_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = journal.open_engine(tmp_path / "venue.db")
    trade_a_little(engine)
    assert isinstance(engine.journal, SqliteJournal)
    archive = JournalArchive(engine.journal)
    assert len(archive.trades(None, 100)[1]) == 3
    monkeypatch.setattr(archive, "_engine_events", lambda _events: iter(()))
    with pytest.raises(JournalError, match="no longer available"):
        archive.trades(None, 100)
    engine.close()
