"""Clusters in memory. The tests of a file share them, because starting one takes longer than most tests."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from support.clusters import MemoryCluster
from support.gateway_requests import Ids, client_for


@pytest.fixture(autouse=True)
def ids() -> None:
    Ids.first += 1_000


@pytest.fixture(scope="module")
def books_cluster() -> MemoryCluster:
    return MemoryCluster()


@pytest.fixture(scope="module")
def engine_cluster() -> MemoryCluster:
    return MemoryCluster(engine=True)


@pytest.fixture
def cluster(books_cluster: MemoryCluster) -> MemoryCluster:
    books_cluster.reset()
    return books_cluster


@pytest.fixture
def engines(engine_cluster: MemoryCluster) -> MemoryCluster:
    engine_cluster.reset()
    return engine_cluster


@pytest.fixture
def http(cluster: MemoryCluster) -> Iterator[httpx.Client]:
    with client_for(cluster.gateway) as client:
        yield client


@pytest.fixture
def engine_http(engines: MemoryCluster) -> Iterator[httpx.Client]:
    with client_for(engines.gateway) as client:
        yield client
