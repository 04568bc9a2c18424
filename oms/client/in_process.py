"""A transport that calls an ASGI application directly, for tests, notebooks, and examples."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import httpx

__all__ = ["AsgiApplication", "InProcess"]

_Message: TypeAlias = MutableMapping[str, Any]

AsgiApplication: TypeAlias = Callable[
    [_Message, Callable[[], Awaitable[_Message]], Callable[[_Message], Awaitable[None]]], Awaitable[None]
]
"""An ASGI application, such as a FastAPI app. A server calls it with a scope, `receive`, and `send`."""


class InProcess(httpx.BaseTransport):
    """A `transport` for `Client` that sends each request to an application in the same process.

    `app` is any ASGI application, such as the one that `oms.api.create_app` returns. The transport handles
    requests one at a time in a separate thread, so it also works in a notebook, where an event loop is
    already running. For `AsyncClient`, use `httpx.ASGITransport` instead.

    >>> from oms.api import create_app
    >>> from oms.client import Client
    >>> with Client("http://localhost", transport=InProcess(create_app())) as om:
    ...     om.symbols()
    ()

    """

    def __init__(self, app: AsgiApplication) -> None:
        self._transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._runner = asyncio.Runner()
        self._thread = ThreadPoolExecutor(1)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to the application, and return its response."""
        return self._thread.submit(lambda: self._runner.run(self._respond(request))).result()

    async def _respond(self, request: httpx.Request) -> httpx.Response:
        response = await self._transport.handle_async_request(request)
        return httpx.Response(response.status_code, headers=response.headers, content=await response.aread())

    def close(self) -> None:
        """Close the event loop, and stop its thread."""
        self._thread.submit(self._runner.close).result()
        self._thread.shutdown()
