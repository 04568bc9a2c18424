"""Middleware that measures each request once, for the access log and the metrics.

The problem. A log line and a metric need the route, the status, the duration, the name of the API key, and
the sequence number of the change. No single place knows them all: the router knows the route, the guard knows
the key, and the change is made in another thread.

The solution. This middleware is outside of the guard and the router. Both store their information in the ASGI
scope, which is the same dict for all of them. The thread that makes a change inherits the request's context
variables, one of which holds a mutable `_Sequence`.

Invariants:
- Each HTTP request is observed once, even if it is rejected, fails, or is interrupted.
- Each stream is observed twice: when it opens, and when it ends. A stream that is rejected is observed once.
- An observation never contains a path, a query, a header, or a key. Its route and method are one of a few
  values.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from time import perf_counter
from typing import Literal, NamedTuple, Protocol

from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from oms.api.callers import caller_in

__all__ = ["Observation", "Observed", "Observer", "STREAM_METHOD", "UNKNOWN_ROUTE", "note_sequence"]

STREAM_METHOD = "WEBSOCKET"
"""The method of a stream's observations."""
UNKNOWN_ROUTE = "unknown"
"""The route of each request whose path does not exist."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"})
_STREAM_OPENED = 101  # the HTTP status of a successful WebSocket handshake
_STREAM_REJECTED = 403  # the status that servers send if a stream is closed before it opens
_ABNORMAL_CLOSURE = 1006  # the close code of a connection that ended without one


class Observation(NamedTuple):
    """The information about a request or a stream.

    `route` is a template, such as `/orders/{order_id}`. `status` is the HTTP status, or the close code of a
    stream that has ended. It is None if the request ended without a response. `key_name` is None if there was
    no key. `sequence` is the sequence number in the response to a change.
    """

    event: Literal["request", "stream_opened", "stream_closed"]
    method: str
    route: str
    status: int | None
    seconds: float
    key_name: str | None = None
    sequence: int | None = None


class Observer(Protocol):
    """A consumer of observations. It runs on the event loop, so it must not block."""

    def observe(self, observation: Observation) -> None:
        """Process an observation. O(1)."""
        ...


class _Sequence:
    """The sequence number of the change that a request made."""

    value: int | None = None


_SEQUENCE: ContextVar[_Sequence | None] = ContextVar("oms_sequence", default=None)


def note_sequence(sequence: int) -> None:
    """Store the sequence number of the current request's change. Do nothing outside of a request. O(1)."""
    noted = _SEQUENCE.get()
    if noted is not None:
        noted.value = sequence


class Observed:
    """Middleware that passes an observation of each request to the observers.

    `routes` are the application's routes. A rejected request has not reached the router, so its route is
    looked up here.
    """

    def __init__(self, app: ASGIApp, routes: Sequence[BaseRoute], observers: Sequence[Observer]) -> None:
        self._app = app
        self._routes = routes
        self._observers = observers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and observe its end."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        request = _ObservedRequest(scope, receive, send, self._observe)
        token = _SEQUENCE.set(request.sequence)
        try:
            await self._app(scope, request.receive, request.send)
        except Exception:
            request.status = request.status or 500  # the response that is sent after this exception
            raise
        finally:
            _SEQUENCE.reset(token)
            request.end()

    def _observe(self, scope: Scope, observation: Observation) -> None:
        caller = caller_in(scope)
        key_name = None if caller is None else caller.name
        complete = observation._replace(route=self._route_of(scope), key_name=key_name)
        for observer in self._observers:
            observer.observe(complete)

    def _route_of(self, scope: Scope) -> str:
        """Return the template of the route. O(1), or O(n) for n routes if the router was not reached."""
        route = scope.get("route")
        if route is None:
            matches = (each for each in self._routes if each.matches(scope)[0] is not Match.NONE)
            route = next(matches, None)
        return getattr(route, "path", UNKNOWN_ROUTE)


class _Observe(Protocol):
    def __call__(self, scope: Scope, observation: Observation) -> None: ...


class _ObservedRequest:
    """One request, or one stream, with functions that note the status of the messages they pass on."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, observe: _Observe) -> None:
        self.status: int | None = None
        self.sequence = _Sequence()
        self._scope = scope
        self._receive = receive
        self._send = send
        self._observe = observe
        self._begin = perf_counter()
        self._is_stream = scope["type"] == "websocket"
        self._is_open = False

    async def receive(self) -> Message:
        """Receive a message, and note the close code of a client that ends a stream."""
        message = await self._receive()
        if message["type"] == "websocket.disconnect" and self._is_open:
            self.status = message.get("code", _ABNORMAL_CLOSURE)
        return message

    async def send(self, message: Message) -> None:
        """Send a message, and note the status that it contains."""
        match message["type"]:
            case "http.response.start" | "websocket.http.response.start":
                self.status = message["status"]
            case "websocket.accept":
                self.status = _STREAM_OPENED
                self._emit("stream_opened")
                self._is_open, self.status = True, None
            case "websocket.close":
                self.status = message.get("code", 1000) if self._is_open else _STREAM_REJECTED
            case _:
                pass
        await self._send(message)

    def end(self) -> None:
        """Observe the end."""
        self._emit("stream_closed" if self._is_open else "request")

    def _emit(self, event: Literal["request", "stream_opened", "stream_closed"]) -> None:
        method = STREAM_METHOD if self._is_stream else self._scope["method"]
        known = method if self._is_stream or method in _METHODS else "OTHER"
        seconds = perf_counter() - self._begin
        self._observe(
            self._scope,
            Observation(event, known, UNKNOWN_ROUTE, self.status, seconds, None, self.sequence.value),
        )
