"""A cluster of three NATS servers that the tests of this folder share. Each test uses its own shard."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from support.nats_cluster import NatsCluster, running_cluster, server_binary

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
