"""The endpoints, called in the same process: their responses and their problems."""

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
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from oms import Event, Order, OrderManagement, Side
from oms.api import Settings, create_app, create_router
from oms.api.page import PATHS
from oms.contract import as_json_integer
from support.api_books import JPM, ORDER, books, client_of, problem
from support.api_server import serving


@pytest.fixture
def om() -> OrderManagement:
    return books()


@pytest.fixture
def client(om: OrderManagement) -> TestClient:
    return client_of(om)


@pytest.fixture(scope="module")
def shared_om() -> OrderManagement:
    return books()


@pytest.fixture(scope="module")
def shared(shared_om: OrderManagement) -> TestClient:
    """A client for tests that change nothing. They share one application, because creating one is slow."""
    return client_of(shared_om)


def test_an_order_is_added_once_and_a_retry_always_gets_the_first_response() -> None:
    client = TestClient(create_app(settings=Settings()))
    first = client.post("/orders", json=ORDER)
    assert first.status_code == 201
    assert first.headers["location"] == "/orders/1"
    assert first.json() == {"sequence": 1, "time": None, **ORDER}
    client.delete("/orders/1")
    again = client.post("/orders", json=ORDER)
    assert (again.status_code, again.json()) == (200, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    assert client.get("/orders").json()["orders"] == []
    other = problem(client.post("/orders", json={**ORDER, "price": 21}))
    assert (other["code"], other["order_id"]) == ("duplicate_order", 1)


def test_the_worked_example_has_the_expected_prices_and_trade(client: TestClient) -> None:
    for amount, total in ((20, 400), (10, 200), (22, 442)):
        response = client.get("/price", params={**JPM, "amount": amount})
        assert response.json() == {**JPM, "amount": amount, "total_price": total}
    trade = client.post("/trades", json={**JPM, "amount": 22})
    assert trade.status_code == 201
    assert trade.json() == {
        "sequence": 3,
        "time": None,
        "trade_id": 1,
        **JPM,
        "amount": 22,
        "total_price": 442,
        "fills": [{"order_id": 1, "amount": 20, "price": 20}, {"order_id": 4, "amount": 2, "price": 21}],
    }
    assert client.get("/orders/4").json()["amount"] == 8


def test_every_read_only_endpoint_returns_what_the_library_returns(
    client: TestClient, om: OrderManagement
) -> None:
    book = ("JPM", Side.BUY)
    fills = [fill._asdict() for fill in om.quote(*book, 22).fills]
    requests: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
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
    for path, more, expected in requests:
        response = client.get(path, params={**JPM, **more})
        assert (response.status_code, response.json()) == (200, {**JPM, **expected}), path
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
def test_a_problem_has_the_fields_of_its_exception_and_changes_nothing(
    shared: TestClient,
    shared_om: OrderManagement,
    method: str,
    path: str,
    body: object,
    code: str,
    fields: dict[str, object],
) -> None:
    before = shared_om.state_hash()
    rejection = problem(shared.request(method, path, json=body))
    assert rejection["code"] == code
    assert fields.items() <= rejection.items()
    assert shared_om.state_hash() == before


@pytest.mark.parametrize("field", ["order_id", "amount", "price"])
@pytest.mark.parametrize(
    "value", ["1.0", "1e0", '"1.0"', '"-1"', "true", "null", "[1]", "{}", "-1", str(2**63), "1" * 300]
)
def test_a_body_accepts_only_integers_within_the_limits(
    shared: TestClient, shared_om: OrderManagement, field: str, value: str
) -> None:
    body = {**ORDER, "order_id": 9, field: "VALUE"}
    rejection = problem(post(shared, json.dumps(body).replace('"VALUE"', value)))
    assert (rejection["code"], rejection["field"]) == ("invalid_order", field)
    assert rejection["value"] == json.loads(value, parse_int=lambda digits: as_json_integer(int(digits)))
    assert f"..{2**63 - 1}" in rejection["allowed"]
    assert len(shared_om) == 2


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
def test_invalid_or_ambiguous_json_is_rejected(shared: TestClient, body: bytes) -> None:
    rejection = problem(post(shared, body))
    assert rejection["status"] == 422
    assert rejection["code"] == ("malformed_json" if body else "invalid_order")


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
def test_the_problem_names_an_invalid_field(
    shared: TestClient, change: dict[str, object], field: str
) -> None:
    assert problem(post(shared, json.dumps({**ORDER, "order_id": 9, **change})))["field"] == field


@pytest.mark.parametrize("missing", list(ORDER))
def test_the_problem_names_a_missing_field(shared: TestClient, missing: str) -> None:
    body = {name: value for name, value in ORDER.items() if name != missing}
    rejection = problem(shared.post("/orders", json=body))
    assert (rejection["field"], rejection["allowed"]) == (missing, "given")


@pytest.mark.parametrize("body", ["[]", "1", "null", '"x"'])
def test_a_body_must_be_a_json_object(shared: TestClient, body: str) -> None:
    assert problem(post(shared, body))["field"] == "body"


@pytest.mark.parametrize(
    "amount", ["+1", "-1", "%201", "1%20", "1.0", "1_0", "0x1", "1e3", "", "0", "%D9%A1", "1" * 101, "true"]
)
def test_an_integer_in_a_query_must_consist_of_digits(shared: TestClient, amount: str) -> None:
    rejection = problem(shared.get(f"/price?symbol=JPM&side=BUY&amount={amount}"))
    assert (rejection["code"], rejection["field"]) == ("invalid_order", "amount")


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
def test_the_problem_names_an_invalid_query_parameter(shared: TestClient, query: str, field: str) -> None:
    assert problem(shared.get(f"/price?{query}"))["field"] == field


def test_an_endpoint_without_parameters_rejects_every_parameter(shared: TestClient) -> None:
    for path in ("/symbols?x=1", "/health?x=1", "/orders/1?x=1"):
        assert problem(shared.get(path))["field"] == "x"


@pytest.mark.parametrize("order_id", ["x", "-1", "+1", "1.0", "%D9%A1", "1%00"])
def test_an_order_id_in_a_path_must_consist_of_digits(shared: TestClient, order_id: str) -> None:
    assert problem(shared.get(f"/orders/{order_id}"))["field"] == "order_id"


def test_responses_contain_exact_integers_of_any_size(client: TestClient, om: OrderManagement) -> None:
    om.add_orders(Order(2**63 - 1 - n, "BIG", Side.BUY, 2**63 - 1, 2**63 - 1) for n in range(3))
    amount = 3 * (2**63 - 1)
    response = client.get("/price", params={"symbol": "BIG", "side": "BUY", "amount": amount})
    assert response.json()["total_price"] == str(amount * (2**63 - 1))
    assert client.get(f"/orders/{2**63 - 1}").json()["amount"] == str(2**63 - 1)
    too_large = 10**99
    rejection = problem(client.get("/price", params={"symbol": "BIG", "side": "BUY", "amount": too_large}))
    assert (rejection["requested"], rejection["available"]) == (str(too_large), str(amount))


def test_an_unsupported_method_gets_405_with_the_allowed_methods(shared: TestClient) -> None:
    for path, allowed in (
        ("/orders", "GET, HEAD, POST"),
        ("/orders/1", "DELETE, GET, HEAD, PATCH"),
        ("/", "GET, HEAD"),
    ):
        response = shared.put(path)
        assert problem(response)["code"] == "method_not_allowed"
        assert response.headers["allow"] == allowed


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonx"]
)
def test_a_body_of_another_media_type_is_rejected(shared: TestClient, media_type: str) -> None:
    response = shared.post("/orders", content=json.dumps(ORDER), headers={"Content-Type": media_type})
    assert problem(response)["code"] == "unsupported_media_type"


def test_pages_skip_no_order_while_other_orders_are_removed(client: TestClient, om: OrderManagement) -> None:
    om.add_orders(Order(n, "JPM", (Side.BUY, Side.SELL)[n % 2], 1, 500 - n) for n in range(10, 35))
    seen: list[int] = []
    after: dict[str, int] = {}
    while True:
        page = client.get("/orders", params={"symbol": "JPM", "limit": 7, **after}).json()
        seen += [order["order_id"] for order in page["orders"]]
        if page["next"] is None:
            break
        if len(seen) % 2:
            om.remove_order(page["next"])  # the next page starts after the id of this order
        after = {"after": page["next"]}
    assert seen == [1, 4, *range(10, 35)]
    sells = client.get("/orders", params={"side": "SELL", "limit": 1000}).json()
    assert {order["side"] for order in sells["orders"]} == {"SELL"}
    assert sells["total"] == len(sells["orders"]) == len(om.orders(side=Side.SELL))
    assert problem(client.get("/orders", params={"limit": 1001}))["field"] == "limit"


def test_an_internal_error_reveals_no_details(client: TestClient, om: OrderManagement) -> None:
    def fail(_event: Event) -> None:
        raise RuntimeError("secret")

    unsubscribe = om.subscribe(fail)
    response = client.post("/orders", json={**ORDER, "order_id": 9})
    assert problem(response)["code"] == "internal_error"
    assert "secret" not in response.text
    unsubscribe()
    again = client.post("/orders", json={**ORDER, "order_id": 9})  # the change was made despite the error
    assert (again.status_code, again.json()["sequence"]) == (200, 3)


def test_the_router_works_in_another_application(om: OrderManagement) -> None:
    other = FastAPI()
    other.include_router(create_router(om), prefix="/book")
    client = TestClient(other)
    assert client.get("/book/price", params={**JPM, "amount": 22}).json()["total_price"] == 442
    assert problem(client.get("/book/orders/7"))["code"] == "order_not_found"
    added = client.post("/book/orders", json={**ORDER, "order_id": 9})
    assert client.get(added.headers["location"]).json()["order_id"] == 9
    assert problem(client.post("/book/orders", json=[]))["field"] == "body"


def test_each_response_in_the_document_of_another_application_refers_to_a_schema_of_the_document(
    om: OrderManagement,
) -> None:
    other = FastAPI()
    other.include_router(create_router(om), prefix="/book")
    document = other.openapi()
    references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert "Problem" in references
    assert references <= document["components"]["schemas"].keys()


def test_an_application_makes_neither_validators_of_problems_nor_second_handlers_for_head(
    om: OrderManagement,
) -> None:
    routes = [route for route in create_app(om, Settings()).routes if isinstance(route, APIRoute)]
    of_problems = [status for route in routes for status in route.response_fields if int(status) >= 400]
    assert len(of_problems) == len(["GET /health", "HEAD /health"])
    handlers = {route.path: route.app for route in routes if route.methods == {"GET"}}
    heads = [route for route in routes if route.methods == {"HEAD"}]
    assert len(heads) > 20
    assert [route.path for route in heads if route.app is not handlers[route.path]] == []


def post(client: TestClient, body: str | bytes) -> Any:
    return client.post("/orders", content=body, headers={"Content-Type": "application/json"})


def test_the_response_repeats_the_key_only_if_a_request_with_it_added_the_order(om: OrderManagement) -> None:
    client = TestClient(create_app(om, Settings()))
    order = {**ORDER, "order_id": 2}
    for key, repeated in (("first", "first"), ("second", None), (None, None)):
        headers = {} if key is None else {"Idempotency-Key": key}
        responses = [client.post("/orders", json=order, headers=headers) for _ in range(2)]
        assert [response.headers.get("idempotency-key") for response in responses] == [repeated, repeated]
        assert {response.json()["sequence"] for response in responses} == {3}


def test_the_problem_names_a_misspelled_field_rather_than_the_missing_field(shared: TestClient) -> None:
    body = {"order_id": 9, "symbol": "JPM", "side": "BUY", "amount": 1, "prize": 3}
    problem = shared.post("/orders", json=body).json()
    assert (problem["field"], problem["allowed"]) == ("prize", "left out (unknown field)")


def test_the_limits_of_integers_are_integers_in_the_openapi_document(shared: TestClient) -> None:
    text = shared.get("/openapi.json").text
    assert '"maximum":9007199254740991' in text
    assert re.findall(r'"(?:maximum|minimum)":\d+\.', text) == []


def test_the_size_of_a_body_is_limited_even_if_the_endpoint_needs_no_body(shared: TestClient) -> None:
    response = shared.request("DELETE", "/orders/1", content=b"x" * 70_000)
    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")
    assert shared.get("/orders/1").status_code == 200


def test_a_request_with_two_idempotency_keys_is_rejected(shared: TestClient) -> None:
    response = shared.delete("/orders/1", headers=[("Idempotency-Key", "a"), ("Idempotency-Key", "b")])
    assert (response.status_code, response.json()["field"]) == (422, "Idempotency-Key")
    assert shared.get("/orders/1").status_code == 200


# ---------------------------------------------------------------------- HEAD


def paths_of(app: FastAPI) -> set[str]:
    """Return all paths that support GET, with the id of a resting order and with an unknown id."""
    paths = {path for path, operations in app.openapi()["paths"].items() if "get" in operations}
    order_paths = {path.replace("{order_id}", order_id) for path in paths for order_id in ("1", "7")}
    return order_paths | {"/docs", "/openapi.json", "/session", *PATHS}


def test_head_returns_the_headers_of_get_and_no_body_for_every_path(
    om: OrderManagement,
) -> None:
    app = create_app(om, Settings())
    query = "symbol=JPM&side=BUY&amount=5&budget=9&max_slippage_bps=1&amounts=3&levels=1"
    with serving(app) as address, httpx.Client(base_url=address.http) as client:
        for path in sorted(paths_of(app)):
            for url in (path, f"{path}?{query}", f"{path}?symbol=JPM&side=BUY&amount=5"):
                whole, head = client.get(url), client.head(url)
                assert head.status_code == whole.status_code, url
                assert head.content == b"", url
                assert int(head.headers["content-length"]) == len(whole.content) > 0, url
                get_headers, head_headers = (
                    {*each.headers.items()} - {("date", each.headers["date"])} for each in (whole, head)
                )
                assert get_headers == head_headers, url
    assert len(paths_of(app)) > 20


def test_a_connection_can_be_used_again_after_head(om: OrderManagement) -> None:
    with serving(create_app(om, Settings())) as address, socket.create_connection(address) as connection:
        for method in (b"HEAD", b"HEAD", b"GET"):
            close = b"" if method == b"HEAD" else b"Connection: close\r\n"
            connection.sendall(method + b" /count HTTP/1.1\r\nHost: x\r\n" + close + b"\r\n")
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    first, second, last = received.split(b"HTTP/1.1 200 OK\r\n")[1:]
    for head in (first, second):
        assert b"content-length: 11\r\n" in head.lower()
        assert head.endswith(b"\r\n\r\n")
    assert last.endswith(b'\r\n\r\n{"count":2}')


def test_head_works_in_another_application(om: OrderManagement) -> None:
    other = FastAPI()
    other.include_router(create_router(om), prefix="/book")
    head = TestClient(other).head("/book/count")
    assert (head.status_code, head.headers["content-length"], head.content) == (200, "11", b"")


def test_the_openapi_document_does_not_list_head(shared: TestClient) -> None:
    document = shared.get("/openapi.json").json()
    assert not any("head" in operations for operations in document["paths"].values())


# ---------------------------------------------------------------------- null


@pytest.mark.parametrize(
    "null", [{}, {"limit_price": None}, {"max_total_price": None, "allow_partial": None}]
)
def test_null_means_the_same_as_leaving_out_an_optional_field(
    client: TestClient, null: dict[str, None]
) -> None:
    trade = {**JPM, "amount": 22, **null}
    first = client.post("/trades", json=trade, headers={"Idempotency-Key": "once"})
    assert (first.status_code, first.json()["total_price"]) == (201, 442)
    optional = ("limit_price", "max_total_price", "min_total_price", "allow_partial")
    for equal_trade in ({**JPM, "amount": 22}, {**JPM, "amount": 22, **dict.fromkeys(optional)}):
        again = client.post("/trades", json=equal_trade, headers={"Idempotency-Key": "once"})
        assert (again.status_code, again.json()) == (201, first.json())
        assert again.headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize("body", [{}, {"amount": None}, {"price": None}, {"amount": None, "price": None}])
def test_an_amendment_without_amount_and_price_is_rejected(shared: TestClient, body: dict[str, None]) -> None:
    assert problem(shared.patch("/orders/1", json=body))["field"] == "amount or price"


@pytest.mark.parametrize("field", list(ORDER))
def test_a_required_field_must_not_be_null(shared: TestClient, field: str) -> None:
    assert problem(shared.post("/orders", json={**ORDER, "order_id": 9, field: None}))["field"] == field


def test_null_in_a_query_is_not_a_missing_parameter(shared: TestClient) -> None:
    for value in ("null", ""):
        path = f"/quote?symbol=JPM&side=BUY&amount=1&limit_price={value}"
        assert problem(shared.get(path))["field"] == "limit_price"


# ---------------------------------------------------------------------- the schema of a side


def test_all_sides_in_the_openapi_document_refer_to_one_schema(shared: TestClient) -> None:
    document = shared.get("/openapi.json").json()
    assert document["components"]["schemas"]["Side"]["enum"] == ["BUY", "SELL"]
    assert json.dumps(document).count('"enum": ["BUY", "SELL"]') == 1
    sides = list(schemas_of("side", document))
    assert len(sides) > 20
    assert {schema["$ref"] for schema in sides} == {"#/components/schemas/Side"}
    assert "<dd>BUY or SELL. " in unescape(shared.get("/docs").text)  # the page shows the values


def schemas_of(name: str, part: Any) -> Iterator[dict[str, Any]]:
    """Yield the schemas of all fields and parameters with this name."""
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
