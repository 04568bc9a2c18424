"""A connection that cannot reach a server: its errors, and its log line."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
from nats.errors import TimeoutError as NatsTimeoutError

from oms import InvalidArgumentError, JournalError
from oms.cluster.gateway.jetstream_directory import JetStreamDirectory
from oms.cluster.jetstream import jetstream_connection
from oms.cluster.jetstream.jetstream_bucket import JetStreamBucket
from oms.cluster.jetstream.jetstream_connection import JetStreamConnection, Stored
from oms.cluster.jetstream.jetstream_journal import JetStreamJournal
from oms.cluster.jetstream.system_account import system_reports
from oms.cluster.jetstream.urls import without_passwords
from oms.cluster.log.replicated_log import UnavailableError
from oms.cluster.ownership.shards import Shards
from oms.cluster.worker.opening import Place

INFO = b'INFO {"server_id":"x","version":"2.11.0","proto":1,"headers":true,"max_payload":1048576}\r\n'


@pytest.mark.parametrize("urls", [["nats://a:1,nats://b:2"], ["nats://127.0.0.1:abc"]])
def test_a_malformed_url_is_an_error_of_the_system_account(urls: list[str]) -> None:
    with pytest.raises(JournalError, match=r"a place: the system account cannot be used: .+"):
        system_reports(urls, {"user": "sys", "password": "x"}, "a place")


def test_one_log_line_says_that_no_server_has_answered_yet(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(JournalError, match="a place: it cannot be reached: no server answers"):
        JetStreamConnection(["nats://127.0.0.1:1"], "a name", "a place", open_seconds=0.7)
    [line] = [record.getMessage() for record in caplog.records if record.name == "oms.cluster"]
    assert line.startswith("a place: still connecting: ")
    assert "127.0.0.1" in line


@pytest.mark.parametrize("url", ["nats://", "nats://127.0.0.1:port", "nats://127.0.0.1:99999"])
def test_a_url_that_is_not_valid_is_a_clear_error(url: str) -> None:
    with pytest.raises(JournalError, match=r"a place: it cannot be reached: nats: invalid .*connect url"):
        JetStreamConnection([url], "a name", "a place", open_seconds=5)


@pytest.mark.parametrize("servers", [[], [""], [4222], ["nats://user:secret@a:1", ""]])
@pytest.mark.parametrize(
    "open_with",
    [
        lambda servers: JetStreamConnection(servers, "a name", "a place"),
        lambda servers: JetStreamBucket(servers, "a-name"),
        lambda servers: JetStreamDirectory(servers, Shards(["a"])),
        lambda servers: JetStreamJournal(servers, "a", unsafe=True),
        lambda servers: Place(servers).open_bucket(),
    ],
)
def test_the_url_of_a_server_is_needed(open_with: Callable[[Any], object], servers: Any) -> None:
    with pytest.raises(
        InvalidArgumentError, match=r"must be a URL such as 'nats://localhost:4222'"
    ) as caught:
        open_with(servers)
    assert "secret" not in str(caught.value)


def test_a_message_shows_urls_without_passwords() -> None:
    urls = ["nats://user:secret@a:1", "nats://user:se/cr@et@b:2", "nats://c:3", "user:secret@d:4", "e"]
    assert without_passwords(urls) == "nats://a:1, nats://b:2, nats://c:3, d:4, e"


def answer_once(listening: socket.socket) -> None:
    """Answer the first connection as a server does, until it sends an error that ends the connection."""
    connection, _ = listening.accept()
    listening.close()
    with connection:
        connection.sendall(INFO)
        received = b""
        while b"SUB " not in received:
            received += connection.recv(65_536)
            if b"PING\r\n" in received:
                connection.sendall(b"PONG\r\n")
                received = received.replace(b"PING\r\n", b"")
        connection.sendall(b"-ERR 'Permissions were revoked'\r\n")
        connection.recv(1)


def test_a_failed_attempt_to_connect_again_is_not_logged_as_a_lost_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "oms.cluster")
    listening = socket.create_server(("127.0.0.1", 0))
    server = Thread(target=answer_once, args=(listening,), daemon=True)
    server.start()
    url = f"nats://127.0.0.1:{listening.getsockname()[1]}"
    connection = JetStreamConnection([url], "a name", "a place", request_seconds=0.3)
    try:
        server.join(20)
        for _ in range(3):
            with pytest.raises(UnavailableError):
                connection.request("a.subject")
    finally:
        connection.close()
    lines = [record.getMessage() for record in caplog.records]
    assert lines == ["a place has lost the connection to a server, and connects to another"]


class BrokenOff:
    """A client and its subscription: the response of a batch is some messages, and then nothing."""

    def __init__(self, number: int = 1) -> None:
        numbers = range(number, 0, -1)
        self.messages = [SimpleNamespace(headers={"Nats-Sequence": f"{n}"}, data=b"x") for n in numbers]

    def new_inbox(self) -> str:
        return "inbox"

    async def subscribe(self, _inbox: str) -> BrokenOff:
        return self

    async def publish(self, _subject: str, _payload: bytes, *, reply: str) -> None:
        assert reply == "inbox"

    async def next_msg(self, *, timeout: float) -> SimpleNamespace:  # as in nats-py
        if not self.messages:
            raise NatsTimeoutError
        return self.messages.pop()

    async def unsubscribe(self) -> None:
        pass


class Slow(BrokenOff):
    """The same, but each message takes 0.4 seconds on the clock of the connection."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    async def next_msg(self, *, timeout: float) -> SimpleNamespace:
        self.now += min(timeout, 0.4)
        if timeout < 0.4:
            raise NatsTimeoutError
        return await super().next_msg(timeout=timeout)


def test_the_messages_of_a_slow_response_that_arrive_in_time_are_returned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection, client = JetStreamConnection.__new__(JetStreamConnection), Slow(10)
    connection._seconds = 1.0
    monkeypatch.setattr(jetstream_connection, "monotonic", client.monotonic)

    async def connected() -> Any:
        return client

    connection._connected = connected  # type: ignore[method-assign]  # the double has only what a batch uses
    stored = asyncio.run(connection._batch("a stream", {}, 10))
    assert [message.position for message in stored] == [1, 2, 3]
    assert client.now < connection._seconds + jetstream_connection._MARGIN


@pytest.mark.parametrize("whole", [False, True])
def test_a_response_that_breaks_off_is_an_error_if_all_messages_are_needed(whole: bool) -> None:
    connection = JetStreamConnection.__new__(JetStreamConnection)  # without a connection
    connection._seconds = 1.0

    async def connected() -> Any:
        return BrokenOff()

    connection._connected = connected  # type: ignore[method-assign]  # the double has only what a batch uses
    batch = connection._batch("a stream", {}, 10, whole=whole)
    if whole:
        with pytest.raises(NatsTimeoutError):
            asyncio.run(batch)
    else:
        assert asyncio.run(batch) == [Stored(1, {"Nats-Sequence": "1"}, b"x")]
