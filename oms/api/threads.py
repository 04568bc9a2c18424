"""The threads in which endpoints run: a pool for reads, one for pages, and one for changes.

The problem: a change waits for the disk in its thread. If all endpoints shared one pool, enough changes would
occupy every thread, and reads would wait for the disk too. A page needs the processor for a millisecond or
more, so many threads that make pages would slow down everything else.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from anyio import CapacityLimiter
from anyio.lowlevel import RunVar
from anyio.to_thread import run_sync

from oms.api.turns import waiting

__all__ = ["CHANGES", "PAGES", "Pool", "READS", "in_thread"]


class Pool:
    """A pool of threads. Each event loop has its own, with at most `size` threads at a time."""

    def __init__(self, name: str, size: int) -> None:
        self._size = size
        self._limiter: RunVar[CapacityLimiter] = RunVar(f"oms.api.threads.{name}")

    def limiter(self) -> CapacityLimiter:
        """Return the limiter of the running event loop."""
        try:
            return self._limiter.get()
        except LookupError:
            limiter = CapacityLimiter(self._size)
            self._limiter.set(limiter)
            return limiter


READS = Pool("reads", 20)
PAGES = Pool("pages", 2)
CHANGES = Pool("changes", 128)
"""The pool of the changes. Its size is also the largest number of requests in a group."""


def in_thread(endpoint: Callable[..., Any], pool: Pool) -> Callable[..., Any]:
    """Return a coroutine function that runs an endpoint in a thread pool, or the endpoint if it is one."""
    if inspect.iscoroutinefunction(endpoint):
        return endpoint

    @wraps(endpoint)
    async def run(**arguments: Any) -> Any:
        async with waiting():
            return await run_sync(partial(endpoint, **arguments), limiter=pool.limiter())

    return run
