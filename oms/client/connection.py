"""Client connections: proxy selection, request deadlines, and a response size limit.

The problem. httpx limits the time for each read, but not the total time or the size of a response.
- If a server sends one byte every few seconds, the request never times out.
- An endless response can use up all memory.
- If the environment names a proxy, httpx uses it even for localhost. The proxy then sees the API key.

What does not work. A watchdog thread is not reliable, because the process may be unable to start a thread.
Checking the clock between chunks of the body is not enough, because even the headers can arrive byte by byte.

The solution. Each request has one deadline.
- `Client` uses `DeadlineTransport`. Before each read or write, the transport computes the remaining time and
  passes it as the timeout.
- `AsyncClient` uses `asyncio.timeout`.
- Both clients request uncompressed responses and reject compressed ones, because a few compressed bytes can
  expand to any size.

Invariants:
- Requests to localhost, a loopback address, or the unspecified address (0.0.0.0) never go through a proxy.
- A request never outlives its deadline, except during a host name lookup. The operating system sets the time
  limit for that lookup.
- At most `response_limit` bytes of a response, plus the latest chunk, are in memory.

The connections come from httpcore, the library that httpx is built on.
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

from oms.client.errors import UnexpectedResponseError
from oms.client.lag import lag_of
from oms.client.requests import Request
from oms.client.responses import Response
from oms.contract import IDEMPOTENCY_KEY_HEADER, SHARD_HEADER
from oms.errors import InvalidArgumentError
from oms.models import check_positive

__all__ = ["DeadlineTransport", "Endpoint", "RESPONSE_LIMIT", "ResponseBody", "deadline"]

RESPONSE_LIMIT = 64 * 2**20
"""The default limit on the size of a response, in bytes."""

_VISIBLE = re.compile(r"[!-~]+")
_SECONDS = re.compile(r"[0-9]{1,9}", re.ASCII)
_DEADLINE: ContextVar[float] = ContextVar("deadline", default=math.inf)
_ERRORS = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.TimeoutException,
    httpcore.UnsupportedProtocol,
)


class Endpoint(NamedTuple):
    """The address of the service, the API key, and the limits on requests and responses."""

    url: httpx.URL
    api_key: str | None
    timeout: float
    attempts: int
    response_limit: int

    @classmethod
    def checked(
        cls, base_url: str, api_key: str | None, timeout: float, attempts: int, response_limit: int
    ) -> Endpoint:
        """Validate the arguments, and return an endpoint. Raises InvalidArgumentError if one is invalid."""
        if type(timeout) not in (int, float) or not 0 < timeout < math.inf:
            raise InvalidArgumentError("timeout", timeout, "a finite number of seconds > 0")
        if api_key is not None and not (type(api_key) is str and _VISIBLE.fullmatch(api_key)):
            raise InvalidArgumentError("api_key", "<hidden>", "a str of visible ASCII characters")
        for name, value in (("attempts", attempts), ("response_limit", response_limit)):
            check_positive(name, value, InvalidArgumentError)
        return cls(_checked_url(base_url), api_key, timeout, attempts, response_limit)

    @property
    def proxy(self) -> str | None:
        """The proxy from the environment. Always None for localhost and loopback addresses."""
        if _is_this_machine(self.url.host) or proxy_bypass(self.url.netloc.decode("ascii")):
            return None
        proxies = getproxies()
        proxy = proxies.get(self.url.scheme) or proxies.get("all")
        return proxy if proxy is None or "://" in proxy else f"http://{proxy}"

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments that httpx.Client and httpx.AsyncClient share."""
        headers = {"Accept-Encoding": "identity"}
        if self.api_key is not None:
            headers["Authorization"] = f"Bearer {self.api_key}"
        return {
            "base_url": self.url,
            "headers": headers,
            "timeout": self.timeout,
            "follow_redirects": False,
            "trust_env": False,  # the `proxy` property reads the environment instead
        }


def _checked_url(base_url: str) -> httpx.URL:
    try:
        url = httpx.URL(base_url)
    except (httpx.InvalidURL, TypeError):
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise InvalidArgumentError("base_url", base_url, "an http:// or https:// URL with a host")
    if url.userinfo:
        shown = url.copy_with(userinfo=b"")
        raise InvalidArgumentError("base_url", shown, "a URL without user and password", "pass api_key=...")
    return url


def _is_this_machine(host: str) -> bool:
    """Return True for localhost, and for a loopback or unspecified address in any notation."""
    name = host.lower().removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ip_address(name)
    except ValueError:
        try:
            address = ip_address(socket.inet_aton(name))  # also accepts 127.1 and 0x7f000001
        except OSError:
            return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified


# ---------------------------------------------------------------------- size


class ResponseBody:
    """A response body, collected chunk by chunk.

    Raises UnexpectedResponseError if the body is compressed or has more than `limit` bytes.
    """

    def __init__(self, request: Request, response: httpx.Response, limit: int) -> None:
        self._request = request
        self._response = response
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("", "identity"):
            self._reject(f"it is compressed ({encoding[:20]!r}), which the client did not request")

    def add(self, part: bytes) -> None:
        """Add the next chunk of the body."""
        self._size += len(part)
        if self._size > self._limit:
            limit = f"response_limit={self._limit}"
            self._reject(f"its body has more than {limit} bytes; pass a larger response_limit to the client")
        self._parts.append(part)

    def _reject(self, reason: str) -> None:
        message = f"unexpected response (status {self._response.status_code}): {reason}"
        raise UnexpectedResponseError(self._request.name, message, self._request.key)

    def response(self) -> Response:
        """Return the complete response. Call this only after adding the last chunk."""
        headers = self._response.headers
        media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        content = b"".join(self._parts)
        key, seconds = headers.get(IDEMPOTENCY_KEY_HEADER), headers.get("retry-after", "")
        retry_after = int(seconds) if _SECONDS.fullmatch(seconds) else None  # it may also be a date
        status, shard = self._response.status_code, headers.get(SHARD_HEADER)
        return Response(
            status, media_type, content, key, retry_after=retry_after, shard=shard, lag=lag_of(headers)
        )


# ---------------------------------------------------------------------- time


@contextmanager
def deadline(seconds: float) -> Generator[None]:
    """Set a deadline, `seconds` from now, for all requests that this thread sends in the `with` block.

    Only `DeadlineTransport` enforces the deadline.
    """
    token = _DEADLINE.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _DEADLINE.reset(token)


def _remaining(timeout: float | None, error: type[httpcore.TimeoutException]) -> float | None:
    """Return the seconds left until the deadline, capped at `timeout`. Raise `error` if no time is left."""
    remaining = _DEADLINE.get() - time.monotonic()
    if remaining <= 0:
        raise error("the whole request timed out")
    return min(remaining, math.inf if timeout is None else timeout)


class DeadlineTransport(httpx.BaseTransport):
    """A network transport that enforces the deadline set with `deadline()`."""

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
        """Send a request, and return the response without reading its body."""
        assert isinstance(request.stream, httpx.SyncByteStream)
        url = request.url
        with _httpx_errors():
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
def _httpx_errors() -> Generator[None]:
    try:
        yield
    except _ERRORS as error:
        kind = getattr(httpx, type(error).__name__)  # httpx has an exception with the same name
        raise kind(str(error)) from error


class _Body(httpx.SyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        with _httpx_errors():
            yield from self._response.iter_stream()

    def close(self) -> None:
        self._response.close()


class _Backend(httpcore.NetworkBackend):
    """An httpcore network backend whose connections respect the deadline."""

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
            addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        # Not socket.create_connection(), which applies the whole timeout to each address.
        for *_, address in addresses:
            try:
                remaining = _remaining(timeout, httpcore.ConnectTimeout)
                return _Stream(
                    self._backend.connect_tcp(str(address[0]), port, remaining, local_address, socket_options)
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


class _Stream(httpcore.NetworkStream):
    """A connection whose reads and writes must finish by the deadline."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _remaining(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _remaining(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        remaining = _remaining(timeout, httpcore.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, remaining))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
