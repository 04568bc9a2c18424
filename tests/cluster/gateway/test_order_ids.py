"""The id of an order belongs to one shard."""

from __future__ import annotations

import httpx
import pytest

from oms.contract import id_as_path
from support.api_books import problem
from support.clusters import NAMES, MemoryCluster
from support.gateway_requests import n, order


def test_an_id_that_another_shard_has_is_a_duplicate(cluster: MemoryCluster, http: httpx.Client) -> None:
    http.post("/orders", json=order(n(1), "s1"))
    rejected = problem(http.post("/orders", json=order(n(1), "s2")))
    assert (rejected["status"], rejected["code"], rejected["order_id"]) == (409, "duplicate_order", n(1))
    assert rejected["detail"] == (
        f"order id {n(1)} belongs to shard s1, because it was first sent with a symbol of that shard, but"
        " the symbol of this order is in shard s2; use a new order id"
    )
    assert len(cluster.books["s2"]) == 0


def test_an_id_stays_with_its_shard_after_its_order_was_removed(http: httpx.Client) -> None:
    http.post("/orders", json=order(n(1), "s1"))
    http.delete(f"/orders/{n(1)}")
    assert problem(http.post("/orders", json=order(n(1), "s2")))["code"] == "duplicate_order"


@pytest.mark.parametrize("zeros", [1, 20, 80])
def test_an_order_is_found_by_an_id_with_leading_zeros_as_in_a_service(
    http: httpx.Client, zeros: int
) -> None:
    http.post("/orders", json=order(n(1), "s3"))
    path = f"/orders/{'0' * zeros}{n(1)}"
    assert http.get(path).json()["order_id"] == n(1)
    assert http.delete(path).status_code == 200


def test_an_id_with_too_many_digits_is_rejected_as_in_a_service(http: httpx.Client) -> None:
    http.post("/orders", json=order(n(1), "s3"))
    assert problem(http.get(f"/orders/{'0' * 100}{n(1)}"))["code"] == "invalid_order"


def test_a_rejected_order_keeps_its_id_in_the_shard_that_it_was_sent_to(
    engines: MemoryCluster, engine_http: httpx.Client
) -> None:
    fill_or_kill = order(f"x{n(0)}", "s1", time_in_force="FOK", post_only="REJECT")
    assert problem(engine_http.post("/submissions", json=fill_or_kill))["code"] == "invalid_order"
    assert engines.directory.shards == {}  # a worker would have rejected it too
    engine_http.post("/submissions", json=order(f"x{n(0)}", "s1"))
    assert (
        problem(engine_http.post("/submissions", json=order(f"x{n(0)}", "s2")))["code"] == "duplicate_order"
    )


def test_an_order_is_not_sent_to_its_shard_unless_its_id_was_claimed(
    cluster: MemoryCluster, http: httpx.Client
) -> None:
    for fault in ("lost", "unanswered"):
        cluster.directory.plan = [fault]
        response = http.post("/orders", json=order(n(1), "s1"))
        rejected = problem(response)
        assert (rejected["status"], rejected["code"]) == (503, "shard_unavailable")
        assert rejected["may_have_changed"] is False
        assert response.headers["retry-after"] == "1"
    assert cluster.network.sent == []
    assert http.post("/orders", json=order(n(1), "s1")).status_code == 201


def test_a_directory_that_does_not_respond_stops_only_requests_with_unknown_ids(
    cluster: MemoryCluster, http: httpx.Client
) -> None:
    http.post("/orders", json=order(n(1), "s1"))
    cluster.directory.plan = ["lost"] * 9
    assert problem(http.get(f"/orders/{n(2)}"))["code"] == "shard_unavailable"
    assert http.get(f"/orders/{n(1)}").status_code == 200
    assert http.get("/best-price", params={"symbol": "JPM", "side": "BUY"}).json()["price"] == 9


def test_the_ids_of_engines_are_integers_or_text_and_can_contain_any_characters(
    engines: MemoryCluster, engine_http: httpx.Client
) -> None:
    ids: list[int | str] = [n(7), str(n(7)), "a/b c", "\u00e4\n", 2**200, "x" * 300]
    for number, order_id in enumerate(ids):
        body = order(str(order_id) if order_id == 2**200 else order_id, NAMES[number % 3])
        assert engine_http.post("/submissions", json=body).status_code == 201
    assert set(engines.directory.shards) == set(ids)
    for number, order_id in enumerate(ids):
        response = engine_http.get(f"/queue-ahead/{id_as_path(order_id)}")
        assert (response.status_code, response.headers["oms-shard"]) == (200, NAMES[number % 3])
        assert engine_http.delete(f"/orders/{id_as_path(order_id)}").status_code == 200


def test_an_engine_may_use_an_id_again_in_the_same_shard_but_not_in_another(
    engine_http: httpx.Client,
) -> None:
    engine_http.post("/submissions", json=order(f"x{n(0)}", "s1"))
    engine_http.delete(f"/orders/x{n(0)}")
    assert (
        problem(engine_http.post("/submissions", json=order(f"x{n(0)}", "s2")))["code"] == "duplicate_order"
    )
    assert engine_http.post("/submissions", json=order(f"x{n(0)}", "s1")).status_code == 201


def test_a_reduction_reaches_the_shard_of_its_order(engine_http: httpx.Client) -> None:
    engine_http.post("/submissions", json=order(f"x{n(0)}", "s3"))
    response = engine_http.post("/reductions", json={"order_id": f"x{n(0)}", "amount": 2})
    assert (response.json()["remaining"], response.headers["oms-shard"]) == (3, "s3")
