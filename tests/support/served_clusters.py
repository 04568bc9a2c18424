"""A gateway and the workers of three shards as real servers, with their books in memory."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from oms import MatchingEngine, OrderManagement
from oms.api import Settings, create_app
from oms.cluster.gateway import Addresses, create_gateway
from oms.cluster.ownership.shards import Shards
from support.api_server import Address, serving
from support.clusters import NAMES, MemoryDirectory

__all__ = ["ServedCluster"]


class ServedCluster:
    """A gateway and its workers on free ports, until the stack is closed.

    `books` contains the books of each shard. The gateway and the workers have the same `settings`.
    """

    def __init__(
        self, stack: ExitStack, *, engine: bool = False, settings: Settings | None = None, **options: Any
    ) -> None:
        kind = MatchingEngine if engine else OrderManagement
        self.books: dict[str, Any] = {name: kind() for name in NAMES}
        self.addresses, self.directory = Addresses(), MemoryDirectory()
        self._stack = stack
        self._settings = settings or Settings()
        for name in NAMES:
            self.serve(name)
        self.app = create_gateway(
            Shards(NAMES), self.directory, self.addresses, self._settings, engine=engine, **options
        )
        self.gateway: Address = stack.enter_context(serving(self.app))

    def serve(self, name: str) -> None:
        """Let a new worker serve the books of a shard."""
        worker = self._stack.enter_context(serving(create_app(self.books[name], self._settings)))
        self.addresses.set(name, worker.http)
