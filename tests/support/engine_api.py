"""A matching engine served by the API: an operator's key, two owners' keys, and helpers for requests."""

from __future__ import annotations

from typing import Any

from fastapi.testclient import TestClient

from oms import MatchingEngine
from oms.api import ApiKey, Settings, create_app
from oms.contract import id_as_json
from oms.submission import OrderId

OPERATOR, ANN, BOB = "operator-key-1234", "ann-key-12345678", "bob-key-12345678"
ANNS_KEY, BOBS_KEY = ApiKey.of(ANN, name="ann", owner="Ann"), ApiKey.of(BOB, name="bob", owner="Bob")
KEYS = Settings(api_key=OPERATOR, keys=(ANNS_KEY, BOBS_KEY))
OWNERS = {OPERATOR: None, ANN: "Ann", BOB: "Bob"}


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def engine_client(engine: MatchingEngine | None = None, settings: Settings | None = None) -> TestClient:
    """Return a client of an engine. Without settings, no keys are needed."""
    app = create_app(MatchingEngine() if engine is None else engine, settings or Settings())
    return TestClient(app, raise_server_exceptions=False)


class Callers:
    """One client for each key of KEYS, all of the same engine."""

    def __init__(self, engine: MatchingEngine) -> None:
        app = create_app(engine, KEYS)
        clients = [TestClient(app, raise_server_exceptions=False, headers=bearer(key)) for key in OWNERS]
        self.operator, self.ann, self.bob = clients


def order(order_id: OrderId, side: str, amount: int, price: int | None, **terms: Any) -> dict[str, Any]:
    """Return the body of a submission."""
    return {
        "order_id": id_as_json(order_id),
        "symbol": "JPM",
        "side": side,
        "amount": amount,
        "price": price,
        **terms,
    }
