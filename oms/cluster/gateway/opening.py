"""Open a gateway to a cluster of NATS servers and workers."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, Literal

from fastapi import FastAPI

from oms.api.settings import Settings
from oms.cluster.gateway.app import create_gateway
from oms.cluster.gateway.jetstream_directory import JetStreamDirectory
from oms.cluster.gateway.registry_members import RegistryMembers
from oms.cluster.jetstream.jetstream_bucket import JetStreamBucket
from oms.cluster.jetstream.unsafe import marked_lines
from oms.cluster.ownership.agreement import BUCKET, agreed
from oms.cluster.ownership.shards import Shards

__all__ = ["open_gateway"]


@contextmanager
def open_gateway(
    servers: str | Sequence[str],
    settings: Settings | None = None,
    *,
    replicas: int | None = None,
    reads_from: Literal["owner", "standby"] = "owner",
    options: Mapping[str, Any] | None = None,
    patience: float = 8.0,
) -> Generator[FastAPI]:
    """Connect to the cluster at `servers`, which is a URL or several URLs. Yield the gateway's application.

    The gateway reads from the cluster which shards there are, and whether they are matching engines. The
    first worker has set both. `replicas` is the number of servers that store each claimed order id. By
    default, this is the number of servers that store the registry of the workers. `options` are further
    arguments of `nats.connect`. `create_gateway` describes `settings`, `reads_from`, and `patience`.

    Raises JournalError if the cluster cannot be reached, or if no worker has ever started.
    """
    urls = [servers] if isinstance(servers, str) else list(servers)
    with closing(JetStreamBucket(urls, BUCKET, create=False, options=options)) as bucket:
        decided = agreed(bucket, None)
        shards = Shards(decided.shards)
        with (
            marked_lines(unsafe=decided.unsafe),
            closing(
                JetStreamDirectory(
                    urls,
                    shards,
                    replicas=replicas or bucket.replicas,
                    unsafe=decided.unsafe,
                    options=options,
                )
            ) as directory,
            closing(RegistryMembers(bucket, shards.names)) as members,
        ):
            yield create_gateway(
                shards,
                directory,
                members,
                settings,
                engine=decided.engine,
                reads_from=reads_from,
                patience=patience,
            )
