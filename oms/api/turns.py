"""Turns: the event loop works on one long request at a time, so that reads do not wait for many of them.

The problem: all requests share one event loop, and each needs about a millisecond of it. If 60 clients send
changes, a read would wait until the loop has worked on all changes that arrived before it.

The solution: long requests are all requests that may change something, what-ifs included, and reads of
pages. Only one long request at a time may use the event loop: it holds the turn, which is a semaphore. It
releases the turn while it waits for its body, for a thread, or for a client that reads slowly. All other
reads need no turn, so such a read waits for at most one uninterrupted step of one long request.

Invariants:

- A request holds the turn only while the event loop works on it, never while it waits.
- Requests get the turn in the order in which they ask for it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from contextvars import ContextVar

from anyio import Semaphore
from anyio.lowlevel import RunVar
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["PAGES", "Turns", "waiting"]

PAGES = frozenset({"/events", "/orders", "/trades"})
"""The paths of the endpoints that return a page of many objects."""

_READ_ONLY_METHODS = {"GET", "HEAD", "OPTIONS"}
_turn_of_loop: RunVar[Semaphore] = RunVar("oms.api.turns")


class _Turn:
    """The turn of one request. `is_held` is True while the request holds it."""

    def __init__(self) -> None:
        self._semaphore = _semaphore()
        self.is_held = False

    async def take(self) -> None:
        """Wait for the turn."""
        await self._semaphore.acquire()
        self.is_held = True

    def give_up(self) -> None:
        """Give up the turn, if the request holds it."""
        if self.is_held:
            self.is_held = False
            self._semaphore.release()


_turn_of_request: ContextVar[_Turn | None] = ContextVar("oms_api_turn", default=None)


class Turns:
    """Middleware that makes each long request wait for its turn."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a long request to the application when it gets the turn, and all others at once."""
        if not _is_long(scope):
            await self._app(scope, receive, send)
            return

        async def receive_without_turn() -> Message:
            async with waiting():
                return await receive()

        async def send_without_turn(message: Message) -> None:
            async with waiting():
                await send(message)

        turn = _Turn()
        before = _turn_of_request.set(turn)
        try:
            await turn.take()
            await self._app(scope, receive_without_turn, send_without_turn)
        finally:
            turn.give_up()
            _turn_of_request.reset(before)


def _is_long(scope: Scope) -> bool:
    if scope["type"] != "http":
        return False
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    return scope["method"] not in _READ_ONLY_METHODS or path in PAGES


@asynccontextmanager
async def waiting() -> AsyncGenerator[None]:
    """Give up the turn of the current request during the block, if it has one."""
    turn = _turn_of_request.get()
    if turn is None or not turn.is_held:
        yield
        return
    turn.give_up()
    try:
        yield
    finally:
        await turn.take()


def _semaphore() -> Semaphore:
    """Return the semaphore of the running event loop."""
    try:
        return _turn_of_loop.get()
    except LookupError:
        semaphore = Semaphore(1)
        _turn_of_loop.set(semaphore)
        return semaphore
