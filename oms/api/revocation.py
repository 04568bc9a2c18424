"""The end of a stream that is no longer allowed, because its key is not valid or its books have moved.

A stream can stay open for months. So its key is checked again once a second, and not only when it opens. If
the key is no longer valid, the application sees that the client has disconnected, and the client gets a close
frame.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["KEY_REVOKED", "serve_while"]

KEY_REVOKED = 1008
"""The close code of a stream whose key was removed, or whose session has ended."""

_SECONDS = 1.0  # between two checks


async def serve_while(
    is_allowed: Callable[[], bool],
    app: ASGIApp,
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    code: int = KEY_REVOKED,
    reason: str = "the API key is not valid now",
) -> None:
    """Serve a WebSocket until `is_allowed` returns False. `is_allowed` is called once a second.

    The client then gets a close frame with this code and this reason.
    """
    is_revoked = False

    async def receive_while_allowed() -> Message:
        nonlocal is_revoked
        message = asyncio.ensure_future(receive())
        try:
            while not (await asyncio.wait([message], timeout=_SECONDS))[0]:
                if not is_allowed():
                    is_revoked = True
                    return {"type": "websocket.disconnect", "code": code, "reason": ""}
            return message.result()
        finally:
            message.cancel()

    await app(scope, receive_while_allowed, send)
    if is_revoked:
        await send({"type": "websocket.close", "code": code, "reason": reason})
