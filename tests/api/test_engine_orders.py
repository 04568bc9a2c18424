"""The endpoints of a matching engine for orders.

The modules oms.api.engine.submissions, oms.api.engine.changes, and oms.api.engine.results are tested here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import example, given, settings
from hypothesis import strategies as st

from oms import InvalidArgumentError, MatchingEngine, OrderManagement, Side
from oms.api import Settings, create_app, create_router
from oms.client import InProcess
from oms.contract import id_as_json, id_as_path
from oms.instrument import Instrument
from oms.submission import Submission
from support.api_books import problem
from support.api_server import serving
from support.engine_api import KEYS, engine_client, order


@pytest.fixture
def engine() -> MatchingEngine:
    return MatchingEngine()


@pytest.fixture
def client(engine: MatchingEngine) -> TestClient:
    return engine_client(engine)


def terms(**changed: Any) -> dict[str, Any]:
    """Return the terms of an order as a response contains them."""
    absent = dict.fromkeys(("post_only", "owner", "display", "stop_price", "expires"))
    return {"symbol": "JPM", "time_in_force": "GTC", **absent, **changed}


def test_a_submission_returns_its_execution(client: TestClient, engine: MatchingEngine) -> None:
    resting = client.post("/submissions", json=order("ask-1", "SELL", 20, 101))
    assert (resting.status_code, resting.headers["location"]) == (201, "/orders/ask-1")
    assert resting.json()["resting"] == 20
    response = client.post("/submissions", json=order(7, "BUY", 25, 101, owner="Ann"))
    assert response.json() == {
        "sequence": 2,
        "time": None,
        "order_id": 7,
        "symbol": "JPM",
        "side": "BUY",
        "requested": 25,
        "amount": 20,
        "total_price": 2020,
        "fills": [{"order_id": "ask-1", "amount": 20, "price": 101}],
        "resting": 5,
        "canceled": 0,
        "reason": None,
    }
    assert engine.order(7).order.owner == "Ann"


def test_an_open_order_has_a_status_and_its_amounts(client: TestClient) -> None:
    client.post("/submissions", json=order(1, "SELL", 20, 101, display=8))
    client.post("/submissions", json=order(2, "BUY", 5, 101))
    client.post("/submissions", json=order(3, "BUY", 5, 90))
    client.post("/submissions", json=order("stop", "BUY", 5, None, stop_price=105))
    first = client.get("/orders/1").json()
    amounts = {
        "status": "PARTIALLY_FILLED",
        "filled": 5,
        "remaining": 15,
        "displayed": 3,
        "resting_price": 101,
    }
    assert first == terms(order_id=1, side="SELL", amount=20, price=101, display=8) | amounts
    assert client.get("/orders/3").json()["status"] == "OPEN"
    waiting = client.get("/orders/stop").json()
    assert (waiting["status"], waiting["displayed"], waiting["resting_price"]) == ("WAITING", 0, None)
    page = client.get("/orders").json()
    assert [each["order_id"] for each in page["orders"]] == [1, 3, "stop"]
    assert (page["sequence"], page["total"], page["next"]) == (4, 3, None)


def test_pages_of_open_orders_are_complete_and_in_order_of_arrival(
    client: TestClient, engine: MatchingEngine
) -> None:
    for number in range(25):
        engine.submit(f"order-{number}", "JPM", Side.BUY, 1, 1 + number % 3, owner="xy"[number % 2])
    for query, expected in (("", engine.orders()), ("&owner=x", engine.orders(owner="x"))):
        ids: list[str] = []
        after: int | None = 0
        while after is not None:
            page = client.get(f"/orders?limit=4&after={after}{query}").json()
            ids += [each["order_id"] for each in page["orders"]]
            assert page["total"] == len(expected)
            after = page["next"]
        assert ids == [each.order.order_id for each in expected]
    assert client.get("/orders?side=SELL&symbol=JPM").json()["orders"] == []


def test_a_replaced_order_loses_its_place_and_a_reduced_order_keeps_it(
    client: TestClient, engine: MatchingEngine
) -> None:
    for order_id in (1, 2, 3):
        engine.submit(order_id, "JPM", Side.SELL, 20, 101)
    reduced = client.post("/reductions", json={"order_id": 2, "amount": 5})
    assert (reduced.status_code, reduced.json()["remaining"]) == (200, 15)
    replaced = client.patch("/orders/1", json={"amount": 10})
    assert (replaced.status_code, replaced.json()["resting"]) == (200, 10)
    ahead = client.get("/queue-ahead/1").json()
    assert ahead == {"order_id": 1, "symbol": "JPM", "orders": 2, "amount": 35}
    assert client.get("/queue-ahead/2").json()["orders"] == 0
    engine.submit(4, "JPM", Side.BUY, 5, 99)
    assert client.patch("/orders/4", json={"price": 101}).json()["fills"] == [
        {"order_id": 2, "amount": 5, "price": 101}
    ]
    assert client.get("/last-price?symbol=JPM").json() == {"symbol": "JPM", "price": 101}
    assert client.get("/last-price?symbol=IBM").json() == {"symbol": "IBM", "price": None}


def test_orders_are_canceled_one_by_one_by_selection_by_expiry_and_at_the_end_of_the_day(
    client: TestClient, engine: MatchingEngine
) -> None:
    now = 1_792_998_000_000_000_000
    client.post("/submissions", json=order(1, "SELL", 20, 101, display=5))
    client.post("/submissions", json=order(2, "SELL", 20, 102, time_in_force="GTD", expires=str(now)))
    client.post("/submissions", json=order(3, "SELL", 20, 103, time_in_force="DAY"))
    client.post("/submissions", json=order(4, "BUY", 20, 90, owner="Ann"))
    client.post("/submissions", json=order(5, "BUY", 20, None, stop_price=120, owner="Bob"))
    before = client.get("/orders/1").json()
    assert client.delete("/orders/1").json() == {"sequence": 6, "time": None, **before}
    for response, ids in (
        (client.post("/expirations", json={"now": str(now - 1)}), []),
        (client.post("/expirations", json={"now": str(now)}), [2]),
        (client.post("/day-ends", json={"symbol": "IBM"}), []),
        (client.post("/day-ends", json={}), [3]),
        (client.delete("/orders?owner=Ann&side=BUY&symbol=JPM"), [4]),
        (client.delete("/orders"), [5]),
    ):
        assert response.status_code == 200
        assert [each["order_id"] for each in response.json()["orders"]] == ids
    assert len(engine) == 0


def test_an_order_that_cannot_be_filled_is_not_an_error(client: TestClient) -> None:
    response = client.post("/submissions", json=order(1, "BUY", 5, None, time_in_force="IOC"))
    assert (response.status_code, response.json()["sequence"]) == (201, 0)
    assert (response.json()["canceled"], response.json()["reason"]) == (5, "NO_LIQUIDITY")


def test_queries_have_the_side_of_a_trade_and_numbers_as_decimals() -> None:
    engine = MatchingEngine(instruments={"JPM": Instrument("0.01", "10")})
    client = engine_client(engine)
    client.post("/submissions", json=order(1, "SELL", 20, 10150, display=8))
    assert client.get("/best-price?symbol=JPM&side=BUY").json()["price"] == 10150
    assert client.get("/count").json() == {"count": 1}
    shown = client.get("/orders/1?decimals=true").json()["decimals"]
    assert shown == {
        "amount": "200",
        "price": "101.50",
        "display": "80",
        "stop_price": None,
        "filled": "0",
        "remaining": "200",
        "displayed": "80",
        "resting_price": "101.50",
    }
    assert client.get("/queue-ahead/1?decimals=true").json()["decimals"] == {"amount": "0"}


# ---------------------------------------------------------------------- ids

TRICKY = [
    "7",
    "-7",
    "007",
    '"',
    '""',
    '"7"',
    ".",
    "..",
    "a/../b",
    "/",
    "%2F",
    "a\n",
    "\n",
    " ",
    "é",
    "?",
    "#",
]
TRICKY += ["1152921504606846976", "queue", "../orders", "a\\b", "\x00", "\ufffd"]
ids = (
    st.integers(-(2**256) + 1, 2**256 - 1)
    | st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
    | st.sampled_from(TRICKY)
)


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[httpx.Client, MatchingEngine]]:
    """Yield a client that decodes a path only once. FastAPI's test client does that twice."""
    engine = MatchingEngine()
    transport = InProcess(create_app(engine, Settings()))
    with httpx.Client(transport=transport, base_url="http://localhost") as client:
        yield client, engine


@given(order_id=ids)
@example(order_id="a\n")
@example(order_id="..")
@settings(max_examples=60)
def test_an_order_with_any_id_can_be_submitted_found_and_canceled(
    shared: tuple[httpx.Client, MatchingEngine], order_id: int | str
) -> None:
    client, engine = shared
    engine.cancel_all()
    engine.submit("a", "JPM", Side.SELL, 1, 2**40)  # no other id may be read as this one
    assert client.post("/submissions", json=order(order_id, "SELL", 5, 2**41)).status_code == (
        409 if order_id == "a" else 201
    )
    path = f"/orders/{id_as_path(order_id)}"
    response = client.get(path)
    assert response.json()["order_id"] == id_as_json(order_id)
    assert engine.order(order_id).order.order_id == order_id
    assert client.get(f"/queue-ahead/{id_as_path(order_id)}").json()["order_id"] == id_as_json(order_id)
    assert client.patch(path, json={"amount": 4}).status_code == 200
    assert client.delete(path).status_code == 200
    assert order_id not in engine


def test_a_real_server_passes_every_id_on() -> None:
    engine = MatchingEngine()
    with serving(create_app(engine, Settings())) as address, httpx.Client(base_url=address.http) as client:
        for order_id in TRICKY:
            client.post("/submissions", json=order(order_id, "SELL", 5, 100)).raise_for_status()
            assert client.get(f"/orders/{id_as_path(order_id)}").json()["order_id"] == id_as_json(order_id)
            assert client.delete(f"/orders/{id_as_path(order_id)}").is_success, order_id
        response = client.get("/orders/%FF")
        assert problem(response)["field"] == "path"
    assert len(engine) == 0


@pytest.mark.parametrize("order_id", ["", '""', 2**53, "\ud800", True, None, 1.0, [], "9" * 78, 2**300])
def test_an_id_that_is_empty_rounded_or_too_long_is_rejected(client: TestClient, order_id: object) -> None:
    body = json.dumps(order(0, "SELL", 5, 100) | {"order_id": order_id})
    response = client.post("/submissions", content=body, headers={"Content-Type": "application/json"})
    assert (response.status_code, problem(response)["field"]) == (422, "order_id")


def test_an_empty_id_in_a_path_is_rejected(client: TestClient, engine: MatchingEngine) -> None:
    engine.submit(1, "JPM", Side.BUY, 1, 1)
    for path in ("/orders/", "/orders/%22%22"):
        assert problem(client.delete(path))["field"] == "order_id"
    assert len(engine) == 1


# ---------------------------------------------------------------------- problems


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"time_in_force": "gtc"}, "time_in_force"),
        ({"time_in_force": 1}, "time_in_force"),
        ({"post_only": "YES"}, "post_only"),
        ({"post_only": "REJECT", "price": None}, "post_only"),
        ({"display": 0}, "display"),
        ({"display": 5, "time_in_force": "IOC"}, "display"),
        ({"expires": 1}, "expires"),
        ({"time_in_force": "GTD"}, "expires"),
        ({"owner": ""}, "owner"),
        ({"owner": 1}, "owner"),
        ({"stop_price": "x"}, "stop_price"),
        ({"amount": 0}, "amount"),
        ({"unknown": 0}, "unknown"),
    ],
)
def test_invalid_terms_are_rejected_and_change_nothing(
    client: TestClient, engine: MatchingEngine, changes: dict[str, object], field: str
) -> None:
    response = client.post("/submissions", json=order(1, "SELL", 5, 100) | changes)
    assert (response.status_code, problem(response)["field"]) == (422, field)
    assert len(engine) == 0


def test_null_means_that_a_term_is_left_out(client: TestClient, engine: MatchingEngine) -> None:
    body = order(1, "SELL", 5, 100) | dict.fromkeys(
        ("time_in_force", "post_only", "owner", "display", "stop_price", "expires")
    )
    assert client.post("/submissions", json=body).status_code == 201
    assert engine.order(1).order == Submission(1, "JPM", Side.SELL, 5, 100)


def test_problems_name_the_order(client: TestClient, engine: MatchingEngine) -> None:
    engine.submit("x", "JPM", Side.SELL, 5, 100)
    duplicate = problem(client.post("/submissions", json=order("x", "SELL", 5, 100)))
    assert (duplicate["code"], duplicate["order_id"]) == ("duplicate_order", "x")
    for method, path, body in (
        ("GET", "/orders/y", None),
        ("DELETE", "/orders/y", None),
        ("PATCH", "/orders/y", {"price": 1}),
        ("POST", "/reductions", {"order_id": "y", "amount": 1}),
        ("GET", "/queue-ahead/y", None),
    ):
        missing = problem(client.request(method, path, json=body))
        assert (missing["code"], missing["order_id"]) == ("order_not_found", "y"), path
    too_much = problem(client.post("/reductions", json={"order_id": "x", "amount": 5}))
    assert (too_much["field"], too_much["allowed"]) == ("amount", "less than the open amount 5")
    assert problem(client.patch("/orders/x", json={}))["field"] == "amount or price"


@pytest.mark.parametrize(
    ("app", "method", "path", "instead"),
    [
        (create_app(MatchingEngine(), Settings()), "POST", "/orders", "POST /submissions"),
        (create_app(MatchingEngine(), Settings()), "POST", "/trades", "POST /submissions"),
        (create_app(OrderManagement(), Settings()), "POST", "/submissions", "oms serve --engine"),
        (create_app(OrderManagement(), Settings()), "POST", "/reductions", "PATCH /orders/{order_id}"),
        (create_app(OrderManagement(), Settings()), "GET", "/last-price", "GET /trades"),
    ],
)
def test_a_request_for_the_other_kind_of_service_is_told_what_to_use(
    app: FastAPI, method: str, path: str, instead: str
) -> None:
    response = problem(TestClient(app).request(method, path))
    has_path = path in {"/orders", "/trades"}  # with other methods
    assert response["code"] == ("method_not_allowed" if has_path else "not_found")
    assert (method if has_path else path) in response["detail"]
    assert instead in response["detail"]


def test_only_an_engine_can_have_owners() -> None:
    with pytest.raises(
        InvalidArgumentError, match="'ann' has an owner, but only a MatchingEngine has owners"
    ):
        create_app(OrderManagement(), KEYS)


def test_a_router_of_an_engine_can_be_included_under_a_prefix() -> None:
    app = FastAPI()
    app.include_router(create_router(MatchingEngine()), prefix="/venue")
    client = TestClient(app)
    response = client.post("/venue/submissions", json=order("a b", "SELL", 5, 100))
    assert response.headers["location"] == "/venue/orders/a%20b"
    assert client.get(response.headers["location"]).json()["order_id"] == "a b"
