"""A request is sent until it is answered: what may be sent again, how often, and when it is given up.

Nothing here sends anything. A talk yields requests and is given answers; who holds it (see `client.py`)
does the sending, so that one talk serves both kinds of client.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple, TypeAlias, TypeVar

import httpx

from oms.client.errors import ServiceUnavailableError
from oms.client.requests import Request
from oms.client.responses import Answer, code_of

__all__ = ["Dialogue", "Failure", "Pause", "Reply", "Talk", "persist"]

T = TypeVar("T")

_FIRST_PAUSE = 0.1  # seconds, doubled from one attempt to the next
_LONGEST_PAUSE = 2.0
_GATEWAYS = {502, 503, 504}
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class Pause(NamedTuple):
    """Wait before the next attempt."""

    seconds: float


class Failure(NamedTuple):
    """A request was not answered."""

    error: httpx.RequestError

    @property
    def may_have_arrived(self) -> bool:
        """Whether the service may have got the request."""
        return not isinstance(self.error, _NEVER_SENT)


Reply: TypeAlias = Answer | Failure | None
"""What follows a request, or (None) a pause and the beginning."""

Talk: TypeAlias = Generator[Request, Answer, T]
"""What a verb has to ask, and what it makes of the answers."""

Dialogue: TypeAlias = Generator[Request | Pause, Reply, T]
"""A talk, with the attempts that it takes."""


def persist(talk: Talk[T], attempts: int) -> Dialogue[T]:
    """Lead a talk to its end, with so many attempts a request.

    All requests may be sent again: a question changes nothing, and a change carries a key under which the
    service makes it once. Raises ServiceUnavailableError.
    """
    try:
        request = next(talk)
        while True:
            answer = yield from _answered(request, attempts)
            request = talk.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result


def _answered(request: Request, attempts: int) -> Dialogue[Answer]:
    may_have_arrived = False
    cause: httpx.RequestError | None = None
    said = ""
    for attempt in range(attempts):
        if attempt:
            yield Pause(min(_FIRST_PAUSE * 2 ** (attempt - 1), _LONGEST_PAUSE))
        reply = yield request
        if isinstance(reply, Answer):
            if not _is_a_gateways(reply):
                return reply._replace(in_doubt=may_have_arrived)
            may_have_arrived, cause, said = True, None, f"status {reply.status}"
        elif reply is not None:
            may_have_arrived |= reply.may_have_arrived
            cause, said = reply.error, f"{type(reply.error).__name__}: {reply.error}"
    key = request.key if may_have_arrived else None
    reason = f"no answer in {attempts} attempts, the last: {said}"
    raise ServiceUnavailableError(request.name, reason, key) from cause


def _is_a_gateways(answer: Answer) -> bool:
    """Whether somebody in between says that the service does not answer: what it says itself is an answer."""
    return answer.status in _GATEWAYS and code_of(answer) is None
