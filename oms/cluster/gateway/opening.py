"""A gateway to a cluster of NATS servers and workers."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any

from fastapi import FastAPI

from oms.api.settings import Settings
from oms.cluster.agreement import BUCKET, agreed
from oms.cluster.gateway.app import create_gateway
from oms.cluster.gateway.jetstream_directory import JetStreamDirectory
from oms.cluster.gateway.registry_members import RegistryMembers
from oms.cluster.jetstream_bucket import JetStreamBucket
from oms.cluster.shards import Shards

__all__ = ["open_gateway"]


@contextmanager
def open_gateway(
    servers: str | Sequence[str],
    settings: Settings | None = None,
    *,
    replicas: int = 3,
    options: Mapping[str, Any] | None = None,
    patience: float = 8.0,
) -> Generator[FastAPI]:
    """Connect to the cluster at `servers`, which is a URL or several URLs. Yield the gateway's application.

    The names of the shards, and whether they are matching engines, are those that the first worker has
    decided. `replicas` is the number of servers that store each claimed order id, and `options` are further
    arguments of `nats.connect`. `create_gateway` describes `settings` and `patience`.

    Raises JournalError if the cluster cannot be reached, or if no worker has ever started.
    """
    urls = [servers] if isinstance(servers, str) else list(servers)
    with closing(JetStreamBucket(urls, BUCKET, create=False, options=options)) as bucket:
        decided = agreed(bucket, None)
        shards = Shards(decided.shards)
        with (
            closing(JetStreamDirectory(urls, shards, replicas=replicas, options=options)) as directory,
            closing(RegistryMembers(bucket, shards.names)) as members,
        ):
            yield create_gateway(
                shards, directory, members, settings, engine=decided.engine, patience=patience
            )
