"""The endpoints, in process: what they answer, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from oms import OrderManagement, Side
from oms.api import Settings, create_app

ORDER = {"order_id": 1, "symbol": "JPM", "side": "BUY", "amount": 20, "price": 20}
JPM = {"symbol": "JPM", "side": "BUY"}


@pytest.fixture
def om() -> OrderManagement:
    om = OrderManagement()
    om.add_order(1, "JPM", Side.BUY, 20, 20)
    om.add_order(4, "JPM", Side.BUY, 10, 21)
    return om


@pytest.fixture
def client(om: OrderManagement) -> TestClient:
    return TestClient(create_app(om, Settings()), raise_server_exceptions=False)


def problem(response: Any) -> dict[str, Any]:
    """The problem that a response is, checked for what all have."""
    assert response.headers["content-type"] == "application/problem+json"
    said: dict[str, Any] = response.json()
    assert said["status"] == response.status_code
    assert said["type"] == f"urn:oms:problem:{said['code']}"
    assert said["title"]
    assert said["detail"]
    return said


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


def test_a_retry_under_its_key_is_told_from_an_order_that_was_there_before(om: OrderManagement) -> None:
    client = TestClient(create_app(om, Settings()))
    order = {**ORDER, "order_id": 2}
    for key, named in (("first", "first"), ("second", None), (None, None)):
        headers = {} if key is None else {"Idempotency-Key": key}
        answers = [client.post("/orders", json=order, headers=headers) for _ in range(2)]
        assert [answer.headers.get("idempotency-key") for answer in answers] == [named, named]
        assert {answer.json()["sequence"] for answer in answers} == {3}
