"""An owner of an engine sees and changes only their own orders, and learns nothing about other owners.

The modules oms.api.callers and oms.api.engine.messages are tested here.
"""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from oms import MatchingEngine, Side
from oms.api import Settings, create_app
from support.api_books import problem
from support.engine_api import ANN, ANNS_KEY, KEYS, OPERATOR, Callers, bearer, engine_client, order


@pytest.fixture
def callers() -> Callers:
    return Callers(MatchingEngine())


def ids(response: Any) -> list[object]:
    return [each["order_id"] for each in response.json()["orders"]]


def test_an_order_has_the_owner_of_its_key_and_the_operator_can_name_any_owner(callers: Callers) -> None:
    callers.ann.post("/submissions", json=order(1, "BUY", 5, 100))
    callers.ann.post("/submissions", json=order(2, "BUY", 5, 100, owner="Ann"))
    callers.operator.post("/submissions", json=order(3, "BUY", 5, 100, owner="Bob"))
    callers.operator.post("/submissions", json=order(4, "BUY", 5, 100))
    other = problem(callers.ann.post("/submissions", json=order(5, "BUY", 5, 100, owner="Bob")))
    assert (other["status"], other["code"]) == (403, "forbidden")
    assert "owner must be left out or 'Ann'" in other["detail"]
    orders = callers.operator.get("/orders").json()["orders"]
    assert [(each["order_id"], each["owner"]) for each in orders] == [
        (1, "Ann"),
        (2, "Ann"),
        (3, "Bob"),
        (4, None),
    ]


def test_an_owner_finds_only_their_own_orders(callers: Callers) -> None:
    for number, client in enumerate((callers.ann, callers.bob, callers.operator)):
        client.post("/submissions", json=order(number, "BUY", 5, 100))
    assert ids(callers.operator.get("/orders")) == [0, 1, 2]
    assert ids(callers.operator.get("/orders?owner=Bob")) == [1]
    assert ids(callers.bob.get("/orders")) == ids(callers.bob.get("/orders?owner=Bob")) == [1]
    assert problem(callers.bob.get("/orders?owner=Ann"))["status"] == 403
    assert callers.bob.get("/count").json() == {"count": 1}
    assert callers.bob.get("/ready").json()["orders"] == 1
    assert callers.operator.get("/ready").json()["orders"] == 3


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/orders/{}", None),
        ("GET", "/queue-ahead/{}", None),
        ("DELETE", "/orders/{}", None),
        ("PATCH", "/orders/{}", {"amount": 1}),
        ("POST", "/reductions", {"order_id": "secret", "amount": 1}),
        ("POST", "/reductions", {"order_id": "secret", "amount": 99}),
    ],
)
def test_the_order_of_another_owner_does_not_exist(
    callers: Callers, method: str, path: str, body: object
) -> None:
    callers.ann.post("/submissions", json=order("secret", "BUY", 5, 100))
    before = callers.operator.get("/state-hash").json()
    response = callers.bob.request(method, path.format("secret"), json=body)
    unknown = callers.bob.request(method, path.format("secret").replace("secret", "secrat"), json=body)
    assert problem(response)["code"] == "order_not_found"
    if path != "/reductions":
        assert response.text.replace("secret", "secrat") == unknown.text
    assert callers.operator.get("/state-hash").json() == before


def test_canceling_everything_cancels_only_the_owner_s_orders(callers: Callers) -> None:
    for number, client in enumerate((callers.ann, callers.bob, callers.operator, callers.bob)):
        client.post("/submissions", json=order(number, "BUY", 5, 100))
    assert problem(callers.bob.delete("/orders?owner=Ann"))["status"] == 403
    assert ids(callers.bob.delete("/orders")) == [1, 3]
    assert ids(callers.operator.delete("/orders")) == [0, 2]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/expirations", {"now": 1}),
        ("POST", "/day-ends", {}),
        ("GET", "/state-hash", None),
    ],
)
def test_only_the_operator_ends_the_day_and_sees_the_hash_of_the_whole_state(
    callers: Callers, method: str, path: str, body: object
) -> None:
    rejection = problem(callers.ann.request(method, path, json=body))
    assert (rejection["status"], rejection["code"]) == (403, "forbidden")
    assert "send an API key that has no owner" in rejection["detail"]
    assert callers.operator.request(method, path, json=body).status_code == 200


def test_the_fills_of_an_execution_name_only_the_owner_s_orders(callers: Callers) -> None:
    callers.ann.post("/submissions", json=order("ann-1", "SELL", 5, 100))
    callers.bob.post("/submissions", json=order("bob-1", "SELL", 5, 100))
    response = callers.bob.post("/submissions", json=order("bob-2", "BUY", 10, 100))
    assert [fill["order_id"] for fill in response.json()["fills"]] == [None, "bob-1"]
    trades = callers.operator.get("/trades").json()["trades"]
    assert [fill["maker"] for trade in trades for fill in trade["fills"]] == ["ann-1", "bob-1"]


def test_two_owners_can_use_the_same_idempotency_key(callers: Callers) -> None:
    once = {"Idempotency-Key": "k"}
    body = order("x", "BUY", 5, 100)
    assert callers.ann.post("/submissions", json=body, headers=once).status_code == 201
    taken = callers.bob.post("/submissions", json=body, headers=once)
    assert problem(taken)["code"] == "duplicate_order"
    assert callers.bob.delete("/orders", headers=once).status_code == 200
    again = callers.ann.post("/submissions", json=body, headers=once)
    assert again.headers["idempotent-replayed"] == "true"


def test_a_session_has_the_owner_of_the_key_that_opened_it() -> None:
    app = create_app(MatchingEngine(), KEYS)
    browser = TestClient(app, headers={"Origin": "http://testserver"})
    assert browser.get("/orders").status_code == 401
    assert browser.get("/session", headers=bearer(ANN)).json() == {"open": False}
    browser.post("/session", headers=bearer(ANN))
    assert browser.get("/session").json() == {
        "open": True,
        "name": "ann",
        "access": "trading",
        "owner": "Ann",
    }
    assert browser.post("/submissions", json=order(1, "BUY", 5, 100)).status_code == 201
    assert browser.get("/orders/1").json()["owner"] == "Ann"
    assert problem(browser.get("/state-hash"))["status"] == 403
    operator = TestClient(app, headers={"Origin": "http://testserver"})
    operator.post("/session", headers=bearer(OPERATOR))
    assert operator.get("/session").json() == {"open": True, "name": "operator", "access": "trading"}
    assert operator.get("/state-hash").status_code == 200


def test_a_service_without_keys_lets_a_body_name_the_owner() -> None:
    client = engine_client()
    client.post("/submissions", json=order(1, "BUY", 5, 100, owner="Ann"))
    client.post("/submissions", json=order(2, "BUY", 5, 100, owner="Bob"))
    assert ids(client.get("/orders?owner=Bob")) == [2]
    assert ids(client.delete("/orders?owner=Ann")) == [1]


def test_a_service_may_have_only_keys_with_an_owner() -> None:
    client = engine_client(settings=Settings(keys=(ANNS_KEY,)))
    assert client.get("/orders").status_code == 401
    assert client.get("/orders", headers=bearer(ANN)).status_code == 200
    assert client.get("/orders", headers=bearer(ANN + "x")).status_code == 401


# ---------------------------------------------------------------------- nothing leaks

SECRETS = ("Ann", "ann-")
requests = st.lists(
    st.tuples(
        st.sampled_from(["ann", "bob"]),
        st.sampled_from(["submit", "submit", "submit", "replace", "reduce", "cancel"]),
        st.integers(0, 5),
        st.sampled_from(["BUY", "SELL"]),
        st.integers(1, 9),
        st.integers(1, 4),
        st.sampled_from([{}, {"display": 2}, {"stop_price": 2}, {"time_in_force": "IOC"}]),
    ),
    min_size=1,
    max_size=12,
)


def send(client: TestClient, name: str, step: Any) -> Any:
    verb, number, side, amount, price, terms = step
    order_id = f"{name}-{number}"
    match verb:
        case "submit":
            return client.post("/submissions", json=order(order_id, side, amount, price, **terms))
        case "replace":
            return client.patch(f"/orders/{order_id}", json={"amount": amount, "price": price})
        case "reduce":
            return client.post("/reductions", json={"order_id": order_id, "amount": amount})
        case _:
            return client.delete(f"/orders/{order_id}")


@pytest.fixture(scope="module")
def engine() -> MatchingEngine:
    return MatchingEngine()


@pytest.fixture(scope="module")
def shared(engine: MatchingEngine) -> Callers:
    """Return callers for all examples, because creating an application takes longer than an example."""
    return Callers(engine)


@given(steps=requests)
@settings(max_examples=40)
def test_nothing_that_one_owner_reads_contains_an_id_or_a_name_of_another(
    engine: MatchingEngine, shared: Callers, steps: list[Any]
) -> None:
    engine.cancel_all()
    after = engine.last_sequence
    clients = {"ann": shared.ann, "bob": shared.bob}
    texts: list[str] = []
    with shared.bob.websocket_connect("/stream") as stream:
        texts.append(stream.receive_text())
        for name, *step in steps:
            response = send(clients[name], name, step)
            if name == "bob":
                texts += [response.text, str(response.headers)]
        engine.submit("end", "END", Side.BUY, 1, 1)
        while '"END"' not in texts[-1]:
            texts.append(stream.receive_text())
    paths = ["/orders", f"/events?after={after}", "/trades", "/count", "/ready", "/symbols"]
    for side in Side:
        book = f"symbol=JPM&side={side}"
        paths += [f"/quote?{book}&amount=1", f"/price?{book}&amount=1", f"/depth?{book}", f"/curve?{book}"]
    texts += [shared.bob.get(path).text for path in paths]
    with shared.bob.websocket_connect("/stream?symbol=JPM") as stream:
        texts.append(stream.receive_text())
    for text in texts:
        assert not any(secret in text for secret in SECRETS), text


@given(steps=requests)
@settings(max_examples=40)
def test_an_owner_reads_each_of_their_fills_once_and_can_follow_the_levels(
    engine: MatchingEngine, shared: Callers, steps: list[Any]
) -> None:
    engine.cancel_all()
    after = engine.last_sequence
    clients = {"ann": shared.ann, "bob": shared.bob}
    filled = {"Ann": 0, "Bob": 0}

    def count(event: Any) -> None:
        for fill in event.fills():
            filled[fill.taker_owner] += fill.amount
            filled[fill.maker_owner] += fill.amount

    unsubscribe = engine.subscribe(count)
    for name, *step in steps:
        send(clients[name], name, step)
    unsubscribe()
    levels: dict[tuple[str, int], int] = {}
    for name, client in clients.items():
        events = client.get(f"/events?after={after}").json()["events"]
        assert [event["sequence"] for event in events] == list(range(after + 1, engine.last_sequence + 1))
        fills = [fill for event in events for fill in event["fills"]]
        assert sum(fill["amount"] for fill in fills) == filled[name.title()]
        assert all(fill["order_id"].startswith(name) for fill in fills)
        levels = {}
        for change in (change for event in events for change in event["changes"]):
            key = change["side"], change["price"]
            levels[key] = levels.get(key, 0) + change["change"]
        expected = {
            (side.value, level.price): level.amount for side in Side for level in engine.depth("JPM", side)
        }
        assert {key: amount for key, amount in levels.items() if amount} == expected
