"""Requests from synchronous threads to the NATS servers, with one response each.

The problem: an append is a request, and the next append must wait for the response. A request of nats-py
needs a task, a future, a timer, and the queue of a subscription. To return the response to another thread, a
second future is needed. Each of these steps costs an iteration of the event loop.

The solution: the calling thread asks the event loop to publish the message, and then waits for a lock. Each
connection has one subscription for all responses. When nats-py reads a response, it calls `set_result` of
this subscription's future, and this call releases the lock. So no further iteration of the event loop is
needed after the response was read. If the subscription had a callback instead of a future, nats-py would pass
the response through a queue and a task, and the response would arrive one iteration later.

Invariants:

- Each request has its own number, which is part of the response's subject. So a response that arrives too
  late matches no request, and is ignored.
- A request ends when it is removed from `_waiting`: by its response, an error, its time limit, or `close`.
- The waiting thread enforces the time limit, so a request times out even if the event loop has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import CancelledError
from functools import partial
from itertools import count
from threading import Lock

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import MaxPayloadError, NoRespondersError
from nats.errors import TimeoutError as NatsTimeoutError

__all__ = ["HEADERS", "Requests", "check_length", "longest_payload"]

HEADERS = 1_024  # bytes; more than the headers of any message need
_NO_RESPONDERS = "503"


class _Request:
    """A request that waits for its response. The lock is released when `outcome` is set."""

    __slots__ = ("ended", "outcome")

    def __init__(self) -> None:
        self.ended = Lock()
        self.ended.acquire()
        self.outcome: Msg | BaseException | None = None


class Requests:
    """The requests of one connection. `call_soon` calls a function in the thread of the event loop."""

    def __init__(self, client: Client, call_soon: Callable[[Callable[[], object]], object]) -> None:
        self._client = client
        self._call_soon = call_soon
        self._inbox = client.new_inbox()
        self._numbers = count()
        self._waiting: dict[str, _Request] = {}
        self._tasks: set[asyncio.Task[None]] = set()  # keeps the tasks from being garbage-collected

    async def listen(self) -> None:
        """Subscribe to the responses. Call this before the first request."""
        responses = _Responses(self._end)
        await self._client.subscribe(f"{self._inbox}.*", future=responses)  # pyright: ignore[reportUnknownMemberType]  # a bare Future

    @property
    def is_usable(self) -> bool:
        """False if the connection is closed, so that a new connection is needed."""
        return not self._client.is_closed

    def ask(self, subject: str, payload: bytes, headers: dict[str, str] | None, seconds: float) -> bytes:
        """Publish a message, and return the content of its response.

        Raises MaxPayloadError if the message is too long. If there is no response, raises another NATS error,
        OSError, RuntimeError, or CancelledError.
        """
        check_length(self._client, payload)
        number, request = str(next(self._numbers)), _Request()
        try:
            self._waiting[number] = request
            self._call_soon(partial(self._publish, number, subject, payload, headers))
            request.ended.acquire(timeout=seconds)
        finally:
            self._waiting.pop(number, None)
        outcome = request.outcome
        if outcome is None:
            raise NatsTimeoutError
        if isinstance(outcome, BaseException):
            raise outcome
        if outcome.headers and outcome.headers.get("Status") == _NO_RESPONDERS:
            raise NoRespondersError
        return outcome.data

    def close(self) -> None:
        """End all requests with CancelledError."""
        for number in list(self._waiting):
            self._end(number, CancelledError())

    # ------------------------------------------------------------------ in the event loop

    def _publish(self, number: str, subject: str, payload: bytes, headers: dict[str, str] | None) -> None:
        reply = f"{self._inbox}.{number}"
        publishing = self._client.publish(subject, payload, reply=reply, headers=headers)
        task = asyncio.get_running_loop().create_task(publishing)
        self._tasks.add(task)
        task.add_done_callback(partial(self._published, number))

    def _published(self, number: str, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = CancelledError() if task.cancelled() else task.exception()
        if error is not None:
            self._end(number, error)

    def _end(self, number: str, outcome: Msg | BaseException) -> None:
        request = self._waiting.pop(number, None)
        if request is not None:
            request.outcome = outcome
            request.ended.release()


class _Responses(asyncio.Future[Msg]):
    """The future of the subscription. It is never done, and passes each message to its request."""

    def __init__(self, end: Callable[[str, Msg], None]) -> None:
        super().__init__()
        self._end = end

    def set_result(self, message: Msg, /) -> None:
        """End the request that this message is the response to."""
        self._end(message.subject.rpartition(".")[2], message)


def longest_payload(client: Client) -> int:
    """Return the largest number of bytes that a message may have in addition to its headers."""
    return client.max_payload - HEADERS


def check_length(client: Client, payload: bytes) -> None:
    """Raise MaxPayloadError for a message that is too long. The server would close the connection."""
    if len(payload) > longest_payload(client):
        raise MaxPayloadError
