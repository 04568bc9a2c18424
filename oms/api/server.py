"""An application on a port of this machine."""

from __future__ import annotations

import os
import signal
import socket
import sys
from contextlib import suppress
from ipaddress import ip_address
from itertools import pairwise
from typing import TYPE_CHECKING

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from oms.errors import InvalidArgumentError

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent

__all__ = ["asked_workers", "is_loopback", "listen", "new_server", "refuse_workers", "run"]

_PATIENCE = 10  # seconds that open requests are given at the end
_STUCK = 30_000  # milliseconds after which a reader that takes nothing is cut off


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what is bound to a host."""
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens already, so that its address can be told; raises OSError."""
    try:
        return _listen(host, port)
    except OSError as error:
        raise OSError(error.errno, f"{host}, port {port}: {error.strerror or error}") from None


def _listen(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    # Of a socket that does not say it is TCP's asyncio holds answers back, until the other side has
    # confirmed their heads: 40 ms a request.
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sys.platform == "linux":
            # What is accepted inherits it. Nothing above it gives up on a reader that takes nothing.
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _STUCK)
        listening.bind(address)
        listening.listen(2048)
    except OSError:
        listening.close()
        raise
    return listening


class _WebSockets(WebSocketsSansIOProtocol):
    """uvicorn's protocol, which takes a refusal for the answer that it is.

    Without this it logs an error for every stream that is refused with a body, such as 401: that the
    application has left a handshake incomplete.
    """

    async def send(self, message: ASGISendEvent) -> None:
        """Send as uvicorn does, and note that a refusal has ended the handshake."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            self.handshake_complete = True


def new_server(app: FastAPI, root_path: str = "") -> uvicorn.Server:
    """A server that is not started; a proxy before it takes `root_path` off each path."""
    config = uvicorn.Config(
        app,
        root_path=root_path,
        access_log=False,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_PATIENCE,
        ws=_WebSockets,  # in older versions of uvicorn "auto" is one that warns that it will go
        ws_max_size=1024,  # streams take nothing
    )
    return uvicorn.Server(config)


def run(app: FastAPI, listening: socket.socket, root_path: str = "") -> None:
    """Serve until the process is told to end (SIGTERM) or interrupted (SIGINT, which is raised)."""
    server = new_server(app, root_path)

    def end(_number: int, _frame: object) -> None:
        server.should_exit = True

    # Until uvicorn has a handler of its own; and once it has ended, it sends itself the signal again.
    before = signal.signal(signal.SIGTERM, end)
    try:
        server.run(sockets=[listening])
    finally:
        signal.signal(signal.SIGTERM, before)


def refuse_workers(workers: int) -> None:
    """Raise InvalidArgumentError for more than one: the books are in one process."""
    if workers != 1:
        allowed = "1: the books are in the memory of one process, and others would not see its changes"
        raise InvalidArgumentError("workers", workers, allowed)


def asked_workers() -> int:
    """How many workers uvicorn or gunicorn was asked for, where this process is one of theirs."""
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
