"""The access log: one line for each request, two for each stream, and no secrets."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from oms import MatchingEngine, OrderManagement
from oms.api import Settings, create_app
from oms.api.logs import JsonFormatter, TextFormatter
from support.api_books import JPM, ORDER, books
from support.engine_api import ANN, KEYS, OPERATOR, bearer, order

KEY = "a-key-with-sixteen-letters"


class Records(logging.Handler):
    """A handler that keeps the records of the access log, as JSON lines and as text."""

    def __init__(self) -> None:
        super().__init__()
        self.json: list[dict[str, Any]] = []
        self.text: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.json.append(json.loads(JsonFormatter().format(record)))
        self.text.append(TextFormatter().format(record))

    def fields(self, *names: str) -> list[tuple[Any, ...]]:
        return [tuple(line[name] for name in names) for line in self.json]


@pytest.fixture
def records() -> Iterator[Records]:
    logger, handler = logging.getLogger("oms.api.access"), Records()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


@pytest.fixture
def client(records: Records) -> TestClient:
    assert not records.json
    return TestClient(create_app(books(), Settings()), raise_server_exceptions=False)


def test_a_line_has_the_method_the_route_the_status_the_duration_and_the_sequence_number(
    client: TestClient, records: Records
) -> None:
    client.post("/orders", json={**ORDER, "order_id": 9})
    (line,) = records.json
    assert line["event"] == "request"
    assert (line["method"], line["route"], line["status"], line["sequence"]) == ("POST", "/orders", 201, 3)
    assert line["key_name"] is None
    assert 0 < line["duration_ms"] < 60_000
    assert (line["level"], line["logger"]) == ("INFO", "oms.api.access")
    (text,) = records.text
    pattern = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO oms\.api\.access: "
    assert re.fullmatch(pattern + r"POST /orders 201 \d+\.\d{3} ms key_name=- sequence=3", text)


def test_the_route_is_the_template_and_the_line_contains_neither_the_path_nor_the_query(
    client: TestClient, records: Records
) -> None:
    client.get("/orders/123456?decimals=true")
    client.get("/price", params={**JPM, "amount": 654321})
    client.delete("/orders/4")
    client.get("/no/such/path/777777")
    client.put("/orders/888888")
    client.head("/symbols")
    client.request("FOO", "/symbols")
    assert records.fields("method", "route", "status", "sequence") == [
        ("GET", "/orders/{order_id}", 404, None),
        ("GET", "/price", 409, None),
        ("DELETE", "/orders/{order_id}", 200, 3),
        ("GET", "unknown", 404, None),
        ("PUT", "/orders/{order_id}", 405, None),
        ("HEAD", "/symbols", 200, None),
        ("OTHER", "/symbols", 405, None),
    ]
    for text in (*records.text, *map(str, records.json)):
        assert not re.search("123456|654321|777777|888888|decimals|FOO", text)


def test_a_retry_has_the_sequence_number_of_the_original_change(client: TestClient, records: Records) -> None:
    for _ in range(2):
        client.delete("/orders/1", headers={"Idempotency-Key": "mine-1"})
        client.get("/count")
    assert records.fields("route", "sequence") == [("/orders/{order_id}", 3), ("/count", None)] * 2


def test_the_line_contains_the_name_of_the_key_and_never_contains_the_key(records: Records) -> None:
    client = TestClient(create_app(MatchingEngine(), KEYS))
    client.post("/submissions", json=order("a", "SELL", 5, 100), headers=bearer(ANN))
    client.get("/count", headers=bearer(OPERATOR))
    client.get("/count", headers=bearer("wrong-" + ANN))
    client.get(f"/count?key={ANN}")
    assert records.fields("route", "status", "sequence") == [
        ("/submissions", 201, 1),
        ("/count", 200, None),
        ("/count", 401, None),
        ("/count", 401, None),
    ]
    assert [line["key_name"] for line in records.json] == ["ann", "operator", None, None]
    assert ANN not in "".join((*records.text, *map(str, records.json)))


def test_a_request_that_fails_in_the_server_has_the_status_500(records: Records) -> None:
    class Broken(OrderManagement):
        def symbols(self) -> tuple[str, ...]:
            raise RuntimeError("broken")

    client = TestClient(create_app(Broken(), Settings()), raise_server_exceptions=False)
    assert client.get("/symbols").status_code == 500
    assert records.fields("route", "status") == [("/symbols", 500)]


def test_a_stream_has_a_line_when_it_opens_and_a_line_with_the_duration_when_it_ends(
    client: TestClient, records: Records
) -> None:
    with client.websocket_connect("/stream?symbol=JPM") as stream:
        stream.receive_json()
        assert records.fields("event", "method", "route", "status") == [
            ("stream_opened", "WEBSOCKET", "/stream", 101)
        ]
        client.delete("/orders/1")
        stream.receive_json()
    opened, request, closed = records.json
    assert request["route"] == "/orders/{order_id}"
    assert (closed["event"], closed["status"], closed["sequence"]) == ("stream_closed", 1000, None)
    assert closed["duration_ms"] > opened["duration_ms"]
    assert "stream opened /stream 101 " in records.text[0]
    assert "stream closed /stream 1000 " in records.text[2]


def test_a_stream_that_the_service_closes_is_logged_with_the_close_code(
    client: TestClient, records: Records
) -> None:
    with client.websocket_connect("/stream") as stream:
        stream.receive_json()
        stream.send_text("hello")
        with pytest.raises(WebSocketDisconnect):
            stream.receive_json()
    assert records.fields("event", "status") == [("stream_opened", 101), ("stream_closed", 1003)]


def test_a_rejected_stream_has_one_line_with_the_status_of_the_rejection(
    client: TestClient, records: Records
) -> None:
    with pytest.raises(WebSocketDenialResponse), client.websocket_connect("/stream?nonsense=1"):
        pass
    assert records.fields("event", "method", "status") == [("request", "WEBSOCKET", 422)]


def test_without_the_access_log_rejected_requests_are_still_logged(
    records: Records, caplog: pytest.LogCaptureFixture
) -> None:
    client = TestClient(create_app(books(), Settings(access_log=False, api_key=KEY)))
    client.get("/symbols", headers=bearer(KEY))
    assert client.get("/symbols").status_code == 401
    assert records.json == []
    assert "401 unauthorized" in caplog.text
    assert KEY not in caplog.text


def test_rejections_by_an_endpoint_are_logged_and_invalid_requests_are_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = replace(KEYS, access_log=False, most_streams=0, body_limit=10)
    client = TestClient(create_app(MatchingEngine(), settings), headers=bearer(ANN))
    assert client.get("/state-hash").status_code == 403
    assert client.post("/reductions", json={"order_id": "x" * 20, "amount": 1}).status_code == 413
    assert client.get("/orders/none").status_code == 404
    assert client.get("/price").status_code == 422
    with pytest.raises(WebSocketDenialResponse), client.websocket_connect("/stream"):
        pass
    assert [record.getMessage().split(": ")[1] for record in caplog.records if record.name == "oms.api"] == [
        "403 forbidden",
        "413 body_too_large",
        "503 too_many_streams",
    ]


def test_nothing_is_formatted_while_nobody_reads_the_access_log(
    client: TestClient, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    logging.getLogger("oms.api.access").setLevel(logging.WARNING)
    client.get("/count")
    assert records.json == []
