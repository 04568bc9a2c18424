"""Intervals of the time of a recording."""

from __future__ import annotations

from math import inf

from oms.errors import InvalidArgumentError

__all__ = ["nanoseconds_in"]

_SECOND = 1_000_000_000


def nanoseconds_in(field: str, seconds: float) -> int:
    """Return the length of an interval in nanoseconds, at least 1.

    Raise InvalidArgumentError unless `seconds` is a finite number above 0. `field` names the argument.

    >>> nanoseconds_in("every", 0.5)
    500000000

    """
    if type(seconds) not in (int, float) or not 0 < seconds < inf:
        raise InvalidArgumentError(field, seconds, "a finite number of seconds above 0")
    return max(1, round(seconds * _SECOND))
