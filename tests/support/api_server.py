"""A real server in a thread, on a free port of the loopback interface, and a client for its event stream."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from threading import Thread
from time import sleep
from typing import Any, NamedTuple

import uvicorn
from fastapi import FastAPI
from websockets.sync.client import ClientConnection, connect

from oms.api import Settings
from oms.api.server import listen, new_server


class Address(NamedTuple):
    """The host and port of a server."""

    host: str
    port: int

    @property
    def http(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def ws(self) -> str:
        return f"ws://{self.host}:{self.port}"


@contextmanager
def serving(
    app: FastAPI, port: int = 0, root_path: str = "", settings: Settings | None = None
) -> Generator[Address]:
    """Serve an application until the block ends. Port 0 means any free port."""
    with running(app, port, root_path, settings) as (_, address):
        yield address


@contextmanager
def running(
    app: FastAPI, port: int = 0, root_path: str = "", settings: Settings | None = None
) -> Generator[tuple[uvicorn.Server, Address]]:
    """Serve an application until the block ends, and also yield the server."""
    with listen("127.0.0.1", port) as listening:
        server = new_server(app, root_path, settings)
        thread = Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            while not server.started and thread.is_alive():
                sleep(0.001)
            yield server, Address(*listening.getsockname())
        finally:
            server.should_exit = True
            thread.join()


def stream(address: Address, query: str = "", **headers: str) -> ClientConnection:
    """Open the event stream, with no limit for the size of a message."""
    return connect(f"{address.ws}/stream{query}", max_size=None, additional_headers=headers, proxy=None)


def next_message(connection: ClientConnection) -> dict[str, Any]:
    """Return the next message of a stream."""
    message: dict[str, Any] = json.loads(connection.recv(timeout=30))
    return message
