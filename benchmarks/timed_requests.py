"""Requests over one open connection, written by hand, so that the client takes little time itself."""

from __future__ import annotations

import socket
import time

__all__ = ["connect", "send"]


def connect(port: int) -> socket.socket:
    """Return a connection to a server on this machine that sends each request at once."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def send(connection: socket.socket, method: str, path: str, body: str = "") -> float:
    """Send a request and return the seconds until its response is complete."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json"]
    request = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", body]).encode()
    start = time.perf_counter()
    connection.sendall(request)
    response = b""
    while b"\r\n\r\n" not in response or response[-1:] != b"}":
        response += connection.recv(2**20)
    seconds = time.perf_counter() - start
    assert response[9:11] == b"20", response[:1_000]
    return seconds
