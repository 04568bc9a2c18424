"""Every way to an OrderManagement, and a transport that fails where it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeAlias, cast

import httpx

from oms import Order, OrderManagement
from oms.api import Settings, create_app
from oms.client import AsyncClient, Client, InProcess
from support.api_server import serving

Door: TypeAlias = OrderManagement | Client
"""What code is written against that does not care where the books are."""

URL = "http://localhost"


def never(_seconds: float) -> None:
    """For a client that has nothing to wait for."""
    raise AssertionError("it waited")


@contextmanager
def library(om: OrderManagement) -> Generator[Door]:
    yield om


@contextmanager
def in_process(om: OrderManagement) -> Generator[Door]:
    with Client(URL, transport=InProcess(create_app(om, Settings())), sleep=never) as client:
        yield client


@contextmanager
def loopback(om: OrderManagement) -> Generator[Door]:
    with serving(create_app(om, Settings())) as address, Client(address.http) as client:
        yield client


@contextmanager
def awaited(om: OrderManagement) -> Generator[Door]:
    transport = httpx.ASGITransport(create_app(om, Settings()), raise_app_exceptions=False)
    with asyncio.Runner() as runner:
        client = AsyncClient(URL, transport=transport)
        yield cast("Door", Awaited(client, runner))
        runner.run(client.aclose())


DOORS: Mapping[str, Callable[[OrderManagement], AbstractContextManager[Door]]] = {
    "library": library,
    "in process": in_process,
    "loopback": loopback,
    "awaited": awaited,
}


class Awaited:
    """An AsyncClient for tests that do not await: each verb is run to its end."""

    def __init__(self, client: AsyncClient, runner: asyncio.Runner) -> None:
        self._client = client
        self._runner = runner

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        return lambda *args, **options: self._runner.run(getattr(self._client, verb)(*args, **options))

    def __contains__(self, order_id: object) -> bool:
        return self._runner.run(self._client.contains(order_id))

    def __len__(self) -> int:
        return self._runner.run(self._client.count())

    def __iter__(self) -> Iterator[Order]:
        return iter(self._runner.run(listed(aiter(self._client))))


async def listed(orders: AsyncIterator[Order]) -> list[Order]:
    return [order async for order in orders]


class Flaky(httpx.BaseTransport):
    """Passes requests on, but for the mishaps that are planned: one a request, None for a good one."""

    def __init__(self, transport: httpx.BaseTransport, plan: Iterator[str | None]) -> None:
        self._transport = transport
        self._plan = plan
        self.seen: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        mishap = next(self._plan, None)
        if mishap is not None and mishap in LOST:
            raise LOST[mishap](mishap, request=request)
        response = self._transport.handle_request(request)
        if mishap is None:
            return response
        if mishap in UNHEARD:
            raise UNHEARD[mishap](mishap, request=request)
        return httpx.Response(int(mishap), html="<h1>the gateway has no answer</h1>")

    def close(self) -> None:
        self._transport.close()


LOST = {"refused": httpx.ConnectError, "lost": httpx.WriteError, "stuck": httpx.ConnectTimeout}
"""Mishaps before the service has the request."""

UNHEARD = {"cut": httpx.RemoteProtocolError, "late": httpx.ReadTimeout, "reset": httpx.ReadError}
"""Mishaps after it has done what was asked."""

MISHAPS = [*LOST, *UNHEARD, "502", "503", "504"]
