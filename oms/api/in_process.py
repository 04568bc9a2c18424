"""A way from a client to an application that needs no network: for tests, notebooks and examples."""

from __future__ import annotations

import asyncio
from threading import Lock

import httpx
from fastapi import FastAPI

__all__ = ["InProcess"]


class InProcess(httpx.BaseTransport):
    """The `transport` of a `Client` whose service is an application in the same process.

    One request is served at a time. An AsyncClient takes `httpx.ASGITransport`.

    >>> from oms.api import Client, create_app
    >>> with Client("http://localhost", transport=InProcess(create_app())) as om:
    ...     om.symbols()
    ()

    """

    def __init__(self, app: FastAPI) -> None:
        self._transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._runner = asyncio.Runner()
        self._lock = Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Have the application answer."""
        with self._lock:
            return self._runner.run(self._answered(request))

    async def _answered(self, request: httpx.Request) -> httpx.Response:
        response = await self._transport.handle_async_request(request)
        return httpx.Response(response.status_code, headers=response.headers, content=await response.aread())

    def close(self) -> None:
        """End the loop that it ran in."""
        self._runner.close()
