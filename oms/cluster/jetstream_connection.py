"""A connection to the servers of NATS, for callers that are not asynchronous."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, TypeVar

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import MaxPayloadError

from oms.cluster.event_loop import EventLoop
from oms.cluster.replicated_log import UnavailableError
from oms.errors import JournalError

__all__ = ["ApiError", "FAILURES", "JetStreamConnection", "Stored", "text_of"]

_log = logging.getLogger("oms.cluster")

T = TypeVar("T")

FAILURES = (NatsError, OSError, RuntimeError, ValueError, CancelledError)
"""The errors of a request that has no valid response."""

_HEADERS = 1_024  # bytes; more than the headers of a message need
_MARGIN = 1.0  # seconds in which a request that has timed out reports this
_OPTIONS: Mapping[str, Any] = {
    "max_reconnect_attempts": -1,  # otherwise, the client drops a server after 60 attempts
    "reconnect_time_wait": 0.1,
    "connect_timeout": 2,
    "ping_interval": 5,  # a machine that is gone without closing its connections is detected in 10 seconds
    "max_outstanding_pings": 2,
}


class ApiError(Exception):
    """The servers have rejected a request. `code` is the number of the error in the documentation of NATS."""

    def __init__(self, code: int, description: str) -> None:
        super().__init__(f"{description} (NATS error {code})")
        self.code = code


class Stored(NamedTuple):
    """A message in a stream, with its position and its headers."""

    position: int
    headers: Mapping[str, str]
    payload: bytes


class JetStreamConnection:
    """A connection to the cluster at `servers`, which are URLs. `name` appears in the servers' reports.

    `place` is the place in error messages. `options` are further arguments of `nats.connect`, such as `user`
    and `password`. A request to the servers takes at most `request_seconds` seconds, and connecting takes at
    most `open_seconds` seconds.

    Raises JournalError if no server can be reached, or if no thread can be started.
    """

    def __init__(
        self,
        servers: Sequence[str],
        name: str,
        place: str,
        *,
        options: Mapping[str, Any] | None = None,
        request_seconds: float = 2.0,
        open_seconds: float = 30.0,
    ) -> None:
        self.place = place
        self._servers = list(servers)
        self._options: dict[str, Any] = {**_OPTIONS, "name": name, **(options or {})}
        self._seconds = request_seconds
        self._is_closed = False
        self._client: Client | None = None
        self._connecting = asyncio.Lock()
        self._loop = EventLoop(name, place)
        try:
            self._loop.run(self._connected, open_seconds)
        except BaseException as error:
            self.close()
            if isinstance(error, (OSError, NatsError, TimeoutError)):
                problem = str(error) or f"no server answers within {open_seconds:g} seconds"
                raise JournalError(place, f"it cannot be reached: {problem}") from error
            raise

    def request(self, subject: str, content: object = None) -> dict[str, Any]:
        """Send a request to the API of JetStream, and return the response.

        Raises ApiError if the response is an error. Raises UnavailableError if there is no response.
        """
        payload = b"" if content is None else json.dumps(content).encode()
        try:
            return self.publish(subject, payload)
        except FAILURES as error:
            raise UnavailableError(text_of(error)) from error

    def publish(self, subject: str, payload: bytes, headers: dict[str, str] | None = None) -> dict[str, Any]:
        """Publish a message, and return the response. Raises ApiError, and those in FAILURES."""
        return self._run(partial(self._answer, subject, payload, headers))

    def call(self, function: Callable[[Client], Coroutine[Any, Any, T]], seconds: float) -> T:
        """Call an asynchronous function with the connection. Raises UnavailableError if it fails."""

        async def run() -> T:
            return await function(await self._connected())

        try:
            return self._loop.run(run, seconds)
        except FAILURES as error:
            raise UnavailableError(text_of(error)) from error

    def batch(self, stream: str, content: Mapping[str, object], limit: int) -> list[Stored]:
        """Return up to `limit` messages of a stream that one request gets. Any machine may answer.

        Raises the errors in FAILURES.
        """
        return self._run(partial(self._batch, stream, content, limit))

    def close(self) -> None:
        """Close the connection, and end its thread. A second call does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._client is not None:
            with suppress(NatsError, OSError, RuntimeError, TimeoutError):
                self._loop.run(self._client.close, self._seconds)
        self._loop.close()

    def longest(self) -> int:
        """Return how many bytes a message may have."""
        return 0 if self._client is None else self._client.max_payload - _HEADERS

    # ------------------------------------------------------------------ in the event loop

    def _run(self, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return self._loop.run(function, self._seconds + _MARGIN)

    async def _connected(self) -> Client:
        """Return the connection. nats-py reconnects itself, but not after some errors of the server."""
        if self._is_closed:
            raise OSError("the connection is closed")
        async with self._connecting:  # several threads can ask for it at the same time
            if self._client is None or self._client.is_closed:
                self._client = await self._connect()
            return self._client

    async def _connect(self) -> Client:
        client = Client()
        try:
            await client.connect(
                self._servers, error_cb=self._note_error, disconnected_cb=self._note_loss, **self._options
            )
        except BaseException:  # a cancellation, too
            await client.close()
            raise
        return client

    async def _note_error(self, error: Exception) -> None:
        _log.debug("%s: %s", self.place, text_of(error))

    async def _note_loss(self) -> None:
        if not self._is_closed:
            _log.warning("%s has lost the connection to a server, and connects to another", self.place)

    async def _answer(
        self, subject: str, payload: bytes, headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        client = await self._connected()
        if len(payload) > client.max_payload - _HEADERS:  # otherwise, the server closes the connection
            raise MaxPayloadError
        message = await client.request(subject, payload, timeout=self._seconds, headers=headers)
        return _checked(json.loads(message.data))

    async def _batch(self, stream: str, content: Mapping[str, object], limit: int) -> list[Stored]:
        """Read several messages with one request. The answer ends with an empty message."""
        client = await self._connected()
        inbox = client.new_inbox()
        subscription = await client.subscribe(inbox)  # pyright: ignore[reportUnknownMemberType]  # a bare Future
        messages: list[Stored] = []
        try:
            await client.publish(f"$JS.API.DIRECT.GET.{stream}", json.dumps(content).encode(), reply=inbox)
            while len(messages) < limit:
                answer = await subscription.next_msg(timeout=self._seconds)
                headers = answer.headers or {}
                if "Nats-Sequence" in headers:
                    messages.append(Stored(int(headers["Nats-Sequence"]), headers, answer.data))
                else:
                    _check_end(headers)
                    break
        except (NatsError, OSError):
            if not messages:
                raise
        finally:
            with suppress(NatsError):
                await subscription.unsubscribe()
        return messages


def _checked(answer: dict[str, Any]) -> dict[str, Any]:
    """Return a response of the API. Raises ApiError if it is an error."""
    error: dict[str, Any] | None = answer.get("error")
    if error is not None:
        raise ApiError(int(error.get("err_code", 0)), str(error.get("description", "no description")))
    return answer


def _check_end(headers: Mapping[str, str]) -> None:
    """Raise OSError unless the last response of a batch says that there are no more messages."""
    if headers.get("Status") not in ("204", "404"):
        raise OSError(f"status {headers.get('Status')}: {headers.get('Description')}")


def text_of(error: Exception) -> str:
    """Return the text of an error, or the name of its class if it has none."""
    return str(error) or type(error).__name__
