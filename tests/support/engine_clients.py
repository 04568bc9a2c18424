"""Every way to call a MatchingEngine: in the process, and with each client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeAlias, cast

import httpx

from oms import MatchingEngine
from oms.api import Settings, create_app
from oms.client import AsyncEngineClient, EngineClient, InProcess
from oms.cluster.log.log_journal import LogJournal
from oms.submission import OpenOrder
from support.api_server import serving
from support.clients import URL, BlockingClient, never_sleep
from support.clusters import MemoryCluster, one_shard
from support.replicated_log import Connection, MemoryLog, impatient

EngineBackend: TypeAlias = MatchingEngine | EngineClient


class BlockingEngineClient(BlockingClient):
    """An AsyncEngineClient whose methods block, for tests without `await`."""

    def __iter__(self) -> Iterator[OpenOrder]:  # type: ignore[override]  # the orders of an engine
        async def as_list() -> list[Any]:
            return [order async for order in self._client]

        return iter(self._runner.run(as_list()))


@contextmanager
def library(engine: MatchingEngine) -> Generator[EngineBackend]:
    yield engine


@contextmanager
def in_process(engine: MatchingEngine) -> Generator[EngineBackend]:
    transport = InProcess(create_app(engine, Settings()))
    with EngineClient(URL, transport=transport, sleep=never_sleep) as client:
        yield client


@contextmanager
def loopback(engine: MatchingEngine) -> Generator[EngineBackend]:
    with serving(create_app(engine, Settings())) as address, EngineClient(address.http) as client:
        yield client


@contextmanager
def coroutines(engine: MatchingEngine) -> Generator[EngineBackend]:
    transport = httpx.ASGITransport(create_app(engine, Settings()), raise_app_exceptions=False)
    with asyncio.Runner() as runner:
        client = AsyncEngineClient(URL, transport=transport)
        yield cast("EngineBackend", BlockingEngineClient(cast("Any", client), runner))
        runner.run(client.aclose())


@contextmanager
def gateway(engine: MatchingEngine) -> Generator[EngineBackend]:
    """A client of the gateway to a cluster with one shard."""
    with in_cluster(one_shard(engine)) as client:
        yield client


@contextmanager
def gateway_coroutines(engine: MatchingEngine) -> Generator[EngineBackend]:
    """An AsyncEngineClient of the gateway to a cluster with one shard."""
    with coroutines_in_cluster(one_shard(engine)) as client:
        yield client


@contextmanager
def in_cluster(cluster: MemoryCluster) -> Generator[EngineBackend]:
    with EngineClient(URL, transport=InProcess(cluster.gateway), sleep=never_sleep) as client:
        yield client


@contextmanager
def coroutines_in_cluster(cluster: MemoryCluster) -> Generator[EngineBackend]:
    transport = httpx.ASGITransport(cluster.gateway, raise_app_exceptions=False)
    with asyncio.Runner() as runner:
        client = AsyncEngineClient(URL, transport=transport)
        yield cast("EngineBackend", BlockingEngineClient(cast("Any", client), runner))
        runner.run(client.aclose())


def new_engine(backend: object) -> MatchingEngine:
    """Return a new engine for a backend. In a cluster, its journal is a replicated log in memory."""
    if str(backend).startswith("gateway"):
        return MatchingEngine(LogJournal(Connection(MemoryLog()), patience=impatient()))
    return MatchingEngine()


ENGINE_BACKENDS: Mapping[str, Callable[[MatchingEngine], AbstractContextManager[EngineBackend]]] = {
    "library": library,
    "in process": in_process,
    "loopback": loopback,
    "coroutines": coroutines,
    "gateway": gateway,
    "gateway, coroutines": gateway_coroutines,
}

THREE_ENGINES: Mapping[str, Callable[[MemoryCluster], AbstractContextManager[EngineBackend]]] = {
    "three shards": in_cluster,
    "three shards, coroutines": coroutines_in_cluster,
}
"""The clients of the gateway to a cluster with three shards, which are engines of their own."""

_OF_CLIENT = {name for name in vars(EngineClient) if not name.startswith("__")} - {"state_hash"}


class Served:
    """An engine that is called over HTTP. Everything that a client lacks comes from the engine itself."""

    def __init__(self, engine: MatchingEngine, client: EngineBackend) -> None:
        self._engine = engine
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client if name in _OF_CLIENT else self._engine, name)

    def __contains__(self, order_id: object) -> bool:
        return order_id in self._client

    def __len__(self) -> int:
        return len(self._client)
