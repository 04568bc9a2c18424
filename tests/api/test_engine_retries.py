"""A retry of a change to an engine gets the first response, even from the events and replies of a journal."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oms import MatchingEngine, Side
from oms.api.engine.changes import EngineChanges
from oms.api.first_responses import FirstResponse, FirstResponses, to_reply
from oms.api.idempotency import Change
from oms.api.query_models import SelectionQuery
from oms.api.request_models import NewSubmission, Reduction, Replacement
from oms.errors import OmsError
from oms.events import Event
from support.api_books import problem
from support.engine_api import engine_client, order
from support.sessions import noon

ONCE = {"Idempotency-Key": "k"}


@pytest.fixture
def engine() -> MatchingEngine:
    engine = MatchingEngine(clock=noon)
    engine.submit(1, "JPM", Side.SELL, 20, 101, display=5, owner="Ann")
    engine.submit("two", "JPM", Side.BUY, 20, 90)
    return engine


CHANGES: list[tuple[str, str, Any]] = [
    ("POST", "/submissions", order(9, "BUY", 7, 101)),
    ("POST", "/submissions", order(9, "BUY", 7, 1, time_in_force="IOC")),  # changes nothing
    ("PATCH", "/orders/two", {"price": 101}),
    ("POST", "/reductions", {"order_id": 1, "amount": 3}),
    ("POST", "/reductions", {"order_id": 1, "amount": 17}),
    ("DELETE", "/orders/1", None),
    ("DELETE", "/orders", None),
    ("DELETE", "/orders?owner=Bob", None),  # changes nothing
    ("POST", "/expirations", {"now": 5}),  # changes nothing
    ("POST", "/day-ends", {}),  # changes nothing
]


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_a_retry_with_its_key_gets_the_first_response_and_changes_nothing(
    engine: MatchingEngine, method: str, path: str, body: object
) -> None:
    client = engine_client(engine)
    first = client.request(method, path, json=body, headers=ONCE)
    assert first.is_success
    engine.submit("later", "JPM", Side.SELL, 1, 500)
    state = engine.state_hash()
    again = client.request(method, path, json=body, headers=ONCE)
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert engine.state_hash() == state
    other = client.request("DELETE", "/orders?symbol=IBM", headers=ONCE)
    assert problem(other)["code"] == "idempotency_key_reused"


def test_the_same_number_as_an_int_and_as_a_string_are_different_requests() -> None:
    client = engine_client()
    client.post("/submissions", json=order(7, "BUY", 7, 101), headers=ONCE)
    client.post("/submissions", json=order("7", "BUY", 7, 101))
    assert client.delete("/orders/7", headers={"Idempotency-Key": "d"}).status_code == 200
    reused = client.delete("/orders/%227%22", headers={"Idempotency-Key": "d"})
    assert problem(reused)["code"] == "idempotency_key_reused"


def test_without_a_key_an_id_can_be_used_again_after_its_order_is_closed() -> None:
    client = engine_client()
    body = order(1, "BUY", 5, 100)
    assert client.post("/submissions", json=body).status_code == 201
    assert problem(client.post("/submissions", json=body))["code"] == "duplicate_order"
    client.delete("/orders/1")
    assert client.post("/submissions", json=body).status_code == 201


# ---------------------------------------------------------------------- a restart

verbs = st.lists(
    st.tuples(
        st.sampled_from(["submit", "submit", "submit", "replace", "reduce", "cancel", "cancel_all"]),
        st.integers(0, 4),
        st.sampled_from(list(Side)),
        st.integers(1, 12),
        st.integers(1, 4),
        st.sampled_from(
            [{}, {"display": 2}, {"stop_price": 2}, {"time_in_force": "IOC"}, {"post_only": "SLIDE"}]
        ),
        st.sampled_from([None, "Ann", "Bob"]),
    ),
    max_size=25,
)


def make(changes: EngineChanges, step: Any, key: str) -> Change | None:
    """Make a change, or return None if it is rejected."""
    verb, number, side, amount, price, terms, owner = step
    order_id = f"{number}" if number % 2 else number
    try:
        match verb:
            case "submit":
                body = order(order_id, side.value, amount, price, **terms)
                return changes.submit(NewSubmission.model_validate(body), key, owner)
            case "replace":
                replacement = Replacement.model_validate({"amount": amount, "price": price})
                return changes.replace(order_id, replacement, key, owner)
            case "reduce":
                reduction = Reduction.model_validate({"order_id": order_id, "amount": amount})
                return changes.reduce(reduction, key, owner)
            case "cancel":
                return changes.cancel(order_id, key, owner)
            case _:
                return changes.cancel_all(SelectionQuery(side=side.value), key, owner)
    except OmsError:
        return None


@given(verbs)
@settings(max_examples=150)
def test_every_response_can_be_rebuilt_from_the_events_and_the_replies(steps: list[Any]) -> None:
    """A journal stores the events with their notes, and the replies to requests that changed nothing."""
    engine, responses = MatchingEngine(), FirstResponses()
    events: list[Event] = []
    engine.subscribe(events.append)
    engine.subscribe(responses)
    changes = EngineChanges(engine, responses)
    made = {(step[-1], f"k{n}"): make(changes, step, f"k{n}") for n, step in enumerate(steps)}
    restored = FirstResponses()
    for event in events:
        restored(event)
    for (owner, key), change in made.items():
        if change is not None and restored.with_key(key, owner) is None:
            first = FirstResponse(change.sequence, change.subject, responses.with_key(key, owner).digest)  # type: ignore[union-attr]
            restored.record_reply(to_reply(key, first._replace(time=change.time), owner))
        again = restored.with_key(key, owner)
        assert (again is None) is (change is None)
        if change is not None and again is not None:
            assert (again.sequence, again.subject) == (change.sequence, change.subject)
            assert again == responses.with_key(key, owner)
            assert restored.with_key(key, "another") is None


def test_a_request_whose_event_was_missed_names_no_other_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, responses = MatchingEngine(), FirstResponses()
    engine.submit(1, "JPM", Side.SELL, 20, 101, owner="Ann")
    change = make(EngineChanges(engine, responses), ("submit", 2, Side.BUY, 5, 101, {}, "Bob"), "k")
    assert change is not None
    assert change.subject.owners == {}  # type: ignore[union-attr]
