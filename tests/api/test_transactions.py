"""Lists of orders and transactions: all or nothing, made once, and replayed after a restart."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from oms import Event, JournalError, OmsError, OrderAdded, OrderManagement, OrdersAdded, Side, journal
from oms.api import Settings, create_app
from oms.contract import MOST_ORDERS, MOST_VERBS
from oms.journal import SqliteJournal
from oms.subscribers import Subscribers
from support import strategies as our
from support.api_books import JPM, ORDER, books, client_of, problem
from support.memory_journal import FailingJournal, MemoryJournal
from support.naive_service import FailedError, Json, NaiveService, order_of

Verbs = list[Json]


def keyed(key: str | None) -> dict[str, str]:
    return {} if key is None else {"Idempotency-Key": key}


def new(order_id: int, **fields: Any) -> Json:
    return {**ORDER, "order_id": order_id, **fields}


def numbered(first: int, count: int) -> list[Json]:
    return [new(first + n, price=20 + n % 50) for n in range(count)]


def verb(name: str, **fields: Any) -> Json:
    return {"verb": name, **fields}


def make(client: TestClient, verbs: Sequence[Json], key: str | None = None) -> Any:
    return client.post("/transactions", json={"verbs": verbs}, headers=keyed(key))


ALL: Verbs = [
    verb("add_order", **new(7)),
    verb("add_orders", orders=[new(8), new(9, side="SELL", price=3)]),
    verb("amend_order", order_id=8, amount=3, price=2),
    verb("place_trade", **JPM, amount=25, allow_partial=True),
    verb("remove_order", order_id=9),
]
UNCHANGING = verb("amend_order", order_id=4, amount=10)  # the present amount


@pytest.fixture
def om() -> OrderManagement:
    return books()


@pytest.fixture
def client(om: OrderManagement) -> TestClient:
    return client_of(om)


# ---------------------------------------------------------------------- lists of orders


def test_ten_thousand_orders_in_one_request_are_one_event() -> None:
    om, events = OrderManagement(), list[Event]()
    om.subscribe(events.append)
    response = client_of(om).post("/orders", json=numbered(1, MOST_ORDERS))
    assert response.status_code == 201
    assert response.json() == {"sequence": 1, "time": None, "count": MOST_ORDERS}
    assert [type(event) for event in events] == [OrdersAdded]
    assert len(om) == MOST_ORDERS


@pytest.mark.parametrize("length", [0, MOST_ORDERS + 1])
def test_an_empty_list_and_more_than_ten_thousand_orders_are_rejected(
    client: TestClient, om: OrderManagement, length: int
) -> None:
    state = om.state_hash()
    rejection = problem(client.post("/orders", json=numbered(10, length)))
    assert rejection["detail"].startswith("body must be a list of 1 to 10000 orders, not ")
    assert om.state_hash() == state


@pytest.mark.parametrize("key", [None, "k"])
@pytest.mark.parametrize("second_key", [None, "k", "other"])
def test_a_repeated_list_is_added_once_and_gets_the_first_response(
    client: TestClient, om: OrderManagement, key: str | None, second_key: str | None
) -> None:
    first = client.post("/orders", json=numbered(10, 3), headers=keyed(key))
    om.remove_order(11)
    for _ in range(2):
        again = client.post("/orders", json=numbered(10, 3), headers=keyed(second_key))
        assert (again.status_code, again.json()) == (200, first.json())
        assert again.headers["idempotent-replayed"] == "true"
        mine = second_key if key == second_key else None
        assert again.headers.get("idempotency-key") == mine
    assert (len(om), om.last_sequence) == (4, 4)


@pytest.mark.parametrize(
    ("orders", "used"),
    [
        (numbered(10, 2), 10),  # a part of the list
        (numbered(9, 5), 10),
        ([*numbered(10, 2), new(12, amount=1)], 10),  # another amount
        ([*reversed(numbered(10, 3))], 12),
        ([new(20), new(12)], 12),
        ([new(20), new(4)], 4),  # other code has added it
        ([new(20), new(20)], 20),
        (new(10), 10),  # one order alone
    ],
)
def test_a_list_with_a_used_id_is_rejected_as_a_whole(
    client: TestClient, om: OrderManagement, orders: object, used: int
) -> None:
    client.post("/orders", json=numbered(10, 3))
    state = om.state_hash()
    rejection = problem(client.post("/orders", json=orders))
    assert (rejection["code"], rejection["order_id"]) == ("duplicate_order", used)
    assert om.state_hash() == state


def test_a_list_with_one_order_is_another_request_than_the_order_alone(client: TestClient) -> None:
    assert client.post("/orders", json=[new(30)]).status_code == 201
    assert problem(client.post("/orders", json=new(30)))["code"] == "duplicate_order"
    assert client.post("/orders", json=new(31)).status_code == 201
    assert problem(client.post("/orders", json=[new(31)]))["code"] == "duplicate_order"


def test_integers_as_text_do_not_change_the_identity_of_a_list(client: TestClient) -> None:
    text = {name: str(value) for name, value in new(30).items()}
    first, again = (client.post("/orders", json=[order]) for order in (new(30), text))
    assert (first.status_code, again.status_code) == (201, 200)


@pytest.mark.parametrize(
    ("order", "field", "message"),
    [
        (new(9, amount=0), "amount", "order 2: amount must be an int in 1.."),
        ({"order_id": 9}, "symbol", "order 2: symbol must be given, but it is missing"),
        (new(9, prize=1), "prize", "order 2: prize must be left out (unknown field)"),
        (3, "order", "order 2: order must be a JSON object, not 3 (int)"),
    ],
)
def test_the_problem_of_an_invalid_order_contains_its_index_and_field(
    client: TestClient, om: OrderManagement, order: object, field: str, message: str
) -> None:
    state = om.state_hash()
    rejection = problem(client.post("/orders", json=[*numbered(10, 2), order, {}]))
    assert (rejection["code"], rejection["element"], rejection["index"]) == ("invalid_order", "order", 2)
    assert rejection["field"] == field
    assert rejection["detail"].startswith(message)
    assert om.state_hash() == state


def test_bodies_with_lists_have_a_limit_of_their_own(om: OrderManagement) -> None:
    limits = Settings(body_limit=1_000, bulk_body_limit=10_000)
    client = TestClient(create_app(om, limits))
    padding = " " * 2_000
    for path, content in (
        ("/orders", [new(50)]),
        ("/transactions", {"verbs": [verb("remove_order", order_id=1)]}),
        ("/what-if", {"verbs": [], "questions": []}),
    ):
        headers = {"Content-Type": "application/json"}
        assert client.post(path, content=json.dumps(content) + padding, headers=headers).is_success
        too_large = problem(client.post(path, content=padding * 6, headers=headers))
        assert (too_large["code"], "at most 10000 bytes" in too_large["detail"]) == ("body_too_large", True)
        assert problem(client.post("/trades", content=padding, headers=headers))["code"] == "body_too_large"


def test_simultaneous_lists_are_added_once(client: TestClient, om: OrderManagement) -> None:
    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(lambda _: client.post("/orders", json=numbered(10, 50)), range(8)))
    assert sorted(response.status_code for response in responses) == [200] * 7 + [201]
    assert len(om) == 52


# ---------------------------------------------------------------------- transactions


def test_a_result_has_the_fields_of_the_response_to_the_same_request_alone(client: TestClient) -> None:
    alone = client_of(books())
    order, orders, amendment, trade, removal = [
        {name: value for name, value in each.items() if name != "verb"} for each in ALL
    ]
    del amendment["order_id"]
    expected = [
        alone.post("/orders", json=order).json(),
        alone.post("/orders", json=orders["orders"]).json(),
        alone.patch("/orders/8", json=amendment).json(),
        alone.post("/trades", json=trade).json(),
        alone.delete(f"/orders/{removal['order_id']}").json(),
    ]
    response = make(client, ALL)
    assert response.status_code == 201
    named = [{"verb": each["verb"], **fields} for each, fields in zip(ALL, expected, strict=True)]
    assert response.json() == {"sequence": 7, "time": None, "results": named}


def test_a_transaction_is_one_batch_of_the_journal_and_its_events_have_their_times() -> None:
    times = iter(range(100, 200))
    memory = MemoryJournal()
    om = OrderManagement(memory, clock=lambda: next(times))
    response = make(client_of(om), ALL[:3], "k").json()
    ((*batch,),) = memory.batches
    assert [event.sequence for event in batch] == [1, 2, 3]
    results = response["results"]
    assert [result["time"] for result in results] == [event.time for event in batch]
    assert response["time"] == batch[-1].time


@pytest.mark.parametrize(
    "verbs",
    [ALL, [UNCHANGING, *ALL, UNCHANGING], [UNCHANGING, UNCHANGING], [UNCHANGING, ALL[0], UNCHANGING, ALL[4]]],
)
def test_a_retry_gets_the_first_response_also_after_restarts_and_compactions(
    verbs: Verbs, tmp_path: Path
) -> None:
    verbs = [each for each in verbs if each is not ALL[4]]
    file = tmp_path / "book.db"
    with journal.open(file) as om:
        for order in books():
            om.add_order(*order)
        first = make(client_of(om), verbs, "k")
        assert first.status_code == 201
        assert "idempotent-replayed" not in first.headers
        state = om.state_hash()
    for compacts in (False, True, True):
        with journal.open(file, verify=True) as om:
            again = make(client_of(om), verbs, "k")
            assert (again.status_code, again.json()) == (201, first.json())
            assert again.headers["idempotent-replayed"] == "true"
            assert problem(make(client_of(om), verbs[:1], "k"))["code"] == "idempotency_key_reused"
            assert om.state_hash() == state
            if compacts:
                assert isinstance(om.journal, SqliteJournal)
                om.journal.compact()


def test_a_list_is_recognized_after_restarts_and_compactions(tmp_path: Path) -> None:
    file = tmp_path / "book.db"
    responses = []
    for compacts in (False, True, True):
        with journal.open(file, verify=True) as om:
            client = client_of(om)
            for orders, key in ((numbered(1, 3), None), (numbered(11, 3), "k"), (numbered(1, 3), "second")):
                response = client.post("/orders", json=orders, headers=keyed(key))
                responses.append(response.json())
                mine = key if key == "k" else None
                assert response.headers.get("idempotency-key") == mine
            assert problem(client.post("/orders", json=[new(30), new(3)]))["order_id"] == 3
            assert om.last_sequence == 2
            if compacts:
                assert isinstance(om.journal, SqliteJournal)
                om.journal.compact()
    assert responses[3:] == responses[:3] * 2


FAILING: list[tuple[Json, str]] = [
    (verb("add_order", **new(4)), "duplicate_order"),
    (verb("add_order", **new(7)), "duplicate_order"),  # the first verb has added it
    (verb("add_orders", orders=[new(70), new(70)]), "duplicate_order"),
    (verb("add_orders", orders=[new(70), new(7)]), "duplicate_order"),
    (verb("remove_order", order_id=99), "order_not_found"),
    (verb("amend_order", order_id=99, amount=1), "order_not_found"),
    (verb("place_trade", **JPM, amount=10_000), "insufficient_liquidity"),
    (verb("place_trade", **JPM, amount=1, max_total_price=1), "price_bound"),
]


@pytest.mark.parametrize(("failing", "code"), FAILING)
def test_a_verb_that_fails_rolls_back_the_whole_transaction_and_its_index_is_in_the_problem(
    client: TestClient, om: OrderManagement, failing: Json, code: str
) -> None:
    state, events = om.state_hash(), list[Event]()
    om.subscribe(events.append)
    for verbs in ([*ALL, failing], [UNCHANGING, *ALL, failing]):
        rejection = problem(make(client, verbs, "k"))
        assert (rejection["code"], rejection["element"]) == (code, "verb")
        assert rejection["index"] == len(verbs) - 1
        assert rejection["detail"].startswith(f"verb {len(verbs) - 1}: ")
        assert om.state_hash() == state
    assert events == []
    assert make(client, ALL, "k").status_code == 201


def test_an_id_can_be_used_only_once_also_within_a_transaction(client: TestClient) -> None:
    order = new(7)
    again = [verb("add_order", **order), verb("remove_order", order_id=7), verb("add_order", **order)]
    assert problem(make(client, again))["index"] == 2
    assert make(client, again[:2]).status_code == 201
    for retry in (make(client, again[:1]), client.post("/orders", json=order)):
        assert problem(retry)["code"] == "duplicate_order"


def test_an_id_that_a_transaction_has_used_remains_used_after_a_compaction(tmp_path: Path) -> None:
    file = tmp_path / "book.db"
    with journal.open(file) as om:
        assert make(client_of(om), ALL[:2]).status_code == 201  # without a key
        om.remove_orders()
        assert isinstance(om.journal, SqliteJournal)
        om.journal.compact()
    with journal.open(file) as om:
        for order_id in (7, 8, 9):
            assert problem(client_of(om).post("/orders", json=new(order_id)))["code"] == "duplicate_order"


@pytest.mark.parametrize(
    ("content", "field", "index"),
    [
        ([], "body", None),
        ({}, "verbs", None),
        ({"verbs": []}, "verbs", None),
        ({"verbs": {}}, "verbs", None),
        ({"verbs": [ALL[0]] * (MOST_VERBS + 1)}, "verbs", None),
        ({"verbs": [ALL[0], 3]}, "verb", 1),
        ({"verbs": [ALL[0], {}]}, "verb", 1),
        ({"verbs": [ALL[0], {"verb": "submit"}]}, "verb", 1),
        ({"verbs": [ALL[0], {"verb": ["add_order"]}]}, "verb", 1),
        ({"verbs": [ALL[0], verb("remove_order", order_id=True)]}, "order_id", 1),
        ({"verbs": [ALL[0], verb("remove_order", order_id=4, amount=2)]}, "amount", 1),
        ({"verbs": [verb("add_orders", orders=[])]}, "orders", 0),
        ({"verbs": [verb("add_orders", orders=[new(8), new(9, price=0)])]}, "price", 0),
        ({"verbs": [verb("amend_order", order_id=4)]}, "amount or price", 0),
        ({"verbs": [verb("place_trade", symbol="JPM", side="SELL", amount=1, max_total_price=1)]}, None, 0),
        ({"verbs": [ALL[0]], "note": "x"}, "note", None),
    ],
)
def test_an_invalid_transaction_is_rejected_with_the_index_and_the_field(
    client: TestClient, om: OrderManagement, content: object, field: str | None, index: int | None
) -> None:
    state = om.state_hash()
    rejection = problem(client.post("/transactions", json=content))
    assert (rejection["code"], rejection.get("index")) == ("invalid_order", index)
    assert field in (None, rejection["field"])
    assert om.state_hash() == state


def test_the_problem_of_an_order_in_a_verb_contains_both_indexes_in_its_detail(client: TestClient) -> None:
    rejection = problem(make(client, [ALL[0], verb("add_orders", orders=[new(8), new(9, price=0)])]))
    assert rejection["detail"].startswith("verb 1: order 1: price must be an int")
    assert (rejection["element"], rejection["index"]) == ("verb", 1)


def test_a_transaction_that_is_not_durable_is_rolled_back_and_can_be_retried() -> None:
    memory = FailingJournal()
    om = OrderManagement(memory)
    client = client_of(om)
    memory.error = JournalError("book.db", "the disk is full")
    assert problem(make(client, ALL[:2], "k"))["code"] == "journal_failed"
    assert (len(om), om.last_sequence) == (0, 0)
    again = make(client, ALL[:2], "k")
    assert (again.status_code, again.headers.get("idempotent-replayed")) == (201, None)


@pytest.mark.parametrize("compacts", [False, True])
def test_a_retry_after_a_failure_between_the_commit_and_the_publication_changes_nothing(
    compacts: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object, events: list[Event]) -> None:
        if events:  # none at the end of an inner transaction
            raise MemoryError

    with journal.open(tmp_path / "book.db") as om:
        client = client_of(om)
        with monkeypatch.context() as patch, suppress(MemoryError):
            patch.setattr(Subscribers, "publish", fail)
            make(client, ALL[:2], "k")
        if compacts:
            assert isinstance(om.journal, SqliteJournal)
            om.journal.compact()
        again = make(client, ALL[:2], "k")
        assert again.headers["idempotent-replayed"] == "true"
        assert [result["sequence"] for result in again.json()["results"]] == [1, 2]
        assert len(om) == 3


def test_a_subscriber_that_changes_the_books_does_not_change_the_response(tmp_path: Path) -> None:
    file = tmp_path / "book.db"
    with journal.open(file) as om:

        def interfere(event: Event) -> None:
            if isinstance(event, OrderAdded) and event.order.order_id < 100:
                om.add_order(event.order.order_id + 100, "IBM", Side.BUY, 1, 1)

        om.subscribe(interfere)
        first = make(client_of(om), [ALL[0], verb("add_order", **new(8))], "k").json()
        assert [result["sequence"] for result in first["results"]] == [1, 2]
    with journal.open(file) as om:
        assert make(client_of(om), [ALL[0], verb("add_order", **new(8))], "k").json() == first


def test_the_notes_of_a_transaction_grow_linearly_with_its_verbs() -> None:
    def size(count: int) -> int:
        memory = MemoryJournal()
        client = client_of(OrderManagement(memory))
        client.post("/orders", json=new(4, amount=10))
        verbs = [each for n in range(count) for each in (UNCHANGING, verb("add_order", **new(10 + n)))]
        assert make(client, verbs, "k").status_code == 201
        return sum(len(event.note or "") for event in memory.events)

    assert size(40) < 2.2 * size(20)


def test_the_stream_sends_the_events_of_a_transaction_in_order(client: TestClient) -> None:
    with client.websocket_connect("/stream") as stream:
        stream.receive_json()
        make(client, ALL)
        messages = [stream.receive_json() for _ in ALL]
    assert [message["sequence"] for message in messages] == [3, 4, 5, 6, 7]


# ---------------------------------------------------------------------- against the reference

sides = st.sampled_from(["BUY", "SELL"])
ids = st.integers(0, 12)
order_bodies = st.builds(
    lambda *values: dict(zip(ORDER, values, strict=True)), ids, our.symbols, sides, our.amounts, our.prices
).map(lambda order: {**order, "amount": as_json(order["amount"]), "price": as_json(order["price"])})


def as_json(number: int) -> int:
    """Return a number that is a JSON integer and not a text."""
    return min(number, 2**53 - 1)


verbs_of_books = st.one_of(
    order_bodies.map(lambda order: verb("add_order", **order)),
    st.lists(order_bodies, min_size=1, max_size=3).map(lambda orders: verb("add_orders", orders=orders)),
    ids.map(lambda order_id: verb("remove_order", order_id=order_id)),
    st.builds(
        lambda order_id, amount, price: verb("amend_order", order_id=order_id, amount=amount, price=price),
        ids,
        st.integers(1, 4),
        st.none() | st.integers(1, 4),
    ),
    st.builds(
        lambda symbol, side, amount, partial: verb(
            "place_trade", symbol=symbol, side=side, amount=amount, allow_partial=partial
        ),
        our.symbols,
        sides,
        st.integers(1, 60),
        st.booleans(),
    ),
)
"""Verbs with few ids, symbols, and prices, so that they meet each other."""


def without_texts(content: Any) -> Any:
    """Return JSON with each integer that is a text as an integer."""
    if isinstance(content, dict):
        return {name: without_texts(value) for name, value in content.items()}
    if isinstance(content, list):
        return [without_texts(value) for value in content]
    return int(content) if isinstance(content, str) and content.isdigit() else content


class Machine(RuleBasedStateMachine):
    """Lists and transactions over HTTP, with retries and restarts, compared with the naive service."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = MemoryJournal()
        self.naive = NaiveService()
        self.made: list[tuple[str, object, str, Any]] = []
        self.keys = 0
        self.restart()

    @rule()
    def restart(self) -> None:
        self.om = OrderManagement(self.memory)
        self.client = client_of(self.om)

    @rule(orders=st.lists(order_bodies, min_size=1, max_size=4))
    def add_list(self, orders: list[Json]) -> None:
        self.send("/orders", orders, lambda: self.naive.add_list([order_of(each) for each in orders]))

    @rule(verbs=st.lists(verbs_of_books, min_size=1, max_size=6))
    def transact(self, verbs: Verbs) -> None:
        self.send("/transactions", {"verbs": verbs}, lambda: self.naive.transact(verbs))

    @rule(verbs=st.lists(verbs_of_books, max_size=4))
    def ask_what_if(self, verbs: Verbs) -> None:
        body = {"verbs": verbs, "questions": [{"question": "count"}]}
        response = self.client.post("/what-if", json=body)
        self.compare(response, lambda: self.naive.what_if(verbs, body["questions"]))

    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        if self.made:
            path, body, key, expected = data.draw(st.sampled_from(self.made))
            response = self.client.post(path, json=body, headers=keyed(key))
            assert response.headers["idempotent-replayed"] == "true"
            assert without_texts(response.json()) == expected

    def send(self, path: str, body: object, expect: Callable[[], Json]) -> None:
        self.keys += 1
        response = self.client.post(path, json=body, headers=keyed(f"k{self.keys}"))
        expected = self.compare(response, expect)
        if expected is not None:
            self.made.append((path, body, f"k{self.keys}", expected))

    def compare(self, response: Any, expect: Callable[[], Json]) -> Json | None:
        try:
            expected = expect()
        except FailedError as failure:
            rejection = problem(response)
            assert (rejection["element"], rejection["index"]) == (failure.element, failure.index)
            assert str(failure.error) in rejection["detail"]
        except OmsError as error:
            assert problem(response)["detail"] == str(error)
        else:
            assert response.is_success, response.text
            assert without_texts(response.json()) == expected
            return expected
        return None

    @invariant()
    def the_books_equal_the_reference(self) -> None:
        assert self.om.orders() == self.naive.books.orders()
        assert self.om.last_sequence == self.naive.sequence == self.memory.last_sequence


@pytest.mark.long
def test_lists_and_transactions_agree_with_the_naive_service_through_retries_and_restarts() -> None:
    run_state_machine_as_test(Machine, settings=settings(max_examples=25, stateful_step_count=10))
