"""The messages of all problems: what was given, what is allowed, and how to fix the request."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fastapi.testclient import TestClient
from starlette.testclient import WebSocketDenialResponse

from oms import Limits, MatchingEngine, OrderNotFoundError, journal
from oms.api import Access, ApiKey, Settings, create_app
from oms.contract import PROBLEMS
from support.api_books import JPM, ORDER, books, client_of, problem
from support.api_server import serving
from support.engine_api import Callers, engine_client

KEY = "correct-horse-battery"
PROXY_REMEDY = "make the proxy forward the original Host (nginx: proxy_set_header Host $http_host)"


class Message(NamedTuple):
    """The parts of a message, and a function that sends a request with this problem.

    A part is "" if the message has no such part.
    """

    code: str
    send: Callable[[], dict[str, Any]]
    value: str
    allowed: str = ""
    remedy: str = ""


@cache
def open_client() -> TestClient:
    """Return a client of a service without a key. The requests of most tests change nothing."""
    return client_of(books())


@cache
def guarded_client() -> TestClient:
    """Return a client of a service that checks the key, the Host, and the Origin."""
    app = create_app(books(), Settings(api_key=KEY, checks_host=True))
    return TestClient(app, base_url="http://127.0.0.1:8080")


def sent(method: str, path: str, **options: Any) -> Callable[[], dict[str, Any]]:
    """Return a function that sends a request to a service without a key."""
    return lambda: problem(open_client().request(method, path, **options))


def guarded(method: str, path: str, **headers: str) -> Callable[[], dict[str, Any]]:
    """Return a function that sends a request to a service that checks the key, the Host, and the Origin."""
    return lambda: problem(guarded_client().request(method, path, headers=headers))


def body(content: str) -> Callable[[], dict[str, Any]]:
    """Return a function that sends a body to `POST /orders`."""
    return sent("POST", "/orders", content=content, headers={"Content-Type": "application/json"})


def slow_body() -> dict[str, Any]:
    with (
        serving(create_app(books(), Settings(body_seconds=0.01))) as address,
        socket.create_connection(address, timeout=10) as connection,
    ):
        lines = ("POST /orders HTTP/1.1", "Host: x", "Content-Type: application/json", "Content-Length: 9")
        connection.sendall("\r\n".join([*lines, "", "{"]).encode())
        response = b""
        while chunk := connection.recv(2**16):
            response += chunk
    return dict(json.loads(response.partition(b"\r\n\r\n")[2]))


def one_stream_too_many() -> dict[str, Any]:
    client = TestClient(create_app(books(), Settings(most_streams=0)))
    with pytest.raises(WebSocketDenialResponse) as denial, client.websocket_connect("/stream"):
        pass
    return problem(denial.value)


def reused_key() -> dict[str, Any]:
    client = client_of(books())
    for amount in (1, 2):
        response = client.post(
            "/trades", json={**JPM, "amount": amount}, headers={"Idempotency-Key": "mine-1"}
        )
    return problem(response)


def closed_journal(method: str, path: str, tmp_path: Path) -> dict[str, Any]:
    om = journal.open(tmp_path / "book.db")
    client = client_of(om)
    om.close()
    return problem(client.request(method, path, json=ORDER if method == "POST" else None))


def other_owner() -> dict[str, Any]:
    body = {"order_id": 1, "symbol": "JPM", "side": "BUY", "amount": 1, "price": 1, "owner": "Bob"}
    return problem(Callers(MatchingEngine()).ann.post("/submissions", json=body))


def operator_only() -> dict[str, Any]:
    return problem(Callers(MatchingEngine()).ann.get("/state-hash"))


def read_only() -> dict[str, Any]:
    settings = Settings(keys=(ApiKey.of(KEY, name="reader", access=Access.READ_ONLY),))
    client = TestClient(create_app(books(), settings), headers={"Authorization": f"Bearer {KEY}"})
    return problem(client.delete("/orders/1"))


def too_many(key: str | None) -> Callable[[], dict[str, Any]]:
    """Return a function that sends two requests, of which one is allowed, and returns the problem."""

    def send() -> dict[str, Any]:
        app = create_app(books(), Settings(api_key=key, rate_limit="1/hour"))
        client = TestClient(app, headers={"Authorization": f"Bearer {key}"}, client=("10.0.0.1", 5000))
        client.get("/symbols")
        return problem(client.get("/symbols"))

    return send


def beyond(**limits: Any) -> Callable[[], dict[str, Any]]:
    """Return a function that submits two orders to an engine with limits, and returns the problem."""

    def send() -> dict[str, Any]:
        client = engine_client(MatchingEngine(limits=Limits(**limits), clock=lambda: 5))
        body = {"symbol": "JPM", "side": "BUY", "amount": 7, "price": 20, "owner": "Ann"}
        client.post("/submissions", json={"order_id": 1, **body, "amount": 1})
        return problem(client.post("/submissions", json={"order_id": 2, **body}))

    return send


def stopped() -> dict[str, Any]:
    engine = MatchingEngine()
    engine.kill(owner="Ann")
    body = {"order_id": 1, "symbol": "JPM", "side": "BUY", "amount": 7, "price": 20, "owner": "Ann"}
    return problem(engine_client(engine).post("/submissions", json=body))


def failing_subscriber() -> dict[str, Any]:
    om = books()

    def fail(_event: object) -> None:
        raise OrderNotFoundError(99)

    om.subscribe(fail)
    return problem(client_of(om).delete("/orders/1"))


MESSAGES = [
    # the fields of a body
    Message(
        "invalid_order",
        sent("POST", "/orders", json={**ORDER, "amount": 0}),
        "not 0 (int)",
        "amount must be an int in 1..9223372036854775807",
    ),
    Message(
        "invalid_order",
        sent("POST", "/orders", json={**ORDER, "side": "buy"}),
        "not 'buy' (str)",
        "side must be 'BUY' or 'SELL'",
    ),
    Message(
        "invalid_order",
        sent("POST", "/trades", json={**JPM, "amount": 1, "allow_partial": 1}),
        "not 1 (int)",
        "allow_partial must be true or false",
    ),
    Message(
        "invalid_order",
        sent("POST", "/trades", json=JPM),
        "it is missing",
        "amount must be given",
    ),
    Message(
        "invalid_order",
        sent("POST", "/orders", json={**ORDER, "prize": 3}),
        "not 3 (int)",
        "prize must be left out (unknown field)",
    ),
    Message("invalid_order", sent("POST", "/trades", json=[]), "not [] (list)", "body must be a JSON object"),
    Message("invalid_order", body("3"), "not 3 (int)", "a JSON object or a list of 1 to 10000 orders"),
    Message("invalid_order", body("[]"), "not [] (list)", "body must be a list of 1 to 10000 orders"),
    Message(
        "invalid_order",
        sent("POST", "/orders", json=[{**ORDER, "order_id": 9, "amount": 0}]),
        "not 0 (int)",
        "order 0: amount must be an int in 1..9223372036854775807",
    ),
    Message(
        "invalid_order",
        sent("POST", "/transactions", json={"verbs": [{"verb": "submit"}]}),
        "not 'submit' (str)",
        "verb 0: verb must be one of 'add_order', 'add_orders', 'remove_order', 'amend_order', 'place_trade'",
    ),
    Message(
        "invalid_order",
        sent("POST", "/what-if", json={"verbs": [], "questions": [{}]}),
        "it is missing",
        "question 0: question must be given",
    ),
    # queries, paths, and headers
    Message(
        "invalid_order",
        sent("GET", "/price?symbol=JPM&side=BUY&amount=1.0"),
        "not '1.0' (str)",
        "amount must be an int >= 1, written with 1 to 100 ASCII digits only",
    ),
    Message(
        "invalid_order",
        sent("GET", "/orders?limit=1001"),
        "not '1001' (str)",
        "limit must be an int in 1..1000",
    ),
    Message(
        "invalid_order",
        sent("GET", "/depth?symbol=JPM&side=BUY&level=3"),
        "not '3' (str)",
        "level must be left out (unknown parameter; allowed: decimals, levels, side, symbol)",
    ),
    Message(
        "invalid_order",
        sent("GET", "/depth?symbol=JPM&side=BUY&levels=1&levels=2"),
        "not ['1', '2'] (list)",
        "levels must be given once",
    ),
    Message("invalid_order", sent("GET", "/orders?symbol=%FF"), "'symbol=%FF'", "percent-encoded UTF-8"),
    Message(
        "invalid_order",
        sent("DELETE", "/orders/1", headers={"Idempotency-Key": "a b"}),
        "not 'a b' (str)",
        "Idempotency-Key must be 1 to 255 visible ASCII characters",
    ),
    Message(
        "invalid_order",
        sent("DELETE", "/orders/1", headers=[("Idempotency-Key", "a"), ("Idempotency-Key", "b")]),
        "not 'a, b' (str)",
        "Idempotency-Key must be given once",
        "send one key per request",
    ),
    # JSON
    *(
        Message("malformed_json", body(content), reason, "must be valid JSON in UTF-8 without repeated keys")
        for content, reason in (
            ("{", "line 1 column 2"),
            ('{"amount": NaN}', "NaN is not a JSON number"),
            ('{"amount": 1, "amount": 2}', "the key 'amount' is repeated"),
            ("[" * 60_000, "it is nested too deeply"),
            ("1" * 5_000, "an integer with 5000 digits"),
        )
    ),
    # bodies
    Message(
        "unsupported_media_type",
        sent("POST", "/orders", content="{}", headers={"Content-Type": "text/plain"}),
        "not 'text/plain'",
        "the Content-Type header must be application/json",
    ),
    Message(
        "body_too_large",
        sent("POST", "/trades", content=" " * 70_000, headers={"Content-Type": "application/json"}),
        "it is longer",
        "at most 65536 bytes",
    ),
    Message("request_timeout", slow_body, "part of it is missing", "must arrive within 0.01 seconds"),
    # the state of the books
    Message("duplicate_order", sent("POST", "/orders", json={**ORDER, "price": 3}), "order id 1"),
    Message("order_not_found", sent("GET", "/orders/7"), "id 7"),
    Message("insufficient_liquidity", sent("POST", "/trades", json={**JPM, "amount": 31}), "31", "30"),
    Message(
        "price_bound",
        sent("POST", "/trades", json={**JPM, "amount": 22, "max_total_price": 441}),
        "442",
        "441",
    ),
    Message(
        "idempotency_key_reused",
        reused_key,
        "another request has used this Idempotency-Key",
        "",
        "use a new key for each request",
    ),
    Message("internal_error", failing_subscriber, "the server failed", "", "the reason is in its log"),
    # paths and methods
    Message("not_found", sent("GET", "/order"), "'/order'", "", "GET /docs lists all paths"),
    Message(
        "method_not_allowed",
        sent("PUT", "/orders"),
        "not PUT",
        "the method must be one of GET, HEAD, POST",
    ),
    # streams
    Message(
        "too_many_streams", one_stream_too_many, "", "at most 0 streams", "close one, or try again later"
    ),
    # access
    Message(
        "unauthorized",
        guarded("GET", "/symbols"),
        "the request has no API key",
        "",
        "send an Authorization: Bearer <key> header",
    ),
    Message(
        "unauthorized",
        guarded("GET", "/symbols", Authorization="Bearer wrong"),
        "the API key is wrong",
        "",
        "send the right key in an Authorization: Bearer <key> header",
    ),
    Message(
        "unauthorized",
        guarded("GET", "/symbols", Cookie="oms_session=x"),
        "the session has ended",
        "",
        "send the API key to POST /session again",
    ),
    Message(
        "no_longer_available",
        sent("GET", "/events?after=0"),
        "events 1 to 2 are no longer available",
        "",
        "open a stream, whose snapshot contains all orders",
    ),
    Message(
        "host_refused",
        guarded("GET", "/symbols", Host="evil.example"),
        "the Host 'evil.example'",
        "neither an IP address nor an allowed name",
        f"{PROXY_REMEDY}, or start oms serve with --allowed-host NAME",
    ),
    Message(
        "origin_refused",
        guarded("GET", "/symbols", Origin="http://evil.example"),
        "the request comes from the site 'http://evil.example'",
        "the Host is '127.0.0.1:8080'",
        f"{PROXY_REMEDY}, or start oms serve with --cors-origin URL",
    ),
    Message(
        "origin_refused",
        guarded("POST", "/orders", **{"Sec-Fetch-Site": "cross-site"}),
        "the request has no Origin",
        "requests with a session or from another site need one",
        "send an Origin: <scheme>://<Host> header",
    ),
    Message("limit_exceeded", beyond(max_amount=5), "the amount 7", "above max_amount 5", "submit less"),
    Message(
        "rate_limited",
        beyond(max_submissions=1, interval=10),
        "submission 2",
        "above max_submissions 1",
        "submit at 15 or later",
    ),
    Message("kill_switch", stopped, "JPM, owner 'Ann'", "a kill switch is on", "lift_kill()"),
    Message("forbidden", other_owner, "not 'Bob'", "owner must be left out or 'Ann'", "left out"),
    Message(
        "forbidden",
        read_only,
        "the API key 'reader' is read-only",
        "DELETE requests may change a book",
        "send a key whose access is 'trading'",
    ),
    Message(
        "too_many_requests",
        too_many(KEY),
        "the API key 'operator' has sent more",
        "more requests than 1/hour",
        "try again in ",
    ),
    Message(
        "too_many_requests",
        too_many(None),
        "the address 10.0.0.1 has sent more",
        "more requests than 1/hour",
        "try again in ",
    ),
    Message(
        "forbidden", operator_only, "only the operator", "may do this", "send an API key that has no owner"
    ),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: f"{message.code}-{message.value}"[:60])
def test_a_problem_says_what_was_given_what_is_allowed_and_how_to_fix_it(message: Message) -> None:
    response = message.send()
    assert response["code"] == message.code
    for part in (message.value, message.allowed, message.remedy):
        assert part in response["detail"]


@pytest.mark.parametrize(("method", "path"), [("POST", "/orders"), ("GET", "/ready")])
def test_a_problem_of_the_journal_says_what_is_wrong_with_it(method: str, path: str, tmp_path: Path) -> None:
    response = closed_journal(method, path, tmp_path)
    assert response["code"] == ("journal_failed" if method == "POST" else "not_ready")
    assert "closed" in response["detail"]


def test_every_problem_that_a_user_can_meet_is_in_the_list() -> None:
    elsewhere = {"journal_failed", "not_ready", "http_error"}  # the test above; no request gets http_error
    elsewhere |= {"across_shards", "shard_required", "shard_unavailable", "not_owner"}  # tests/cluster
    assert {message.code for message in MESSAGES} == PROBLEMS.keys() - elsewhere
