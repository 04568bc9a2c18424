"""Requests that name their shard or a symbol in the query."""

from __future__ import annotations

import httpx
import pytest

from support.api_books import problem
from support.clusters import NAMES, SYMBOLS, MemoryCluster
from support.gateway_requests import client_for, n, order

CHOSEN = [("GET", "/events"), ("GET", "/trades"), ("GET", "/state-hash")]


@pytest.mark.parametrize(("method", "path"), CHOSEN)
def test_a_request_about_one_shard_names_it_or_a_symbol(http: httpx.Client, method: str, path: str) -> None:
    for shard in NAMES:
        for query in (f"shard={shard}", f"symbol={SYMBOLS[shard]}"):
            response = http.request(method, f"{path}?{query}")
            assert (response.status_code, response.headers["oms-shard"]) == (200, shard)
    rejected = problem(http.request(method, path))
    assert (rejected["status"], rejected["code"], rejected["shards"]) == (422, "shard_required", list(NAMES))
    assert rejected["detail"] == (
        f"{method} {path} concerns one shard; add ?shard=NAME with one of s1, s2, s3, or ?symbol=SYMBOL for"
        " the shard of a symbol"
    )
    rejected = problem(http.request(method, f"{path}?shard=s4"))
    assert (rejected["code"], rejected["field"], rejected["allowed"]) == (
        "invalid_order",
        "shard",
        "one of s1, s2, s3",
    )


def test_the_other_parameters_of_a_request_with_a_shard_reach_the_worker(
    cluster: MemoryCluster, http: httpx.Client
) -> None:
    for order_id in range(5):
        http.post("/orders", json=order(n(order_id), "s1"))
    after = cluster.books["s1"].last_sequence - 4
    page = http.get(f"/events?after={after}&shard=s1&limit=2").json()
    assert [event["sequence"] for event in page["events"]] == [after + 1, after + 2]
    assert cluster.network.sent[-1].url.raw_path == f"/events?after={after}&limit=2".encode()


def test_all_orders_of_engines_are_canceled_for_one_symbol_or_one_shard(
    engines: MemoryCluster, engine_http: httpx.Client
) -> None:
    for number, shard in enumerate(NAMES):
        engine_http.post("/submissions", json=order(n(number), shard))
        engine_http.post("/submissions", json=order(f"t{n(number)}", shard, time_in_force="DAY"))
    assert problem(engine_http.delete("/orders"))["code"] == "shard_required"
    assert len(engine_http.delete("/orders?symbol=JPM").json()["orders"]) == 2
    assert len(engine_http.delete("/orders?shard=s2&side=BUY").json()["orders"]) == 2
    assert problem(engine_http.post("/day-ends", json={}))["code"] == "shard_required"
    assert len(engine_http.post("/day-ends", json={"symbol": "IBM"}).json()["orders"]) == 1
    assert engine_http.post("/day-ends?shard=s3", json={}).json()["orders"] == []
    for query, body in (("symbol=IBM", {}), ("shard=s1", {"symbol": "IBM"}), ("shard=s4", {})):
        rejected = problem(engine_http.post(f"/day-ends?{query}", json=body))
        assert (rejected["code"], rejected["field"]) == ("invalid_order", query.partition("=")[0])
    assert problem(engine_http.post("/expirations?symbol=IBM", json={"now": 9}))["detail"] == (
        "POST /expirations concerns one shard; add ?shard=NAME with one of s1, s2, s3"
    )
    assert problem(engine_http.post("/expirations", json={"now": 9}))["code"] == "shard_required"
    assert engine_http.post("/expirations?shard=s3", json={"now": 9}).json()["orders"] == []
    assert [len(engines.books[name]) for name in NAMES] == [0, 0, 1]


def test_a_query_that_names_two_shards_or_a_symbol_of_another_shard_is_rejected(
    cluster: MemoryCluster, http: httpx.Client
) -> None:
    for path, field, allowed in (
        ("/events?shard=s1&shard=s1&symbol=JPM", "shard", "given once"),
        ("/events?shard=s1&shard=s2&symbol=JPM", "shard", "given once"),
        ("/events?shard=s2&symbol=JPM", "symbol", "a symbol of shard s2"),
        ("/metrics?shard=s2&symbol=JPM", "symbol", "a symbol of shard s2"),
    ):
        rejected = problem(http.get(path))
        assert (rejected["code"], rejected["field"], rejected["allowed"]) == ("invalid_order", field, allowed)
    assert cluster.network.sent == []
    assert http.get("/events?shard=s1&symbol=JPM").status_code == 200


def test_canceling_all_orders_of_a_symbol_in_a_shard_that_does_not_have_it_is_an_error(
    engines: MemoryCluster, engine_http: httpx.Client
) -> None:
    engine_http.post("/submissions", json=order(n(1), "s1"))
    for query in ("shard=s2&symbol=JPM", "shard=s1&shard=s2&symbol=JPM"):
        assert problem(engine_http.delete(f"/orders?{query}"))["code"] == "invalid_order"
    assert len(engines.books["s1"]) == 1
    assert len(engine_http.delete("/orders?shard=s1&symbol=JPM").json()["orders"]) == 1


def test_a_cluster_of_one_shard_needs_no_choice_and_no_claims() -> None:
    cluster = MemoryCluster(["main"])
    with client_for(cluster.gateway) as http:
        orders = [order(n(1), "s1"), order(n(2), "s2")]
        assert http.post("/orders", json=orders).status_code == 201
        for path in ("/events", "/trades", "/state-hash", "/symbols", "/count", "/orders"):
            response = http.get(path)
            assert (response.status_code, response.headers["oms-shard"]) == (200, "main")
            assert http.get(f"{path}?shard=main").status_code in (200, 422)
    assert cluster.directory.calls == []
