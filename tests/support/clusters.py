"""A cluster in memory: shards with replicated logs, a directory with faults, and a network with faults."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any

import httpx
from fastapi import FastAPI

from oms import Event, MatchingEngine, OrderManagement
from oms.api import Settings, create_app
from oms.cluster.gateway import Addresses, ClaimedError, UnavailableError, create_gateway
from oms.cluster.log.log_journal import LogJournal
from oms.cluster.ownership.shards import Shards
from oms.submission import OrderId
from support.replicated_log import Connection, MemoryLog, impatient

NAMES = ("s1", "s2", "s3")
SYMBOLS = {"s1": "JPM", "s2": "AAPL", "s3": "IBM"}
"""A symbol of each of the three shards."""


def one_shard(books: OrderManagement | MatchingEngine) -> MemoryCluster:
    """Return a cluster with one shard, which has these books."""
    cluster = MemoryCluster(["main"], engine=isinstance(books, MatchingEngine))
    cluster.serve("main", books)
    return cluster


class MemoryDirectory:
    """A directory in memory. For each call, `plan` contains a fault, or None for success.

    The fault "lost" raises an error before anything is claimed, "half" after the first id, and "unanswered"
    after everything.
    """

    def __init__(self) -> None:
        self.shards: dict[OrderId, str] = {}
        self.plan: list[str | None] = []
        self.calls: list[tuple[str, tuple[OrderId, ...]]] = []

    async def claim(self, order_ids: Sequence[OrderId], shard: str) -> None:
        self.calls.append(("claim", tuple(order_ids)))
        fault = self.plan.pop(0) if self.plan else None
        if fault == "lost":
            raise UnavailableError("the message was lost")
        for order_id in order_ids:
            if self.shards.get(order_id, shard) != shard:
                raise ClaimedError(order_id, self.shards[order_id])
        for order_id in order_ids:
            await asyncio.sleep(0)  # other claims may come first
            if self.shards.setdefault(order_id, shard) != shard:
                raise ClaimedError(order_id, self.shards[order_id])
            if fault == "half":
                raise UnavailableError("the connection is closed")
        if fault == "unanswered":
            raise UnavailableError("no acknowledgement has arrived")

    async def find(self, order_ids: Sequence[OrderId]) -> Mapping[OrderId, str]:
        self.calls.append(("find", tuple(order_ids)))
        fault = self.plan.pop(0) if self.plan else None
        if fault is not None:
            raise UnavailableError("the message was lost")
        return {each: self.shards[each] for each in order_ids if each in self.shards}


class MemoryNetwork(httpx.AsyncBaseTransport):
    """A network to applications in the same process. For each request, `plan` contains a fault, or None.

    The faults are the names of exceptions of httpx: those in `BEFORE` are raised before the worker gets the
    request, and all others after it has responded.
    """

    BEFORE = ("ConnectError", "ConnectTimeout", "PoolTimeout", "WriteError")

    def __init__(self) -> None:
        self.apps: dict[str, httpx.ASGITransport] = {}
        self.plan: list[str | None] = []
        self.sent: list[httpx.Request] = []
        self.before_response: Callable[[], object] = bool

    def add(self, address: str, app: Any) -> None:
        self.apps[httpx.URL(address).host] = httpx.ASGITransport(app, raise_app_exceptions=False)

    def remove(self, address: str) -> None:
        del self.apps[httpx.URL(address).host]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        fault = self.plan.pop(0) if self.plan else None
        if fault in self.BEFORE:
            raise getattr(httpx, str(fault))(fault, request=request)
        app = self.apps.get(request.url.host)
        if app is None:
            raise httpx.ConnectError("connection refused", request=request)
        response = await app.handle_async_request(request)
        action, self.before_response = self.before_response, bool
        action()
        if fault is not None:
            raise getattr(httpx, fault)(fault, request=request)
        return response


class LazyApp:
    """The application of a worker. It is created at its first request, because that takes a long time."""

    def __init__(self, books: OrderManagement | MatchingEngine, settings: Settings) -> None:
        self._books = books
        self._settings = settings
        self._app: FastAPI | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self._app is None:
            self._app = create_app(self._books, self._settings)
        await self._app(scope, receive, send)


class MemoryCluster:
    """A cluster whose workers are applications in this process, and its gateway.

    `books` and `workers` contain the books and the application of each shard's present owner. All workers
    have the settings `worker_settings`.
    """

    def __init__(
        self,
        names: Sequence[str] = NAMES,
        *,
        engine: bool = False,
        worker_settings: Settings | None = None,
        **options: Any,
    ) -> None:
        self._worker_settings = worker_settings or Settings()
        self.shards = Shards(names)
        self.directory, self.addresses, self.network = MemoryDirectory(), Addresses(), MemoryNetwork()
        self.logs = {name: MemoryLog(name) for name in names}
        self.books: dict[str, Any] = {}
        self.workers: dict[str, LazyApp] = {}
        self._engine = engine
        self._numbers = count()
        for name in names:
            self.take_over(name)
        options = {"patience": 0.2, "transport": self.network, "engine": engine, **options}
        self.gateway = create_gateway(self.shards, self.directory, self.addresses, **options)

    def reset(self) -> None:
        """Remove all orders, claims, and faults. The workers still know the ids of former orders."""
        self.network.sent.clear()
        self.network.plan.clear()
        self.directory.calls.clear()
        self.directory.plan.clear()
        self.directory.shards.clear()
        for books in self.books.values():
            books.cancel_all() if self._engine else books.remove_orders()

    def take_over(self, shard: str, *, silently: bool = False) -> str:
        """Let a new worker own a shard, and return its address. The former one continues, but is fenced.

        If `silently` is True, the gateway does not learn the address yet.
        """
        journal = LogJournal(Connection(self.logs[shard]), patience=impatient())
        kind = MatchingEngine if self._engine else OrderManagement
        address = self._start(shard, kind(journal))
        if not silently:
            self.addresses.set(shard, address)
        return address

    def serve(self, shard: str, books: OrderManagement | MatchingEngine) -> None:
        """Let a worker serve these books instead."""
        self.addresses.set(shard, self._start(shard, books))

    def _start(self, shard: str, books: OrderManagement | MatchingEngine) -> str:
        address = f"http://{shard}-{next(self._numbers)}:8080"
        self.books[shard], self.workers[shard] = books, LazyApp(books, self._worker_settings)
        self.network.add(address, self.workers[shard])
        return address

    def kill(self, shard: str) -> None:
        """End the worker of a shard."""
        address = self.addresses.address(shard)
        assert address is not None
        self.network.remove(address)
        self.addresses.set(shard, None)

    def events(self) -> Iterator[tuple[str, Event]]:
        """Iterate over the stored events of all shards, each with the name of the shard."""
        for name, log in self.logs.items():
            for event in LogJournal(Connection(log), read_only=True).read():
                yield name, event
