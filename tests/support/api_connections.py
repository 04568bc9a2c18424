"""Server connections on a transport in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.server import ServerState

from oms.api.connection_pool import Pool, PoolConfig
from oms.api.connections import HttpConnection


class FakeTransport(asyncio.Transport):
    """A transport that remembers what was written, and whether reading is paused."""

    def __init__(self) -> None:
        super().__init__()
        self.protocol: asyncio.Protocol
        self.written = b""
        self.paused = False
        self.ended = False

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.ended

    def close(self) -> None:
        if not self.ended:
            self.ended = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    def abort(self) -> None:
        self.close()


def new_connection(
    application: Callable[..., Any], pool: Pool, state: ServerState | None = None
) -> tuple[HttpConnection, FakeTransport]:
    """Return a new connection in the pool, and its transport. Connections of one server share the state."""
    config = PoolConfig(application, pool=pool, interface="asgi3", proxy_headers=False, log_config=None)
    config.load()
    connection, transport = HttpConnection(config, state or ServerState(), {}), FakeTransport()
    transport.protocol = connection
    connection.connection_made(transport)
    return connection, transport
