"""The requests of a connection: their responses, errors, time limits, and interrupts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from functools import partial
from typing import Any, cast

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import ConnectionClosedError, MaxPayloadError, NoRespondersError
from nats.errors import TimeoutError as NatsTimeoutError

from oms.cluster.jetstream import requests as requests_module
from oms.cluster.jetstream.event_loop import EventLoop
from oms.cluster.jetstream.requests import HEADERS, Requests
from support.interrupts import Interrupt, interrupted_at_line

LONGEST = 5_000


class FakeClient:
    """A connection that answers each message with `answer`, which says when and how often."""

    def __init__(self) -> None:
        self.max_payload = HEADERS + LONGEST
        self.is_closed = False
        self.published = list[tuple[str, bytes, dict[str, str] | None]]()
        self.error: Exception | None = None
        self.headers: dict[str, str] | None = None
        self.answer: Callable[[str, bytes], Coroutine[Any, Any, object]] = self.send

    def new_inbox(self) -> str:
        return "_INBOX.x"

    async def subscribe(self, subject: str, future: asyncio.Future[Msg]) -> None:
        assert subject == "_INBOX.x.*"
        self.responses = future

    async def publish(self, subject: str, payload: bytes, reply: str, headers: dict[str, str] | None) -> None:
        if self.error is not None:
            raise self.error
        self.published.append((subject, payload, headers))
        await self.answer(reply, payload)

    async def send(self, reply: str, payload: bytes) -> None:
        assert not self.responses.cancelled()
        self.responses.set_result(Msg(cast("Any", self), reply, data=b"re: " + payload, headers=self.headers))


class Connection:
    """Requests of a fake connection."""

    def __init__(self) -> None:
        self.client = FakeClient()
        self.loop = EventLoop("a loop", "a place")
        self.calls = 0
        self.requests = Requests(cast("Client", self.client), self.call_soon)
        self.loop.run(self.requests.listen, 60)

    def call_soon(self, function: Callable[[], object]) -> None:
        self.calls += 1
        self.loop.call_soon(function)

    def ask(self, payload: bytes = b"x", seconds: float = 60) -> bytes:
        return self.requests.ask("a.subject", payload, None, seconds)

    def send(self, reply: str, payload: bytes) -> None:
        self.loop.run(lambda: self.client.send(reply, payload), 60)


@pytest.fixture
def connection() -> Iterator[Connection]:
    connection = Connection()
    yield connection
    connection.loop.close()


async def nothing(_reply: str, _payload: bytes) -> None:
    """Do not answer."""


def test_the_content_of_the_response_is_returned(connection: Connection) -> None:
    headers = {"Nats-Msg-Id": "7"}
    assert connection.requests.ask("a.subject", b"hello", headers, 60) == b"re: hello"
    assert connection.client.published == [("a.subject", b"hello", headers)]


def test_each_thread_gets_the_response_to_its_own_request(connection: Connection) -> None:
    """The responses arrive in the reverse order, when all threads wait."""
    waiting, size = list[tuple[str, bytes]](), 8

    async def collect(reply: str, payload: bytes) -> None:
        waiting.append((reply, payload))
        if len(waiting) == size:
            for each in reversed(waiting):
                await connection.client.send(*each)

    connection.client.answer = collect
    with ThreadPoolExecutor(size) as threads:
        payloads = [b"%d" % number for number in range(size)]
        assert list(threads.map(connection.ask, payloads)) == [b"re: " + payload for payload in payloads]
    assert len({reply for reply, _ in waiting}) == size


def test_a_request_without_a_response_ends_after_its_time(connection: Connection) -> None:
    connection.client.answer = nothing
    for seconds in (0, 0.01):
        with pytest.raises(NatsTimeoutError):
            connection.ask(seconds=seconds)


def test_a_late_or_repeated_response_is_ignored(connection: Connection) -> None:
    replies = list[str]()

    async def collect(reply: str, _: bytes) -> None:
        replies.append(reply)

    connection.client.answer = collect
    with pytest.raises(NatsTimeoutError):
        connection.ask(seconds=0.01)

    async def three_times(reply: str, payload: bytes) -> None:
        await connection.client.send(replies[0], b"late")
        await connection.client.send(reply, payload)
        await connection.client.send(reply, b"repeated")

    connection.client.answer = three_times
    assert [connection.ask(b"new"), connection.ask(b"newer")] == [b"re: new", b"re: newer"]
    connection.send("_INBOX.x.unknown", b"not a number")
    assert connection.ask(b"newest") == b"re: newest"


def test_an_error_while_publishing_is_raised_at_once(connection: Connection) -> None:
    connection.client.error = ConnectionClosedError()
    with pytest.raises(ConnectionClosedError):
        connection.ask()
    connection.client.error = None
    assert connection.ask(b"again") == b"re: again"


def test_a_message_that_is_too_long_is_not_published(connection: Connection) -> None:
    with pytest.raises(MaxPayloadError):
        connection.ask(b"x" * (LONGEST + 1))
    assert connection.client.published == []
    assert connection.ask(b"x" * LONGEST) == b"re: " + b"x" * LONGEST


def test_a_subject_that_nobody_serves_is_an_error(connection: Connection) -> None:
    connection.client.headers = {"Status": "503"}
    with pytest.raises(NoRespondersError):
        connection.ask()
    for headers in ({"Status": "100"}, {"Other": "503"}, {}):
        connection.client.headers = headers
        assert connection.ask() == b"re: x"


def check_ends_with_cancellation(
    connection: Connection, publish: Callable[[], Coroutine[Any, Any, object]], end: Callable[[], object]
) -> None:
    """Send a request without a response, call `end`, and check that the request ends with CancelledError."""
    published = threading.Event()

    async def answer(_reply: str, _payload: bytes) -> None:
        published.set()
        await publish()

    connection.client.answer = answer
    with ThreadPoolExecutor(1) as threads:
        response = threads.submit(connection.ask)
        assert published.wait(60)
        end()
        with pytest.raises(CancelledError):
            response.result(60)


def test_closing_ends_the_requests_that_wait(connection: Connection) -> None:
    check_ends_with_cancellation(connection, partial(asyncio.sleep, 0), connection.requests.close)


def test_a_message_that_is_still_being_published_can_get_its_response(connection: Connection) -> None:
    async def forever(reply: str, payload: bytes) -> None:
        await connection.client.send(reply, payload)
        await asyncio.Event().wait()

    connection.client.answer = forever
    assert connection.ask() == b"re: x"


def test_a_message_that_is_still_being_published_ends_with_its_event_loop(connection: Connection) -> None:
    async def forever() -> None:
        await asyncio.Event().wait()

    check_ends_with_cancellation(connection, forever, connection.loop.close)


def test_a_closed_event_loop_is_an_error(connection: Connection) -> None:
    connection.loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        connection.ask()
    assert connection.requests._waiting == {}


def test_the_requests_of_a_closed_connection_are_not_usable(connection: Connection) -> None:
    assert connection.requests.is_usable
    connection.client.is_closed = True
    assert not connection.requests.is_usable


def test_an_interrupt_at_any_line_leaves_no_request_behind(connection: Connection) -> None:
    line = 1
    while interrupted_at_line(line, connection.ask, Interrupt, files={requests_module.__file__}):
        line += 1
        assert connection.requests._waiting == {}
        assert connection.ask(b"again") == b"re: again"
    assert line > 5


def test_a_request_wakes_the_event_loop_once(connection: Connection) -> None:
    for _ in range(10):
        connection.ask()
    assert connection.calls == 10
