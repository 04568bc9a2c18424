"""What-ifs: questions that are answered as if some verbs had been made, while nothing changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from oms import Event, Instrument, MatchingEngine, Order, OrderManagement, Side
from oms.api import create_app
from oms.contract import MOST_QUESTIONS, MOST_READ, MOST_VERBS
from support import strategies as our
from support.api_books import JPM, ORDER, books, client_of, problem
from support.memory_journal import MemoryJournal
from support.naive_service import FailedError, Json, NaiveService

TRADE = {"verb": "place_trade", **JPM, "amount": 25}
PRICE = {"question": "price", **JPM, "amount": 5}


@pytest.fixture
def om() -> OrderManagement:
    return books()


@pytest.fixture
def client(om: OrderManagement) -> TestClient:
    return client_of(om)


def ask(client: TestClient, verbs: list[Json], questions: list[Any]) -> Any:
    return client.post("/what-if", json={"verbs": verbs, "questions": questions})


def test_a_what_if_reaches_neither_the_books_nor_the_journal_nor_the_subscribers() -> None:
    memory, events = MemoryJournal(), list[Event]()
    om = OrderManagement(memory)
    client = client_of(om)
    client.post("/orders", json=ORDER)
    om.subscribe(events.append)
    state = om.state_hash()
    added = {"verb": "add_order", **ORDER, "order_id": 7, "price": 3}
    with client.websocket_connect("/stream") as stream:
        stream.receive_json()
        response = ask(client, [added, {**TRADE, "amount": 21}], [PRICE])
        assert response.json()["sequence"] == 1
        assert [result["sequence"] for result in response.json()["results"]] == [2, 3]
        assert response.json()["results"][1]["trade_id"] == 1
        assert response.json()["answers"] == [{**PRICE, "total_price": 100}]
        assert (om.state_hash(), om.last_sequence) == (state, 1)
        om.remove_order(1)
        assert stream.receive_json()["type"] == "OrderRemoved"  # and not an event of the what-if
    assert [event.sequence for event in events] == [2]
    assert len(memory.batches) == 2
    assert memory.stored_replies == []
    assert client.post("/orders", json={**ORDER, "order_id": 7}).status_code == 201  # the id is not used


@pytest.mark.parametrize("make", [books, MatchingEngine])
def test_missing_verbs_and_missing_questions_are_empty(
    make: Callable[[], OrderManagement | MatchingEngine],
) -> None:
    client = TestClient(create_app(make()))
    bodies: list[Json] = [{"questions": [{"question": "count"}]}, {"verbs": []}, {}]
    for body in bodies:
        response = client.post("/what-if", json=body)
        assert response.status_code == 200
        assert response.json() == client.post("/what-if", json={"verbs": [], "questions": [], **body}).json()
    assert problem(client.post("/transactions", json={}))["field"] == "verbs"


def test_without_verbs_all_answers_come_from_the_present_state(client: TestClient) -> None:
    queries: list[tuple[str, str, Json]] = [
        ("price", "/price", {**JPM, "amount": 22}),
        ("quote", "/quote", {**JPM, "amount": 40, "allow_partial": True}),
        ("prices", "/prices", {**JPM, "amounts": [22, 10]}),
        ("curve", "/curve", {**JPM, "levels": 1}),
        ("amount", "/amount", {**JPM, "budget": 450}),
        ("available", "/available", {**JPM, "limit_price": 20}),
        ("within", "/within", {**JPM, "max_slippage_bps": 50}),
        ("best_price", "/best-price", JPM),
        ("depth", "/depth", JPM),
        ("symbols", "/symbols", {}),
        ("count", "/count", {}),
    ]
    answers = ask(client, [], [{"question": name, **fields} for name, _, fields in queries]).json()["answers"]
    for (name, path, fields), answer in zip(queries, answers, strict=True):
        parameters = {
            field: "true" if value is True else value for field, value in fields.items()
        }  # a query has no JSON values
        assert answer == {"question": name, **client.get(path, params=parameters).json()}


def test_an_answer_contains_decimals_if_its_question_asks_for_them() -> None:
    om = OrderManagement(instruments={"JPM": Instrument("0.01", "10")})
    om.add_order(1, "JPM", Side.BUY, 20, 20)
    with_decimals, without = ask(client_of(om), [], [{**PRICE, "decimals": True}, PRICE]).json()["answers"]
    assert with_decimals == {**without, "decimals": {"amount": "50", "total_price": "10.00"}}


def test_integers_as_text_and_null_are_accepted_as_in_every_body(client: TestClient) -> None:
    question = {"question": "quote", **JPM, "amount": "5", "limit_price": None, "allow_partial": None}
    assert ask(client, [], [question]).json()["answers"][0]["total_price"] == 100


@pytest.mark.parametrize(
    ("verbs", "questions", "element", "index", "code"),
    [
        ([TRADE, TRADE], [PRICE], "verb", 1, "insufficient_liquidity"),
        ([{"verb": "remove_order", "order_id": 9}], [], "verb", 0, "order_not_found"),
        ([{"verb": "add_order", **ORDER}], [], "verb", 0, "duplicate_order"),
        ([TRADE], [PRICE, {**PRICE, "amount": 6}], "question", 1, "insufficient_liquidity"),
        ([], [PRICE, {**PRICE, "amount": 0}], "question", 1, "invalid_order"),
        ([], [PRICE, {**PRICE, "amount": 1.0}], "question", 1, "invalid_order"),
        ([], [PRICE, {**PRICE, "limit_price": 3}], "question", 1, "invalid_order"),
        ([], [PRICE, {"question": "orders"}], "question", 1, "invalid_order"),
        ([], [PRICE, "count"], "question", 1, "invalid_order"),
        ([], [{"question": "prices", **JPM, "amounts": [1, "x"]}], "question", 0, "invalid_order"),
    ],
)
def test_the_problem_says_which_verb_or_question_has_failed_and_nothing_changes(
    client: TestClient,
    om: OrderManagement,
    verbs: list[Json],
    questions: list[Any],
    element: str,
    index: int,
    code: str,
) -> None:
    state = om.state_hash()
    rejection = problem(ask(client, verbs, questions))
    assert (rejection["code"], rejection["element"], rejection["index"]) == (code, element, index)
    assert rejection["detail"].startswith(f"{element} {index}: ")
    assert om.state_hash() == state


@pytest.mark.parametrize(
    "body",
    [
        {"verbs": None},
        {"questions": None},
        {"verbs": [TRADE] * (MOST_VERBS + 1), "questions": []},
        {"verbs": [], "questions": [PRICE] * (MOST_QUESTIONS + 1)},
        {"verbs": [], "questions": {}},
        {"verbs": [], "questions": [{"question": "prices", **JPM, "amounts": [1] * 10_001}]},
        [],
    ],
)
def test_a_body_with_something_else_than_lists_or_with_too_many_elements_is_rejected(
    client: TestClient, body: object
) -> None:
    assert problem(client.post("/what-if", json=body))["code"] == "invalid_order"


def test_a_what_if_of_a_closed_journal_still_answers(om: OrderManagement) -> None:
    memory = MemoryJournal()
    books = OrderManagement(memory)
    client = client_of(books)
    client.post("/orders", json=ORDER)
    memory.close()
    assert ask(client, [{**TRADE, "amount": 1}], [{"question": "count"}]).json()["answers"] == [
        {"question": "count", "count": 1}
    ]


sides = st.sampled_from(["BUY", "SELL"])
small = st.integers(1, 40)
on_book = {"symbol": our.symbols, "side": sides}


def question(name: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    return st.fixed_dictionaries({"question": st.just(name), **fields})


questions = st.one_of(
    question("price", **on_book, amount=small),
    question("prices", **on_book, amounts=st.lists(small, max_size=3)),
    question("quote", **on_book, amount=small, allow_partial=st.booleans()),
    question("amount", **on_book, budget=st.integers(1, 300)),
    question("available", **on_book, limit_price=st.integers(1, 12)),
    question("within", **on_book, max_slippage_bps=st.integers(0, 9_000)),
    question("best_price", **on_book),
    question("depth", **on_book, levels=st.integers(1, 3)),
    question("curve", **on_book, levels=st.integers(1, 3)),
    question("symbols"),
    question("count"),
)
orders = st.builds(Order, our.order_ids, our.symbols, our.sides, st.integers(1, 40), st.integers(1, 12))
verbs = st.one_of(
    question("remove_order", order_id=our.order_ids),
    question("amend_order", order_id=our.order_ids, amount=small),
    question("place_trade", **on_book, amount=small, allow_partial=st.booleans()),
).map(lambda fields: {"verb": fields["question"], **{n: v for n, v in fields.items() if n != "question"}})


@given(
    st.lists(orders, max_size=12, unique_by=lambda order: order.order_id),
    st.lists(st.tuples(st.lists(verbs, max_size=3), st.lists(questions, max_size=6)), max_size=6),
)
@settings(max_examples=40, deadline=None)
def test_every_answer_is_that_of_the_naive_service(
    resting: list[Order], what_ifs: list[tuple[list[Json], list[Json]]]
) -> None:
    om, naive = OrderManagement(), NaiveService()
    client = client_of(om)
    if resting:
        om.add_orders(resting)
        naive.add_list(resting)
    state = om.state_hash()
    for made, asked in what_ifs:
        response = ask(client, made, asked)
        try:
            expected = naive.what_if(made, asked)
        except FailedError as failure:
            rejection = problem(response)
            assert (rejection["element"], rejection["index"]) == (failure.element, failure.index)
            assert str(failure.error) in rejection["detail"]
        else:
            assert response.json() == expected
    assert om.state_hash() == state


# ---------------------------------------------------------------------- the time that others wait


def large() -> OrderManagement:
    om = OrderManagement()
    om.add_orders(Order(n, "JPM", Side.BUY, 1, n + 1) for n in range(MOST_READ // 2))
    return om


@pytest.mark.parametrize(
    "question",
    [
        {"question": "quote", **JPM, "amount": MOST_READ // 2 - 25},
        {"question": "depth", **JPM},
        {"question": "curve", **JPM},
        {"question": "available", **JPM},
        {"question": "within", **JPM, "max_slippage_bps": 10**9},
        {"question": "amount", **JPM, "budget": 10**15},
    ],
    ids=lambda question: question["question"],
)
def test_questions_that_read_too_much_together_are_rejected(question: Json) -> None:
    om = large()
    client, state = client_of(om), om.state_hash()
    few = {"question": "price", **JPM, "amount": 3}
    document = problem(ask(client, [TRADE], [few, *[question] * 3]))
    assert (document["code"], document["field"], document["element"]) == (
        "invalid_order",
        "questions",
        "question",
    )
    assert document["index"] in {1, 2, 3}
    assert "at most 100000 orders" in document["detail"]
    assert om.state_hash() == state
    assert ask(client, [TRADE], [few]).status_code == 200
    assert not [each for each in om._ledger.subscribers.callbacks if "slices" in type(each).__module__]


def test_questions_about_a_large_book_that_need_little_of_it_are_answered() -> None:
    client = client_of(large())
    questions = [
        {"question": "quote", **JPM, "amount": 100},
        {"question": "depth", **JPM, "levels": 100},
        {"question": "price", **JPM, "amount": MOST_READ // 2 - 25},
    ]
    assert ask(client, [TRADE], questions * 60).status_code == 200


def test_a_question_about_many_amounts_counts_by_its_amounts() -> None:
    client = client_of(large())
    question = {"question": "prices", **JPM, "amounts": [7] * 9_990}  # and the levels that cover 7 lots
    assert ask(client, [], [question] * 5).status_code == 200
    assert problem(ask(client, [], [question] * 6))["index"] == 5
