"""The fundamental value: what one lot of a simulated market is worth, in ticks."""

from __future__ import annotations

from random import Random

from oms.models import check_resting

__all__ = ["FundamentalValue"]


class FundamentalValue:
    """A seeded random walk of whole ticks, which does not move in most steps.

    In a step in which news arrives, the value rises or falls by 1 to `largest_move` ticks. News arrives in
    one of `every` steps on average. Step 0 is the start, and the value is always at least 1.

    The value at a step depends only on the arguments, so you can ask for the steps in any order. Raises
    InvalidOrderError unless `start`, `every`, and `largest_move` are ints in 1..2^63-1.

    >>> value = FundamentalValue(seed=7)
    >>> value.at(0), value.at(1_000), value.at(500)
    (10000, 9993, 10014)

    """

    def __init__(self, seed: int, start: int = 10_000, *, every: int = 100, largest_move: int = 12) -> None:
        for name, number in (("start", start), ("every", every), ("largest_move", largest_move)):
            check_resting(name, number)
        # random() is the only Random method that returns the same numbers in every Python version.
        self._random = Random(f"{seed} value").random  # noqa: S311 - a repeatable walk, not a secret
        self._values = [start]
        self._every = every
        self._largest_move = largest_move

    def at(self, step: int) -> int:
        """Return the value at a step, in ticks. O(1) if it was computed before, otherwise O(s) for step s."""
        while len(self._values) <= step:
            self._values.append(max(1, self._values[-1] + self._move()))
        return self._values[step]

    def _move(self) -> int:
        if self._random() * self._every >= 1:
            return 0
        move = 1 + int(self._random() * self._largest_move)
        return move if self._random() < 0.5 else -move
