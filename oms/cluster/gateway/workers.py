"""Requests to the workers of the shards. A request is repeated when another worker takes over.

The problem: a worker can die before it receives a request, while it processes the request, or after it has
stored the change and before it has sent the response. It can also pause, and continue after another worker
has taken over. The gateway cannot distinguish these cases, but the change must be made exactly once.

What does not work: returning an error for each request that gets no response. During a takeover, all clients
would have to wait and repeat their requests. Repeating a request without an idempotency key does not work
either, because a trade could be placed twice.

The solution: the gateway adds an idempotency key to each change that has none. Only new orders of an
OrderManagement need no key, because their ids identify them. The shard's journal contains the keys of all
stored changes. So whichever worker owns the shard makes the change only once, and returns the first response
to every repetition. This makes it safe to repeat every request. The gateway repeats a request until it gets a
response from the owner, or until a time limit ends. Between two attempts, it waits for a short pause, or
until the owner's address changes. If the address changes while a request is in flight, the gateway abandons
this attempt and sends the request to the new owner. The log rejects everything that the former owner still
tries to store (fencing), so an abandoned attempt cannot change the shard after the new owner has begun.

Invariants:
- All attempts at a request are identical, including their idempotency key.
- The status and body of a response are returned to the client unchanged, unless the worker reports that it
  cannot make the change: it is not the owner, it is not ready, or its journal fails. If no other response
  arrives in time, the gateway returns the last response of this kind, but only if no attempt can have made
  the change. Otherwise, the response would look like a definite rejection. A worker that did not respond may
  have made the change. So may a worker whose journal does not know whether the change is stored.
- A worker may reject a request before it looks up the idempotency key, for example because it does not know
  the API key. This rejection says nothing about earlier attempts. So if an earlier attempt may have made the
  change, this rejection is not returned to the client either.
- Reads go to the owner, unless the gateway reads from standbys. A standby says in its response how far it
  lags. If the standby does not respond, the read goes to the owner.
- After an attempt that takes too long, a request is not repeated. The worker may still be processing it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, NamedTuple

import httpx

from oms.cluster.gateway.members import Members
from oms.contract import PROBLEM_MEDIA_TYPE, ROLE_HEADER, STANDBY
from oms.errors import JournalError

__all__ = ["NoResponseError", "Outgoing", "Reply", "Workers", "end_to_end"]

RETRIED = frozenset({"journal_failed", "not_owner", "not_ready"})
"""The codes of the problems after which a request is sent again: this worker cannot make the change."""

_UNCHECKED = frozenset({"forbidden", "host_refused", "request_timeout", "too_many_requests", "unauthorized"})
"""The codes of the problems that a worker reports before it looks up the idempotency key."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5  # seconds
_CONNECT_SECONDS = 2.0
_MOST_ADDRESSES = 10_000  # that are parsed only once
_STANDBY_SECONDS = 5.0  # for the response of a standby
_AVOIDED_SECONDS = 5.0  # for which a standby is not used after it did not respond
_ROLE = ROLE_HEADER.lower().encode()
_HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization te trailer transfer-encoding"
    b" upgrade".split()
)
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)

Headers = Sequence[tuple[bytes, bytes]]


def end_to_end(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the headers that a proxy forwards. The others are only for one connection (RFC 9110, 7.6.1)."""
    pairs = [(name.lower(), value) for name, value in headers]
    dropped = set(_HOP_BY_HOP)
    for name, value in pairs:
        if name == b"connection":
            dropped.update(each.strip().lower() for each in value.split(b","))
    return [(name, value) for name, value in pairs if name not in dropped]


class Outgoing(NamedTuple):
    """A request to a worker. `target` is the path with the query, as bytes.

    `may_change` is True if the request can change the books.
    """

    method: str
    target: bytes
    headers: Headers = ()
    body: bytes = b""
    may_change: bool = False


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
    def is_from_standby(self) -> bool:
        """True if the worker only follows the shard."""
        return (_ROLE, STANDBY.encode()) in self.headers

    @property
    def is_to_retry(self) -> bool:
        """True if another worker, or the same worker after a pause, may be able to make the change."""
        return self._code in RETRIED

    @property
    def is_unchecked(self) -> bool:
        """True if the response does not say whether an earlier attempt has made the change."""
        return self._code in _UNCHECKED

    @property
    def may_have_changed(self) -> bool:
        """True if the worker reports that it does not know whether it has stored the change."""
        is_failed = self._code == "journal_failed"
        return is_failed and JournalError(self.shard, str(self.json().get("problem"))).outcome_unknown

    @property
    def _code(self) -> str | None:
        """The code of a problem, or None."""
        if self.status < 400 or not self.body:
            return None
        media_type = dict(self.headers).get(b"content-type", b"").decode("latin-1")
        return str(self.json().get("code")) if media_type == PROBLEM_MEDIA_TYPE else None


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

    `patience` is the longest time, in seconds, that a request waits for an owner of its shard.
    `attempt_seconds` is the longest time that one worker may process a request. With `from_standbys`, reads
    go to standbys.
    """

    def __init__(
        self,
        members: Members,
        transport: httpx.AsyncBaseTransport,
        patience: float,
        attempt_seconds: float,
        *,
        from_standbys: bool = False,
    ) -> None:
        self._members = members
        self._transport = transport
        self._patience = patience
        self._attempt_seconds = attempt_seconds
        self._from_standbys = from_standbys
        self._avoided: dict[str, float] = {}  # the time until which a standby is not used, by address

    def address(self, shard: str) -> str | None:
        """Return the address of the shard's worker, or None."""
        return self._members.address(shard)

    def standby(self, shard: str) -> str | None:
        """Return the address from which to read a shard, or None to read from its owner."""
        address = self._members.standby(shard) if self._from_standbys else None
        if address is None or self._avoided.get(address, 0.0) > asyncio.get_running_loop().time():
            return None
        return address

    def avoid(self, standby: str) -> None:
        """Read from the owners for some seconds, because this standby did not respond."""
        self._avoided[standby] = asyncio.get_running_loop().time() + _AVOIDED_SECONDS

    async def read(self, shard: str, request: Outgoing) -> Reply:
        """Return the response to a read. Raises NoResponseError if none arrives in time."""
        standby = self.standby(shard)
        if standby is not None:
            outcome: Reply | _Failure | None = None
            with suppress(TimeoutError):
                async with asyncio.timeout(_STANDBY_SECONDS):
                    outcome = await self._exchange(shard, standby, request)
            if isinstance(outcome, Reply) and not outcome.is_to_retry:
                return outcome
            self.avoid(standby)
        return await self.send(shard, request)

    async def send(self, shard: str, request: Outgoing, patience: float | None = None) -> Reply:
        """Return the response of the shard's owner. Raises NoResponseError if none arrives in time."""
        now = asyncio.get_running_loop().time
        end = now() + (self._patience if patience is None else patience)
        last: Reply | None = None
        reason, may_have_arrived = "it has no worker", False
        for pause in _pauses():
            address = self._members.address(shard)
            if address is not None:
                outcome = await self._attempt(shard, address, request)
                if isinstance(outcome, Reply):
                    is_unknown = request.may_change and may_have_arrived and outcome.is_unchecked
                    if not (outcome.is_to_retry or is_unknown):
                        return outcome
                    last, reason = outcome, f"{address} responded: {outcome.json().get('detail')}"
                    may_have_arrived |= outcome.may_have_changed
                else:
                    reason, may_have_arrived = outcome.reason, may_have_arrived or outcome.may_have_arrived
                    if outcome.is_final:
                        break
            remaining = end - now()
            if remaining <= 0:
                break
            await self._wait(shard, address, remaining if address is None else min(pause, remaining))
        if last is not None and not (request.may_change and may_have_arrived):
            return last
        raise NoResponseError(shard, reason, may_have_arrived)

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
                outcome = exchange.result()
                if isinstance(outcome, Reply) and outcome.is_from_standby:
                    return _Failure(f"{address} only follows the shard", False)  # it has just lost the shard
                return outcome
            if changed.done():
                return _Failure(f"another worker has taken over from {address}", True)
            return _Failure(f"{address} took more than {self._attempt_seconds:g} s", True, is_final=True)
        finally:
            exchange.cancel()
            changed.cancel()

    async def _exchange(self, shard: str, address: str, request: Outgoing) -> Reply | _Failure:
        url = _url(address)
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


@lru_cache(_MOST_ADDRESSES)
def _url(address: str) -> httpx.URL:
    return httpx.URL(address)  # which parses the text


def _pauses() -> Iterator[float]:
    """Yield the pauses between attempts. Each is twice as long as the previous one, up to a limit."""
    pause = _FIRST_PAUSE
    while True:
        yield pause
        pause = min(2 * pause, _LONGEST_PAUSE)
