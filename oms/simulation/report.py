"""The report of a simulation: trades, spread, depth, and volatility over time, and the profits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

__all__ = ["Interval", "Profit", "SimulationReport", "merged"]

_BPS = 10_000


class Interval(NamedTuple):
    """The measurements of successive steps of a simulation.

    `events` counts the events of the engine. `trades` counts the fills, and `volume` the traded lots. `value`
    is the fundamental value at the end, in ticks. `twice_mid` is twice the mid price at the end, in ticks, or
    None before the first step after which both sides had orders. The three sums are over the `quoted` steps:
    those after which both sides had orders. The spread is in ticks, and the depth is the amount at the five
    best prices, in lots.
    """

    first_step: int
    steps: int
    events: int
    trades: int
    volume: int
    value: int
    twice_mid: int | None
    quoted: int
    spread_sum: int
    ask_depth_sum: int
    bid_depth_sum: int
    squared_returns: float

    @property
    def mid(self) -> Fraction | None:
        """The mid price at the end, in ticks."""
        return None if self.twice_mid is None else Fraction(self.twice_mid, 2)

    @property
    def spread(self) -> Fraction | None:
        """The mean spread in ticks, or None if a side was always empty."""
        return Fraction(self.spread_sum, self.quoted) if self.quoted else None

    @property
    def ask_depth(self) -> Fraction | None:
        """The mean amount of the asks at their five best prices, in lots."""
        return Fraction(self.ask_depth_sum, self.quoted) if self.quoted else None

    @property
    def bid_depth(self) -> Fraction | None:
        """The mean amount of the bids at their five best prices, in lots."""
        return Fraction(self.bid_depth_sum, self.quoted) if self.quoted else None

    @property
    def depth(self) -> Fraction | None:
        """The mean amount at the five best prices of a side, in lots."""
        return Fraction(self.ask_depth_sum + self.bid_depth_sum, 2 * self.quoted) if self.quoted else None

    @property
    def volatility(self) -> float:
        """The realized volatility of the mid price in basis points, a float for display.

        It is the square root of the sum of the squared returns of the mid price between successive steps
        (Andersen and Bollerslev, "Answering the Skeptics", 1998).
        """
        return _BPS * math.sqrt(self.squared_returns)


def merged(intervals: Sequence[Interval], most: int) -> list[Interval]:
    """Return at most `most` longer intervals that together cover the same steps. O(n).

    Each one merges the same number of intervals, except that the last one may merge fewer.

    >>> first = Interval(0, 2, 3, 1, 5, 99, 198, 2, 4, 9, 9, 0.0)
    >>> second = Interval(2, 1, 1, 1, 5, 98, 197, 1, 3, 7, 6, 0.0)
    >>> [(each.first_step, each.steps, each.volume, each.spread) for each in merged([first, second], 1)]
    [(0, 3, 10, Fraction(7, 3))]

    """
    size = -(-len(intervals) // most) or 1
    return [_sum(intervals[start : start + size]) for start in range(0, len(intervals), size)]


def _sum(intervals: Sequence[Interval]) -> Interval:
    first, last = intervals[0], intervals[-1]
    columns = dict(zip(Interval._fields, zip(*intervals, strict=True), strict=True))
    added = {name: sum(column) for name, column in columns.items() if name not in {"value", "twice_mid"}}
    return Interval(**{**added, "first_step": first.first_step}, value=last.value, twice_mid=last.twice_mid)


class Profit(NamedTuple):
    """The trades and the profit of all traders of one kind.

    `traded` is the amount in lots, and `position` the lots bought minus the lots sold. `profit` is in ticks
    times lots, with the position valued at the final fundamental value. `against` splits the profit by the
    kind of the other party of each trade.
    """

    agents: int
    traded: int
    position: int
    profit: int
    against: Mapping[str, int]


class SimulationReport(NamedTuple):
    """The result of a simulation. `profits` has an entry for each kind of trader."""

    symbol: str
    intervals: tuple[Interval, ...]
    profits: Mapping[str, Profit]
    state_hash: str

    @property
    def total(self) -> Interval:
        """One interval that covers the whole simulation."""
        return _sum(self.intervals)
