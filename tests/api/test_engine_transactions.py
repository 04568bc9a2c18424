"""Transactions and what-ifs of a matching engine, compared with the same requests one by one."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from oms import Limits, MatchingEngine, Side
from oms.api import create_app
from oms.contract import id_as_path
from oms.journal import SqliteJournal, open_engine
from support.api_books import problem
from support.engine_api import ANN, BOB, KEYS, OPERATOR, Callers, bearer, engine_client, order
from support.memory_journal import MemoryJournal

Json = dict[str, Any]


@pytest.fixture
def engine() -> MatchingEngine:
    engine = MatchingEngine()
    engine.submit("bobs", "JPM", Side.SELL, 20, 101, display=5, owner="Bob")
    engine.submit("anns", "JPM", Side.BUY, 20, 90, owner="Ann")
    return engine


def submit(order_id: int | str, side: str, amount: int, price: int | None, **terms: Any) -> Json:
    return {"verb": "submit", **order(order_id, side, amount, price, **terms)}


def make(client: TestClient, verbs: list[Json], key: str | None = None, **headers: str) -> Any:
    once = {} if key is None else {"Idempotency-Key": key}
    return client.post("/transactions", json={"verbs": verbs}, headers={**once, **headers})


MARKET_MAKER: list[Json] = [
    {"verb": "cancel_all"},
    submit("bid", "BUY", 5, 99),
    submit("ask", "SELL", 5, 103, display=2),
    {"verb": "reduce", "order_id": "ask", "amount": 1},
    submit("hit", "BUY", 7, 101, time_in_force="IOC"),
    submit("miss", "BUY", 7, 1, time_in_force="FOK"),
    {"verb": "replace", "order_id": "bid", "price": 98},
    {"verb": "cancel", "order_id": "ask"},
    {"verb": "cancel_all", "symbol": "IBM", "side": "BUY"},
]


def test_an_owner_can_make_several_changes_together_and_sees_no_id_of_another_owner(
    engine: MatchingEngine,
) -> None:
    response = make(Callers(engine).ann, MARKET_MAKER)
    assert response.status_code == 201
    results = response.json()["results"]
    assert [result["verb"] for result in results] == [verb["verb"] for verb in MARKET_MAKER]
    assert [each["order_id"] for each in results[0]["orders"]] == ["anns"]
    assert {fill["order_id"] for fill in results[4]["fills"]} == {None}
    assert results[5]["sequence"] == results[4]["sequence"]  # it has changed nothing
    assert (engine.order("bobs").remaining, engine.order("bid").order.owner) == (13, "Ann")


@pytest.mark.parametrize(
    ("verb", "code"),
    [
        ({"verb": "cancel", "order_id": "bobs"}, "order_not_found"),
        ({"verb": "replace", "order_id": "bobs", "price": 1}, "order_not_found"),
        ({"verb": "reduce", "order_id": "bobs", "amount": 1}, "order_not_found"),
        ({"verb": "cancel_all", "owner": "Bob"}, "forbidden"),
        (submit("x", "BUY", 1, 1, owner="Bob"), "forbidden"),
        (submit("bobs", "BUY", 1, 1), "duplicate_order"),
        (submit("x", "BUY", 1, 1, display=1, time_in_force="IOC"), "invalid_order"),
    ],
)
def test_an_owner_cannot_touch_the_orders_of_another_owner_and_nothing_changes(
    engine: MatchingEngine, verb: Json, code: str
) -> None:
    state = engine.state_hash()
    rejection = problem(make(Callers(engine).ann, [submit("first", "BUY", 5, 101), verb], "k"))
    assert (rejection["code"], rejection["element"], rejection["index"]) == (code, "verb", 1)
    assert engine.state_hash() == state
    assert make(Callers(engine).ann, [submit("first", "BUY", 5, 101)], "k").status_code == 201


def test_the_keys_of_each_owner_are_separate(engine: MatchingEngine) -> None:
    callers = Callers(engine)
    sequences = [
        make(caller, [submit(name, "BUY", 1, 5)], "k").json()["sequence"]
        for caller, name in ((callers.ann, "a"), (callers.bob, "b"), (callers.operator, "c"))
    ]
    assert sequences == [3, 4, 5]


def test_a_retry_gets_the_first_response_also_after_restarts_and_compactions(tmp_path: Any) -> None:
    file = tmp_path / "venue.db"
    bodies: list[Json] = []
    for compacts in (False, True, True):
        with open_engine(file) as engine:
            app = create_app(engine, KEYS)
            ann = TestClient(app, headers=bearer(ANN))
            if not bodies:
                TestClient(app, headers=bearer(BOB)).post(
                    "/submissions", json=order("bobs", "SELL", 20, 101, display=5)
                )
            for key, verbs in (("k", MARKET_MAKER), ("nothing", [MARKET_MAKER[5], MARKET_MAKER[8]])):
                response = make(ann, verbs, key)
                assert ("idempotent-replayed" in response.headers) is (len(bodies) > 1)
                bodies.append(response.json())
            assert problem(make(ann, MARKET_MAKER[:1], "k"))["code"] == "idempotency_key_reused"
            if compacts:
                assert isinstance(engine.journal, SqliteJournal)
                engine.journal.compact()
    assert bodies[2:] == bodies[:2] * 2


def test_a_limit_rejects_the_whole_transaction() -> None:
    engine = MatchingEngine(limits=Limits(max_open_orders=2), clock=lambda: 5)
    verbs = [submit(name, "BUY", 1, 5, owner="Ann") for name in "abc"]
    rejection = problem(make(engine_client(engine), verbs))
    assert (rejection["code"], rejection["index"]) == ("limit_exceeded", 2)
    assert len(engine) == 0
    assert make(engine_client(engine), verbs[:2]).status_code == 201


def test_a_what_if_shows_the_operator_an_execution_and_changes_nothing(engine: MatchingEngine) -> None:
    state = engine.state_hash()
    questions = [{"question": "depth", "symbol": "JPM", "side": "BUY"}, {"question": "count"}]
    body = {"verbs": [submit("x", "BUY", 6, 101)], "questions": questions}
    callers = Callers(engine)
    response = callers.operator.post("/what-if", json=body).json()
    assert [fill["order_id"] for fill in response["results"][0]["fills"]] == ["bobs", "bobs"]
    assert response["answers"][0]["levels"] == [{"price": 101, "amount": 4, "orders": 1}]
    assert response["answers"][1] == {"question": "count", "count": 2}
    assert (engine.state_hash(), response["sequence"]) == (state, 2)
    assert problem(callers.ann.post("/what-if", json=body))["code"] == "forbidden"


def test_a_list_of_orders_is_for_books_without_matching(engine: MatchingEngine) -> None:
    response = engine_client(engine).post("/orders", json=[])
    assert response.status_code == 405
    assert "POST /submissions" in problem(response)["detail"]


# ---------------------------------------------------------------------- against single requests

ids = st.sampled_from(["a", "b", "c", 1, 2])
sides = st.sampled_from(["BUY", "SELL"])
small, prices = st.integers(1, 9), st.integers(1, 5)
submissions = st.builds(
    lambda order_id, side, amount, price, terms: submit(order_id, side, amount, price, **terms),
    ids,
    sides,
    small,
    prices,
    st.sampled_from(
        [
            {},
            {"time_in_force": "IOC"},
            {"time_in_force": "FOK"},
            {"display": 1},
            {"post_only": "REJECT"},
            {"stop_price": 3},
        ]
    ),
)
about_order: dict[str, st.SearchStrategy[Json]] = {
    "replace": st.fixed_dictionaries({"order_id": ids, "price": prices}),
    "reduce": st.fixed_dictionaries({"order_id": ids, "amount": st.integers(1, 3)}),
    "cancel": st.fixed_dictionaries({"order_id": ids}),
    "cancel_all": st.fixed_dictionaries({"side": sides}),
}
verbs = st.one_of(
    submissions,
    submissions,
    *(
        st.tuples(st.just(name), fields).map(lambda pair: {"verb": pair[0], **pair[1]})
        for name, fields in about_order.items()
    ),
)
keys = st.sampled_from([OPERATOR, ANN, BOB])


def alone(client: TestClient, verb: Json, key: str) -> Any:
    """Send a verb as a single request."""
    headers, name = bearer(key), verb["verb"]
    fields = {field: value for field, value in verb.items() if field not in ("verb", "order_id")}
    if name == "cancel_all":
        return client.delete("/orders", params=fields, headers=headers)
    if name in ("replace", "cancel"):
        method = "PATCH" if name == "replace" else "DELETE"
        path = f"/orders/{id_as_path(verb['order_id'])}"
        return client.request(method, path, json=fields or None, headers=headers)
    body = {"order_id": verb["order_id"], **fields}
    return client.post("/submissions" if name == "submit" else "/reductions", json=body, headers=headers)


@pytest.mark.slow
@given(st.lists(st.tuples(keys, st.lists(verbs, min_size=1, max_size=4)), min_size=1, max_size=4))
@settings(max_examples=15, deadline=None)
def test_a_transaction_is_its_verbs_one_by_one_or_nothing(transactions: list[tuple[str, list[Json]]]) -> None:
    memory = MemoryJournal()
    engine = MatchingEngine(memory)
    app = create_app(engine, KEYS)
    made = []
    for number, (key, chosen) in enumerate(transactions):
        twin = MatchingEngine.from_snapshot(engine.snapshot())
        single = TestClient(create_app(twin, KEYS))
        responses = [alone(single, verb, key) for verb in chosen]
        failed = next((n for n, response in enumerate(responses) if not response.is_success), None)
        before = engine.state_hash()
        response = make(TestClient(app), chosen, f"k{number}", **bearer(key))
        if failed is None:
            expected = [
                {"verb": verb["verb"], **each.json()} for verb, each in zip(chosen, responses, strict=True)
            ]
            assert response.json()["results"] == expected
            assert engine.state_hash() == twin.state_hash()
            made.append((key, chosen, f"k{number}", response.json()))
        else:
            rejection = problem(response)
            assert (rejection["code"], rejection["index"]) == (
                problem(responses[failed])["code"],
                failed,
            )
            assert engine.state_hash() == before
    restarted = TestClient(create_app(MatchingEngine(memory), KEYS))
    for key, chosen, idempotency_key, first in made:
        again = make(restarted, chosen, idempotency_key, **bearer(key))
        assert again.json() == first
        assert again.headers["idempotent-replayed"] == "true"
