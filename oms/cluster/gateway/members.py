"""The addresses of the workers of a cluster, by shard."""

from __future__ import annotations

import asyncio
from threading import Lock
from typing import Protocol

__all__ = ["Addresses", "Members"]


class Members(Protocol):
    """The addresses of the workers."""

    def address(self, shard: str) -> str | None:
        """Return the URL of the worker that serves the shard, or None if no worker does."""
        ...

    async def changed(self, shard: str, address: str | None) -> None:
        """Return as soon as the shard's address differs from `address`."""
        ...

    def standby(self, shard: str) -> str | None:
        """Return the URL of a standby of the shard, or None if it has none."""
        ...


class Addresses:
    """The addresses of the workers. Call `set` or `set_standby` for each change. This class is thread-safe.

    >>> addresses = Addresses()
    >>> addresses.set("a", "http://127.0.0.1:8081")
    >>> addresses.address("a"), addresses.address("b")
    ('http://127.0.0.1:8081', None)

    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._addresses: dict[str, str] = {}
        self._standbys: dict[str, str] = {}
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}

    def set(self, shard: str, address: str | None) -> None:
        """Set the address of a shard's worker, or None if it has none. O(m) for m waiting requests."""
        with self._lock:
            if address is None:
                self._addresses.pop(shard, None)
            else:
                self._addresses[shard] = address
            waiting = self._waiting.pop(shard, set())
        for future in waiting:
            loop = future.get_loop()
            if not loop.is_closed():
                loop.call_soon_threadsafe(_finish, future)

    def address(self, shard: str) -> str | None:
        """Return the URL of the worker that serves the shard, or None if no worker does. O(1)."""
        return self._addresses.get(shard)

    def set_standby(self, shard: str, address: str | None) -> None:
        """Set the address of a standby of the shard, or None if it has none. O(1)."""
        with self._lock:
            if address is None:
                self._standbys.pop(shard, None)
            else:
                self._standbys[shard] = address

    def standby(self, shard: str) -> str | None:
        """Return the URL of a standby of the shard, or None if it has none. O(1)."""
        return self._standbys.get(shard)

    async def changed(self, shard: str, address: str | None) -> None:
        """Return as soon as the shard's address differs from `address`."""
        while True:
            with self._lock:
                if self._addresses.get(shard) != address:
                    return
                future = asyncio.get_running_loop().create_future()
                self._waiting.setdefault(shard, set()).add(future)
            try:
                await future
            finally:
                with self._lock:
                    self._waiting.get(shard, set()).discard(future)


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
