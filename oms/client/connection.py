"""How a client reaches the service: by which proxy, within what time, and up to what size of an answer.

The problem: httpx bounds each read, not the request. A server that sends one byte every few seconds never
runs into a timeout, an answer without an end fills the memory, and a proxy named by the environment is
used for addresses of this machine too, API key included.

What does not work: a thread that watches the clock (it cannot always be started), or looking at the clock
between two parts of a body (the head of an answer can drip too).

The solution: `Bounded`, a transport of the synchronous client, whose connections look at one deadline
before each read and write. Coroutines have `asyncio.timeout` for that. Compressed answers are not asked
for and are rejected, because a few compressed bytes can become any number of bytes.

What holds: an address of this machine is never reached through a proxy; a request ends by its deadline;
at most `answer_limit` bytes and one part more of an answer are in memory.
"""

from __future__ import annotations

import math
import re
import socket
import ssl
import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from ipaddress import ip_address
from typing import Any, NamedTuple, cast
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx

from oms.client.errors import UnexpectedAnswerError
from oms.client.requests import Request
from oms.client.responses import Answer
from oms.errors import InvalidOrderError
from oms.models import check_positive

__all__ = ["ANSWER_LIMIT", "AnswerBody", "Bounded", "Endpoint", "deadline"]

ANSWER_LIMIT = 64 * 2**20
"""The largest answer that a client reads, in bytes, unless it is told otherwise."""

_VISIBLE = re.compile(r"[!-~]+")
_DEADLINE: ContextVar[float] = ContextVar("deadline", default=math.inf)
_ERRORS = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.TimeoutException,
    httpcore.UnsupportedProtocol,
)


class Endpoint(NamedTuple):
    """Where the service is, and the bounds that a client keeps on the way there."""

    url: httpx.URL
    api_key: str | None
    timeout: float
    attempts: int
    answer_limit: int

    @classmethod
    def checked(
        cls, base_url: str, api_key: str | None, timeout: float, attempts: int, answer_limit: int
    ) -> Endpoint:
        """Check what a client is given; raises InvalidOrderError."""
        if type(timeout) not in (int, float) or not 0 < timeout < math.inf:
            raise InvalidOrderError("timeout", timeout, "a finite number of seconds > 0")
        if api_key is not None and not (type(api_key) is str and _VISIBLE.fullmatch(api_key)):
            raise InvalidOrderError("api_key", "something else", "visible ASCII characters")
        for name, value in (("attempts", attempts), ("answer_limit", answer_limit)):
            check_positive(name, value)
        return cls(_checked_url(base_url), api_key, timeout, attempts, answer_limit)

    @property
    def proxy(self) -> str | None:
        """The proxy that the environment names for this address; None for an address of this machine."""
        if _is_this_machine(self.url.host) or proxy_bypass(self.url.netloc.decode("ascii")):
            return None
        proxies = getproxies()
        proxy = proxies.get(self.url.scheme) or proxies.get("all")
        return proxy if proxy is None or "://" in proxy else f"http://{proxy}"

    def options(self) -> dict[str, Any]:
        """Return what both kinds of httpx client take."""
        headers = {"Accept-Encoding": "identity"}
        if self.api_key is not None:
            headers["Authorization"] = f"Bearer {self.api_key}"
        return {
            "base_url": self.url,
            "headers": headers,
            "timeout": self.timeout,
            "follow_redirects": False,
            "trust_env": False,  # the proxy is chosen here
        }


def _checked_url(base_url: str) -> httpx.URL:
    try:
        url = httpx.URL(base_url)
    except (httpx.InvalidURL, TypeError):
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise InvalidOrderError("base_url", base_url, "an http:// or https:// URL")
    if url.userinfo:
        shown = url.copy_with(userinfo=b"")
        raise InvalidOrderError("base_url", shown, "free of a user and a password", "give api_key=...")
    return url


def _is_this_machine(host: str) -> bool:
    """Return True for localhost and for addresses that never leave this machine, however they are written."""
    name = host.lower().removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ip_address(name)
    except ValueError:
        try:
            address = ip_address(socket.inet_aton(name))  # 127.1 and 0x7f000001 are addresses too
        except OSError:
            return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified


# ---------------------------------------------------------------------- size


class AnswerBody:
    """Collects the body of an answer; raises UnexpectedAnswerError if it is compressed or too long."""

    def __init__(self, request: Request, response: httpx.Response, limit: int) -> None:
        self._request = request
        self._response = response
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("", "identity"):
            self._reject(f"it is compressed ({encoding[:20]!r}), which the client did not ask for")

    def take(self, part: bytes) -> None:
        """Add a part."""
        self._size += len(part)
        if self._size > self._limit:
            self._reject(f"its body is longer than answer_limit={self._limit} bytes")
        self._parts.append(part)

    def _reject(self, reason: str) -> None:
        raise UnexpectedAnswerError(
            self._request.name, f"status {self._response.status_code}, but {reason}", self._request.key
        )

    def answer(self) -> Answer:
        """Return the answer, once its body is whole."""
        headers = self._response.headers
        media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        content = b"".join(self._parts)
        return Answer(self._response.status_code, media_type, content, headers.get("idempotency-key"))


# ---------------------------------------------------------------------- time


@contextmanager
def deadline(seconds: float) -> Generator[None]:
    """Have all that `Bounded` does in this thread within the block end in so many seconds."""
    token = _DEADLINE.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _DEADLINE.reset(token)


def _left(timeout: float | None, error: type[httpcore.TimeoutException]) -> float | None:
    """Return the seconds until the deadline, at most `timeout`; raise `error` if there are none."""
    left = _DEADLINE.get() - time.monotonic()
    if left <= 0:
        raise error("the time of the whole request is up")
    return min(left, math.inf if timeout is None else timeout)


class Bounded(httpx.BaseTransport):
    """The network, with each request over by the deadline of the thread that makes it."""

    def __init__(self, proxy: str | None) -> None:
        context = httpx.create_ssl_context()
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            proxy=None if proxy is None else _proxy(proxy, context),
            max_connections=100,
            max_keepalive_connections=20,
            keepalive_expiry=5.0,
            network_backend=_Backend(),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; the body of the response is read as it is asked for."""
        assert isinstance(request.stream, httpx.SyncByteStream)
        url = request.url
        with _errors_of_httpx():
            response = self._pool.handle_request(
                httpcore.Request(
                    request.method,
                    httpcore.URL(
                        scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
                    ),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        assert isinstance(response.stream, Iterable)
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_Body(response),
            extensions=dict(cast("Mapping[str, Any]", response.extensions)),
        )

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()


def _proxy(url: str, context: ssl.SSLContext) -> httpcore.Proxy:
    proxy = httpx.Proxy(url)
    return httpcore.Proxy(
        str(proxy.url),
        auth=proxy.raw_auth,
        ssl_context=context if proxy.url.scheme == "https" else None,
    )


@contextmanager
def _errors_of_httpx() -> Generator[None]:
    try:
        yield
    except _ERRORS as error:
        kind = getattr(httpx, type(error).__name__)  # they have the same names there
        raise kind(str(error)) from error


class _Body(httpx.SyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        with _errors_of_httpx():
            yield from self._response.iter_stream()

    def close(self) -> None:
        self._response.close()


class _Backend(httpcore.NetworkBackend):
    """Connects as httpcore does, but each connection looks at the deadline."""

    def __init__(self) -> None:
        self._backend = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for *_, address in found:  # one by one: the system would give each of them the whole time
            try:
                left = _left(timeout, httpcore.ConnectTimeout)
                return _Stream(
                    self._backend.connect_tcp(str(address[0]), port, left, local_address, socket_options)
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


class _Stream(httpcore.NetworkStream):
    """A connection whose every step ends by the deadline."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
