"""Clusters of three NATS servers. Tests that share one use a shard of their own."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from oms.cluster.jetstream.jetstream_journal import open_log
from oms.cluster.jetstream.jetstream_log import JetStreamLog
from support.nats_cluster import NatsCluster, running_cluster, server_binary
from support.worker_process import Processes, running_processes

_shards = count(1)


@pytest.fixture(scope="session")
def nats_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsCluster]:
    """Three servers that sync each message to the disk."""
    if server_binary() is None:
        pytest.skip("nats-server is not installed")
    with running_cluster(tmp_path_factory.mktemp("nats")) as cluster:
        yield cluster


@pytest.fixture
def shard() -> str:
    """The name of a shard that no other test uses."""
    return f"test-{next(_shards)}"


@pytest.fixture
def log(nats_cluster: NatsCluster, shard: str) -> Iterator[JetStreamLog]:
    """The log of a shard that no other test uses."""
    log = open_log(nats_cluster.urls, shard, monitoring=nats_cluster.monitoring)
    yield log
    log.close()


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[NatsCluster]:
    """Three servers that only one test uses, so that it may kill them."""
    if server_binary() is None:
        pytest.skip("nats-server is not installed")
    with running_cluster(tmp_path / "nats") as cluster:
        yield cluster


@pytest.fixture
def workers(nats: NatsCluster, tmp_path: Path) -> Iterator[Processes]:
    """The processes of workers and gateways that a test starts."""
    with running_processes(nats, tmp_path) as processes:
        yield processes
