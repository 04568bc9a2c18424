"""A small reverse proxy: takes a path off each request, and passes on the Host as it is told to."""

from __future__ import annotations

import re
import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress
from threading import Thread

from support.api_server import Address


@contextmanager
def proxied(
    server: Address, prefix: str, host: str | None = None, *, sockets: bool = True
) -> Generator[Address]:
    """Pass on to a server what is below a prefix; if told so, with another Host or without WebSockets."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        address = Address(*door.getsockname())
        Thread(target=_accept, args=(door, server, prefix, host, sockets), daemon=True).start()
        yield address


def _accept(door: socket.socket, server: Address, prefix: str, host: str | None, sockets: bool) -> None:
    with suppress(OSError):  # it is closed
        while True:
            client, _ = door.accept()
            Thread(target=_pass, args=(client, server, prefix, host, sockets), daemon=True).start()


def _pass(client: socket.socket, server: Address, prefix: str, host: str | None, sockets: bool) -> None:
    with client, suppress(OSError):
        head, body = b"", b""
        while b"\r\n\r\n" not in head:
            some = client.recv(65536)
            if not some:
                return
            head += some
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
            Thread(target=_pump, args=(client, upstream), daemon=True).start()
            _pump(upstream, client)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while some := source.recv(65536):
            target.sendall(some)
        target.shutdown(socket.SHUT_WR)
