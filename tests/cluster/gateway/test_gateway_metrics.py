"""The metrics of a gateway itself, and those of a shard."""

from __future__ import annotations

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families as parse_text

from oms.api import Settings
from support.api_books import problem
from support.clusters import NAMES, MemoryCluster


@pytest.fixture(scope="module")
def cluster() -> MemoryCluster:
    return MemoryCluster(settings=Settings(access_log=False))


def samples(response: httpx.Response) -> dict[tuple[str, tuple[str, ...]], float]:
    """Return the value of each sample by its name and the values of its labels."""
    assert response.status_code == 200
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in parse_text(response.text)
        for sample in family.samples
    }


def test_without_a_shard_the_metrics_are_those_of_the_gateway(
    cluster: MemoryCluster, http: httpx.Client
) -> None:
    for _ in range(3):
        http.get("/best-price", params={"symbol": "JPM", "side": "BUY"})
    http.get("/nothing")
    cluster.network.sent.clear()
    response = http.get("/metrics")
    values = samples(response)
    assert cluster.network.sent == []
    assert "oms-shard" not in response.headers
    assert values["oms_requests_total", ("GET", "/best-price", "200")] == 3
    assert values["oms_requests_total", ("GET", "unknown", "404")] == 1
    assert values["oms_request_seconds_count", ("GET", "/best-price", "200")] == 3
    assert values["oms_streams", ()] == 0
    assert {labels for name, labels in values if name == "oms_build_info"} == {
        labels for name, labels in values if name == "oms_build_info" and "gateway" in labels
    }
    assert "oms_orders" not in {name for name, _ in values}


def test_the_metrics_say_which_shards_have_a_worker(cluster: MemoryCluster, http: httpx.Client) -> None:
    cluster.kill("s2")
    values = samples(http.get("/metrics"))
    cluster.take_over("s2")
    assert {name: values["oms_shard_has_worker", (name,)] for name in NAMES} == {"s1": 1, "s2": 0, "s3": 1}


def test_with_a_shard_or_a_symbol_the_metrics_are_those_of_its_worker(http: httpx.Client) -> None:
    for query, shard in (("shard=s2", "s2"), ("symbol=JPM", "s1")):
        response = http.get(f"/metrics?{query}")
        assert (response.status_code, response.headers["oms-shard"]) == (200, shard)
        assert "oms_shard_has_worker" not in response.text


@pytest.mark.parametrize("query", ["shard=s9", "x=1", "shard="])
def test_another_query_parameter_is_rejected(http: httpx.Client, query: str) -> None:
    assert problem(http.get(f"/metrics?{query}"))["code"] == "invalid_order"
