"""The clock that timestamps events, and functions that check a timestamp or show it as text.

A timestamp is an integer number of nanoseconds since 1970-01-01 00:00 UTC, without leap seconds, as
`time.time_ns` returns. Timestamps are for people and for analysis. No method uses an event's timestamp to
make a decision. Only a matching engine's rate limit reads the clock to make a decision.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import cast

from oms.errors import InvalidArgumentError
from oms.models import MAX_INT

__all__ = ["Clock", "as_iso", "checked_clock", "checked_time"]

Clock = Callable[[], int]
"""A function that returns the current time, in nanoseconds since 1970."""

_SECOND = 1_000_000_000  # nanoseconds


def checked_clock(clock: object) -> Clock | None:
    """Return the clock. Raise InvalidArgumentError unless the clock is None or callable. O(1).

    >>> import time
    >>> checked_clock(time.time_ns) is time.time_ns
    True

    """
    if clock is not None and not callable(clock):
        raise InvalidArgumentError("clock", clock, "None or a callable", "pass time.time_ns")
    return cast("Clock | None", clock)


def checked_time(time: object) -> int:
    """Return a timestamp that a clock has returned. O(1).

    Raises InvalidArgumentError unless the timestamp is an int from 0 to 2^63-1.

    >>> checked_time(1_792_998_000_000_000_000)
    1792998000000000000

    """
    if type(time) is not int or not 0 <= time <= MAX_INT:
        remedy = "use time.time_ns, which returns nanoseconds"
        raise InvalidArgumentError("the result of clock()", time, f"an int in 0..{MAX_INT}", remedy)
    return time


def as_iso(time: int) -> str:
    """Return a timestamp (ns since 1970) as UTC text in ISO 8601 format, with all nanoseconds. O(1).

    >>> as_iso(1_792_998_000_000_000_001)
    '2026-10-26T07:00:00.000000001Z'

    """
    seconds, nanoseconds = divmod(time, _SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09}Z"
