"""uvicorn's server, with a pool of connections and an orderly shutdown.

At SIGTERM, the server first drains: it continues to serve all requests, but `/ready` returns 503, so that a
load balancer sends new requests to other servers. After that, it stops listening, finishes the open requests,
and closes all connections. A second signal cuts the draining short.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import math
import signal
import socket
import time
from collections import defaultdict
from typing import TYPE_CHECKING

import uvicorn
from fastapi import FastAPI

from oms.api.connection_pool import PoolConfig
from oms.api.log_limit import LogLimit

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from types import FrameType

__all__ = ["BACKLOG", "PooledServer"]

BACKLOG = 2048
"""How many clients may wait until the server accepts their connection."""

_OUT_OF_RESOURCES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_LOG, _UVICORN_LOG = logging.getLogger("oms.api"), logging.getLogger("uvicorn.error")


class _EachLineLimited(logging.Filter):
    """A filter that limits how often each line of code may log."""

    def __init__(self) -> None:
        super().__init__()
        self._limits: defaultdict[tuple[str, int], LogLimit] = defaultdict(LogLimit)

    def filter(self, record: logging.LogRecord) -> bool:
        return self._limits[record.pathname, record.lineno].filter(record)


class PooledServer(uvicorn.Server):
    """uvicorn's server, with a pool of connections and a drain period before it stops."""

    def __init__(self, config: PoolConfig, app: FastAPI, drain_seconds: float) -> None:
        super().__init__(config)
        self._app = app
        self._pool = config.pool
        self._drain_seconds = drain_seconds
        self._drain_end: float | None = None
        self._signal: str | None = None  # the name of the first signal
        self._accept_limit, self._log_limit = LogLimit(), _EachLineLimited()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept connections."""
        _UVICORN_LOG.addFilter(self._log_limit)
        self._app.state.is_shutting_down = False  # another server may have served the application before
        await super().startup(sockets)
        asyncio.get_running_loop().set_exception_handler(self._handle_loop_error)
        for listening in sockets or []:
            # asyncio uses one number for two purposes: how many connections it accepts at once, which must
            # be low, and how many clients may wait, which must be high.
            listening.listen(BACKLOG)

    def _handle_loop_error(self, loop: AbstractEventLoop, context: dict[str, object]) -> None:
        """Log an error of the event loop. asyncio itself logs each connection that it cannot accept."""
        error = context.get("exception")
        if isinstance(error, OSError) and error.errno in _OUT_OF_RESOURCES and "socket" in context:
            message = "cannot accept connections: %s"
            self._accept_limit.log(_LOG, logging.ERROR, message, error)
            self._pool.close_longest_waiting()
        else:
            loop.default_exception_handler(context)

    async def on_tick(self, counter: int) -> bool:
        """Return True if the server should stop now. After a signal, it drains first."""
        if not await super().on_tick(counter):
            return False
        self._app.state.is_shutting_down = True
        if self._drain_end is None:
            self._drain_end = time.monotonic() + self._drain_seconds
            _LOG.info("%s, draining for %g s", self._reason(), self._drain_seconds)
        return time.monotonic() >= self._drain_end

    def _reason(self) -> str:
        return "asked to stop" if self._signal is None else f"received {self._signal}"

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle a signal. The first starts draining. The second cuts it short."""
        if self.should_exit and not self._pool.stopping:
            self._drain_end = -math.inf
        else:
            # Logged later, because a signal handler must not wait for the lock of a log handler.
            self._signal = self._signal or signal.Signals(sig).name
            super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish the open requests, and close all connections."""
        self._app.state.is_shutting_down = True
        self._pool.stopping = True
        _LOG.info("stopping, after the open requests have finished")
        await super().shutdown(sockets)
        _UVICORN_LOG.removeFilter(self._log_limit)
