"""Compares the best-price states of a replay with those that an order-book file holds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from oms.feeds import lobster
from oms.feeds.instrument import Instrument
from oms.feeds.messages import Level, Top

__all__ = ["BookCheck", "StateDifference"]


class StateDifference(NamedTuple):
    """Where a replay and a file first differ: the `state`-th of both (from 1), and what each holds.

    A `row` (of the recording) or `published_row` (of the file) is None where that one has ended.
    """

    state: int
    row: int | None
    replayed: Top | None
    published_row: int | None
    published: Top | None

    def describe(self, units: Instrument) -> str:
        """Say it in words, with prices and amounts in these units."""
        here, there = "the replay has ended", "ended"
        if self.replayed is not None:
            here = f"{_shown(self.replayed, units)} after row {self.row:,}"
        if self.published is not None:
            there = f"{_shown(self.published, units)} in its row {self.published_row:,}"
        return f"state {self.state:,}: {here}, but the file has {there}"


class BookCheck:
    """Walks a file's successive distinct states beside those of a replay, one by one.

    A state is the price and amount of the best level of each side. Repetitions count once on either side,
    so the file may have a row after every message, or only where something changed. `states` is the
    longer of the two sequences; a state without a counterpart is not equal.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open the file; raises FeedError if its first row cannot be read."""
        self.states = 0
        self.equal = 0
        self.first_difference: StateDifference | None = None
        self._published = _distinct(lobster.tops(path))
        self._next = next(self._published, None)
        self._last: Top | None = None

    def see(self, top: Top, row: int) -> None:
        """Compare the state after a row of the recording; raises FeedError for a bad row of the file."""
        if top == self._last:
            return
        self._last = top
        self._count(top, row)

    def finish(self) -> None:
        """Count the states that the file still holds; raises FeedError. O(rows left)."""
        while self._next is not None:
            self._count(None, None)

    def _count(self, top: Top | None, row: int | None) -> None:
        published_row, published = self._next or (None, None)
        self._next = next(self._published, None)
        self.states += 1
        if top == published:
            self.equal += 1
        elif self.first_difference is None:
            self.first_difference = StateDifference(self.states, row, top, published_row, published)


def _distinct(rows: Iterator[tuple[int, Top]]) -> Iterator[tuple[int, Top]]:
    last: Top | None = None
    for row, top in rows:
        if top != last:
            yield row, top
        last = top


def _shown(top: Top, units: Instrument) -> str:
    return f"BUY {_shown_level(top.buy, units)}, SELL {_shown_level(top.sell, units)}"


def _shown_level(level: Level | None, units: Instrument) -> str:
    return (
        "nothing" if level is None else f"{units.show_amount(level.amount)} @ {units.show_price(level.price)}"
    )
