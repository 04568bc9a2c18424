"""The uvicorn server that runs the application on a local port."""

from __future__ import annotations

import os
import signal
import socket
import sys
from contextlib import suppress
from ipaddress import ip_address
from itertools import pairwise

import uvicorn
from fastapi import FastAPI

from oms.api.connection_pool import Pool, PoolConfig, most_connections
from oms.api.connections import LONGEST_HEAD, HttpConnection
from oms.api.key_ring import KeyRing
from oms.api.pauses import short_pauses
from oms.api.pooled_server import BACKLOG, PooledServer
from oms.api.settings import Settings
from oms.api.web_sockets import WebSockets
from oms.errors import InvalidArgumentError

__all__ = [
    "check_descriptors",
    "check_workers",
    "is_loopback",
    "listen",
    "new_server",
    "requested_workers",
    "run",
]

_SHUTDOWN_SECONDS = 10  # how long open requests may take to finish
_UNREAD_MILLISECONDS = 30_000  # close a connection whose client reads nothing for this long
_ACCEPTED_AT_ONCE = 16  # the connections that asyncio accepts before it does other work


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
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening


def new_server(app: FastAPI, root_path: str = "", settings: Settings | None = None) -> uvicorn.Server:
    """Return a server that has not been started.

    `root_path` is the path prefix that a reverse proxy strips from each request. `settings` contains the
    limits of connections. Raise InvalidArgumentError if the limit of open files is too low for them.
    """
    settings, keys = settings or Settings(), _keys_of(app)

    async def check_keys() -> None:
        if keys is not None:
            keys.refresh()

    config = PoolConfig(
        app,
        pool=Pool(most_connections(settings.most_connections), settings.head_seconds),
        http=HttpConnection,
        h11_max_incomplete_event_size=LONGEST_HEAD,
        loop="asyncio",  # the tests of many connections use this loop
        backlog=_ACCEPTED_AT_ONCE,
        callback_notify=check_keys,
        timeout_notify=1,  # seconds; new keys are read and logged even if there are no requests
        root_path=root_path,
        access_log=False,
        log_config=None,  # uvicorn's own handlers write to stderr, and so block if it is a full pipe
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        ws=WebSockets,
        ws_max_size=1024,  # stream clients must not send anything
        ws_per_message_deflate=False,  # compressing a message for each client would stop the event loop
    )
    return PooledServer(config, app, settings.drain_seconds)


def _keys_of(app: FastAPI) -> KeyRing | None:
    """Return the keys of an application from `create_app`, or None for an application that contains it."""
    keys: KeyRing | None = getattr(app.state, "keys", None)
    return keys


def run(
    app: FastAPI, listening: socket.socket, root_path: str = "", settings: Settings | None = None
) -> None:
    """Serve until SIGTERM or SIGINT. After SIGINT, raise KeyboardInterrupt. See `new_server`.

    If there is a file of API keys, read it again after SIGHUP.
    """
    server, keys = new_server(app, root_path, settings), _keys_of(app)
    if keys is not None and keys.can_change and sys.platform != "win32":  # Windows has no SIGHUP
        signal.signal(signal.SIGHUP, lambda _number, _frame: keys.request_reload())

    def stop(_number: int, _frame: object) -> None:
        server.should_exit = True

    # uvicorn installs its own handler at startup. When it stops, it restores the previous handler and raises
    # the signal again. `stop` handles that second signal, and any signal that arrives before startup.
    before = signal.signal(signal.SIGTERM, stop)
    try:
        with short_pauses():
            server.run(sockets=[listening])
    finally:
        signal.signal(signal.SIGTERM, before)


def check_descriptors(settings: Settings) -> None:
    """Raise InvalidArgumentError if the limit of open files is too low for the connections."""
    most_connections(settings.most_connections)


def check_workers(workers: int) -> None:
    """Raise InvalidArgumentError unless there is exactly one worker. Each worker would have its own books."""
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
