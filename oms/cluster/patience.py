"""A time limit for repeated attempts, and the pauses between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import monotonic, sleep

__all__ = ["Patience"]

_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.25  # seconds


class Patience:
    """A time limit for attempts.

    Attempts are repeated for `seconds` seconds. The pauses between attempts grow from 10 ms to 250 ms. Tests
    pass a different `clock` and `pause`.
    """

    def __init__(
        self,
        seconds: float,
        clock: Callable[[], float] = monotonic,
        pause: Callable[[float], object] = sleep,
    ) -> None:
        self.seconds = seconds
        self._clock = clock
        self._pause = pause

    def attempts(self) -> Iterator[int]:
        """Yield the number of each attempt, and pause before every attempt except the first.

        There is at least one attempt. The last attempt begins before the time limit. O(1) per attempt.
        """
        end, length, number = self._clock() + self.seconds, _FIRST_PAUSE, 1
        yield number
        while self._clock() + length < end:
            self._pause(length)
            length = min(2 * length, _LONGEST_PAUSE)
            number += 1
            yield number
