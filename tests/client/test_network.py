"""A client on a network that means it no good: proxies, drips, floods, and answers to other questions."""

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

from oms import InvalidOrderError
from oms.api import Settings, create_app
from oms.client import AsyncClient, Client, ServiceUnavailableError, UnexpectedResponseError
from oms.client.connection import Endpoint
from support.api_server import serving

KEY = "correct-horse-battery"


def ask(kind: type, url: str, verb: str = "symbols", *arguments: object, **options: Any) -> object:
    """Ask something with either kind of client, in one attempt."""
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
    speak: Callable[[socket.socket, Event], object], heard: list[bytes] | None = None
) -> Generator[str]:
    """A server that reads a head and then says what it likes, until the event is set."""
    over = Event()

    def serve() -> None:
        while True:
            connection, _ = door.accept()
            with connection:
                head = b""
                while b"\r\n\r\n" not in head and (some := connection.recv(65536)):
                    head += some
                if over.is_set():
                    return
                if heard is not None:
                    heard.append(head)
                with suppress(OSError):  # the client has left
                    speak(connection, over)

    with socket.create_server(("127.0.0.1", 0)) as door:
        thread = Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{door.getsockname()[1]}"
        finally:
            over.set()
            with socket.create_connection(door.getsockname()) as last:
                last.sendall(b"\r\n\r\n")
            thread.join()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


# ---------------------------------------------------------------------- proxies


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """A proxy that the environment names, and what it hears."""
    heard: list[bytes] = []

    def refuse(connection: socket.socket, _over: Event) -> None:
        connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")

    with listening(refuse, heard) as url:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, url)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        yield heard


@both
def test_a_request_to_this_machine_never_passes_a_proxy(kind: type, proxy: list[bytes]) -> None:
    with serving(create_app(settings=Settings(api_key=KEY))) as address:
        for host in ("127.0.0.1", "localhost", "127.1", "[::ffff:127.0.0.1]", "0.0.0.0"):  # noqa: S104  # asked, not bound
            assert ask(kind, f"http://{host}:{address.port}", api_key=KEY) == (), host
        for url in (f"http://[::1]:{address.port}", "http://127.255.0.9:1", "https://localhost.:1"):
            with pytest.raises(ServiceUnavailableError, match="ConnectError"):
                ask(kind, url, api_key=KEY)
    assert proxy == []


@both
def test_a_request_to_another_machine_passes_the_proxy_of_the_environment(
    kind: type, proxy: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ServiceUnavailableError, match="502"):
        ask(kind, "http://service.test", api_key=KEY)
    assert proxy.pop().startswith(b"GET http://service.test/symbols ")
    with pytest.raises(ServiceUnavailableError, match="ProxyError"):
        ask(kind, "https://service.test", api_key=KEY)
    tunnel = proxy.pop()
    assert tunnel.startswith(b"CONNECT service.test:443 ")
    assert KEY.encode() not in tunnel
    monkeypatch.setenv("no_proxy", "127.0.0.2,service.test")
    assert Endpoint.checked("http://service.test:80", None, 1, 1, 1).proxy is None


LOCAL = ["localhost", "LOCALHOST", "localhost.", "books.localhost", "127.0.0.1", "127.9.9.9", "127.1"]
LOCAL += ["[::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "0x7f000001", "2130706433", "0.0.0.0", "[::]"]  # noqa: S104  # asked, not bound
ELSEWHERE = ["localhost.example", "notlocalhost", "128.0.0.1", "10.0.0.1", "[::2]", "[fe80::1]", "service"]


@pytest.mark.parametrize("host", LOCAL + ELSEWHERE)
@pytest.mark.usefixtures("proxy")
def test_this_machine_is_known_by_every_way_to_write_its_address(host: str) -> None:
    endpoint = Endpoint.checked(f"http://{host}:8080", None, 1, 1, 1)
    assert (endpoint.proxy is None) is (host in LOCAL)


# ---------------------------------------------------------------------- time


def drip(before: bytes, drop: bytes) -> Callable[[socket.socket, Event], None]:
    def speak(connection: socket.socket, over: Event) -> None:
        connection.sendall(before)
        for _ in range(250):  # an end by itself is seen as another error than the one that is expected
            if over.wait(0.02):
                break
            connection.sendall(drop)

    return speak


DRIPS = {
    "a head": drip(HEAD + b"X-Slow: ", b"x"),
    "a body": drip(HEAD + b"Content-Length: 100000\r\n\r\n", b" "),
    "chunks": drip(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "no end": drip(HEAD + b"\r\n", b" "),
    "wait a moment": drip(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
}


@both
@pytest.mark.parametrize("name", DRIPS)
def test_a_server_that_drips_is_given_up_when_the_time_of_the_request_is_up(kind: type, name: str) -> None:
    with listening(DRIPS[name]) as url, pytest.raises(ServiceUnavailableError, match="ReadTimeout"):
        ask(kind, url, timeout=0.5)


@both
def test_a_proxy_that_drips_is_given_up_too(kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(DRIPS["a head"]) as url:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, url)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        for scheme in ("http", "https"):
            with pytest.raises(ServiceUnavailableError, match="ReadTimeout"):
                ask(kind, f"{scheme}://service.test", timeout=0.5)


@both
def test_a_change_that_was_dripped_upon_is_unknown(kind: type) -> None:
    with listening(DRIPS["a body"]) as url, pytest.raises(ServiceUnavailableError) as caught:
        ask(kind, url, "remove_order", 1, timeout=0.5)
    assert caught.value.outcome_unknown


@both
def test_a_change_that_found_no_connection_in_time_was_not_made(
    kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    for proxy in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(proxy, raising=False)
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        waiting = [socket.socket() for _ in range(4)]  # nobody takes them, and the queue is full
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        with pytest.raises(ServiceUnavailableError, match="ConnectTimeout") as caught:
            ask(kind, url, "remove_order", 1, timeout=0.1)
        for each in waiting:
            each.close()
    assert not caught.value.outcome_unknown


def test_a_transport_that_does_not_say_how_far_it_came_leaves_a_change_unknown() -> None:
    class Hangs(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await asyncio.Event().wait()
            raise AssertionError("it waits for ever")

    with pytest.raises(ServiceUnavailableError, match="ReadTimeout") as caught:
        ask(AsyncClient, "http://x", "remove_order", 1, timeout=0.02, transport=Hangs())
    assert caught.value.outcome_unknown


def test_all_addresses_of_a_host_share_the_time_of_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[float | None] = []

    def connect(_self: object, _host: str, _port: int, timeout: float | None, *_: object) -> None:
        tried.append(timeout)
        time.sleep(timeout or 0)
        raise httpcore.ConnectTimeout("late")

    address = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 80))
    monkeypatch.setattr("httpcore.SyncBackend.connect_tcp", connect)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [address] * 5)
    with pytest.raises(ServiceUnavailableError, match="ConnectTimeout"):
        ask(Client, "http://service.test", timeout=0.02)
    assert len(tried) == 1


# ---------------------------------------------------------------------- size


def flood(head: bytes, part: bytes) -> Callable[[socket.socket, Event], None]:
    def speak(connection: socket.socket, over: Event) -> None:
        connection.sendall(head)
        for _ in range(1_000):  # 65 MB
            if over.is_set():
                break
            connection.sendall(part)

    return speak


BOMB = gzip.compress(b" " * 2**26)
FLOODS = {
    "no end": flood(HEAD + b"\r\n", b" " * 65536),
    "chunks": flood(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b" " * 65536 + b"\r\n"),
    "a length": flood(HEAD + b"Content-Length: 999999999\r\n\r\n", b" " * 65536),
    "an error": flood(HEAD.replace(b"200 OK", b"502 Bad") + b"\r\n", b" " * 65536),
    "a bomb": flood(HEAD + b"Content-Encoding: gzip\r\n\r\n" + BOMB, b""),
    "bombs in a bomb": flood(HEAD + b"Content-Encoding: gzip, gzip\r\n\r\n" + gzip.compress(BOMB), b""),
}


@both
@pytest.mark.parametrize("name", FLOODS)
def test_an_answer_without_an_end_is_an_error_in_bounded_memory(kind: type, name: str) -> None:
    with listening(FLOODS[name]) as url:
        ask_and_fail = pytest.raises(
            UnexpectedResponseError, match=r"response_limit=1000000 bytes|compressed"
        )
        tracemalloc.start()
        try:
            with ask_and_fail:
                ask(kind, url, response_limit=10**6)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 10 * 10**6


def test_an_answer_of_just_the_limit_is_read() -> None:
    body = b'{"symbols": []}'
    transport = httpx.MockTransport(
        lambda _: httpx.Response(200, content=body, headers={"content-type": "application/json"})
    )
    assert ask(Client, "http://x", transport=transport, response_limit=len(body)) == ()
    with pytest.raises(UnexpectedResponseError, match=f"longer than response_limit={len(body) - 1} bytes"):
        ask(Client, "http://x", transport=transport, response_limit=len(body) - 1)


@both
@pytest.mark.parametrize("limit", [0, -1, 1.0, True, None, "1"])
def test_a_limit_that_is_none_is_refused(kind: Any, limit: object) -> None:
    with pytest.raises(InvalidOrderError, match=r"^response_limit must be"):
        kind("http://localhost", response_limit=limit)


def test_no_answer_is_asked_for_compressed() -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["accept-encoding"])
        return httpx.Response(200, json={"symbols": []})

    ask(Client, "http://x", transport=httpx.MockTransport(answer))
    assert seen == ["identity"]
