"""A way from a client to an application that needs no network: for tests, notebooks and examples."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import httpx
from fastapi import FastAPI

__all__ = ["InProcess"]


class InProcess(httpx.BaseTransport):
    """The `transport` of a `Client` whose service is an application in the same process.

    It serves one request at a time, in a thread of its own, so that a notebook with a running event loop
    can ask too. An AsyncClient takes `httpx.ASGITransport`.

    >>> from oms.api import create_app
    >>> from oms.client import Client
    >>> with Client("http://localhost", transport=InProcess(create_app())) as om:
    ...     om.symbols()
    ()

    """

    def __init__(self, app: FastAPI) -> None:
        self._transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._runner = asyncio.Runner()
        self._thread = ThreadPoolExecutor(1)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Have the application answer."""
        return self._thread.submit(lambda: self._runner.run(self._answered(request))).result()

    async def _answered(self, request: httpx.Request) -> httpx.Response:
        response = await self._transport.handle_async_request(request)
        return httpx.Response(response.status_code, headers=response.headers, content=await response.aread())

    def close(self) -> None:
        """End the thread, and the loop that ran in it."""
        self._thread.submit(self._runner.close).result()
        self._thread.shutdown()
