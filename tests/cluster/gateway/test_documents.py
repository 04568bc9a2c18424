"""The page and the documentation come from the gateway itself, and describe how to name a shard."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from oms.api.page import PATHS
from oms.client import InProcess
from oms.cluster.gateway.routes import BOOKS, ENGINE, Rule
from support.clusters import NAMES, MemoryCluster


def content_of(cluster: MemoryCluster, path: str) -> httpx.Response:
    with httpx.Client(base_url="http://oms", transport=InProcess(cluster.gateway)) as client:
        response = client.get(path)
    assert (response.status_code, cluster.network.sent) == (200, [])
    return response


def parameters(document: dict[str, Any], method: str, path: str) -> dict[str, dict[str, Any]]:
    listed = document["paths"][path][method.lower()].get("parameters", [])
    return {each["name"]: each for each in listed if each["in"] == "query"}


@pytest.mark.parametrize("engine", [False, True])
def test_the_page_and_its_files_need_no_worker(engine: bool) -> None:
    cluster = MemoryCluster(engine=engine)
    for name in NAMES:
        cluster.kill(name)
    for path in sorted(PATHS):
        content_of(cluster, path)
    page = content_of(cluster, "/").text
    assert ('src="page/engine.js"' in page, "<body data-shards>" in page) == (engine, True)
    assert "<form" in content_of(cluster, "/docs").text


@pytest.mark.parametrize(("engine", "rows"), [(False, BOOKS), (True, ENGINE)])
def test_the_document_has_the_parameters_that_choose_a_shard(
    engine: bool, rows: dict[tuple[str, str], Rule]
) -> None:
    document = content_of(MemoryCluster(engine=engine), "/openapi.json").json()
    listed = {(method.upper(), path) for path, each in document["paths"].items() for method in each}
    choosing = {
        (method, path): rule
        for (method, path), rule in rows.items()
        if rule in (Rule.SHARD, Rule.SHARD_OR_SYMBOL, Rule.SHARD_OR_ANY_SYMBOL, Rule.BODY_OR_SHARD)
        and (method, path) in listed
    }
    assert choosing
    for method, path in listed:
        names = parameters(document, method, path)
        rule = choosing.get((method, path))
        assert ("shard" in names) is (rule is not None)
        if rule is not None:
            assert names["shard"]["schema"] == {"type": "string", "enum": list(NAMES)}
            assert names["shard"]["required"] is (rule is Rule.SHARD)
            assert ("symbol" in names) is (rule in (Rule.SHARD_OR_SYMBOL, Rule.SHARD_OR_ANY_SYMBOL))


def test_in_a_cluster_of_one_shard_no_request_needs_to_name_it() -> None:
    document = content_of(MemoryCluster(["s1"], engine=True), "/openapi.json").json()
    assert parameters(document, "POST", "/expirations")["shard"]["required"] is False
