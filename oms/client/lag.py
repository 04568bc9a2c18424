"""The lag of a shard's copy, which has answered a request, behind the owner of the shard.

Several threads and tasks may use a client at the same time, and each of them must see the lag of its own
calls. So a context variable contains the latest lag of each client, and each thread and task has its own
value of this variable. A value is never changed, only replaced, because a new task begins with its parent's
value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextvars import ContextVar
from typing import NamedTuple
from weakref import WeakKeyDictionary

from oms.contract import LAG_HEADERS, ROLE_HEADER, STANDBY

__all__ = ["Lag", "Lagging", "lag_of"]

_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?", re.ASCII)


class Lag(NamedTuple):
    """The lag of a copy behind the owner of its shard. None means unknown.

    - `messages`: the maximum number of messages in the log that the copy lacks
    - `events`: the maximum number of events that the copy lacks
    - `seconds`: the time since the copy last read the log, or last reached a majority, if that is longer

    The first two are measured against the owner's latest report, which arrives about once a second.
    """

    messages: int | None
    events: int | None
    seconds: float | None


def lag_of(headers: Mapping[str, str]) -> Lag | None:
    """Read the lag from a response's headers. Return None if the response does not come from a standby."""
    if headers.get(ROLE_HEADER) != STANDBY:
        return None
    messages, events, seconds = (headers.get(name, "") for name in LAG_HEADERS)
    return Lag(
        int(messages) if _NUMBER.fullmatch(messages) else None,
        int(events) if _NUMBER.fullmatch(events) else None,
        float(seconds) if _SECONDS.fullmatch(seconds) else None,
    )


def _worse(first: Lag | None, second: Lag | None) -> Lag | None:
    """Return the larger numbers of two lags. If a number is None in one lag, it is None in the result."""
    if first is None or second is None:
        return first or second
    seconds = None
    if first.seconds is not None and second.seconds is not None:
        seconds = max(first.seconds, second.seconds)
    return Lag(_larger(first.messages, second.messages), _larger(first.events, second.events), seconds)


def _larger(first: int | None, second: int | None) -> int | None:
    return None if first is None or second is None else max(first, second)


class Lagging:
    """A client that records the lag of its latest call."""

    @property
    def lag(self) -> Lag | None:
        """The lag of the response to the latest call, or None if the owner of the books has responded.

        The latest call is the one in the same thread or task. Only a cluster's standbys lag. If a call has
        sent several requests, each number is the largest in all responses.
        """
        latest = _LATEST.get()
        return None if latest is None else latest.get(self)

    def _begin_call(self) -> None:
        if self.lag is not None:
            self._set_lag(None)

    def _note_lag(self, lag: Lag | None) -> None:
        if lag is not None:
            self._set_lag(_worse(self.lag, lag))

    def _set_lag(self, lag: Lag | None) -> None:
        latest = WeakKeyDictionary[Lagging, Lag | None](_LATEST.get() or {})
        latest[self] = lag
        _LATEST.set(latest)


_LATEST: ContextVar[WeakKeyDictionary[Lagging, Lag | None] | None] = ContextVar("latest", default=None)
