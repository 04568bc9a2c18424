"""The readiness of a cluster."""

from __future__ import annotations

import httpx
import pytest

from oms import JournalError, OrderManagement, Side
from oms.api import Settings
from oms.client import InProcess
from support.api_books import problem
from support.clusters import NAMES, MemoryCluster


@pytest.fixture
def cluster() -> MemoryCluster:
    return MemoryCluster(patience=60)


def test_a_cluster_is_ready_if_all_shards_are_and_adds_their_numbers(
    cluster: MemoryCluster, http: httpx.Client
) -> None:
    for number, name in enumerate(NAMES, 1):
        for order_id in range(number):
            cluster.books[name].add_order(order_id, "X", Side.BUY, 1, 1)
    response = http.get("/ready")
    assert response.status_code == 200
    assert response.json() == {"ready": True, "durable": True, "sequence": 6, "orders": 6}


def test_a_shard_without_a_worker_is_named_at_once(cluster: MemoryCluster, http: httpx.Client) -> None:
    cluster.kill("s2")
    former = cluster.books["s3"]
    cluster.take_over("s3", silently=True)  # the gateway only knows the former worker, which is fenced
    with pytest.raises(JournalError, match="another writer has taken over"):
        former.add_order(1, "IBM", Side.BUY, 1, 1)
    rejected = problem(http.get("/ready"))
    assert (rejected["status"], rejected["code"], rejected["shards"]) == (503, "not_ready", ["s2", "s3"])
    first, second = rejected["reason"].split("; ")
    assert first == "shard s2: it has no worker"
    assert second.startswith("shard s3: it is read-only until it is opened again: another writer has taken")
    cluster.take_over("s2")
    cluster.take_over("s3")
    assert http.get("/ready").status_code == 200


def test_a_worker_that_does_not_respond_is_named_at_once(cluster: MemoryCluster, http: httpx.Client) -> None:
    address = cluster.addresses.address("s1")
    assert address is not None
    cluster.network.remove(address)
    reason = problem(http.get("/ready"))["reason"]
    assert reason == f"shard s1: {address} did not respond: ConnectError: connection refused"


def test_the_gateway_is_alive_even_without_workers(cluster: MemoryCluster, http: httpx.Client) -> None:
    for name in NAMES:
        cluster.kill(name)
    response = http.get("/health")
    assert (response.status_code, response.json()) == (200, {"alive": True})
    assert http.head("/health").status_code == 200


def test_a_gateway_that_shuts_down_is_not_ready(cluster: MemoryCluster, http: httpx.Client) -> None:
    cluster.gateway.state.is_shutting_down = True
    assert problem(http.get("/ready"))["reason"] == "the service is shutting down"


def test_without_a_key_the_response_contains_no_numbers() -> None:
    key = "correct-horse-battery"
    cluster = MemoryCluster(worker_settings=Settings(api_key=key))
    with httpx.Client(base_url="http://oms", transport=InProcess(cluster.gateway)) as http:
        hidden = {"ready": True, "durable": True, "sequence": None, "orders": None}
        assert http.get("/ready").json() == hidden
        shown = http.get("/ready", headers={"Authorization": f"Bearer {key}"}).json()
        assert shown == {**hidden, "sequence": 0, "orders": 0}
        assert problem(http.get("/ready", headers={"Authorization": "Bearer wrong"}))["code"] == "not_ready"


def test_a_cluster_of_books_without_a_journal_is_not_durable(
    cluster: MemoryCluster, http: httpx.Client
) -> None:
    cluster.serve("s1", OrderManagement())
    assert http.get("/ready").json()["durable"] is False
