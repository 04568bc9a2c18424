"""The books of a worker's shard reject orders in the symbols of other shards."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from oms import InvalidOrderError, MatchingEngine, Order, OrderManagement, Side
from oms.cluster.log.following_journal import FollowingJournal
from oms.cluster.ownership.shards import Shards
from oms.cluster.worker.replica import Replica
from support.api_books import problem
from support.replicated_log import Connection, MemoryLog, impatient

SHARDS = Shards(["s1", "s2", "s3"])
OWN, OTHER = "JPM", "AAPL"  # AAPL belongs to s2
BUY = Side.BUY


def owner_of(shards: Shards | None, *, engine: bool = False) -> Replica:
    """Return the copy of s1 that owns it."""
    journal = FollowingJournal(Connection(MemoryLog("s1")), patience=impatient())
    replica = Replica("s1", journal, engine=engine, shards=shards)
    replica.promote("a worker")
    return replica


def changes_of(books: Any) -> list[Any]:
    """Return a function for each way to add orders, which adds two orders with this symbol in one of them."""
    if isinstance(books, MatchingEngine):
        return [lambda symbol: books.submit(1, symbol, BUY, 20, 20)]
    return [
        lambda symbol: books.add_order(1, symbol, BUY, 20, 20),
        lambda symbol: books.add_orders([Order(2, OWN, BUY, 20, 20), Order(3, symbol, BUY, 20, 20)]),
        lambda symbol: books.add_orders(
            {"order_id": [4, 5], "symbol": [OWN, symbol], "side": BUY, "amount": [1, 1], "price": [1, 1]}
        ),
    ]


@pytest.mark.parametrize("engine", [False, True])
def test_an_order_in_a_symbol_of_another_shard_is_rejected_and_changes_nothing(engine: bool) -> None:
    books = owner_of(SHARDS, engine=engine).books
    before = books.state_hash()
    for change in changes_of(books):
        with pytest.raises(InvalidOrderError, match=r"a symbol of shard s1, not 'AAPL'.*to shard s2, or"):
            change(OTHER)
        assert (books.state_hash(), books.last_sequence) == (before, 0)
    for change in changes_of(books):
        change(OWN)
    assert books.symbols() == (OWN,)


@pytest.mark.parametrize("engine", [False, True])
def test_all_symbols_belong_to_a_shard_that_is_alone(engine: bool) -> None:
    for change in changes_of(owner_of(None, engine=engine).books):
        change(OTHER)


@pytest.mark.parametrize("engine", [False, True])
def test_a_request_to_the_worker_of_a_wrong_shard_gets_the_problem_of_an_invalid_order(engine: bool) -> None:
    replica = owner_of(SHARDS, engine=engine)
    order = {"order_id": 1, "symbol": OTHER, "side": "BUY", "amount": 20, "price": 20}
    verb = {"verb": "submit" if engine else "add_order", **order}
    with TestClient(replica.app) as http:
        for path, body in (
            ("/submissions" if engine else "/orders", order),
            ("/transactions", {"verbs": [verb]}),
            ("/what-if", {"verbs": [verb]}),
        ):
            rejected = problem(http.post(path, json=body, headers={"Idempotency-Key": path}))
            assert (rejected["code"], rejected["field"]) == ("invalid_order", "symbol")
    assert replica.books.last_sequence == 0


def test_a_value_that_is_no_symbol_is_rejected_as_by_other_books() -> None:
    books: Any = owner_of(SHARDS).books
    values: list[Any] = [7, None, ""]
    for symbol in values:
        with pytest.raises(InvalidOrderError) as caught:
            books.add_order(1, symbol, BUY, 20, 20)
        with pytest.raises(InvalidOrderError) as expected:
            OrderManagement().add_order(1, symbol, BUY, 20, 20)
        assert str(caught.value) == str(expected.value)
