"""A small book behind the API, and how tests read a problem."""

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
    """The problem that a response is, checked for what all have."""
    assert response.headers["content-type"] == "application/problem+json"
    said: dict[str, Any] = response.json()
    assert said["status"] == response.status_code
    assert said["type"] == f"urn:oms:problem:{said['code']}"
    assert said["title"]
    assert said["detail"]
    return said
