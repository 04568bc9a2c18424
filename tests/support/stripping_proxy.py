"""A small reverse proxy that removes a path prefix from each request and can replace the Host header."""

from __future__ import annotations

import re
import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress
from threading import Thread

from support.api_server import Address


@contextmanager
def reverse_proxy(
    server: Address, prefix: str, host: str | None = None, *, sockets: bool = True
) -> Generator[Address]:
    """Forward requests to a server if their paths begin with the prefix.

    `host` replaces the Host header. `sockets=False` disables WebSockets.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = Address(*listener.getsockname())
        Thread(target=_accept, args=(listener, server, prefix, host, sockets), daemon=True).start()
        yield address


def _accept(listener: socket.socket, server: Address, prefix: str, host: str | None, sockets: bool) -> None:
    with suppress(OSError):  # the listening socket is closed
        while True:
            client, _ = listener.accept()
            Thread(target=_forward, args=(client, server, prefix, host, sockets), daemon=True).start()


def _forward(client: socket.socket, server: Address, prefix: str, host: str | None, sockets: bool) -> None:
    with client, suppress(OSError):
        head, body = b"", b""
        while b"\r\n\r\n" not in head:
            chunk = client.recv(65536)
            if not chunk:
                return
            head += chunk
        head, _, body = head.partition(b"\r\n\r\n")
        method, path, rest = head.split(b" ", 2)
        if not path.startswith(prefix.encode() + b"/"):
            client.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        head = b" ".join([method, path.removeprefix(prefix.encode()), rest])
        if host is not None:
            head = re.sub(rb"\r\n[Hh]ost:[^\r]*", b"\r\nHost: " + host.encode(), head)
        if not sockets:
            head = re.sub(rb"\r\n(?i:upgrade|connection):[^\r]*", b"", head)
        if b"upgrade: websocket" not in head.lower():
            head = re.sub(rb"\r\n(?i:connection):[^\r]*", b"", head) + b"\r\nConnection: close"
        with socket.create_connection(server) as upstream:
            upstream.sendall(head + b"\r\n\r\n" + body)
            Thread(target=_copy, args=(client, upstream), daemon=True).start()
            _copy(upstream, client)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(65536):
            target.sendall(chunk)
        target.shutdown(socket.SHUT_WR)
