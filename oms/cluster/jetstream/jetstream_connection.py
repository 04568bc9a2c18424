"""A synchronous connection to the NATS servers."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Any, NamedTuple, TypeVar

from nats.aio.client import Client
from nats.errors import Error as NatsError

from oms.cluster.jetstream.event_loop import EventLoop
from oms.cluster.jetstream.requests import Requests, check_length, longest_payload
from oms.cluster.jetstream.urls import check_urls
from oms.cluster.log.replicated_log import UnavailableError
from oms.errors import JournalError

__all__ = [
    "ApiError",
    "FAILURES",
    "JetStreamConnection",
    "Stored",
    "TooManyError",
    "close_client",
    "text_of",
]

_log = logging.getLogger("oms.cluster")

T = TypeVar("T")

FAILURES = (NatsError, OSError, RuntimeError, ValueError, CancelledError)
"""The errors of a request that has no valid response."""

_MARGIN = 1.0  # seconds; how long after its time limit a request may take to raise its error
_OPTIONS: Mapping[str, Any] = {
    "max_reconnect_attempts": -1,  # otherwise, the client drops a server after 60 attempts
    "reconnect_time_wait": 0.1,
    "connect_timeout": 2,
    "ping_interval": 5,  # a machine that stops without closing its connections is noticed in 10 seconds
    "max_outstanding_pings": 2,
}


class ApiError(Exception):
    """The servers have rejected a request. `code` is the NATS error code."""

    def __init__(self, code: int, description: str) -> None:
        super().__init__(f"{description} (NATS error {code})")
        self.code = code

    @property
    def is_conflict(self) -> bool:
        """True if the stream does not have the expected last message."""
        return self.code in (10071, 10164)

    @property
    def has_no_message(self) -> bool:
        """True if the stream does not contain the requested message."""
        return self.code == 10037

    @property
    def has_no_stream(self) -> bool:
        """True if the stream does not exist."""
        return self.code == 10059


class TooManyError(OSError):
    """A request for the last messages of too many subjects for one response."""


class Stored(NamedTuple):
    """A message in a stream, with its position and its headers."""

    position: int
    headers: Mapping[str, str]
    payload: bytes


class JetStreamConnection:
    """A connection to the cluster at `servers`, which are URLs. `name` appears in the servers' reports.

    `place` names the connection in error messages. `options` are further arguments of `nats.connect`, such as
    `user` and `password`. A request to the servers takes at most `request_seconds` seconds, and connecting
    takes at most `open_seconds` seconds.

    Raises InvalidArgumentError unless `servers` contains URLs. Raises JournalError if no server can be
    reached, or if no thread can be started.
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
        check_urls(servers)
        self.place = place
        self._servers = list(servers)
        self._options: dict[str, Any] = {**_OPTIONS, "name": name, **(options or {})}
        self._seconds = request_seconds
        self._is_closed = False
        self._client: Client | None = None
        self._requests: Requests | None = None  # the requests of the client
        self._connecting = asyncio.Lock()
        self._waits_in_silence = True  # False after the first error while connecting
        self._loop = EventLoop(name, place)
        try:
            self._loop.run(self._connected, open_seconds)
        except BaseException as error:
            self.close()
            if isinstance(error, (OSError, NatsError, TimeoutError, ValueError)):
                problem = str(error) or f"no server answers within {open_seconds:g} seconds"
                raise JournalError(place, f"it cannot be reached: {problem}") from error
            raise

    def request(self, subject: str, content: object = None) -> dict[str, Any]:
        """Send a request to the JetStream API, and return the response.

        Raises ApiError if the response is an error. Raises UnavailableError if there is no response.
        """
        payload = b"" if content is None else json.dumps(content).encode()
        try:
            return self.publish(subject, payload)
        except FAILURES as error:
            raise UnavailableError(text_of(error)) from error

    def publish(self, subject: str, payload: bytes, headers: dict[str, str] | None = None) -> dict[str, Any]:
        """Publish a message, and return the response. Raises ApiError, and the errors in FAILURES."""
        end, requests = monotonic() + self._seconds + _MARGIN, self._requests
        if requests is None or not requests.is_usable:
            requests = self._run(self._usable_requests)
        seconds = min(self._seconds, end - monotonic())
        return _checked(json.loads(requests.ask(subject, payload, headers, max(seconds, 0))))

    def call(self, function: Callable[[Client], Coroutine[Any, Any, T]], seconds: float) -> T:
        """Call an asynchronous function with the connection. Raises UnavailableError if it fails."""

        async def run() -> T:
            return await function(await self._connected())

        try:
            return self._loop.run(run, seconds)
        except FAILURES as error:
            raise UnavailableError(text_of(error)) from error

    def batch(
        self, stream: str, content: Mapping[str, object], limit: int, *, whole: bool = False
    ) -> list[Stored]:
        """Return up to `limit` messages of a stream, read with one request. Any machine may respond.

        If the response ends too early, return the messages that have arrived, or raise the error if `whole`
        is True. Raises the errors in FAILURES, such as TooManyError.
        """
        return self._run(partial(self._batch, stream, content, limit, whole=whole))

    def close(self) -> None:
        """Close the connection, and end its thread. A second call does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._client is not None:
            with suppress(NatsError, OSError, RuntimeError, TimeoutError):
                self._loop.run(self._client.close, self._seconds)
        self._loop.close()
        if self._requests is not None:
            self._requests.close()

    def longest(self) -> int:
        """Return the largest number of bytes that a message may have, or 0 without a connection."""
        return 0 if self._client is None else longest_payload(self._client)

    # ------------------------------------------------------------------ in the event loop

    def _run(self, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return self._loop.run(function, self._seconds + _MARGIN)

    async def _connected(self) -> Client:
        """Return the connection. Reconnect if nats-py does not, as after some errors of the server."""
        if self._is_closed:
            raise OSError("the connection is closed")
        async with self._connecting:  # several threads can need the connection at the same time
            if self._client is None or self._client.is_closed:
                self._client, self._requests = await self._connect()
            return self._client

    async def _usable_requests(self) -> Requests:
        await self._connected()
        assert self._requests is not None, "a connection has its requests"
        return self._requests

    async def _connect(self) -> tuple[Client, Requests]:
        client = Client()
        try:
            await client.connect(
                self._servers,
                error_cb=self._note_error,
                disconnected_cb=partial(self._note_loss, client),
                **self._options,
            )
            requests = Requests(client, self._loop.call_soon)
            await requests.listen()
        except BaseException:  # including a cancellation
            await close_client(client)
            raise
        return client, requests

    async def _note_error(self, error: Exception) -> None:
        if self._client is None and self._waits_in_silence:
            self._waits_in_silence = False
            _log.warning("%s: still connecting: %s", self.place, text_of(error))
        else:
            _log.debug("%s: %s", self.place, text_of(error))

    async def _note_loss(self, client: Client) -> None:
        # nats-py also calls this when an attempt to connect is abandoned, although no connection was lost.
        if client is self._client and not self._is_closed:
            _log.warning("%s has lost the connection to a server, and connects to another", self.place)

    async def _answer(
        self, subject: str, payload: bytes, headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """Publish a message, and return the response. Async version of `publish`."""
        client = await self._connected()
        check_length(client, payload)
        message = await client.request(subject, payload, timeout=self._seconds, headers=headers)
        return _checked(json.loads(message.data))

    async def _batch(
        self, stream: str, content: Mapping[str, object], limit: int, *, whole: bool = False
    ) -> list[Stored]:
        """Read several messages with one request. The last message of the response is empty."""
        client = await self._connected()
        end = monotonic() + self._seconds + _MARGIN / 2  # for all messages together
        inbox = client.new_inbox()
        subscription = await client.subscribe(inbox)  # pyright: ignore[reportUnknownMemberType]  # a bare Future
        messages: list[Stored] = []
        try:
            await client.publish(f"$JS.API.DIRECT.GET.{stream}", json.dumps(content).encode(), reply=inbox)
            while len(messages) < limit:
                answer = await subscription.next_msg(timeout=max(end - monotonic(), 0))
                headers = answer.headers or {}
                if "Nats-Sequence" in headers:
                    messages.append(Stored(int(headers["Nats-Sequence"]), headers, answer.data))
                else:
                    _check_end(headers)
                    break
        except (NatsError, OSError):
            if whole or not messages:
                raise
        finally:
            with suppress(NatsError):
                await subscription.unsubscribe()
        return messages


def _checked(answer: dict[str, Any]) -> dict[str, Any]:
    """Return a response of the JetStream API. Raises ApiError if it is an error."""
    error: dict[str, Any] | None = answer.get("error")
    if error is not None:
        raise ApiError(int(error.get("err_code", 0)), str(error.get("description", "no description")))
    return answer


def _check_end(headers: Mapping[str, str]) -> None:
    """Raise OSError unless the last response of a batch says that the batch is complete."""
    if headers.get("Status") not in ("204", "404"):
        kind = TooManyError if headers.get("Status") == "413" else OSError
        raise kind(f"status {headers.get('Status')}: {headers.get('Description')}")


async def close_client(client: Client) -> None:
    """Close the connection of a client, even if it has rejected the URLs of the servers."""
    with suppress(AssertionError):  # nats-py raises it if `connect` failed before the client was set up
        await client.close()


def text_of(error: Exception) -> str:
    """Return the text of an error, or the name of its class if it has none."""
    return str(error) or type(error).__name__
