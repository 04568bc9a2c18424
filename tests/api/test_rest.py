"""The endpoints, in process: what they answer, and what they refuse."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from html import unescape
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from oms import Event, Order, OrderManagement, Side
from oms.api import Settings, create_app, create_router
from oms.api.page import PATHS
from support.api_books import JPM, ORDER, books, client_of, problem
from support.api_server import serving


@pytest.fixture
def om() -> OrderManagement:
    return books()


@pytest.fixture
def client(om: OrderManagement) -> TestClient:
    return client_of(om)


@pytest.fixture(scope="module")
def still_om() -> OrderManagement:
    return books()


@pytest.fixture(scope="module")
def still(still_om: OrderManagement) -> TestClient:
    """A client for what changes nothing: making an application takes longer than such a test."""
    return client_of(still_om)


def test_an_order_is_added_once_and_answered_alike_ever_after() -> None:
    client = TestClient(create_app(settings=Settings()))
    first = client.post("/orders", json=ORDER)
    assert first.status_code == 201
    assert first.headers["location"] == "/orders/1"
    assert first.json() == {"sequence": 1, **ORDER}
    client.delete("/orders/1")
    again = client.post("/orders", json=ORDER)
    assert (again.status_code, again.json()) == (200, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    assert client.get("/orders").json()["orders"] == []
    other = problem(client.post("/orders", json={**ORDER, "price": 21}))
    assert (other["code"], other["order_id"]) == ("duplicate_order", 1)


def test_the_worked_example_is_answered(client: TestClient) -> None:
    for amount, total in ((20, 400), (10, 200), (22, 442)):
        found = client.get("/price", params={**JPM, "amount": amount})
        assert found.json() == {**JPM, "amount": amount, "total_price": total}
    trade = client.post("/trades", json={**JPM, "amount": 22})
    assert trade.status_code == 201
    assert trade.json() == {
        "sequence": 3,
        "trade_id": 1,
        **JPM,
        "amount": 22,
        "total_price": 442,
        "fills": [{"order_id": 1, "amount": 20, "price": 20}, {"order_id": 4, "amount": 2, "price": 21}],
    }
    assert client.get("/orders/4").json()["amount"] == 8


def test_every_question_of_the_library_is_answered_as_the_library_does(
    client: TestClient, om: OrderManagement
) -> None:
    book = ("JPM", Side.BUY)
    fills = [fill._asdict() for fill in om.quote(*book, 22).fills]
    questions: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
        ("/quote", {"amount": 22}, {**om.quote(*book, 22)._asdict(), "fills": fills, "slippage": 2}),
        ("/prices", {"amounts": [22, 10]}, {"amounts": [22, 10], "total_prices": [442, 200]}),
        ("/prices", {}, {"amounts": [], "total_prices": []}),
        ("/curve", {"levels": 1}, om.price_curve(*book, 1)),
        ("/amount", {"budget": 450}, {"budget": 450, "amount": 22}),
        ("/amount", {"budget": 450, "limit_price": 20}, {"budget": 450, "limit_price": 20, "amount": 20}),
        ("/available", {}, {"amount": 30}),
        ("/available", {"limit_price": 20}, {"limit_price": 20, "amount": 20}),
        ("/within", {"max_slippage_bps": 50}, {"max_slippage_bps": 50, "amount": 22}),
        ("/best-price", {}, {"price": 20}),
        ("/depth", {"levels": 1}, {"levels": [{"price": 20, "amount": 20, "orders": 1}]}),
    )
    for path, more, expected in questions:
        found = client.get(path, params={**JPM, **more})
        assert (found.status_code, found.json()) == (200, {**JPM, **expected}), path
    assert client.get("/symbols").json() == {"symbols": ["JPM"]}
    assert client.get("/count").json() == {"count": 2}
    assert client.get("/best-price", params={"symbol": "X", "side": "BUY"}).json()["price"] is None
    partial: dict[str, Any] = {**JPM, "amount": 99, "limit_price": 20, "allow_partial": "true"}
    assert client.get("/quote", params=partial).json()["shortfall"] == 79
    state = client.get("/state-hash").json()
    assert state == {"sequence": om.last_sequence, "state_hash": om.state_hash()}
    assert client.get("/ready").json() == {"ready": True, "durable": False, "sequence": 2, "orders": 2}


@pytest.mark.parametrize(
    ("method", "path", "body", "code", "fields"),
    [
        ("GET", "/orders/7", None, "order_not_found", {"order_id": 7}),
        ("DELETE", "/orders/7", None, "order_not_found", {"order_id": 7}),
        ("PATCH", "/orders/7", {"amount": 1}, "order_not_found", {"order_id": 7}),
        ("PATCH", "/orders/1", {}, "invalid_order", {"field": "amount or price", "value": None}),
        ("POST", "/orders", {**ORDER, "amount": 5}, "duplicate_order", {"order_id": 1}),
        (
            "POST",
            "/trades",
            {**JPM, "amount": 31},
            "insufficient_liquidity",
            {**JPM, "requested": 31, "available": 30, "unit": "amount"},
        ),
        (
            "POST",
            "/trades",
            {**JPM, "amount": 22, "max_total_price": 441},
            "price_bound",
            {"field": "max_total_price", "bound": 441, "total_price": 442},
        ),
        ("POST", "/trades", {**JPM, "amount": 2, "min_total_price": 1}, "invalid_order", {"value": 1}),
        ("GET", "/price?symbol=JPM&side=BUY&amount=31", None, "insufficient_liquidity", {"available": 30}),
        ("GET", "/amount?symbol=X&side=SELL&budget=5", None, "insufficient_liquidity", {"unit": "money"}),
        ("GET", "/nothing", None, "not_found", {}),
        ("GET", "/orders/", None, "not_found", {}),
    ],
)
def test_a_refusal_carries_what_its_exception_carries_and_changes_nothing(
    still: TestClient,
    still_om: OrderManagement,
    method: str,
    path: str,
    body: object,
    code: str,
    fields: dict[str, object],
) -> None:
    before = still_om.state_hash()
    said = problem(still.request(method, path, json=body))
    assert said["code"] == code
    assert fields.items() <= said.items()
    assert still_om.state_hash() == before


@pytest.mark.parametrize("field", ["order_id", "amount", "price"])
@pytest.mark.parametrize(
    "value", ["1.0", "1e0", '"1"', "true", "null", "[1]", "{}", "-1", str(2**53), "1" * 300]
)
def test_a_body_takes_integers_that_every_reader_of_json_has_exactly_and_nothing_else(
    still: TestClient, still_om: OrderManagement, field: str, value: str
) -> None:
    body = {**ORDER, "order_id": 9, field: "VALUE"}
    said = problem(post(still, json.dumps(body).replace('"VALUE"', value)))
    assert (said["code"], said["field"]) == ("invalid_order", field)
    assert said["value"] == json.loads(value)
    assert f"..{2**53 - 1}" in said["allowed"]
    assert len(still_om) == 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b'{"amount": NaN}',
        b'{"amount": -Infinity}',
        b'{"amount": 1, "amount": 2}',
        b'{"amount": 1' + b"1" * 5000 + b"}",
        b"\xff\xfe{\x00}\x00",
        b'{"symbol": "\xff"}',
        b"[" * 60_000,
        b'{"amount":' * 6_000,
    ],
)
def test_what_is_no_json_or_means_two_things_is_refused(still: TestClient, body: bytes) -> None:
    said = problem(post(still, body))
    assert said["status"] == 422
    assert said["code"] == ("malformed_json" if body else "invalid_order")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"extra": 1}, "extra"),
        ({"symbol": ""}, "symbol"),
        ({"symbol": "\ud800"}, "symbol"),
        ({"symbol": 1}, "symbol"),
        ({"side": "buy"}, "side"),
        ({"side": None}, "side"),
    ],
)
def test_a_field_that_no_book_can_take_is_named(
    still: TestClient, change: dict[str, object], field: str
) -> None:
    assert problem(post(still, json.dumps({**ORDER, "order_id": 9, **change})))["field"] == field


@pytest.mark.parametrize("left_out", list(ORDER))
def test_a_field_that_is_left_out_is_named(still: TestClient, left_out: str) -> None:
    body = {name: value for name, value in ORDER.items() if name != left_out}
    said = problem(still.post("/orders", json=body))
    assert (said["field"], said["allowed"]) == (left_out, "given")


@pytest.mark.parametrize("body", ["[]", "1", "null", '"x"'])
def test_a_body_is_an_object(still: TestClient, body: str) -> None:
    assert problem(post(still, body))["field"] == "body"


@pytest.mark.parametrize(
    "amount", ["+1", "-1", "%201", "1%20", "1.0", "1_0", "0x1", "1e3", "", "0", "%D9%A1", "1" * 101, "true"]
)
def test_a_query_takes_digits_and_nothing_else(still: TestClient, amount: str) -> None:
    said = problem(still.get(f"/price?symbol=JPM&side=BUY&amount={amount}"))
    assert (said["code"], said["field"]) == ("invalid_order", "amount")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("symbol=JPM&side=BUY&amount=1&x=1", "x"),
        ("symbol=JPM&side=BUY&amount=1&amount=2", "amount"),
        ("symbol=JP%FFM&side=BUY&amount=1", "query"),
        ("side=BUY&amount=1", "symbol"),
        ("symbol=&side=BUY&amount=1", "symbol"),
        ("symbol=JPM&side=buy&amount=1", "side"),
    ],
)
def test_a_query_that_is_wrong_is_refused_by_its_field(still: TestClient, query: str, field: str) -> None:
    assert problem(still.get(f"/price?{query}"))["field"] == field


def test_where_nothing_is_asked_nothing_may_be_said(still: TestClient) -> None:
    for path in ("/symbols?x=1", "/health?x=1", "/orders/1?x=1"):
        assert problem(still.get(path))["field"] == "x"


@pytest.mark.parametrize("order_id", ["x", "-1", "+1", "1.0", "%D9%A1", "1%00"])
def test_an_order_is_named_by_digits(still: TestClient, order_id: str) -> None:
    assert problem(still.get(f"/orders/{order_id}"))["field"] == "order_id"


def test_answers_are_exact_integers_of_any_size(client: TestClient, om: OrderManagement) -> None:
    om.add_orders(Order(2**63 - 1 - n, "BIG", Side.BUY, 2**63 - 1, 2**63 - 1) for n in range(3))
    amount = 3 * (2**63 - 1)
    found = client.get("/price", params={"symbol": "BIG", "side": "BUY", "amount": amount})
    assert str(amount * (2**63 - 1)) in found.text
    assert client.get(f"/orders/{2**63 - 1}").json()["amount"] == 2**63 - 1
    asked = 10**99
    said = problem(client.get("/price", params={"symbol": "BIG", "side": "BUY", "amount": asked}))
    assert (said["requested"], said["available"]) == (asked, amount)


def test_a_method_that_is_none_is_told_which_there_are(still: TestClient) -> None:
    for path, allowed in (
        ("/orders", "GET, HEAD, POST"),
        ("/orders/1", "DELETE, GET, HEAD, PATCH"),
        ("/", "GET, HEAD"),
    ):
        refused = still.put(path)
        assert problem(refused)["code"] == "method_not_allowed"
        assert refused.headers["allow"] == allowed


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonx"]
)
def test_a_body_of_another_type_is_refused(still: TestClient, media_type: str) -> None:
    refused = still.post("/orders", content=json.dumps(ORDER), headers={"Content-Type": media_type})
    assert problem(refused)["code"] == "unsupported_media_type"


def test_pages_are_by_key_and_stay_whole_while_orders_vanish(client: TestClient, om: OrderManagement) -> None:
    om.add_orders(Order(n, "JPM", (Side.BUY, Side.SELL)[n % 2], 1, 500 - n) for n in range(10, 35))
    seen: list[int] = []
    after: dict[str, int] = {}
    while True:
        page = client.get("/orders", params={"symbol": "JPM", "limit": 7, **after}).json()
        seen += [order["order_id"] for order in page["orders"]]
        if page["next"] is None:
            break
        if len(seen) % 2:
            om.remove_order(page["next"])  # the very one that the next page goes on after
        after = {"after": page["next"]}
    assert seen == [1, 4, *range(10, 35)]
    sells = client.get("/orders", params={"side": "SELL", "limit": 1000}).json()
    assert {order["side"] for order in sells["orders"]} == {"SELL"}
    assert sells["total"] == len(sells["orders"]) == len(om.orders(side=Side.SELL))
    assert problem(client.get("/orders", params={"limit": 1001}))["field"] == "limit"


def test_a_fault_of_the_server_says_nothing_of_itself(client: TestClient, om: OrderManagement) -> None:
    def strike(_event: Event) -> None:
        raise RuntimeError("secret")

    end = om.subscribe(strike)
    failed = client.post("/orders", json={**ORDER, "order_id": 9})
    assert problem(failed)["code"] == "internal_error"
    assert "secret" not in failed.text
    end()
    again = client.post("/orders", json={**ORDER, "order_id": 9})  # what a subscriber raises undoes nothing
    assert (again.status_code, again.json()["sequence"]) == (200, 3)


def test_the_router_serves_within_another_application(om: OrderManagement) -> None:
    other = FastAPI()
    other.include_router(create_router(om), prefix="/book")
    client = TestClient(other)
    assert client.get("/book/price", params={**JPM, "amount": 22}).json()["total_price"] == 442
    assert problem(client.get("/book/orders/7"))["code"] == "order_not_found"
    added = client.post("/book/orders", json={**ORDER, "order_id": 9})
    assert client.get(added.headers["location"]).json()["order_id"] == 9
    assert problem(client.post("/book/orders", json=[]))["field"] == "body"


def post(client: TestClient, body: str | bytes) -> Any:
    return client.post("/orders", content=body, headers={"Content-Type": "application/json"})


def test_a_retry_under_its_key_is_told_from_an_order_that_was_there_before(om: OrderManagement) -> None:
    client = TestClient(create_app(om, Settings()))
    order = {**ORDER, "order_id": 2}
    for key, named in (("first", "first"), ("second", None), (None, None)):
        headers = {} if key is None else {"Idempotency-Key": key}
        answers = [client.post("/orders", json=order, headers=headers) for _ in range(2)]
        assert [answer.headers.get("idempotency-key") for answer in answers] == [named, named]
        assert {answer.json()["sequence"] for answer in answers} == {3}


def test_a_misspelled_field_is_named_before_the_one_that_is_missing(still: TestClient) -> None:
    body = {"order_id": 9, "symbol": "JPM", "side": "BUY", "amount": 1, "prize": 3}
    problem = still.post("/orders", json=body).json()
    assert (problem["field"], problem["allowed"]) == ("prize", "left out (unknown field)")


def test_the_limits_of_integers_are_integers_in_the_document(still: TestClient) -> None:
    text = still.get("/openapi.json").text
    assert '"maximum":9007199254740991' in text
    assert re.findall(r'"(?:maximum|minimum)":\d+\.', text) == []


def test_a_body_that_nobody_reads_is_bounded_too(still: TestClient) -> None:
    answer = still.request("DELETE", "/orders/1", content=b"x" * 70_000)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert still.get("/orders/1").status_code == 200


def test_two_keys_for_one_request_are_refused(still: TestClient) -> None:
    answer = still.delete("/orders/1", headers=[("Idempotency-Key", "a"), ("Idempotency-Key", "b")])
    assert (answer.status_code, answer.json()["field"]) == (422, "Idempotency-Key")
    assert still.get("/orders/1").status_code == 200


# ---------------------------------------------------------------------- HEAD


def paths_of(app: FastAPI) -> set[str]:
    """All paths that answer GET, with the id of an order that is there and of one that is not."""
    paths = {path for path, operations in app.openapi()["paths"].items() if "get" in operations}
    known = {path.replace("{order_id}", order_id) for path in paths for order_id in ("1", "7")}
    return known | {"/docs", "/openapi.json", "/session", *PATHS}


def test_every_path_that_answers_get_answers_head_with_the_same_head_and_no_body(
    om: OrderManagement,
) -> None:
    app = create_app(om, Settings())
    query = "symbol=JPM&side=BUY&amount=5&budget=9&max_slippage_bps=1&amounts=3&levels=1"
    with serving(app) as address, httpx.Client(base_url=address.http) as client:
        for path in sorted(paths_of(app)):
            for asked in (path, f"{path}?{query}", f"{path}?symbol=JPM&side=BUY&amount=5"):
                whole, head = client.get(asked), client.head(asked)
                assert head.status_code == whole.status_code, asked
                assert head.content == b"", asked
                assert int(head.headers["content-length"]) == len(whole.content) > 0, asked
                one, other = (
                    {*each.headers.items()} - {("date", each.headers["date"])} for each in (whole, head)
                )
                assert one == other, asked
    assert len(paths_of(app)) > 20


def test_head_is_answered_on_a_real_connection_which_then_goes_on(om: OrderManagement) -> None:
    with serving(create_app(om, Settings())) as address, socket.create_connection(address) as connection:
        for method in (b"HEAD", b"HEAD", b"GET"):
            close = b"" if method == b"HEAD" else b"Connection: close\r\n"
            connection.sendall(method + b" /count HTTP/1.1\r\nHost: x\r\n" + close + b"\r\n")
        said = b""
        while some := connection.recv(65536):
            said += some
    first, second, last = said.split(b"HTTP/1.1 200 OK\r\n")[1:]
    for head in (first, second):
        assert b"content-length: 11\r\n" in head.lower()
        assert head.endswith(b"\r\n\r\n")
    assert last.endswith(b'\r\n\r\n{"count":2}')


def test_head_is_answered_in_another_application_too(om: OrderManagement) -> None:
    other = FastAPI()
    other.include_router(create_router(om), prefix="/book")
    head = TestClient(other).head("/book/count")
    assert (head.status_code, head.headers["content-length"], head.content) == (200, "11", b"")


def test_head_changes_nothing_in_the_document(still: TestClient) -> None:
    document = still.get("/openapi.json").json()
    assert not any("head" in operations for operations in document["paths"].values())


# ---------------------------------------------------------------------- null


@pytest.mark.parametrize(
    "null", [{}, {"limit_price": None}, {"max_total_price": None, "allow_partial": None}]
)
def test_a_field_that_may_be_left_out_may_be_null(client: TestClient, null: dict[str, None]) -> None:
    trade = {**JPM, "amount": 22, **null}
    first = client.post("/trades", json=trade, headers={"Idempotency-Key": "once"})
    assert (first.status_code, first.json()["total_price"]) == (201, 442)
    every = ("limit_price", "max_total_price", "min_total_price", "allow_partial")
    for same in ({**JPM, "amount": 22}, {**JPM, "amount": 22, **dict.fromkeys(every)}):
        again = client.post("/trades", json=same, headers={"Idempotency-Key": "once"})
        assert (again.status_code, again.json()) == (201, first.json())
        assert again.headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize("body", [{}, {"amount": None}, {"price": None}, {"amount": None, "price": None}])
def test_an_amendment_of_nothing_but_null_amends_nothing(still: TestClient, body: dict[str, None]) -> None:
    assert problem(still.patch("/orders/1", json=body))["field"] == "amount or price"


@pytest.mark.parametrize("field", list(ORDER))
def test_a_field_that_must_be_given_is_not_null(still: TestClient, field: str) -> None:
    assert problem(still.post("/orders", json={**ORDER, "order_id": 9, field: None}))["field"] == field


def test_null_in_a_query_is_a_text_like_any_other(still: TestClient) -> None:
    for value in ("null", ""):
        path = f"/quote?symbol=JPM&side=BUY&amount=1&limit_price={value}"
        assert problem(still.get(path))["field"] == "limit_price"


# ---------------------------------------------------------------------- one schema of a side


def test_every_side_in_the_document_is_the_one_named_schema(still: TestClient) -> None:
    document = still.get("/openapi.json").json()
    assert document["components"]["schemas"]["Side"]["enum"] == ["BUY", "SELL"]
    assert json.dumps(document).count('"enum": ["BUY", "SELL"]') == 1
    sides = list(schemas_of("side", document))
    assert len(sides) > 20
    assert {schema["$ref"] for schema in sides} == {"#/components/schemas/Side"}
    assert '"enum": ["BUY", "SELL"]' in unescape(still.get("/docs").text)  # people see the words


def schemas_of(name: str, part: Any) -> Iterator[dict[str, Any]]:
    """The schemas of all fields and parameters of that name."""
    if isinstance(part, list):
        for each in part:
            yield from schemas_of(name, each)
    elif isinstance(part, dict):
        if part.get("name") == name and "schema" in part:
            yield part["schema"]
        if part.get("type") == "object" and name in part.get("properties", {}):
            yield part["properties"][name]
        for each in part.values():
            yield from schemas_of(name, each)
