"""`/health` and `/ready`: what they say without a key, and with one."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from oms import MatchingEngine, journal
from oms.api import Settings, create_app
from support.api_books import ORDER, books, problem
from support.engine_api import ANN, BOB, KEYS, OPERATOR, bearer, order

KEY = "a-key-with-sixteen-letters"


def test_health_and_ready_need_no_key() -> None:
    client = TestClient(create_app(books(), Settings(api_key=KEY)))
    assert client.get("/health").json() == {"alive": True}
    assert client.head("/ready").status_code == 200


def test_without_a_key_ready_contains_no_numbers() -> None:
    client = TestClient(create_app(books(), Settings(api_key=KEY)))
    hidden = {"ready": True, "durable": False, "sequence": None, "orders": None}
    assert client.get("/ready").json() == hidden
    assert client.get("/ready", headers=bearer(KEY)).json() == {**hidden, "sequence": 2, "orders": 2}
    open_to_all = TestClient(create_app(books(), Settings()))
    assert open_to_all.get("/ready").json() == {**hidden, "sequence": 2, "orders": 2}


@pytest.mark.parametrize(
    "headers",
    [bearer("wrong-" + KEY), {"Authorization": ""}, {"Cookie": "oms_session=ended"}],
    ids=["key", "empty", "session"],
)
def test_a_wrong_key_or_an_ended_session_is_rejected_rather_than_treated_as_none(
    headers: dict[str, str],
) -> None:
    client = TestClient(create_app(books(), Settings(api_key=KEY)))
    assert problem(client.get("/ready", headers=headers))["code"] == "unauthorized"


def test_an_owner_sees_the_number_of_their_own_orders() -> None:
    client = TestClient(create_app(MatchingEngine(), KEYS))
    client.post("/submissions", json=order("a", "SELL", 5, 100), headers=bearer(ANN)).raise_for_status()
    numbers = [client.get("/ready", headers=bearer(key)).json()["orders"] for key in (ANN, BOB, OPERATOR)]
    assert numbers == [1, 0, 1]


def test_without_a_key_ready_does_not_contain_the_reason(tmp_path: Path) -> None:
    with journal.open(tmp_path / "secret-name.db") as om:
        client = TestClient(create_app(om, Settings(api_key=KEY)))
        client.post("/orders", json=ORDER, headers=bearer(KEY)).raise_for_status()
        assert client.get("/ready").json()["durable"] is True
    response = client.get("/ready")
    hidden = "the service accepts no changes; send an API key to get the reason"
    assert problem(response)["reason"] == hidden
    assert response.status_code == 503
    assert "secret-name" not in response.text
    assert problem(client.get("/ready", headers=bearer(KEY)))["reason"] == "it is closed"
