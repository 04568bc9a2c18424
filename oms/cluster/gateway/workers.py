"""Requests to the workers of the shards, which are repeated when another worker takes over.

The problem: a worker can die before it gets a request, while it works on it, or after it has stored the
change and before it has sent the response. It can also stop for minutes and continue, after another worker
has taken over. The gateway cannot tell these cases apart, but the change must be made exactly once.

What does not work: an error for each request that gets no response. During a takeover, all clients would have
to wait and repeat their requests. Repeating the request as it is does not work either, because a trade would
be placed twice.

The solution: the gateway adds an idempotency key to each change that has none, except to new orders of an
OrderManagement, which their ids identify. The shard's journal contains the keys of all stored changes, so
whichever worker owns the shard makes the change once, and returns the first response to every repetition. So
every request can be repeated. The gateway sends it until it gets a response from the owner, at most for a
limited time. It waits for a new address, or for a short pause. If the address changes while a request is on
its way, the gateway abandons this attempt and sends the request to the new owner. The log rejects everything
that the former owner still tries to store (fencing), so an abandoned attempt cannot change the shard after
the new owner has begun.

Invariants:
- All attempts at a request are identical, including their idempotency key.
- The status and body of a response are passed on unchanged unless its worker cannot make the change: it is
  not the owner, it is not ready, or its journal fails. If no other response arrives in time, the last such
  response is passed on.
- After an attempt that takes too long, a request is not repeated. The worker may still be working on it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import httpx

from oms.cluster.gateway.members import Members
from oms.contract import PROBLEM_MEDIA_TYPE

__all__ = ["NoResponseError", "Outgoing", "Reply", "Workers", "end_to_end"]

RETRIED = frozenset({"journal_failed", "not_owner", "not_ready"})
"""The codes of the problems after which a request is sent again: this worker cannot make the change."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5  # seconds
_CONNECT_SECONDS = 2.0
_HOP_BY_HOP = {
    b"connection",
    b"keep-alive",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
}
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)

Headers = Sequence[tuple[bytes, bytes]]


def end_to_end(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the headers that a proxy passes on. The others are only for one connection (RFC 9110, 7.6.1)."""
    pairs = [(name.lower(), value) for name, value in headers]
    dropped = set(_HOP_BY_HOP)
    for name, value in pairs:
        if name == b"connection":
            dropped.update(each.strip().lower() for each in value.split(b","))
    return [(name, value) for name, value in pairs if name not in dropped]


class Outgoing(NamedTuple):
    """A request to a worker. `target` is the path with the query, as bytes."""

    method: str
    target: bytes
    headers: Headers = ()
    body: bytes = b""


class Reply(NamedTuple):
    """A complete response from a shard's worker."""

    shard: str
    status: int
    headers: Headers
    body: bytes

    def json(self) -> Any:
        """Return the content of a JSON body."""
        return json.loads(self.body)

    @property
    def is_to_retry(self) -> bool:
        """True if another worker may be able to make the change, or the same worker after a pause."""
        if self.status not in (421, 503) or not self.body:
            return False
        media_type = dict(self.headers).get(b"content-type", b"").decode("latin-1")
        return media_type == PROBLEM_MEDIA_TYPE and self.json().get("code") in RETRIED


class NoResponseError(Exception):
    """A request that got no response. `may_have_arrived` is True if a worker may have received it."""

    def __init__(self, shard: str, reason: str, may_have_arrived: bool) -> None:
        super().__init__(shard, reason, may_have_arrived)
        self.shard = shard
        self.reason = reason
        self.may_have_arrived = may_have_arrived


class _Failure(NamedTuple):
    """An attempt without a response. `is_final` is True if the same worker must not get the request again."""

    reason: str
    may_have_arrived: bool
    is_final: bool = False


class Workers:
    """The workers of all shards, reached over pooled connections.

    `patience` is how long a request waits for an owner of its shard, in seconds. `attempt_seconds` is how
    long one worker may work on a request.
    """

    def __init__(
        self, members: Members, transport: httpx.AsyncBaseTransport, patience: float, attempt_seconds: float
    ) -> None:
        self._members = members
        self._transport = transport
        self._patience = patience
        self._attempt_seconds = attempt_seconds

    def address(self, shard: str) -> str | None:
        """Return the address of the shard's worker, or None."""
        return self._members.address(shard)

    async def send(self, shard: str, request: Outgoing, patience: float | None = None) -> Reply:
        """Return the response of the shard's owner. Raises NoResponseError if there is none in time."""
        now = asyncio.get_running_loop().time
        end = now() + (self._patience if patience is None else patience)
        last: Reply | None = None
        failure, may_have_arrived = _Failure("it has no worker", False), False
        for pause in _pauses():
            address = self._members.address(shard)
            if address is not None:
                outcome = await self._attempt(shard, address, request)
                if isinstance(outcome, Reply):
                    if not outcome.is_to_retry:
                        return outcome
                    last = outcome
                else:
                    failure, may_have_arrived = outcome, may_have_arrived or outcome.may_have_arrived
                    if outcome.is_final:
                        break
            remaining = end - now()
            if remaining <= 0:
                break
            await self._wait(shard, address, remaining if address is None else min(pause, remaining))
        if last is not None:
            return last
        raise NoResponseError(shard, failure.reason, may_have_arrived)

    async def _wait(self, shard: str, address: str | None, seconds: float) -> None:
        """Wait until the address changes, at most for some seconds."""
        try:
            await asyncio.wait_for(self._members.changed(shard, address), seconds)
        except TimeoutError:
            return

    async def _attempt(self, shard: str, address: str, request: Outgoing) -> Reply | _Failure:
        exchange = asyncio.create_task(self._exchange(shard, address, request))
        changed = asyncio.create_task(self._members.changed(shard, address))
        try:
            await asyncio.wait(
                {exchange, changed}, timeout=self._attempt_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if exchange.done():
                return exchange.result()
            if changed.done():
                return _Failure(f"another worker has taken over from {address}", True)
            return _Failure(f"{address} took more than {self._attempt_seconds:g} s", True, is_final=True)
        finally:
            exchange.cancel()
            changed.cancel()

    async def _exchange(self, shard: str, address: str, request: Outgoing) -> Reply | _Failure:
        url = httpx.URL(address)
        prefix = url.raw_path.rstrip(b"/")  # a worker may serve several shards, each under a prefix
        sent = httpx.Request(
            request.method,
            url.copy_with(raw_path=prefix + request.target),
            headers=list(request.headers),
            content=request.body or None,
            extensions={"timeout": {"connect": _CONNECT_SECONDS}},
        )
        try:
            response = await self._transport.handle_async_request(sent)
            assert isinstance(response.stream, httpx.AsyncByteStream)
            try:
                body = b"".join([part async for part in response.stream])
            finally:
                await response.aclose()
        except httpx.TransportError as error:
            reason = f"{address} did not respond: {type(error).__name__}: {error}".removesuffix(": ")
            return _Failure(reason, not isinstance(error, _NEVER_SENT))
        headers = [
            (name, value.removeprefix(prefix) if name == b"location" else value)
            for name, value in end_to_end(response.headers.raw)
        ]
        return Reply(shard, response.status_code, headers, body)


def _pauses() -> Iterator[float]:
    """Yield the pauses after the attempts, each twice as long as the one before, up to a limit."""
    pause = _FIRST_PAUSE
    while True:
        yield pause
        pause = min(2 * pause, _LONGEST_PAUSE)
