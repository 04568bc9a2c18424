"""The uvicorn server that runs the application on a local port."""

from __future__ import annotations

import asyncio
import errno
import logging
import math
import os
import signal
import socket
import sys
import time
from collections import defaultdict
from contextlib import suppress
from ipaddress import ip_address
from itertools import pairwise
from typing import TYPE_CHECKING

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from oms.api.connections import STOP_SECONDS, HttpConnection, Pool, PoolConfig, ReadCheck
from oms.api.log_limit import LogLimit
from oms.api.settings import Settings
from oms.errors import InvalidArgumentError

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from asyncio.transports import BaseTransport
    from types import FrameType

    from uvicorn._types import ASGISendEvent

__all__ = [
    "check_workers",
    "is_loopback",
    "listen",
    "most_connections",
    "new_server",
    "requested_workers",
    "run",
]

_SHUTDOWN_SECONDS = 10  # how long open requests may take to finish
_UNREAD_MILLISECONDS = 30_000  # close a connection whose client reads nothing for this long
_BACKLOG = 2048  # how many clients may wait until the server accepts their connection
_ACCEPTED_AT_ONCE = 16  # the connections that asyncio accepts before it does other work
_OTHER_DESCRIPTORS = 128  # for the journal and so on, and for connections that are being opened or closed
_USUAL_CONNECTIONS = 1_000
_OUT_OF_RESOURCES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


def is_loopback(host: str) -> bool:
    """Return True if only programs on this machine can connect to `host`."""
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket, so that the port is known before the server starts.

    Raise OSError if the address cannot be used.
    """
    try:
        return _listen(host, port)
    except OSError as error:
        raise OSError(error.errno, f"{host}, port {port}: {error.strerror or error}") from None


def _listen(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    # Without an explicit protocol, asyncio does not set TCP_NODELAY. Each response would then take 40 ms
    # longer, because its body waits until the headers are acknowledged.
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sys.platform == "linux":
            # Accepted sockets inherit this option. uvicorn has no timeout for clients that do not read.
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNREAD_MILLISECONDS)
        listening.bind(address)
        listening.listen(_BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening


class _WebSockets(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol, with checks that the client reads what the server sends."""

    _read_check: ReadCheck

    def connection_made(self, transport: BaseTransport) -> None:
        """Take over a connection from the HTTP protocol."""
        super().connection_made(transport)
        self._read_check = ReadCheck(self.transport, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._read_check.stop()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Begin to check that the client reads."""
        super().pause_writing()
        self._read_check.start()

    def resume_writing(self) -> None:
        """Stop the check, because the client has read."""
        super().resume_writing()
        self._read_check.stop()

    def shutdown(self) -> None:
        """Close the stream. Do not wait for a client that reads nothing."""
        super().shutdown()
        self._read_check.start(STOP_SECONDS, least=1)

    async def send(self, message: ASGISendEvent) -> None:
        """Send a message, and treat a complete rejection as the end of the handshake.

        The original method mistakes a rejection that has a body, such as a 401, for an incomplete handshake,
        and logs it as an error.
        """
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            self.handshake_complete = True


class _EachLineLimited(logging.Filter):
    """A filter that limits how often each line of code may log."""

    def __init__(self) -> None:
        super().__init__()
        self._limits: defaultdict[tuple[str, int], LogLimit] = defaultdict(LogLimit)

    def filter(self, record: logging.LogRecord) -> bool:
        return self._limits[record.pathname, record.lineno].filter(record)


_UVICORN_LIMIT = _EachLineLimited()


class _Server(uvicorn.Server):
    """uvicorn's server, with a pool of connections and a time in which it drains before it stops."""

    def __init__(self, config: PoolConfig, app: FastAPI, drain_seconds: float) -> None:
        super().__init__(config)
        self._app = app
        self._pool = config.pool
        self._drain_seconds = drain_seconds
        self._drain_end: float | None = None
        self._accept_limit = LogLimit()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept connections."""
        await super().startup(sockets)
        asyncio.get_running_loop().set_exception_handler(self._handle_loop_error)
        for listening in sockets or []:
            # asyncio uses one number for two purposes: how many connections it accepts at once, which must
            # be low, and how many clients may wait, which must be high.
            listening.listen(_BACKLOG)

    def _handle_loop_error(self, loop: AbstractEventLoop, context: dict[str, object]) -> None:
        """Log an error of the event loop. asyncio itself logs each connection that it cannot accept."""
        error = context.get("exception")
        if isinstance(error, OSError) and error.errno in _OUT_OF_RESOURCES and "socket" in context:
            message = "cannot accept connections: %s"
            self._accept_limit.log(logging.getLogger("oms.api"), logging.ERROR, message, error)
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
        return time.monotonic() >= self._drain_end

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle a signal. A second signal ends the draining."""
        if self.should_exit:
            self._drain_end = -math.inf
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish the open requests, and close all connections."""
        self._app.state.is_shutting_down = True
        self._pool.stopping = True
        await super().shutdown(sockets)


def new_server(app: FastAPI, root_path: str = "", settings: Settings | None = None) -> uvicorn.Server:
    """Return a server that has not been started.

    `root_path` is the path prefix that a reverse proxy strips from each request. Raise InvalidArgumentError
    if `settings.most_connections` is above the limit of open files.
    """
    settings = settings or Settings()
    config = PoolConfig(
        app,
        pool=Pool(most_connections(settings.most_connections), settings.head_seconds),
        http=HttpConnection,
        loop="asyncio",
        backlog=_ACCEPTED_AT_ONCE,
        root_path=root_path,
        access_log=False,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        ws=_WebSockets,
        ws_max_size=1024,  # stream clients must not send anything
    )
    logging.getLogger("uvicorn.error").addFilter(_UVICORN_LIMIT)
    return _Server(config, app, settings.drain_seconds)


def most_connections(wanted: int | None) -> int:
    """Return the maximum number of open connections. None is 1,000, or less if the process may not open more.

    Raise InvalidArgumentError if the process may not open enough files.
    """
    files = _most_files()
    most = files - _OTHER_DESCRIPTORS
    remedy = f"raise the limit of {files} open files, such as with `ulimit -n`"
    if most < 1:
        raise InvalidArgumentError("the limit of open files", files, f"above {_OTHER_DESCRIPTORS}", remedy)
    if wanted is None:
        return int(min(most, _USUAL_CONNECTIONS))
    if not 1 <= wanted <= most:
        raise InvalidArgumentError("most_connections", wanted, f"an int in 1..{most:.0f}", remedy)
    return wanted


def _most_files() -> float:
    if sys.platform == "win32":
        return math.inf
    import resource  # noqa: PLC0415  # Windows does not have it

    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return math.inf if files == resource.RLIM_INFINITY else files


def run(
    app: FastAPI, listening: socket.socket, root_path: str = "", settings: Settings | None = None
) -> None:
    """Serve until SIGTERM or SIGINT. After SIGINT, raise KeyboardInterrupt. See `new_server`."""
    server = new_server(app, root_path, settings)

    def stop(_number: int, _frame: object) -> None:
        server.should_exit = True

    # uvicorn installs its own handler at startup. When it stops, it restores the previous handler and raises
    # the signal again. `stop` handles that second signal, and any signal that arrives before startup.
    before = signal.signal(signal.SIGTERM, stop)
    try:
        server.run(sockets=[listening])
    finally:
        signal.signal(signal.SIGTERM, before)


def check_workers(workers: int) -> None:
    """Raise InvalidArgumentError unless there is exactly one worker. Each would have its own books."""
    if workers != 1:
        allowed = "1, because the books are in memory, and workers would not see each other's changes"
        raise InvalidArgumentError("workers", workers, allowed)


def requested_workers() -> int:
    """Return the worker count from the uvicorn or gunicorn command line, or 1 for any other program."""
    program, *words = sys.argv
    if "uvicorn" not in program and "gunicorn" not in program:
        return 1
    for word, following in pairwise([*words, ""]):
        name, _, value = word.partition("=")
        if name in ("--workers", "-w"):
            return _number(value or following)
    return _number(os.environ.get("WEB_CONCURRENCY", "1"))


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 1
