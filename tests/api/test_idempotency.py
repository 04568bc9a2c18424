"""A retry gets the first response, and no change is made twice, even after a restart."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from oms import (
    Event,
    Journal,
    JournalError,
    OmsError,
    Order,
    OrderAdded,
    OrderManagement,
    OrderNotFoundError,
    Side,
    journal,
)
from oms.api import Settings, create_app
from oms.api.batches import VerbNotes
from oms.api.first_responses import FirstResponse, FirstResponses, to_note, to_reply
from oms.api.idempotency import IdempotentChanges, digest_of
from oms.api.problems import ProblemError
from oms.api.request_models import Amendment, NewOrder, NewTrade
from oms.api.restoring import restore
from oms.contract import REPLAYED_HEADER
from oms.journal import SqliteJournal
from oms.subscribers import Subscribers
from support import memory_journal
from support.api_books import JPM, ORDER, books, client_of, problem
from support.log_journals import opened
from support.memory_journal import MemoryJournal
from support.replicated_log import MemoryLog
from support.sessions import noon
from support.strategies import amounts, order_ids, prices, sides, symbols


@pytest.fixture
def om() -> OrderManagement:
    return books()


@pytest.fixture
def client(om: OrderManagement) -> TestClient:
    return client_of(om)


def keyed(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


CHANGES = [
    ("POST", "/orders", {**ORDER, "order_id": 9}),
    ("POST", "/trades", {**JPM, "amount": 22}),
    ("PATCH", "/orders/4", {"amount": 3}),
    ("PATCH", "/orders/4", {"amount": 10}),  # the present amount, so there is no event
    ("DELETE", "/orders/4", None),
]


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_a_retry_with_its_key_gets_the_first_response_and_changes_nothing(
    client: TestClient, om: OrderManagement, method: str, path: str, body: object
) -> None:
    first = client.request(method, path, json=body, headers=keyed("k"))
    assert first.is_success
    om.add_order(50, "JPM", Side.BUY, 1, 1)  # the book changes before the retry
    om.remove_order(50)
    state = om.state_hash()
    again = client.request(method, path, json=body, headers=keyed("k"))
    assert again.json() == first.json()
    assert again.status_code == (200 if path == "/orders" else first.status_code)
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert om.state_hash() == state


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_another_request_with_the_same_key_is_rejected(
    client: TestClient, om: OrderManagement, method: str, path: str, body: object
) -> None:
    assert client.post("/trades", json={**JPM, "amount": 1}, headers=keyed("k")).status_code == 201
    state = om.state_hash()
    response = client.request(method, path, json=body, headers=keyed("k"))
    assert problem(response)["code"] == "idempotency_key_reused"
    assert response.status_code == 422
    assert om.state_hash() == state


def test_a_rejected_request_can_be_retried_with_its_key(client: TestClient, om: OrderManagement) -> None:
    trade = {**JPM, "amount": 31}
    assert client.post("/trades", json=trade, headers=keyed("k")).status_code == 409
    om.add_order(5, "JPM", Side.BUY, 1, 30)
    assert client.post("/trades", json=trade, headers=keyed("k")).status_code == 201


@pytest.mark.parametrize("key", ["", " ", "a b", "\xe9", "x" * 256, "\t"])
def test_a_key_that_is_not_visible_ascii_is_rejected(client: TestClient, key: str) -> None:
    response = client.request("DELETE", "/orders/4", headers=[("Idempotency-Key", key.encode("latin-1"))])  # type: ignore[arg-type]  # the client also accepts bytes
    assert problem(response)["field"] == "Idempotency-Key"


def test_simultaneous_requests_with_one_key_make_one_change_and_get_the_same_response(
    client: TestClient, om: OrderManagement
) -> None:
    start = Barrier(8)

    def trade(_number: int) -> tuple[str, bool]:
        start.wait()
        response = client.post("/trades", json={**JPM, "amount": 3}, headers=keyed("k"))
        return response.text, "idempotent-replayed" in response.headers

    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(trade, range(8)))
    assert len({text for text, _ in responses}) == 1
    assert sorted(replayed for _, replayed in responses) == [False] + [True] * 7
    assert om.available_amount("JPM", Side.BUY) == 27


def test_an_id_that_other_code_has_used_cannot_be_used_again(client: TestClient, om: OrderManagement) -> None:
    resting = {**ORDER, "order_id": 4, "amount": 10, "price": 21}  # an equal order, which the API did not add
    assert problem(client.post("/orders", json=resting))["code"] == "duplicate_order"
    om.add_orders([Order(70, "JPM", Side.BUY, 1, 1)])
    om.remove_order(70)
    order = {**ORDER, "order_id": 70, "amount": 1, "price": 1}
    rejection = problem(client.post("/orders", json=order))
    assert (rejection["code"], rejection["detail"]) == ("duplicate_order", "order id 70 is already taken")


def test_the_first_response_remains_although_other_code_uses_the_id_later(
    client: TestClient, om: OrderManagement
) -> None:
    first = client.post("/orders", json={**ORDER, "order_id": 9}).json()
    om.remove_order(9)
    om.add_order(9, "IBM", Side.SELL, 1, 1)
    assert client.post("/orders", json={**ORDER, "order_id": 9}).json() == first
    other = client.post("/orders", json={**ORDER, "order_id": 9, "price": 1})
    assert problem(other)["code"] == "duplicate_order"


def test_notes_that_the_api_did_not_write_contain_no_keys(om: OrderManagement) -> None:
    client = client_of(om)
    for number, note in enumerate(["x", "oms.api", '["oms.api"]', '{"key": "k"}', "{"]):
        with om.transaction(note):
            om.add_order(100 + number, "JPM", Side.BUY, 1, 1)
    assert client.delete("/orders/100", headers=keyed("k")).status_code == 200


def test_a_retry_after_a_restart_gets_the_first_response(tmp_path: Path) -> None:
    file = tmp_path / "book.db"
    responses: list[dict[str, Any]] = []
    for _ in range(2):
        with journal.open(file) as om:
            client = TestClient(create_app(om, Settings()))
            responses.append({})
            for number, (method, path, body) in enumerate(HISTORY):
                response = client.request(method, path, json=body, headers=keyed(f"k{number}"))
                assert response.is_success, response.text
                responses[-1][f"{number} {path}"] = response.json()
            with client.websocket_connect("/stream") as connection:
                assert [trade["sequence"] for trade in connection.receive_json()["trades"]] == [3]
            assert om.last_sequence == 5
    assert responses[0] == responses[1]


HISTORY = [
    ("POST", "/orders", ORDER),
    ("POST", "/orders", {**ORDER, "order_id": 4, "amount": 10, "price": 21}),
    ("POST", "/trades", {**JPM, "amount": 22}),
    ("PATCH", "/orders/4", {"amount": 3, "price": 9}),
    ("DELETE", "/orders/4", None),
]


UNCHANGING: list[tuple[str, str, Any]] = [
    ("PATCH", "/orders/4", {"amount": 10}),  # the present amount
    ("PATCH", "/orders/4", {"amount": 10, "price": 21}),
    ("POST", "/orders", {**ORDER, "order_id": 4, "amount": 10, "price": 21}),  # with a second key
]


def unchanging_responses(om: OrderManagement) -> list[tuple[Any, str | None, str | None]]:
    client = client_of(om)
    responses = [
        client.request(m, p, json=b, headers=keyed(f"q{n}")) for n, (m, p, b) in enumerate(UNCHANGING)
    ]
    names = ("idempotent-replayed", "idempotency-key")
    return [(each.json(), each.headers.get(names[0]), each.headers.get(names[1])) for each in responses]


@pytest.mark.parametrize("compacted", [True, False])
def test_a_response_that_changed_nothing_is_replayed_after_a_restart(compacted: bool, tmp_path: Path) -> None:
    def restarted() -> OrderManagement:
        return journal.open(tmp_path / "book.db", verify=True)

    with restarted() as om:
        client_of(om).post("/orders", json=UNCHANGING[2][2], headers=keyed("first"))
        first = unchanging_responses(om)
        om.amend_order(4, amount=7)
    for _ in range(2):
        with restarted() as om:
            again = unchanging_responses(om)
            assert [body for body, _, _ in again] == [body for body, _, _ in first]
            assert {replayed for _, replayed, _ in again} == {"true"}
            assert {key for _, _, key in again} == {None}  # a request with another key added the order
            assert (om.get_order(4).amount, om.last_sequence) == (7, 2)
            reused = client_of(om).patch("/orders/4", json={"amount": 1}, headers=keyed("q0"))
            assert problem(reused)["code"] == "idempotency_key_reused"
            if compacted:
                assert isinstance(om.journal, SqliteJournal)
                om.journal.compact()


def test_the_same_responses_are_replayed_with_and_without_a_journal(tmp_path: Path) -> None:
    responses: list[list[Any]] = []
    with journal.open(tmp_path / "book.db", clock=noon) as durable:
        for om in (OrderManagement(clock=noon), OrderManagement(MemoryJournal(), clock=noon), durable):
            client = client_of(om)
            client.post("/orders", json=UNCHANGING[2][2])
            responses.append([])
            for _ in range(2):
                for number, (method, path, body) in enumerate(UNCHANGING):
                    response = client.request(method, path, json=body, headers=keyed(f"q{number}"))
                    responses[-1].append((response.json(), response.headers.get("idempotent-replayed")))
    assert responses[1:] == responses[:1] * 2


def test_every_response_has_the_time_of_its_event_also_when_it_is_replayed_after_a_restart(
    tmp_path: Path,
) -> None:
    ticks = count(2**53)
    requests = [*HISTORY[:2], *UNCHANGING, *HISTORY[2:]]
    bodies: list[list[Any]] = []
    times: dict[int, int | None] = {}
    opened: list[OrderManagement] = []

    def see(event: Event) -> None:
        times[event.sequence] = event.time
        if event.note:  # this change is made and published before the response is sent
            opened[-1].add_order(70 + event.sequence, "IBM", Side.BUY, 1, 1)

    for _ in range(3):
        with journal.open(tmp_path / "book.db", clock=lambda: next(ticks)) as durable:
            opened.append(durable)
            client = client_of(durable)
            durable.subscribe(see)
            responses = [
                client.request(method, path, json=body, headers=keyed(f"k{number}"))
                for number, (method, path, body) in enumerate(requests)
            ]
            bodies.append([response.json() for response in responses])
    assert [body["time"] for body in bodies[0]] == [str(times[body["sequence"]]) for body in bodies[0]]
    assert bodies[1:] == bodies[:1] * 2


def test_a_response_is_not_sent_if_the_journal_cannot_store_it(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = MemoryJournal()
    client = client_of(OrderManagement(memory))
    assert client.post("/orders", json=UNCHANGING[2][2]).status_code == 201

    def fail(_reply: str) -> None:
        raise JournalError("book.db", "the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(memory, "keep_reply", fail)
        rejection = problem(client.patch("/orders/4", json={"amount": 10}, headers=keyed("q")))
        assert (rejection["status"], rejection["code"]) == (503, "journal_failed")
    again = client.patch("/orders/4", json={"amount": 10}, headers=keyed("q"))
    assert (again.status_code, again.headers.get("idempotent-replayed")) == (200, None)


def test_a_retry_after_compaction_gets_the_first_response(tmp_path: Path) -> None:
    file = tmp_path / "book.db"
    responses: list[list[Any]] = []
    for drop in (3, None, None, 1):
        with journal.open(file, verify=True) as om:
            client = client_of(om)
            retries = (
                client.request(m, p, json=b, headers=keyed(f"k{n}")) for n, (m, p, b) in enumerate(HISTORY)
            )
            responses.append([response.json() for response in retries])
            assert isinstance(om.journal, SqliteJournal)
            om.journal.compact(drop and om.last_sequence - 5 + drop)
            assert om.last_sequence == 5
    assert responses[1:] == responses[:1] * 3


def test_an_error_of_a_subscriber_does_not_roll_back_the_change(om: OrderManagement) -> None:
    client = client_of(om)

    def fail(_event: Any) -> None:
        raise OrderNotFoundError(99)

    unsubscribe = om.subscribe(fail)
    rejection = problem(client.post("/trades", json={**JPM, "amount": 5}, headers=keyed("k")))
    assert (rejection["status"], rejection["code"]) == (500, "internal_error")
    unsubscribe()
    again = client.post("/trades", json={**JPM, "amount": 5}, headers=keyed("k"))
    assert (again.status_code, again.json()["amount"]) == (201, 5)
    assert again.headers["idempotent-replayed"] == "true"
    assert om.available_amount("JPM", Side.BUY) == 25


class FailingJournal(MemoryJournal):
    """A journal whose appends fail while `fails` is True."""

    fails = False

    def append(self, batch: Any) -> None:
        if self.fails:
            raise JournalError("/srv/secret/book.db", "the disk is full")
        super().append(batch)


def test_a_change_that_is_not_durable_is_rolled_back_and_can_be_retried() -> None:
    memory = FailingJournal()
    om = OrderManagement(memory)
    client = client_of(om)
    memory.fails = True
    rejection = problem(client.post("/orders", json=ORDER, headers=keyed("k")))
    assert (rejection["status"], rejection["code"]) == (503, "journal_failed")
    assert (rejection["place"], rejection["problem"]) == ("book.db", "the disk is full")
    assert "secret" not in json.dumps(rejection)
    assert client.get("/orders").json()["total"] == 0
    memory.fails = False
    assert client.post("/orders", json=ORDER, headers=keyed("k")).status_code == 201


def test_a_problem_does_not_claim_to_know_if_a_change_is_on_the_disk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    memory = MemoryJournal()
    client = client_of(OrderManagement(memory))

    def fail(_batch: Any) -> None:
        raise JournalError("book.db", "whether it holds the change is unknown until it is opened again")

    monkeypatch.setattr(memory, "append", fail)
    rejection = problem(client.post("/orders", json=ORDER))
    assert "is unknown" in rejection["detail"]
    assert "not made" not in rejection["title"]


def test_a_service_with_a_closed_journal_is_not_ready_and_returns_the_reason(tmp_path: Path) -> None:
    om = journal.open(tmp_path / "book.db")
    client = client_of(om)
    assert client.get("/ready").json() == {"ready": True, "durable": True, "sequence": 0, "orders": 0}
    om.close()
    rejection = problem(client.get("/ready"))
    assert (rejection["status"], rejection["code"], rejection["reason"]) == (503, "not_ready", "it is closed")
    assert client.get("/health").json() == {"alive": True}
    assert problem(client.post("/orders", json=ORDER))["code"] == "journal_failed"


@pytest.mark.skipif(os.name != "posix", reason="an open file cannot be removed on Windows")
@pytest.mark.parametrize("suffix", ["", "-wal"])
def test_a_problem_with_a_journal_does_not_reveal_its_folder(suffix: str, tmp_path: Path) -> None:
    folder = tmp_path / "a secret folder"
    folder.mkdir()
    om = journal.open(folder / "book.db")
    client = client_of(om)
    (folder / f"book.db{suffix}").unlink()
    ready, rejected = problem(client.get("/ready")), problem(client.post("/orders", json=ORDER))
    for rejection in (ready, rejected):
        assert f"book.db{suffix} was removed or replaced" in rejection["detail"]
        assert "secret" not in json.dumps(rejection)
        assert str(tmp_path) not in json.dumps(rejection)
    with pytest.raises(JournalError):
        om.close()


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ("/srv/secret/book.db was removed", "book.db was removed"),
        ("[Errno 28] No space left on device: '/srv/secret/a b/book.db-wal'", "device: 'book.db-wal'"),
        ("it is read-only: C:\\secret\\book.db: gone", "it is read-only: book.db: gone"),
        ("1/2 of it, and/or more", "1/2 of it, and/or more"),
    ],
)
def test_a_reason_contains_file_names_but_no_folders(
    reason: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = MemoryJournal()
    client = client_of(OrderManagement(memory))

    def fail(_batch: Any) -> None:
        raise JournalError("/srv/secret/book.db", reason)

    monkeypatch.setattr(memory, "append", fail)
    rejection = problem(client.post("/orders", json=ORDER))
    assert shown in rejection["detail"]
    assert "secret" not in json.dumps(rejection)


def test_a_service_whose_rollback_fails_is_not_ready_and_returns_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    om = OrderManagement()
    client = client_of(om)
    assert client.post("/orders", json=ORDER).status_code == 201

    def fail(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr("oms.order_book.OrderBook._drop_level", fail)
        patch.setattr("oms.books.Books.restore", fail)
        with pytest.raises(MemoryError):
            om.remove_order(1)
        rejection = problem(client.get("/ready"))
    assert (rejection["status"], rejection["code"]) == (503, "not_ready")
    assert "MemoryError" in rejection["reason"]
    assert client.get("/ready").json()["orders"] == 1


def bodies(model: type[BaseModel], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Build bodies without the limits of JSON integers. Other tests cover these limits."""
    return st.fixed_dictionaries(fields).map(lambda values: model.model_construct(**values))


new_orders = bodies(NewOrder, order_id=order_ids, symbol=symbols, side=sides, amount=amounts, price=prices)
requests = st.one_of(
    st.tuples(st.just("add"), new_orders),
    st.tuples(st.just("remove"), order_ids),
    st.tuples(st.just("amend"), order_ids, bodies(Amendment, amount=st.none() | amounts, price=prices)),
    st.tuples(st.just("trade"), bodies(NewTrade, symbol=symbols, side=sides, amount=amounts)),
)


@given(st.lists(requests, max_size=25), st.data())
@settings(max_examples=60)
def test_retries_and_restarts_leave_the_same_state_and_responses_as_each_request_alone(
    sequence: list[tuple[Any, ...]], data: st.DataObject
) -> None:
    alone, journal_of_retries = Service(MemoryJournal()), MemoryJournal()
    service = Service(journal_of_retries)
    for number, (method, *arguments) in enumerate(sequence):
        key = f"k{number}" if data.draw(st.booleans()) or method != "add" else None
        assert service.send(method, *arguments, key) == alone.send(method, *arguments, key)
        if data.draw(st.booleans()):
            service = Service(journal_of_retries, service.made)
        if service.made:
            service.retry(data.draw(st.integers(0, len(service.made) - 1)))
    assert service.om.state_hash() == alone.om.state_hash()


class Service:
    """Idempotent changes with a journal, and a list of the changes that were made."""

    def __init__(self, memory: MemoryJournal, made: list[tuple[str, Any, Any]] | None = None) -> None:
        responses = FirstResponses()
        self.om = OrderManagement(memory)
        restore(self.om, responses)
        self.changes = IdempotentChanges(self.om, responses)
        self.made = made or []

    def send(self, method: str, *arguments: Any) -> Any:
        """Return the sequence number and the subject of the response, or the error."""
        try:
            response = getattr(self.changes, method)(*arguments)[:2]
        except (OmsError, ProblemError) as error:
            return repr(error)
        self.made.append((method, arguments, response))
        return response

    def retry(self, number: int) -> None:
        """Send a request again, and compare the response with the first one."""
        method, arguments, response = self.made[number]
        assert self.send(method, *arguments) == response


# ---------------------------------------------------------------------- digests

DIGESTS: list[tuple[str, str, Any, str]] = [
    ("POST", "/orders", {**ORDER, "order_id": 9}, "a57348576de98d1ccd8769991f207562"),
    ("POST", "/trades", {**JPM, "amount": 1}, "16a3675ef87d4d9e65be0e716d426c2d"),
    (
        "POST",
        "/trades",
        {**JPM, "amount": 1, "limit_price": 30, "allow_partial": True},
        "54b6aaebc9012689b4b2b4b1aa031656",
    ),
    ("PATCH", "/orders/4", {"amount": 7}, "77b84d04a1a8c52fbbf5ec121fc9d2e9"),
    ("DELETE", "/orders/4", None, "dc0e0a2825bf4ef023c56d55cd10017c"),
]
"""Requests and their digests, which existing journals contain. A retry after an upgrade must match them."""


def digest_in_the_log(client: TestClient, om: OrderManagement, method: str, path: str, body: Any) -> str:
    """Send a request with a key, and return the digest in the note of its event."""
    notes: list[str | None] = []
    unsubscribe = om.subscribe(lambda event: notes.append(event.note))
    assert client.request(method, path, json=body, headers=keyed("k")).is_success
    unsubscribe()
    (note,) = notes
    digest: str = json.loads(note or "")["request"]
    return digest


@pytest.mark.parametrize(("method", "path", "body", "digest"), DIGESTS)
def test_the_digest_of_a_request_is_the_same_as_in_earlier_versions(
    client: TestClient, om: OrderManagement, method: str, path: str, body: Any, digest: str
) -> None:
    assert digest_in_the_log(client, om, method, path, body) == digest


def texts(body: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return a body with every integer as text."""
    return body and {name: str(value) if type(value) is int else value for name, value in body.items()}


@pytest.mark.parametrize(("method", "path", "body", "digest"), DIGESTS)
def test_integers_as_text_do_not_change_the_digest(
    client: TestClient, om: OrderManagement, method: str, path: str, body: Any, digest: str
) -> None:
    assert digest_in_the_log(client, om, method, path, texts(body)) == digest


@pytest.mark.parametrize(
    "optional",
    [
        dict.fromkeys(("limit_price", "max_total_price", "min_total_price", "allow_partial")),
        {"allow_partial": False},
    ],
)
def test_null_and_a_default_do_not_change_the_digest(
    client: TestClient, om: OrderManagement, optional: dict[str, Any]
) -> None:
    method, path, body, digest = DIGESTS[1]
    assert digest_in_the_log(client, om, method, path, {**(body or {}), **optional}) == digest


FORMER_DIGESTS: list[tuple[Callable[[OrderManagement], object], str, str, Any, str]] = [
    (
        lambda om: om.add_order(4, "JPM", Side.BUY, 30, 21),
        "POST",
        "/orders",
        {**JPM, "order_id": 4, "amount": 30, "price": 21},
        "413619f85e2c17b5fd4227b03a06f870",
    ),
    (
        lambda om: om.amend_order(4, amount=20, price=9),
        "PATCH",
        "/orders/4",
        {"price": 9, "amount": 20},
        "58586a126f4424fe5eeccd8d41e65260",
    ),
    (
        lambda om: om.amend_order(4, amount=19),
        "PATCH",
        "/orders/4",
        {"amount": 19},
        "3e47bbfd6ace9fb38c963a9242530f81",
    ),
    (
        lambda om: om.place_trade("JPM", Side.BUY, 3, limit_price=12),
        "POST",
        "/trades",
        {**JPM, "amount": 3, "limit_price": 12},
        "8618cb8146ab1146a8ddf14d4b96e53e",
    ),
    (
        lambda om: om.remove_order(4),
        "DELETE",
        "/orders/4",
        None,
        "a30c348bf9b228f852626b4dd9a8cc2d",
    ),
]
"""Changes in this order, the requests that made them, and the digests of these requests in older journals."""


def test_a_retry_of_a_request_in_an_older_journal_gets_its_first_response() -> None:
    om = OrderManagement()
    client = TestClient(create_app(om))
    for number, (change, _, _, _, digest) in enumerate(FORMER_DIGESTS):
        with om.transaction(note=json.dumps({"oms.api": 1, "key": f"k{number}", "request": digest})):
            change(om)
    before = om.last_sequence
    for number, (_, method, path, body, _) in enumerate(FORMER_DIGESTS):
        for form in (body, texts(body)):
            response = client.request(method, path, json=form, headers=keyed(f"k{number}"))
            assert response.is_success
            assert response.headers[REPLAYED_HEADER] == "true"
            assert response.json()["sequence"] == number + 1
        other = FORMER_DIGESTS[number - 1]
        response = client.request(other[1], other[2], json=other[3], headers=keyed(f"k{number}"))
        assert response.json()["code"] == "idempotency_key_reused"
    assert om.last_sequence == before


@pytest.mark.parametrize("compacts", [False, True])
@pytest.mark.parametrize("error", [MemoryError, RecursionError])
def test_a_retry_after_a_failure_between_the_commit_and_the_publication_trades_once(
    error: type[BaseException], compacts: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "book.db"
    with journal.open(file) as om:
        om.add_order(1, "JPM", Side.BUY, 20, 20)
        client = TestClient(create_app(om), raise_server_exceptions=False)
        body = {**JPM, "amount": 5}
        with monkeypatch.context() as patch:
            patch.setattr(Subscribers, "publish", raiser(error))
            with suppress(error):
                assert client.post("/trades", json=body, headers=keyed("k")).status_code == 500
        if compacts:
            assert isinstance(om.journal, SqliteJournal)
            om.journal.compact()
        responses = [client.post("/trades", json=body, headers=keyed("k")).json() for _ in range(2)]
        assert [response["trade_id"] for response in responses] == [1, 1]
        assert om.get_order(1).amount == 15
    with journal.open(file) as om:
        again = TestClient(create_app(om)).post("/trades", json=body, headers=keyed("k"))
        assert again.json() == responses[0]
        assert om.get_order(1).amount == 15


def raiser(error: type[BaseException]) -> Callable[[object, object], None]:
    def publish(*_: object) -> None:
        raise error

    return publish


@pytest.mark.parametrize(
    "note", ['["oms.api",' + "[" * 100_000, '{"oms.api": 2}', '{"oms.api": 1}', '"oms.api"']
)
def test_a_note_or_reply_of_other_code_is_ignored(note: str, tmp_path: Path) -> None:
    with journal.open(tmp_path / "book.db") as om:
        assert isinstance(om.journal, SqliteJournal)
        with om.transaction(note=note):
            om.add_order(1, "JPM", Side.BUY, 20, 20)
        om.journal.keep_reply(note)
        assert TestClient(create_app(om)).get("/ready").json()["orders"] == 1


class LaterTrade(NewTrade):
    """A body of a later version, with a new optional field that comes first in the alphabet."""

    account: int | None = None


class LaterAmendment(Amendment):
    """A body of a later version, with a new optional field that comes first in the alphabet."""

    account: int | None = None


def test_a_new_optional_field_does_not_change_the_digests_of_old_requests() -> None:
    for later, (method, path, body, digest) in ((LaterTrade, DIGESTS[2]), (LaterAmendment, DIGESTS[3])):
        assert digest_of(method, path, later.model_validate(body).explicit_fields()) == digest
        with_account = later.model_validate({**(body or {}), "account": 1})
        assert digest_of(method, path, with_account.explicit_fields()) != digest


def test_a_retry_across_an_upgrade_with_a_new_optional_field_gets_the_first_response(
    om: OrderManagement,
) -> None:
    responses = FirstResponses()
    restore(om, responses)
    changes = IdempotentChanges(om, responses)
    body = {**JPM, "amount": 3}
    first = changes.trade(NewTrade.model_validate(body), "k")
    again = changes.trade(LaterTrade.model_validate(body), "k")
    assert again == first._replace(replayed=True, event=None)
    assert om.available_amount("JPM", Side.BUY) == 27


def test_a_request_during_a_long_transaction_gets_503_and_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("oms.admission.LONGEST_WAIT", 0.0)
    om = books()
    client = client_of(om)
    with om.transaction():
        for response in (client.post("/orders", json={**ORDER, "order_id": 9}), client.get("/symbols")):
            rejection = problem(response)
            assert (rejection["status"], rejection["code"]) == (503, "not_ready")
            assert "transaction" in rejection["reason"]
    assert client.post("/orders", json={**ORDER, "order_id": 9}).status_code == 201


def test_a_retry_is_not_made_again_after_a_missed_event_and_another_change() -> None:
    store = memory_journal.FailingJournal()
    om = OrderManagement(store)
    om.add_order(1, "JPM", Side.BUY, 100, 5)
    client = TestClient(create_app(om), raise_server_exceptions=False)
    store.error, store.stores_batch = MemoryError(), True
    body = {"symbol": "JPM", "side": "BUY", "amount": 7}
    assert client.post("/trades", json=body, headers=keyed("k")).status_code == 500
    om.add_order(2, "JPM", Side.BUY, 1, 9)
    assert client.post("/trades", json=body, headers=keyed("k")).headers[REPLAYED_HEADER] == "true"
    assert om.get_order(1).amount == 93


def test_responses_read_an_event_that_was_not_published_although_later_ones_were() -> None:
    om = OrderManagement(MemoryJournal())
    responses = FirstResponses()
    restore(om, responses)
    om._ledger.subscribers.callbacks.clear()
    with om.transaction(to_note("k", "digest")):
        om.add_order(1, "JPM", Side.BUY, 1, 1)
    om.subscribe(responses)
    om.add_order(2, "JPM", Side.BUY, 1, 1)
    assert responses.with_key("k") is None
    assert responses.begin_group(om) == 2
    first = responses.with_key("k")
    assert first is not None
    assert first.sequence == 1


@pytest.mark.parametrize("later", [0, 1, 3])
@pytest.mark.parametrize("missed", [(1,), (2,), (3,), (4,), (1, 2), (2, 3), (3, 4), (2, 4), (2, 3, 4)])
@pytest.mark.parametrize("journal", [MemoryJournal, lambda: opened(MemoryLog())[0]], ids=["memory", "log"])
def test_a_transaction_of_which_events_were_missed_has_its_response(
    journal: Callable[[], Journal], missed: tuple[int, ...], later: int
) -> None:
    om = OrderManagement(journal())
    responses, complete = FirstResponses(), FirstResponses()
    restore(om, responses)
    om._ledger.subscribers.callbacks.clear()
    om.subscribe(complete)
    om.subscribe(lambda event: None if event.sequence in missed else responses(event))
    om.add_order(1, "JPM", Side.BUY, 1, 1)
    for key, number in [("k", 3), ("later", later)]:
        notes = VerbNotes({"key": key, "request": "digest"}, number, ())
        with om.transaction():
            for index in range(number):
                with om.transaction(notes.of(index, is_first=index == 0)):
                    om.add_order(om.last_sequence + 1, "JPM", Side.BUY, 1, 1)
    assert responses.begin_group(om) == 4 + later
    assert complete.with_key("k") is not None
    assert [responses.with_key(key) for key in ("k", "later")] == [
        complete.with_key(key) for key in ("k", "later")
    ]
    assert responses.sequence == 4 + later


def test_the_later_of_two_stored_responses_is_valid_in_whichever_order_they_are_read() -> None:
    """A process was interrupted twice after it had stored a reply, and a retry then stored an event."""
    order = Order(1, "JPM", Side.BUY, 20, 20)
    replies = [to_reply("k", FirstResponse(0, order, "digest", made_change=False)) for _ in range(2)]
    replies[1] = replies[1].replace('"sequence":0', '"sequence":5')
    event = OrderAdded(order, sequence=7, note=to_note("k", "digest"))
    orders: list[tuple[list[str | OrderAdded], int]] = [
        ([*replies], 5),
        ([*replies, event], 7),
        ([replies[0], event, replies[1]], 7),
        ([event, *replies], 7),
    ]
    for steps, sequence in orders:
        responses = FirstResponses()
        for step in steps:
            if isinstance(step, str):
                responses.record_reply(step)
            else:
                responses(step)
        found = responses.with_key("k")
        assert found is not None
        assert found.sequence == sequence
