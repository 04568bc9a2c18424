"""A small book served by the API, and helpers that check its responses."""

from __future__ import annotations

from typing import Any

from fastapi.testclient import TestClient

from oms import OrderManagement, Side
from oms.api import Settings, create_app

ORDER = {"order_id": 1, "symbol": "JPM", "side": "BUY", "amount": 20, "price": 20}


JPM = {"symbol": "JPM", "side": "BUY"}


def books() -> OrderManagement:
    om = OrderManagement()
    om.add_order(1, "JPM", Side.BUY, 20, 20)
    om.add_order(4, "JPM", Side.BUY, 10, 21)
    return om


def client_of(om: OrderManagement) -> TestClient:
    return TestClient(create_app(om, Settings()), raise_server_exceptions=False)


def problem(response: Any) -> dict[str, Any]:
    """Return the problem document of a response, after checking the fields that every problem has."""
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["status"] == response.status_code
    assert document["type"] == f"urn:oms:problem:{document['code']}"
    assert document["title"]
    assert document["detail"]
    return document
