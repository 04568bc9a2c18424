"""Requests with several symbols or orders, which must all be in one shard."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from support.api_books import problem
from support.clusters import NAMES, SYMBOLS, MemoryCluster
from support.gateway_requests import Json, n, order


def add(order_id: int, shard: str) -> Json:
    return {"verb": "add_order", **order(order_id, shard)}


def remove(order_id: int) -> Json:
    return {"verb": "remove_order", "order_id": order_id}


def trade(shard: str) -> Json:
    return {"verb": "place_trade", "symbol": SYMBOLS[shard], "side": "BUY", "amount": 1}


def test_a_list_of_orders_of_one_shard_is_added_as_a_whole(
    cluster: MemoryCluster, http: httpx.Client
) -> None:
    orders = [order(n(1), "s1"), {**order(n(2), "s1"), "symbol": "TSLA"}]
    response = http.post("/orders", json=orders)
    assert (response.status_code, response.json()["count"]) == (201, 2)
    assert cluster.books["s1"].symbols() == ("JPM", "TSLA")


def test_a_list_of_orders_of_two_shards_is_rejected_and_claims_nothing(
    cluster: MemoryCluster, http: httpx.Client
) -> None:
    rejected = problem(http.post("/orders", json=[order(n(1), "s1"), order(n(2), "s2")]))
    assert (rejected["status"], rejected["code"]) == (422, "across_shards")
    assert rejected["subjects"] == ["symbol 'JPM'", "symbol 'AAPL'"]
    assert rejected["shards"] == ["s1", "s2"]
    assert rejected["detail"] == (
        "all symbols and orders of a request must be in one shard, but symbol 'JPM' is in shard s1, and"
        " symbol 'AAPL' is in shard s2; send one request for each shard"
    )
    assert cluster.network.sent == []
    assert cluster.directory.shards == {}


def test_a_list_with_an_id_of_another_shard_claims_no_other_id(
    cluster: MemoryCluster, http: httpx.Client
) -> None:
    http.post("/orders", json=order(n(2), "s2"))
    rejected = problem(http.post("/orders", json=[order(n(1), "s1"), order(n(2), "s1")]))
    assert (rejected["code"], rejected["order_id"]) == ("duplicate_order", n(2))
    assert cluster.directory.shards == {n(2): "s2"}


def test_a_transaction_within_a_shard_is_made_as_a_whole(cluster: MemoryCluster, http: httpx.Client) -> None:
    http.post("/orders", json=order(n(1), "s2"))
    verbs = [add(n(2), "s2"), trade("s2"), remove(n(1)), remove(n(99))]
    rejected = problem(http.post("/transactions", json={"verbs": verbs}))
    assert (rejected["code"], rejected["index"]) == ("order_not_found", 3)
    assert [each.order_id for each in cluster.books["s2"].orders()] == [n(1)]
    response = http.post("/transactions", json={"verbs": verbs[:3]})
    assert (response.status_code, response.headers["oms-shard"]) == (201, "s2")
    assert [each.order_id for each in cluster.books["s2"].orders()] == [n(2)]


ACROSS: dict[str, Callable[[], tuple[list[Json], list[str]]]] = {
    "two new orders": lambda: ([add(n(3), "s1"), add(n(4), "s2")], ["symbol 'JPM'", "symbol 'AAPL'"]),
    "a new order and a trade": lambda: ([add(n(3), "s1"), trade("s3")], ["symbol 'JPM'", "symbol 'IBM'"]),
    "two known orders": lambda: ([remove(n(1)), remove(n(2))], [f"order {n(1)}", f"order {n(2)}"]),
    "a trade and a known order": lambda: (
        [remove(n(1)), trade("s2")],
        ["symbol 'AAPL'", f"order {n(1)}"],
    ),
    "an amendment": lambda: (
        [{"verb": "amend_order", "order_id": n(2), "amount": 1}, trade("s1")],
        ["symbol 'JPM'", f"order {n(2)}"],
    ),
}


@pytest.mark.parametrize("name", ACROSS)
@pytest.mark.parametrize("path", ["/transactions", "/what-if"])
def test_a_transaction_or_a_what_if_across_shards_is_rejected_and_changes_nothing(
    cluster: MemoryCluster, http: httpx.Client, path: str, name: str
) -> None:
    http.post("/orders", json=order(n(1), "s1"))
    http.post("/orders", json=order(n(2), "s2"))
    before = len(cluster.network.sent)
    verbs, subjects = ACROSS[name]()
    rejected = problem(http.post(path, json={"verbs": verbs}))
    assert (rejected["code"], rejected["subjects"]) == ("across_shards", subjects)
    assert len(cluster.network.sent) == before
    assert cluster.directory.shards == {n(1): "s1", n(2): "s2"}


def test_a_transaction_may_name_an_order_that_it_adds_itself(http: httpx.Client) -> None:
    response = http.post("/transactions", json={"verbs": [add(n(1), "s3"), remove(n(1))]})
    assert (response.status_code, response.headers["oms-shard"]) == (201, "s3")


def test_a_what_if_claims_nothing(cluster: MemoryCluster, http: httpx.Client) -> None:
    question = {"question": "price", "symbol": "JPM", "side": "BUY", "amount": 5}
    response = http.post("/what-if", json={"verbs": [add(n(1), "s1")], "questions": [question]})
    assert (response.json()["answers"][0]["total_price"], response.headers["oms-shard"]) == (45, "s1")
    assert cluster.directory.shards == {}


def test_a_what_if_with_an_id_of_another_shard_has_a_duplicate(http: httpx.Client) -> None:
    http.post("/orders", json=order(n(1), "s2"))
    rejected = problem(http.post("/what-if", json={"verbs": [add(n(1), "s1")]}))
    assert (rejected["code"], rejected["order_id"]) == ("duplicate_order", n(1))


@pytest.mark.parametrize("question", ["symbols", "count"])
def test_a_what_if_cannot_ask_about_all_shards(http: httpx.Client, question: str) -> None:
    rejected = problem(http.post("/what-if", json={"questions": [{"question": question}]}))
    assert (rejected["code"], rejected["shards"]) == ("across_shards", list(NAMES))
    assert rejected["detail"] == (
        f"all symbols and orders of a request must be in one shard, but the question {question} concerns all"
        " 3 shards; send one request for each shard"
    )


def test_a_transaction_of_engines_reaches_the_shard_of_its_symbols_and_orders(
    engines: MemoryCluster, engine_http: httpx.Client
) -> None:
    engine_http.post("/submissions", json=order(f"x{n(0)}", "s1"))
    verbs: list[Json] = [
        {"verb": "submit", **order(f"y{n(0)}", "s1")},
        {"verb": "replace", "order_id": f"x{n(0)}", "price": 3},
        {"verb": "reduce", "order_id": f"x{n(0)}", "amount": 1},
        {"verb": "cancel", "order_id": f"y{n(0)}"},
        {"verb": "cancel_all", "symbol": "JPM"},
    ]
    response = engine_http.post("/transactions", json={"verbs": verbs})
    assert (response.status_code, response.headers["oms-shard"]) == (201, "s1")
    for other in ({"verb": "submit", **order(f"z{n(0)}", "s2")}, {"verb": "cancel_all", "symbol": "IBM"}):
        rejected = problem(engine_http.post("/transactions", json={"verbs": [*verbs, other]}))
        assert rejected["code"] == "across_shards"
    rejected = problem(engine_http.post("/transactions", json={"verbs": [{"verb": "cancel_all"}]}))
    assert rejected["subjects"] == ["cancel_all without a symbol"]
    assert set(engines.directory.shards) == {f"x{n(0)}", f"y{n(0)}"}
