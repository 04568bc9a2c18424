"""The retry policy: when to retry a request, how often, and which error to raise in the end.

The problem. If a request gets no response, either the request or the response was lost. The client cannot
tell which, and must not place a trade twice.

What does not work. The client could retry only if the request definitely did not arrive. But after a read
timeout or a connection reset, it does not know whether the request arrived.

The solution. Every request is safe to retry.
- A query changes nothing, so sending it again does no harm.
- All attempts at a change carry the same idempotency key. The service makes the change once per key, and
  returns the original response to every later request with that key.

The client retries if it gets no response, or a 502, 503, or 504 from a gateway, such as a cluster's gateway.
It also retries after a 429, because a request that exceeds the rate limit is not executed, and after a
`not_ready` with a Retry-After header. It then waits as long as this header says. Any other response from the
service itself is final, even if it is an error.

Invariants:
- A request is sent at most `attempts` times, with increasing pauses in between.
- If all attempts fail, the error contains the idempotency key if and only if one of them may have arrived.
  If the caller retries with this key, the change is still made only once.
- `Response.earlier_may_have_arrived` is True if an earlier attempt may have arrived.

This module does no I/O. An operation is an `Exchange`, a generator that yields requests and receives
responses. `with_retries` adds the retries and pauses. `Client` and `AsyncClient` (clients.py) do the sending
and waiting, so both can share all other code.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple, TypeAlias, TypeVar

import httpx

from oms.client.errors import ServiceUnavailableError
from oms.client.requests import Request
from oms.client.responses import Response, problem_code, says_unchanged

__all__ = ["Attempts", "Exchange", "Failure", "Outcome", "Pause", "with_retries"]

T = TypeVar("T")

_FIRST_PAUSE = 0.1  # seconds; each later pause is twice as long as the previous one
_LONGEST_PAUSE = 2.0
_LONGEST_RETRY_AFTER = 60  # seconds; a longer wait is the decision of the caller
_GATEWAY_STATUSES = {502, 503, 504}
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class Pause(NamedTuple):
    """A pause before the next attempt, in seconds."""

    seconds: float


class Failure(NamedTuple):
    """An attempt that got no response."""

    error: httpx.RequestError

    @property
    def may_have_arrived(self) -> bool:
        """True if the service may have received the request."""
        return not isinstance(self.error, _NEVER_SENT)


Outcome: TypeAlias = Response | Failure | None
"""The outcome of an attempt. None at the start and after a pause."""

Exchange: TypeAlias = Generator[Request, Response, T]
"""A generator that yields an operation's requests, receives the responses, and returns the result."""

Attempts: TypeAlias = Generator[Request | Pause, Outcome, T]
"""An exchange with retries and pauses."""


def with_retries(exchange: Exchange[T], attempts: int) -> Attempts[T]:
    """Run an exchange, sending each request at most `attempts` times, and return its result.

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
    last_failure = ""
    pause = 0.0
    for attempt in range(attempts):
        if attempt:
            yield Pause(pause)
        pause = min(_FIRST_PAUSE * 2**attempt, _LONGEST_PAUSE)
        outcome = yield request
        if isinstance(outcome, Response):
            if _is_to_retry_later(outcome) and attempt < attempts - 1:
                pause = pause if outcome.retry_after is None else float(outcome.retry_after)
                continue
            if _is_not_ready(outcome):
                pause, cause, last_failure = float(outcome.retry_after or 0), None, "the service is not ready"
            elif _is_from_gateway(outcome):
                may_have_arrived |= not says_unchanged(outcome)
                cause, last_failure = None, f"status {outcome.status}"
            else:
                return outcome._replace(earlier_may_have_arrived=may_have_arrived)
        elif outcome is not None:
            may_have_arrived |= outcome.may_have_arrived
            cause, last_failure = outcome.error, f"{type(outcome.error).__name__}: {outcome.error}"
    key = request.key if may_have_arrived else None
    count = "1 attempt" if attempts == 1 else f"{attempts} attempts, last failure"
    raise ServiceUnavailableError(request.name, f"no response in {count}: {last_failure}", key) from cause


def _is_from_gateway(response: Response) -> bool:
    """Return True if the response is a gateway's 502, 503, or 504, not the service's own 503."""
    return response.status in _GATEWAY_STATUSES and problem_code(response) in (None, "shard_unavailable")


def _is_not_ready(response: Response) -> bool:
    """Return True if the response is a 503 `not_ready` that says when to retry. The service has done nothing.

    A cluster worker responds this way while it does not know whether it still owns the shard.
    """
    seconds = response.retry_after
    is_soon = seconds is not None and seconds <= _LONGEST_RETRY_AFTER
    return is_soon and response.status == 503 and problem_code(response) == "not_ready"


def _is_to_retry_later(response: Response) -> bool:
    """Return True if the response is a 429 because of a limit on requests, and the wait is short.

    The limit of a MatchingEngine for an owner's submissions is a property of the engine, so its 429 is final.
    """
    is_too_many = response.status == 429 and problem_code(response) != "rate_limited"
    return is_too_many and (response.retry_after or 0) <= _LONGEST_RETRY_AFTER
