"""uvicorn's WebSocket protocol, with limits for clients, and without long pauses of the event loop.

The problem: a client can send many thousands of tiny frames in one packet, such as pings. The server must
parse each one, answer each ping, and keep each piece of an incomplete message. The limit for the size of a
message does not apply, because the frames may be empty. In the other direction, sending a message of 2 MB
to 50 clients takes longer than other requests may have to wait, and compressing it takes 20 times as long.

The solution: received data is parsed in small pieces, and the frames are counted. Beyond a limit, the
connection is closed. Streams need no frame from their clients except a ping or a pong every few seconds. A
long message is sent in fragments, and other tasks run after each fragment. Messages are not compressed (see
`oms.api.server`).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.utils import ClientDisconnected
from websockets.exceptions import InvalidState

from oms.api.connections import StreamConnection

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent

__all__ = ["FRAGMENT", "MOST_FRAMES", "TOO_MANY_FRAMES", "WebSockets"]

TOO_MANY_FRAMES = 1008
"""The close code for a client that sends too many frames, such as pings."""

MOST_FRAMES = 100
"""The maximum number of frames that a client may send in `FRAME_SECONDS`."""

FRAME_SECONDS = 10.0

FRAGMENT = 2**16
"""The maximum length of a fragment that is sent, in characters."""

_PIECE = 600  # bytes of received data, which contain at most 100 frames


class WebSockets(StreamConnection):
    """A WebSocket connection.

    The original class also mistakes a rejection that has a body, such as a 401, for an incomplete handshake,
    and logs it as an error. This class does not.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._frames = 0
        self._counting_since = self.loop.time()

    def data_received(self, data: bytes) -> None:
        """Parse received data until the client has sent too many frames."""
        for start in range(0, len(data), _PIECE):
            if self.transport.is_closing():
                return
            super().data_received(data[start : start + _PIECE])

    def handle_events(self) -> None:
        """Handle the received frames, or close the connection if there are too many."""
        now = self.loop.time()
        if now - self._counting_since >= FRAME_SECONDS:
            self._counting_since, self._frames = now, 0
        self._frames += len(self.conn.events)
        if self._frames > MOST_FRAMES:
            self._reject_frames()
        else:
            super().handle_events()

    def _reject_frames(self) -> None:
        reason = f"a client may send at most {MOST_FRAMES} frames in {FRAME_SECONDS:.0f} seconds"
        self.queue.put_nowait({"type": "websocket.disconnect", "code": TOO_MANY_FRAMES, "reason": reason})
        self.conn.fail(TOO_MANY_FRAMES, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.transport.close()

    async def send(self, message: ASGISendEvent) -> None:
        """Send a message, in fragments if it is long.

        Treat a complete rejection as the end of the handshake.
        """
        text = message.get("text") if message["type"] == "websocket.send" else None
        if isinstance(text, str) and len(text) > FRAGMENT and self.handshake_complete:
            await self._send_fragments(text)
            return
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            self.handshake_complete = True

    async def _send_fragments(self, text: str) -> None:
        for start in range(0, len(text), FRAGMENT):
            await self.writable.wait()
            if self.disconnected:
                raise ClientDisconnected
            end = start + FRAGMENT
            send = self.conn.send_continuation if start else self.conn.send_text
            try:
                send(text[start:end].encode(), fin=end >= len(text))
            except InvalidState:  # the connection is being closed
                raise ClientDisconnected from None
            self.transport.write(b"".join(self.conn.data_to_send()))
            await asyncio.sleep(0)  # let other tasks run, because the socket may accept all fragments at once
