"""Retries: which requests may be sent again, how often, and what an error says when no attempt succeeds.

The problem: a request that gets no response may have been lost on the way to the service, or its response
may have been lost on the way back. The client cannot tell which, and a trade must not be placed twice.

What does not work: retrying only the requests that certainly did not arrive. A read timeout, the most
common failure, leaves that open, and a reset connection does too.

The solution: every request may be retried.
- A question changes nothing, so sending it again is harmless.
- A change carries an idempotency key, the same one in all of its attempts. The service makes a change once
  per key, and replays its response when the key comes again.

Only two outcomes are retried: no response at all, and a gateway's 502, 503, or 504. Everything that the
service says itself, errors included, is final.

The invariants:
- A request is sent at most `attempts` times, with growing pauses in between.
- The error after the last attempt carries the idempotency key if, and only if, an attempt may have arrived.
  The caller can then make the change, once in all, by calling the same verb with this key.
- A response knows if an earlier attempt of its request may have arrived (`earlier_may_have_arrived`).

This module does no input or output. A verb is an `Exchange`: a generator that yields requests and receives
responses. `with_retries` adds the attempts and pauses. `Client` and `AsyncClient` (clients.py) do the
sending and waiting, so each verb is written once for both.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple, TypeAlias, TypeVar

import httpx

from oms.client.errors import ServiceUnavailableError
from oms.client.requests import Request
from oms.client.responses import Response, problem_code

__all__ = ["Attempts", "Exchange", "Failure", "Outcome", "Pause", "with_retries"]

T = TypeVar("T")

_FIRST_PAUSE = 0.1  # seconds; each pause is twice the one before
_LONGEST_PAUSE = 2.0
_GATEWAY_STATUSES = {502, 503, 504}
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class Pause(NamedTuple):
    """A wait before the next attempt, in seconds."""

    seconds: float


class Failure(NamedTuple):
    """An attempt that got no response."""

    error: httpx.RequestError

    @property
    def may_have_arrived(self) -> bool:
        """Return True if the service may have received the request."""
        return not isinstance(self.error, _NEVER_SENT)


Outcome: TypeAlias = Response | Failure | None
"""The outcome of an attempt. None is sent to start the generator and after a pause."""

Exchange: TypeAlias = Generator[Request, Response, T]
"""The requests that a verb sends, and the result that it computes from the responses."""

Attempts: TypeAlias = Generator[Request | Pause, Outcome, T]
"""An exchange with the retries and pauses of its requests."""


def with_retries(exchange: Exchange[T], attempts: int) -> Attempts[T]:
    """Run an exchange to its result, sending each request at most `attempts` times.

    Raises ServiceUnavailableError if no attempt gets a response from the service.
    """
    try:
        request = next(exchange)
        while True:
            response = yield from _with_retries(request, attempts)
            request = exchange.send(response)
    except StopIteration as stop:
        result: T = stop.value
        return result


def _with_retries(request: Request, attempts: int) -> Attempts[Response]:
    may_have_arrived = False
    cause: httpx.RequestError | None = None
    last = ""
    for attempt in range(attempts):
        if attempt:
            yield Pause(min(_FIRST_PAUSE * 2 ** (attempt - 1), _LONGEST_PAUSE))
        outcome = yield request
        if isinstance(outcome, Response):
            if not _is_from_gateway(outcome):
                return outcome._replace(earlier_may_have_arrived=may_have_arrived)
            may_have_arrived, cause, last = True, None, f"status {outcome.status}"
        elif outcome is not None:
            may_have_arrived |= outcome.may_have_arrived
            cause, last = outcome.error, f"{type(outcome.error).__name__}: {outcome.error}"
    key = request.key if may_have_arrived else None
    count = "1 attempt" if attempts == 1 else f"{attempts} attempts, the last"
    raise ServiceUnavailableError(request.name, f"no response in {count}: {last}", key) from cause


def _is_from_gateway(response: Response) -> bool:
    """Return True if a gateway says that the service does not respond; the service's own 503 is final."""
    return response.status in _GATEWAY_STATUSES and problem_code(response) is None
