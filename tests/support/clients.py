"""Every way to call an OrderManagement, and an HTTP transport that fails on demand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeAlias, cast

import httpx

from oms import Instrument, Order, OrderManagement
from oms.api import Settings, create_app
from oms.client import AsyncClient, Client, InProcess
from oms.cluster.log.log_journal import LogJournal
from support.api_server import serving
from support.clusters import MemoryCluster, one_shard
from support.replicated_log import Connection, MemoryLog, impatient

Backend: TypeAlias = OrderManagement | Client
"""An OrderManagement or a client of one. A test runs the same code on both."""

URL = "http://localhost"


def never_sleep(_seconds: float) -> None:
    """Fail the test, because a client that must not retry has called `sleep`."""
    raise AssertionError("the client waited")


@contextmanager
def library(om: OrderManagement) -> Generator[Backend]:
    yield om


@contextmanager
def in_process(om: OrderManagement) -> Generator[Backend]:
    with Client(URL, transport=InProcess(create_app(om, Settings())), sleep=never_sleep) as client:
        yield client


@contextmanager
def loopback(om: OrderManagement) -> Generator[Backend]:
    with serving(create_app(om, Settings())) as address, Client(address.http) as client:
        yield client


@contextmanager
def coroutines(om: OrderManagement) -> Generator[Backend]:
    transport = httpx.ASGITransport(create_app(om, Settings()), raise_app_exceptions=False)
    with asyncio.Runner() as runner:
        client = AsyncClient(URL, transport=transport)
        yield cast("Backend", BlockingClient(client, runner))
        runner.run(client.aclose())


@contextmanager
def gateway(om: OrderManagement) -> Generator[Backend]:
    """A client of the gateway to a cluster with one shard."""
    with in_cluster(one_shard(om)) as client:
        yield client


@contextmanager
def gateway_coroutines(om: OrderManagement) -> Generator[Backend]:
    """An AsyncClient of the gateway to a cluster with one shard."""
    with coroutines_in_cluster(one_shard(om)) as client:
        yield client


@contextmanager
def in_cluster(cluster: MemoryCluster) -> Generator[Backend]:
    with Client(URL, transport=InProcess(cluster.gateway), sleep=never_sleep) as client:
        yield client


@contextmanager
def coroutines_in_cluster(cluster: MemoryCluster) -> Generator[Backend]:
    transport = httpx.ASGITransport(cluster.gateway, raise_app_exceptions=False)
    with asyncio.Runner() as runner:
        client = AsyncClient(URL, transport=transport)
        yield cast("Backend", BlockingClient(client, runner))
        runner.run(client.aclose())


def new_books(backend: object) -> OrderManagement:
    """Return new books for a backend. In a cluster, their journal is a replicated log in memory."""
    if str(backend).startswith("gateway"):
        return OrderManagement(LogJournal(Connection(MemoryLog()), patience=impatient()))
    return OrderManagement()


BACKENDS: Mapping[str, Callable[[OrderManagement], AbstractContextManager[Backend]]] = {
    "library": library,
    "in process": in_process,
    "loopback": loopback,
    "coroutines": coroutines,
    "gateway": gateway,
    "gateway, coroutines": gateway_coroutines,
}

THREE_SHARDS: Mapping[str, Callable[[MemoryCluster], AbstractContextManager[Backend]]] = {
    "three shards": in_cluster,
    "three shards, coroutines": coroutines_in_cluster,
}
"""The clients of the gateway to a cluster with three shards, which have books of their own."""


class BlockingClient:
    """An AsyncClient whose methods block, for tests without `await`."""

    def __init__(self, client: AsyncClient, runner: asyncio.Runner) -> None:
        self._client = client
        self._runner = runner

    def __getattr__(self, method: str) -> Callable[..., Any]:
        return lambda *args, **options: self._runner.run(getattr(self._client, method)(*args, **options))

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        return self._runner.run(self._client.instruments())

    def __contains__(self, order_id: object) -> bool:
        return self._runner.run(self._client.contains(order_id))

    def __len__(self) -> int:
        return self._runner.run(self._client.count())

    def __iter__(self) -> Iterator[Order]:
        return iter(self._runner.run(as_list(aiter(self._client))))


async def as_list(orders: AsyncIterator[Order]) -> list[Order]:
    return [order async for order in orders]


class Flaky(httpx.BaseTransport):
    """A transport that fails on demand. For each request, `plan` contains a failure, or None for success."""

    def __init__(self, transport: httpx.BaseTransport, plan: Iterator[str | None]) -> None:
        self._transport = transport
        self._plan = plan
        self.requests: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        failure = next(self._plan, None)
        if failure is not None and failure in NOT_SENT:
            raise NOT_SENT[failure](failure, request=request)
        response = self._transport.handle_request(request)
        if failure is None:
            return response
        if failure in RESPONSE_LOST:
            raise RESPONSE_LOST[failure](failure, request=request)
        return httpx.Response(int(failure), html="<h1>Bad gateway</h1>")

    def close(self) -> None:
        self._transport.close()


NOT_SENT = {"refused": httpx.ConnectError, "lost": httpx.WriteError, "stuck": httpx.ConnectTimeout}
"""Failures that happen before the service receives the request."""

RESPONSE_LOST = {"cut": httpx.RemoteProtocolError, "late": httpx.ReadTimeout, "reset": httpx.ReadError}
"""Failures that happen after the service has served the request."""

FAILURES = [*NOT_SENT, *RESPONSE_LOST, "502", "503", "504"]
