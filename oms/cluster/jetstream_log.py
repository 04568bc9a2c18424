"""A replicated log in a NATS JetStream stream. One stream holds the messages of one shard."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import MaxPayloadError

from oms.cluster.event_loop import EventLoop
from oms.cluster.replicated_log import (
    Message,
    RejectedError,
    UnavailableError,
    UnknownOutcomeError,
    WrongPositionError,
)
from oms.cluster.subjects import stream_of
from oms.errors import JournalError

__all__ = ["ApiError", "JetStreamLog"]

_log = logging.getLogger("oms.cluster")

T = TypeVar("T")

_WRONG_LAST_SEQUENCE = {10071, 10164}  # the error codes of the server
_NOT_FOUND = {10037, 10059}  # a message, and a stream
_FAILURES = (NatsError, OSError, RuntimeError, ValueError, CancelledError)
_HEADERS = 1_024  # bytes; more than the headers of a message need
_BATCH = 16 * 2**20  # bytes; the client drops messages if more than 128 MB wait for being processed
_MARGIN = 1.0  # seconds in which a request that has timed out reports this
_OPTIONS: Mapping[str, Any] = {
    "max_reconnect_attempts": -1,  # otherwise, the client gives up a server for ever
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


class JetStreamLog:
    """The log of a shard in the cluster at `servers`, which are URLs.

    `options` are further arguments of `nats.connect`, such as `user` and `password`. A request to the servers
    takes at most `request_seconds` seconds, and connecting takes at most `open_seconds` seconds.

    Raises JournalError if no server can be reached, or if no thread can be started.
    """

    def __init__(
        self,
        servers: Sequence[str],
        shard: str,
        place: str,
        *,
        options: Mapping[str, Any] | None = None,
        request_seconds: float = 2.0,
        open_seconds: float = 30.0,
    ) -> None:
        self.name = shard
        self.place = place
        self.stream = stream_of(shard)
        self._servers = list(servers)
        self._options: dict[str, Any] = {**_OPTIONS, "name": f"oms shard {shard}", **(options or {})}
        self._seconds = request_seconds
        self._is_closed = False
        self._client: Client | None = None
        self._connecting = asyncio.Lock()
        self.known_length = 0  # the number of messages that one of the servers had before it was opened
        self._loop = EventLoop(f"oms cluster {shard}", place)
        try:
            self._loop.run(self._connected, open_seconds)
        except BaseException as error:
            self.close()
            if isinstance(error, (OSError, NatsError, TimeoutError)):
                problem = str(error) or f"no server answers within {open_seconds:g} seconds"
                raise JournalError(place, f"it cannot be reached: {problem}") from error
            raise

    # ------------------------------------------------------------------ requests

    def request(self, subject: str, content: object = None) -> dict[str, Any]:
        """Send a request to the API of JetStream, and return the response.

        Raises ApiError if the response is an error. Raises UnavailableError if there is no response.
        """
        payload = b"" if content is None else json.dumps(content).encode()
        try:
            return self._run(partial(self._answer, subject, payload))
        except _FAILURES as error:
            raise UnavailableError(_text(error)) from error

    def call(self, function: Callable[[Client], Coroutine[Any, Any, T]], seconds: float) -> T:
        """Call an asynchronous function with the connection. Raises UnavailableError if it fails."""

        async def run() -> T:
            return await function(await self._connected())

        try:
            return self._loop.run(run, seconds)
        except _FAILURES as error:
            raise UnavailableError(_text(error)) from error

    def append(self, subject: str, payload: bytes, expected: int, message_id: str) -> int:
        """Store a message directly after position `expected`. See ReplicatedLog."""
        headers = {
            "Nats-Expected-Stream": self.stream,
            "Nats-Expected-Last-Sequence": str(expected),
            "Nats-Msg-Id": message_id,
        }
        try:
            answer = self._run(partial(self._answer, subject, payload, headers))
        except MaxPayloadError as error:
            limit = "the servers accept at most {:,}; raise max_payload in their configuration"
            raise RejectedError(
                f"it has {len(payload):,} bytes, and " + limit.format(self._longest())
            ) from error
        except ApiError as error:
            if error.code in _WRONG_LAST_SEQUENCE:
                raise WrongPositionError(str(error)) from error
            raise UnknownOutcomeError(str(error)) from error
        except _FAILURES as error:
            raise UnknownOutcomeError(_text(error)) from error
        position = answer.get("seq")
        if answer.get("stream") != self.stream or type(position) is not int:
            raise UnknownOutcomeError(f"the acknowledgement is not valid: {answer}")
        return position

    def read(self, after: int, limit: int) -> Sequence[Message]:
        """Return messages after position `after`. Any machine may answer. See ReplicatedLog."""
        try:
            return _without_gaps(self._run(partial(self._batch, after + 1, limit)), after)
        except _FAILURES as error:
            raise UnavailableError(_text(error)) from error

    def message_at(self, position: int) -> Message | None:
        """Return the message at a position, as the leader of the stream has it. See ReplicatedLog."""
        try:
            answer = self.request(f"$JS.API.STREAM.MSG.GET.{self.stream}", {"seq": position})
        except ApiError as error:
            if error.code in _NOT_FOUND:
                return None
            raise UnavailableError(str(error)) from error
        try:
            message = answer["message"]
            return Message(int(message["seq"]), base64.b64decode(message.get("data", ""), validate=True))
        except (LookupError, TypeError, ValueError, binascii.Error) as error:
            raise UnavailableError(f"the response is not valid: {error}") from error

    def last(self) -> int:
        """Return the position of the last message. See ReplicatedLog."""
        try:
            return int(self.request(f"$JS.API.STREAM.INFO.{self.stream}")["state"]["last_seq"])
        except (ApiError, LookupError, TypeError) as error:
            raise UnavailableError(_text(error)) from error

    def close(self) -> None:
        """Close the connection, and end its thread. A second call does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._client is not None:
            with suppress(NatsError, OSError, RuntimeError, TimeoutError):
                self._loop.run(self._client.close, self._seconds)
        self._loop.close()

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
        _log.debug("%s: %s", self.place, _text(error))

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

    async def _batch(self, first: int, limit: int) -> list[Message]:
        """Read consecutive messages with one request. The answer ends with an empty message."""
        client = await self._connected()
        inbox = client.new_inbox()
        subscription = await client.subscribe(inbox)  # pyright: ignore[reportUnknownMemberType]  # a bare Future
        request = json.dumps({"seq": first, "batch": limit, "max_bytes": _BATCH}).encode()
        messages: list[Message] = []
        try:
            await client.publish(f"$JS.API.DIRECT.GET.{self.stream}", request, reply=inbox)
            while len(messages) < limit:
                answer = await subscription.next_msg(timeout=self._seconds)
                headers = answer.headers or {}
                if "Nats-Sequence" in headers:
                    messages.append(Message(int(headers["Nats-Sequence"]), answer.data))
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

    def _longest(self) -> int:
        return 0 if self._client is None else self._client.max_payload - _HEADERS


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


def _without_gaps(messages: list[Message], after: int) -> list[Message]:
    """Return the messages before the first gap. If the gap is at the start, return the message after it."""
    length = next((n for n, each in enumerate(messages) if each.position != after + 1 + n), len(messages))
    return messages[: max(length, 1)]


def _text(error: Exception) -> str:
    return str(error) or type(error).__name__
