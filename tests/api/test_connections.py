"""The server's connections: their number, slow clients, and what is logged about them."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import re
import resource
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.client import HTTPResponse
from threading import Thread
from typing import Any, cast
from unittest import mock

import httpx
import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st

from oms import InvalidArgumentError, Order, OrderManagement, Side
from oms.api import Settings, create_app
from oms.api.connection_pool import Pool, most_connections
from oms.api.connections import ReadCheck
from oms.api.server import new_server
from support.api_books import JPM, ORDER, books, problem
from support.api_connections import new_connection
from support.api_server import Address, next_message, running, serving, stream

HEAD = b"GET /health HTTP/1.1\r\nHost: x\r\n"
CLOSED = b""


def check_response(address: Address) -> None:
    response = httpx.get(f"{address.http}/price", params={**JPM, "amount": 22}, timeout=30)
    assert response.json()["total_price"] == 442


def connect(address: Address, content: bytes = b"") -> socket.socket:
    connection = socket.create_connection(address, timeout=30)
    connection.sendall(content)
    return connection


def rest(connection: socket.socket) -> bytes:
    """Return everything that the server sends until it closes the connection, even with a reset."""
    content = b""
    try:
        while piece := connection.recv(2**16):
            content += piece
    except ConnectionResetError:
        pass
    return content


def is_open(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        while connection.recv(2**16):
            pass
    except BlockingIOError:
        return True
    except ConnectionResetError:
        pass
    finally:
        connection.settimeout(30)
    return False


def post(order_id: int) -> bytes:
    body = json.dumps({**ORDER, "order_id": order_id}).encode()
    lines = [
        "POST /orders HTTP/1.1",
        "Host: x",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def status(connection: socket.socket) -> int:
    """Read a response, and return its status."""
    response = HTTPResponse(connection)
    response.begin()
    response.read()
    return response.status


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Collect what the service, uvicorn, and asyncio log."""
    collected: list[str] = []
    monkeypatch.setattr(uvicorn.Config, "configure_logging", lambda _: None)  # it would remove the handler

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            collected.append(record.getMessage())

    handler, names = Handler(), ("oms.api", "uvicorn.error", "asyncio")
    for name in names:
        logging.getLogger(name).addHandler(handler)
    yield collected
    for name in names:
        logging.getLogger(name).removeHandler(handler)


# ---------------------------------------------------------------------- the number of connections


def test_silent_connections_above_the_limit_do_not_lock_out_a_client_that_sends_a_request() -> None:
    settings = Settings(most_connections=20)
    with serving(create_app(books(), settings), settings=settings) as address, ExitStack() as stack:
        silent = [stack.enter_context(connect(address)) for _ in range(100)]
        check_response(address)
        assert sum(map(is_open, silent)) <= 20


def test_the_connection_that_has_waited_for_its_client_for_the_longest_time_is_closed_first() -> None:
    settings = Settings(most_connections=4)
    with serving(create_app(books(), settings), settings=settings) as address, ExitStack() as stack:
        idle, silent, partial, last = (stack.enter_context(connect(address)) for _ in range(4))
        last.sendall(HEAD + b"\r\n")
        assert status(last) == 200  # it was accepted last, so all four are in the pool
        partial.sendall(HEAD)
        idle.sendall(HEAD + b"\r\n")
        assert status(idle) == 200  # from now on it waits for the next request
        new = [stack.enter_context(connect(address)) for _ in range(2)]
        assert rest(silent).startswith(b"HTTP/1.1 503 ")
        assert rest(partial).startswith(b"HTTP/1.1 503 ")
        assert is_open(idle)
        for closed in (last, idle):
            new.append(stack.enter_context(connect(address)))
            assert rest(closed) == CLOSED
        assert all(map(is_open, new))


def test_a_request_that_the_service_works_on_is_never_closed() -> None:
    om, settings = books(), Settings(most_connections=4, head_seconds=0.2)
    with serving(create_app(om, settings), settings=settings) as address, ExitStack() as stack:
        with om.locked():
            busy = [stack.enter_context(connect(address, post(number))) for number in (10, 11, 12)]
            assert httpx.get(f"{address.http}/health", timeout=30).is_success  # the server has read them
            for _ in range(3):
                with connect(address, HEAD) as first, connect(address):
                    assert rest(first).startswith(b"HTTP/1.1 503 ")
            with connect(address, HEAD) as late:
                assert rest(late).startswith(b"HTTP/1.1 408 ")
        assert [status(connection) for connection in busy] == [201, 201, 201]
    assert {10, 11, 12} <= {order.order_id for order in om.orders()}


def test_an_open_stream_is_never_closed_for_other_connections() -> None:
    om, settings = OrderManagement(), Settings(most_connections=3, head_seconds=0.2)
    with serving(create_app(om, settings), settings=settings) as address, stream(address) as reader:
        next_message(reader)
        with connect(address, HEAD) as late:
            assert rest(late).startswith(b"HTTP/1.1 408 ")  # the stream is older
        for number in range(1, 20):
            with connect(address), connect(address):
                assert httpx.post(f"{address.http}/orders", json={**ORDER, "order_id": number}).is_success
            assert next_message(reader)["sequence"] == number


def test_the_client_library_gets_its_responses_although_its_idle_connections_are_closed() -> None:
    settings = Settings(most_connections=2)
    with (
        serving(create_app(books(), settings), settings=settings) as address,
        httpx.Client(base_url=address.http, transport=httpx.HTTPTransport(retries=1)) as client,
    ):
        for _ in range(20):
            assert client.get("/health").status_code == 200
            with connect(address), connect(address) as last:
                assert is_open(last)
                check_response(address)


# ---------------------------------------------------------------------- slow clients


@pytest.fixture
def impatient() -> Iterator[Address]:
    settings = Settings(head_seconds=0.3)
    with serving(create_app(books(), settings), settings=settings) as address:
        yield address


def test_a_head_that_is_not_complete_in_time_gets_a_408(impatient: Address) -> None:
    with connect(impatient, HEAD) as connection:
        assert rest(connection).startswith(b"HTTP/1.1 408 ")


def test_a_client_that_sends_nothing_is_disconnected_without_a_response(impatient: Address) -> None:
    with connect(impatient) as connection:
        assert rest(connection) == CLOSED


def drip(connection: socket.socket, content: bytes) -> None:
    """Send the content byte by byte until the server closes the connection."""

    def send() -> None:
        try:
            for number in range(len(content)):
                connection.sendall(content[number : number + 1])
                time.sleep(0.05)
        except OSError:
            pass

    Thread(target=send).start()


def test_a_head_that_arrives_byte_by_byte_gets_no_more_time(impatient: Address) -> None:
    with connect(impatient) as connection:
        drip(connection, HEAD * 20)
        rest(connection)


def test_the_second_head_of_a_connection_has_the_same_time_limit(impatient: Address) -> None:
    with connect(impatient, HEAD + b"\r\n") as connection:
        assert status(connection) == 200
        drip(connection, HEAD * 20)
        rest(connection)


def test_a_body_that_arrives_byte_by_byte_after_the_response_is_not_read_for_ever(impatient: Address) -> None:
    with connect(impatient, HEAD + b"Content-Length: 1000000\r\n\r\n") as connection:
        assert status(connection) == 200
        drip(connection, b" " * 1000)
        rest(connection)


def test_a_head_in_several_pieces_is_complete_when_its_last_piece_arrives(impatient: Address) -> None:
    with connect(impatient) as connection:
        for _ in range(3):  # the second and third request on an open connection too
            for piece in (HEAD[:5], HEAD[5:], b"\r\n"):
                connection.sendall(piece)
            assert status(connection) == 200


def headers(number: int) -> bytes:
    return HEAD + b"a:b\r\n" * number + b"\r\n"


def test_a_head_that_is_too_long_is_rejected_although_it_is_complete(impatient: Address) -> None:
    with connect(impatient, headers(30_000)) as connection:
        assert rest(connection).startswith(b"HTTP/1.1 400 ")
    with connect(impatient, headers(1_000)) as connection:
        assert status(connection) == 200


@pytest.mark.parametrize(
    ("sizes", "stalls"),
    [
        ([100, 100, 100], 2),  # the client reads nothing
        ([100, 91, 82], 2),  # it reads too little
        ([100, 90, 80], 0),  # it reads enough
        ([100, 90, 85], 1),
    ],
)
def test_a_client_that_reads_less_than_the_minimum_between_two_checks_is_noticed(
    sizes: list[int], stalls: int
) -> None:
    class Transport:
        left = sizes[0]

        def get_write_buffer_size(self) -> int:
            return self.left

    async def count() -> int:
        calls: list[None] = []
        check = ReadCheck(cast("Any", transport), lambda: calls.append(None))
        check._check_later(0, 10)
        for transport.left in sizes[1:]:
            timer = check._timer
            while check._timer is timer:
                await asyncio.sleep(0)
        check.end()
        return len(calls)

    transport = Transport()
    assert asyncio.run(count()) == stalls


@pytest.mark.parametrize("is_stopping", [False, True])
def test_a_client_that_reads_is_still_checked_when_the_server_shuts_down(is_stopping: bool) -> None:
    class Transport:
        def get_write_buffer_size(self) -> int:
            return 100

    async def is_checked() -> bool:
        stalled = asyncio.Event()
        check = ReadCheck(cast("Any", Transport()), stalled.set)
        if is_stopping:
            check.shut_down()
        check.start()
        check.stop()
        if check._timer is not None:
            await stalled.wait()
        check.end()
        return stalled.is_set()

    assert asyncio.run(is_checked()) == is_stopping


# ---------------------------------------------------------------------- pipelined requests


def test_pipelined_requests_are_answered_in_order() -> None:
    om, numbers = OrderManagement(), range(1, 501)
    with serving(create_app(om, Settings())) as address:
        close = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        with connect(address, b"".join(map(post, numbers)) + close) as connection:
            responses = rest(connection)
    assert [int(each) for each in re.findall(rb'"order_id":(\d+)', responses)] == list(numbers)
    assert om.last_sequence == 500


def test_a_connection_is_not_read_while_pipelined_requests_wait() -> None:
    async def use() -> None:
        at_work, finish = asyncio.Semaphore(0), asyncio.Semaphore(0)

        async def application(_scope: object, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
            await receive()
            at_work.release()
            await finish.acquire()
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})

        connection, transport = new_connection(application, Pool(10, 10))
        connection.data_received(post(1) * 3)
        for _ in range(2):
            await at_work.acquire()
            assert transport.paused  # although the application has asked for the body
            finish.release()
        await at_work.acquire()
        assert not transport.paused
        finish.release()
        while transport.written.count(b" 204 ") < 3:
            await asyncio.sleep(0)
        connection.connection_lost(None)

    asyncio.run(use())


def test_an_invalid_request_gets_one_response_even_if_the_application_responds_at_once(
    lines: list[str],
) -> None:
    async def use() -> bytes:
        async def application(_scope: object, _receive: object, send: Callable[..., Any]) -> None:
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})

        connection, transport = new_connection(application, Pool(10, 10))
        connection.data_received(HEAD + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n")
        while connection.tasks:
            await asyncio.sleep(0)
        return transport.written

    written = asyncio.run(use())
    assert written.startswith(b"HTTP/1.1 400 ")
    assert written.count(b"HTTP/1.1 ") == 1
    assert lines == ["Invalid HTTP request received."]


# ---------------------------------------------------------------------- the log


INVALID = {
    "garbage": b"\x16\x03\x01\x02\r\n\r\n",
    "invalid chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n",
    "upgrade": HEAD + b"Connection: Upgrade, close\r\nUpgrade: other\r\n\r\n",
    "handshake": HEAD.replace(b"health", b"stream") + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
}


@pytest.mark.parametrize("kind", INVALID)
def test_invalid_requests_cause_at_most_one_line_per_second(kind: str, lines: list[str]) -> None:
    begin = time.monotonic()
    with serving(create_app(books(), Settings())) as address:
        for _ in range(100):
            with connect(address, INVALID[kind]) as connection:
                rest(connection)
        check_response(address)
    assert len(lines) <= time.monotonic() - begin + 2
    assert "Exception" not in "".join(lines)


def test_an_invalid_chunk_after_the_response_closes_the_connection(lines: list[str]) -> None:
    with serving(create_app(books(), Settings())) as address:
        with connect(address, HEAD + b"Transfer-Encoding: chunked\r\n\r\n") as connection:
            assert status(connection) == 200
            connection.sendall(b"nonsense\r\n")
            assert rest(connection) == CLOSED
        check_response(address)
    assert lines == ["Invalid HTTP request received."]


def test_closed_connections_cause_at_most_one_line_per_second_and_a_count(lines: list[str]) -> None:
    begin = time.monotonic()
    settings = Settings(most_connections=10, head_seconds=0.1)
    with serving(create_app(books(), settings), settings=settings) as address, ExitStack() as stack:
        last = [stack.enter_context(connect(address)) for _ in range(200)]
        rest(last[-1])
    too_many = "too many connections: closed one of 127.0.0.1, which was waiting for its client"
    assert lines[0] == too_many
    assert "request head too late: closed a connection of 127.0.0.1" in lines
    assert len(lines) <= 2 * (time.monotonic() - begin + 2)


# ---------------------------------------------------------------------- the end of the server


def wait_until(is_true: Callable[[], bool]) -> None:
    while not is_true():
        time.sleep(0.01)


@pytest.mark.parametrize("signal_", [signal.SIGTERM, signal.SIGINT])
def test_while_the_server_drains_it_is_not_ready_and_serves_all_requests(
    signal_: signal.Signals, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "oms.api")
    om, settings = books(), Settings(drain_seconds=600)
    app = create_app(om, settings)
    with running(app, settings=settings) as (server, address), httpx.Client() as client:
        assert client.get(f"{address.http}/ready").json()["ready"]
        server.handle_exit(signal_, None)
        wait_until(lambda: client.get(f"{address.http}/ready").status_code == 503)
        rejection = problem(client.get(f"{address.http}/ready"))
        assert (rejection["code"], rejection["reason"]) == ("not_ready", "the service is shutting down")
        assert client.get(f"{address.http}/health").json() == {"alive": True}
        assert client.post(f"{address.http}/orders", json={**ORDER, "order_id": 7}).status_code == 201
        with stream(address) as reader:  # a new connection
            assert next_message(reader)["type"] == "snapshot"
        server.handle_exit(signal_, None)  # ends the draining
    assert [record.getMessage() for record in caplog.records if record.name == "oms.api"] == [
        f"received {signal_.name}, draining for 600 s",
        "stopping, after the open requests have finished",
    ]
    assert not server.force_exit  # a third Ctrl-C does not wait for open requests
    with serving(app) as address:
        assert httpx.get(f"{address.http}/ready").json()["ready"]


def test_a_request_at_work_gets_its_response_after_the_server_has_stopped_listening() -> None:
    om = books()
    with running(create_app(om, Settings())) as (server, address), ExitStack() as stack:
        with om.locked():
            connection = stack.enter_context(connect(address, post(7)))
            assert httpx.get(f"{address.http}/health", timeout=30).is_success  # the server has read it
            server.should_exit = True
            wait_until(lambda: not accepts(address))
        assert status(connection) == 201
        assert rest(connection) == CLOSED
    assert 7 in {order.order_id for order in om.orders()}


def accepts(address: Address) -> bool:
    try:
        connect(address).close()
    except OSError:
        return False
    return True


def test_an_incomplete_request_ends_soon_after_the_server_is_told_to_stop(lines: list[str]) -> None:
    om = books()
    before = om.state_hash()
    with ExitStack() as stack:
        with running(create_app(om, Settings(body_seconds=600))) as (server, address):
            bodies = [stack.enter_context(connect(address, post(number)[:-1])) for number in range(10, 20)]
            heads = [stack.enter_context(connect(address, HEAD)) for _ in range(10)]
            assert httpx.get(f"{address.http}/health", timeout=30).is_success  # the server has read them
            server.should_exit = True
        assert not any("graceful shutdown exceeded" in line for line in lines)  # after 10 seconds
        assert all(rest(connection).startswith(b"HTTP/1.1 503 ") for connection in bodies)
        assert all(rest(connection) == CLOSED for connection in heads)
    assert om.state_hash() == before


def test_clients_that_read_nothing_do_not_delay_the_end_of_the_server(lines: list[str]) -> None:
    om = OrderManagement()
    om.add_orders(Order(number, "J" * 300, Side.BUY, 1, 1) for number in range(20_000))
    with ExitStack() as stack:
        with running(create_app(om, Settings())) as (server, address):
            handshake = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            key = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            pipelined = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 100
            for content in (HEAD.replace(b"health", b"stream") + handshake + key, pipelined):
                connection = stack.enter_context(connect(address, content))
                assert connection.recv(1) == b"H"
            wait_until(lambda: all(map(is_paused, server.server_state.connections)))
            server.should_exit = True
        assert not any("graceful shutdown exceeded" in line for line in lines)  # after 10 seconds


def is_paused(connection: Any) -> bool:
    flow = getattr(connection, "flow", None)
    return bool(flow.write_paused if flow else not connection.writable.is_set())


# ---------------------------------------------------------------------- the limits of the process


@given(files=st.integers(129, 2**40), wanted=st.none() | st.integers(-5, 2**41))
def test_the_number_of_connections_leaves_descriptors_for_other_purposes(
    files: int, wanted: int | None
) -> None:
    with mock.patch("resource.getrlimit", return_value=(files, files)):
        if wanted is not None and not 1 <= wanted <= files - 128:
            with pytest.raises(InvalidArgumentError, match=r"^most_connections must be an int in 1\.\."):
                most_connections(wanted)
        else:
            most = most_connections(wanted)
            assert most == (min(1_000, files - 128) if wanted is None else wanted)


def test_an_unlimited_number_of_files_allows_any_number_of_connections() -> None:
    with mock.patch("resource.getrlimit", return_value=(resource.RLIM_INFINITY, resource.RLIM_INFINITY)):
        assert most_connections(None) == 1_000
        assert most_connections(10**9) == 10**9


def test_a_process_that_may_open_too_few_files_is_an_error_with_the_remedy() -> None:
    with (
        mock.patch("resource.getrlimit", return_value=(100, 100)),
        pytest.raises(
            InvalidArgumentError, match=r"must be above 128, not 100 \(int\); raise .* `ulimit -n`"
        ),
    ):
        new_server(create_app(settings=Settings()))


def test_connections_that_cannot_be_accepted_cause_one_line_and_other_errors_are_logged_in_full(
    lines: list[str],
) -> None:
    with running(create_app(books(), Settings())) as (server, address), connect(address) as silent:
        check_response(address)
        error = OSError(errno.EMFILE, "Too many open files")
        context = {"message": "socket.accept() out of system resource", "exception": error, "socket": None}
        for _ in range(100):
            loop_of(server).call_soon_threadsafe(loop_of(server).call_exception_handler, context)
        assert rest(silent).startswith(b"HTTP/1.1 503 ")
        loop_of(server).call_soon_threadsafe(loop_of(server).call_exception_handler, {"message": "another"})
        check_response(address)
    assert lines[0] == "cannot accept connections: [Errno 24] Too many open files"
    assert lines.count("another") == 1
    assert len(lines) <= 5


def loop_of(server: uvicorn.Server) -> asyncio.AbstractEventLoop:
    return server.servers[0].get_loop()
