"""A client on a hostile network: proxies, servers that send too slowly, and responses that are too large."""

from __future__ import annotations

import asyncio
import gzip
import socket
import time
import tracemalloc
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Any

import httpcore
import httpx
import pytest

from oms import InvalidArgumentError
from oms.api import Settings, create_app
from oms.client import AsyncClient, Client, ServiceUnavailableError, UnexpectedResponseError
from oms.client.connection import Endpoint
from support.api_server import serving

KEY = "correct-horse-battery"


def call(kind: type, url: str, verb: str = "symbols", *arguments: object, **options: Any) -> object:
    """Call a verb of either kind of client, in one attempt."""
    options = {"attempts": 1, **options}
    if kind is Client:
        with Client(url, **options) as om:
            return getattr(om, verb)(*arguments)

    async def main() -> object:
        async with AsyncClient(url, **options) as om:
            return await getattr(om, verb)(*arguments)

    return asyncio.run(main())


both = pytest.mark.parametrize("kind", [Client, AsyncClient])


@contextmanager
def listening(
    respond: Callable[[socket.socket, Event], object], heads: list[bytes] | None = None
) -> Generator[str]:
    """Run a server that reads the head of each request and then calls `respond`, until the event is set."""
    over = Event()

    def serve() -> None:
        while True:
            connection, _ = listener.accept()
            with connection:
                head = b""
                while b"\r\n\r\n" not in head and (part := connection.recv(65536)):
                    head += part
                if over.is_set():
                    return
                if heads is not None:
                    heads.append(head)
                with suppress(OSError):  # the client closed the connection
                    respond(connection, over)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            with socket.create_connection(listener.getsockname()) as last:
                last.sendall(b"\r\n\r\n")
            thread.join()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


# ---------------------------------------------------------------------- proxies


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """A proxy that the environment names; yields the heads of the requests that it receives."""
    heads: list[bytes] = []

    def reject(connection: socket.socket, _over: Event) -> None:
        connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")

    with listening(reject, heads) as url:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, url)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        yield heads


@both
def test_a_request_to_this_machine_never_uses_a_proxy(kind: type, proxy: list[bytes]) -> None:
    with serving(create_app(settings=Settings(api_key=KEY))) as address:
        for host in ("127.0.0.1", "localhost", "127.1", "[::ffff:127.0.0.1]", "0.0.0.0"):  # noqa: S104  # a connection, not a bind
            assert call(kind, f"http://{host}:{address.port}", api_key=KEY) == (), host
        for url in (f"http://[::1]:{address.port}", "http://127.255.0.9:1", "https://localhost.:1"):
            with pytest.raises(ServiceUnavailableError, match="ConnectError"):
                call(kind, url, api_key=KEY)
    assert proxy == []


@both
def test_a_request_to_another_machine_uses_the_proxy_of_the_environment(
    kind: type, proxy: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ServiceUnavailableError, match="502"):
        call(kind, "http://service.test", api_key=KEY)
    assert proxy.pop().startswith(b"GET http://service.test/symbols ")
    with pytest.raises(ServiceUnavailableError, match="ProxyError"):
        call(kind, "https://service.test", api_key=KEY)
    tunnel = proxy.pop()
    assert tunnel.startswith(b"CONNECT service.test:443 ")
    assert KEY.encode() not in tunnel
    monkeypatch.setenv("no_proxy", "127.0.0.2,service.test")
    assert Endpoint.checked("http://service.test:80", None, 1, 1, 1).proxy is None


LOCAL = ["localhost", "LOCALHOST", "localhost.", "books.localhost", "127.0.0.1", "127.9.9.9", "127.1"]
LOCAL += ["[::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "0x7f000001", "2130706433", "0.0.0.0", "[::]"]  # noqa: S104  # a connection, not a bind
ELSEWHERE = ["localhost.example", "notlocalhost", "128.0.0.1", "10.0.0.1", "[::2]", "[fe80::1]", "service"]


@pytest.mark.parametrize("host", LOCAL + ELSEWHERE)
@pytest.mark.usefixtures("proxy")
def test_every_spelling_of_an_address_of_this_machine_is_recognized(host: str) -> None:
    endpoint = Endpoint.checked(f"http://{host}:8080", None, 1, 1, 1)
    assert (endpoint.proxy is None) is (host in LOCAL)


# ---------------------------------------------------------------------- time


def trickle(head: bytes, part: bytes) -> Callable[[socket.socket, Event], None]:
    def respond(connection: socket.socket, over: Event) -> None:
        connection.sendall(head)
        for _ in range(250):  # then it ends, which raises an error that no test expects
            if over.wait(0.02):
                break
            connection.sendall(part)

    return respond


TRICKLES = {
    "a head": trickle(HEAD + b"X-Slow: ", b"x"),
    "a body": trickle(HEAD + b"Content-Length: 100000\r\n\r\n", b" "),
    "chunks": trickle(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "no length": trickle(HEAD + b"\r\n", b" "),
    "early hints": trickle(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
}


@both
@pytest.mark.parametrize("name", TRICKLES)
def test_a_server_that_sends_slowly_times_out_by_the_deadline_of_the_request(kind: type, name: str) -> None:
    with listening(TRICKLES[name]) as url, pytest.raises(ServiceUnavailableError, match="ReadTimeout"):
        call(kind, url, timeout=0.5)


@both
def test_a_proxy_that_sends_slowly_times_out_too(kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(TRICKLES["a head"]) as url:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, url)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        for scheme in ("http", "https"):
            with pytest.raises(ServiceUnavailableError, match="ReadTimeout"):
                call(kind, f"{scheme}://service.test", timeout=0.5)


@both
def test_a_change_whose_response_is_too_slow_has_an_unknown_outcome(kind: type) -> None:
    with listening(TRICKLES["a body"]) as url, pytest.raises(ServiceUnavailableError) as caught:
        call(kind, url, "remove_order", 1, timeout=0.5)
    assert caught.value.outcome_unknown


@both
def test_a_change_that_timed_out_while_connecting_was_certainly_not_made(
    kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    for proxy in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(proxy, raising=False)
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        waiting = [socket.socket() for _ in range(4)]  # nobody accepts them, so the backlog is full
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        with pytest.raises(ServiceUnavailableError, match="ConnectTimeout") as caught:
            call(kind, url, "remove_order", 1, timeout=0.1)
        for each in waiting:
            each.close()
    assert not caught.value.outcome_unknown


def test_a_timeout_in_a_transport_without_tracing_has_an_unknown_outcome() -> None:
    class Hangs(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await asyncio.Event().wait()
            raise AssertionError("the event is never set")

    with pytest.raises(ServiceUnavailableError, match="ReadTimeout") as caught:
        call(AsyncClient, "http://x", "remove_order", 1, timeout=0.02, transport=Hangs())
    assert caught.value.outcome_unknown


def test_all_addresses_of_a_host_share_the_timeout_of_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    timeouts: list[float | None] = []

    def connect(_self: object, _host: str, _port: int, timeout: float | None, *_: object) -> None:
        timeouts.append(timeout)
        time.sleep(timeout or 0)
        raise httpcore.ConnectTimeout("late")

    address = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 80))
    monkeypatch.setattr("httpcore.SyncBackend.connect_tcp", connect)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [address] * 5)
    with pytest.raises(ServiceUnavailableError, match="ConnectTimeout"):
        call(Client, "http://service.test", timeout=0.02)
    assert len(timeouts) == 1


# ---------------------------------------------------------------------- size


def flood(head: bytes, part: bytes) -> Callable[[socket.socket, Event], None]:
    def respond(connection: socket.socket, over: Event) -> None:
        connection.sendall(head)
        for _ in range(1_000):  # 65 MB
            if over.is_set():
                break
            connection.sendall(part)

    return respond


BOMB = gzip.compress(b" " * 2**26)
FLOODS = {
    "no length": flood(HEAD + b"\r\n", b" " * 65536),
    "chunks": flood(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b" " * 65536 + b"\r\n"),
    "a large length": flood(HEAD + b"Content-Length: 999999999\r\n\r\n", b" " * 65536),
    "an error": flood(HEAD.replace(b"200 OK", b"502 Bad") + b"\r\n", b" " * 65536),
    "a gzip bomb": flood(HEAD + b"Content-Encoding: gzip\r\n\r\n" + BOMB, b""),
    "nested gzip bombs": flood(HEAD + b"Content-Encoding: gzip, gzip\r\n\r\n" + gzip.compress(BOMB), b""),
}


@both
@pytest.mark.parametrize("name", FLOODS)
def test_a_response_without_an_end_is_an_error_in_bounded_memory(kind: type, name: str) -> None:
    with listening(FLOODS[name]) as url:
        too_large = pytest.raises(UnexpectedResponseError, match=r"response_limit=1000000 bytes|compressed")
        tracemalloc.start()
        try:
            with too_large:
                call(kind, url, response_limit=10**6)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 10 * 10**6


def test_a_response_of_exactly_the_limit_is_read() -> None:
    body = b'{"symbols": []}'
    transport = httpx.MockTransport(
        lambda _: httpx.Response(200, content=body, headers={"content-type": "application/json"})
    )
    assert call(Client, "http://x", transport=transport, response_limit=len(body)) == ()
    with pytest.raises(
        UnexpectedResponseError, match=f"more than response_limit={len(body) - 1} bytes; pass a larger"
    ):
        call(Client, "http://x", transport=transport, response_limit=len(body) - 1)


@both
@pytest.mark.parametrize("limit", [0, -1, 1.0, True, None, "1"])
def test_an_invalid_response_limit_is_rejected(kind: Any, limit: object) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^response_limit must be"):
        kind("http://localhost", response_limit=limit)


def test_responses_are_requested_uncompressed() -> None:
    encodings: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        encodings.append(request.headers["accept-encoding"])
        return httpx.Response(200, json={"symbols": []})

    call(Client, "http://x", transport=httpx.MockTransport(respond))
    assert encodings == ["identity"]
