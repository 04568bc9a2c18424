"""The HTTP and WebSocket connections of a server, which report to its pool and end slow clients.

`oms.api.connection_pool` explains the limits and their invariants.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import h11
import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from oms.api.connection_pool import PoolConfig

if TYPE_CHECKING:
    from asyncio.transports import BaseTransport

    from uvicorn.server import ServerState

__all__ = ["HttpConnection", "LONGEST_HEAD", "ReadCheck", "StreamConnection"]

_READ_SECONDS = 30.0  # the time between two checks that a slow client reads its response
_STOP_SECONDS = 0.5  # how long a client may keep a server waiting that is shutting down
_LEAST_READ = 16 * 1024  # bytes that a slow client must read between two checks
_SLICE = 16 * 1024  # h11 checks the limit for incomplete heads after each slice
LONGEST_HEAD = 64 * 1024
"""The length of a request head, in bytes, above which the server rejects it. It must have room for a query.

A head may be longer by up to one slice.
"""


def _response(status: HTTPStatus) -> bytes:
    """Return a response without a body. Clients treat it like a gateway's response, and retry."""
    lines = [f"HTTP/1.1 {status} {status.phrase}", "Connection: close", "Content-Length: 0", "", ""]
    return "\r\n".join(lines).encode()


_TIMEOUT = _response(HTTPStatus.REQUEST_TIMEOUT)
_UNAVAILABLE = _response(HTTPStatus.SERVICE_UNAVAILABLE)


class ReadCheck:
    """A periodic check that a client reads what the server has written.

    `stalled` is called if less than a minimum was read since the last check.
    """

    def __init__(self, transport: asyncio.Transport, stalled: Callable[[], None]) -> None:
        self._transport = transport
        self._stalled = stalled
        self._timer: asyncio.TimerHandle | None = None
        self._is_stopping = False  # True if the server is shutting down

    def start(self) -> None:
        """Start the checks, because the client is slow to read."""
        if not self._is_stopping:
            self._check_later(_READ_SECONDS, _LEAST_READ)

    def stop(self) -> None:
        """Stop the checks, because the client has read. Continue if the server is shutting down."""
        if not self._is_stopping:
            self.end()

    def shut_down(self) -> None:
        """Check often that the client reads, until the connection ends."""
        self._is_stopping = True
        self._check_later(_STOP_SECONDS, 1)

    def end(self) -> None:
        """Stop checking."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check_later(self, seconds: float, least: int) -> None:
        """Check that the client reads at least `least` bytes in each period of `seconds`."""
        self.end()
        unread = self._transport.get_write_buffer_size()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(seconds, self._check, seconds, least, unread)

    def _check(self, seconds: float, least: int, unread_before: int) -> None:
        self._check_later(seconds, least)
        if self._transport.get_write_buffer_size() > unread_before - least:
            self._stalled()


class _Flow(FlowControl):
    """Flow control that stops reading from the socket while pipelined requests are still in memory.

    The original class resumes reading whenever the application asks for a request's body. A client that sends
    requests without reading the responses would fill the memory.
    """

    def __init__(self, transport: asyncio.Transport, parser: h11.Connection) -> None:
        super().__init__(transport)
        self._parser = parser

    def resume_reading(self) -> None:
        is_responding = self._parser.their_state is h11.DONE and self._parser.our_state is not h11.DONE
        if not (is_responding and self._parser.trailing_data[0]):
            super().resume_reading()


class HttpConnection(H11Protocol):
    """An HTTP connection of a pool, with a time limit for heads and for slow clients."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        assert isinstance(config, PoolConfig)
        self._pool = config.pool
        self._head_timer: asyncio.TimerHandle | None = None
        self._read_check: ReadCheck

    # ------------------------------------------------------------------ the life of a connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn
        """Add the connection to the pool, and start the time limit of the first head."""
        super().connection_made(transport)
        self.flow = _Flow(transport, self.conn)
        self._read_check = ReadCheck(transport, self._stalled)
        self._start_head_timer()
        self._pool.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove the connection from the pool."""
        self._leave_pool()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Pass the connection to the WebSocket protocol, which the pool counts, but does not close."""
        self._leave_pool()
        super().handle_websocket_upgrade(event)

    def shutdown(self) -> None:
        """Finish the open request, unless its client keeps the server waiting."""
        super().shutdown()
        self._read_check.shut_down()

    def end(self) -> None:
        """Close the connection at once. Anything that the application sends after this is discarded."""
        self.connections.discard(self)
        self._leave_pool()
        self.transport.abort()

    def reject(self) -> None:
        """Close the connection at once, with a 503 if no response has begun.

        An idle client gets no response, because it could mistake this for the response to its next request.
        """
        if self._request is None or not self._request.response_started:
            self.transport.write(_UNAVAILABLE)
        self.end()

    def _leave_pool(self) -> None:
        self._stop_head_timer()
        self._read_check.end()
        self._pool.waiting.pop(self, None)

    # ------------------------------------------------------------------ requests

    def data_received(self, data: bytes) -> None:
        """Parse the data in slices, so that the limit for heads applies to complete heads too."""
        for start in range(0, len(data), _SLICE):
            super().data_received(data[start : start + _SLICE])
            if self not in self.connections or self.transport.is_closing():
                return
        if not self._waits_for_request():
            self._stop_head_timer()
        elif self._head_timer is None:
            self._start_head_timer()
        self._update_pool()

    def send_400_response(self, msg: str) -> None:
        """Reject invalid HTTP, unless a response has begun. Then just close the connection."""
        if self._request is not None and not self._request.response_complete:
            self._request.disconnected = True  # the application must not respond too
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.end()

    def on_response_complete(self) -> None:
        """Continue with the next request."""
        super().on_response_complete()
        self._update_pool()

    @property
    def _request(self) -> RequestResponseCycle | None:
        """The current or the last request, or None before the first request."""
        return self.cycle

    def _waits_for_request(self) -> bool:
        return self._request is None or self._request.response_complete

    def _waits_for_client(self) -> bool:
        return self._waits_for_request() or self.cycle.more_body or self.flow.write_paused

    def _update_pool(self) -> None:
        if self not in self.connections or not self._waits_for_client():
            self._pool.waiting.pop(self, None)
        else:
            self._pool.waiting.setdefault(self)

    # ------------------------------------------------------------------ time limits

    def _start_head_timer(self) -> None:
        self._head_timer = self.loop.call_later(self._pool.head_seconds, self._end_late_head)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _end_late_head(self) -> None:
        self._pool.log("request head too late: closed a connection of %s", self)
        if self.conn.trailing_data[0]:
            self.transport.write(_TIMEOUT)
        self.end()

    def pause_writing(self) -> None:
        """Begin to check that the client reads its response."""
        super().pause_writing()
        self._read_check.start()
        self._update_pool()

    def resume_writing(self) -> None:
        """Stop the check, because the client has read its response."""
        super().resume_writing()
        self._read_check.stop()
        self._update_pool()

    def _stalled(self) -> None:
        if self._waits_for_client():
            self._pool.log("client too slow: closed a connection of %s", self)
            self.reject()


class StreamConnection(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol, with checks that the client reads what the server sends."""

    _read_check: ReadCheck

    def connection_made(self, transport: BaseTransport) -> None:
        """Take over a connection from the HTTP protocol."""
        super().connection_made(transport)
        self._read_check = ReadCheck(self.transport, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the checks of the connection."""
        self._read_check.end()
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
        self._read_check.shut_down()
