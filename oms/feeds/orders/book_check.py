"""A comparison of the best prices of a replay with those of an order-book file.

A file may have a row after every message, or only where something changed. The replay cannot know which
before both have ended, so it compares in two ways at once. Row by row counts if there were as many rows as
messages, and at least half of them are equal: otherwise the numbers may be equal by chance. State by state
works for any file: repeated states count once.

One state more or less on either side must not make all later ones differ. At a difference, the comparison
looks ahead. If the next two states are equal once one is left out on one side, it goes on there. Otherwise it
goes on at the nearest place, a bounded number of states ahead on both sides, where four states in a row are
equal, since fewer repeat themselves by chance. What lies before that place is different,
but for states that are equal one by one where it is as long on both sides.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from oms.feeds.orders import lobster
from oms.feeds.orders.messages import Message
from oms.feeds.top_of_book import Level, Top
from oms.instrument import Instrument

__all__ = ["BookCheck", "StateDifference"]

_AHEAD = 64  # states; a difference costs O(_AHEAD), and so does the memory
_IN_A_ROW = 4


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
        """Return a sentence, with prices and amounts in these units."""
        return f"state {self.state:,}: {self.sides(units)}"

    def sides(self, units: Instrument) -> str:
        """Return what the replay and the file hold, in words."""
        here, there = "the replay has ended", "ended"
        if self.replayed is not None:
            here = f"{_shown(self.replayed, units)} after row {self.row:,}"
        if self.published is not None:
            there = f"{_shown(self.published, units)} in its row {self.published_row:,}"
        return f"{here}, but the file has {there}"


class BookCheck:
    """A comparison of a file with a replay, row by row and state by state.

    A state is the price and amount of the best level of each side. `states` counts those compared, `equal`
    those of them that are equal; a state without a counterpart is not equal. `rows` is None if the file
    does not have a row for each message.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open the file; raises FeedError if its first row cannot be read."""
        self._rows = _RowCheck(lobster.tops(path))
        self._states = _StateCheck(_distinct(lobster.tops(path)))
        self._last: Top | None = None

    def see(self, messages: Sequence[Message], tops: Sequence[Top]) -> None:
        """Compare the states after the messages of an event; raises FeedError for a bad row of the file."""
        for message, top in zip(messages, tops, strict=True):
            self._rows.see(message, top)
            if top != self._last:
                self._last = top
                self._states.see(message.row, top)

    def finish(self) -> None:
        """Compare what is left of both; raises FeedError. O(rows left)."""
        self._rows.finish()
        self._states.finish()

    @property
    def states(self) -> int:
        """The number of states compared."""
        return self._states.states

    @property
    def equal(self) -> int:
        """The number of equal states."""
        return self._states.equal

    @property
    def first_difference(self) -> StateDifference | None:
        """The first difference: of rows if the file has one for each message, else of states."""
        return self._states.first_difference if self.rows is None else self._rows.first_difference

    @property
    def rows(self) -> int | None:
        """The number of rows compared; None if the file does not have one for each message."""
        return self._rows.rows if self._rows.count else None

    @property
    def row_differences(self) -> dict[str, int]:
        """The number of rows that differ, by the kind of message."""
        return dict(self._rows.differences) if self._rows.count else {}


class _RowCheck:
    """Compares the row of a file at the place of each message."""

    def __init__(self, published: Iterator[tuple[int, Top]]) -> None:
        self._published = published
        self._first = next(published, None)
        self.rows = 0
        self.uneven = False
        self.differences = Counter[str]()
        self.first_difference: StateDifference | None = None
        self._pending: Message | None = None  # one whose row differs, until the next message is known

    @property
    def count(self) -> bool:
        """True if the file seems to have a row for each message."""
        return not self.uneven and 2 * self.differences.total() <= self.rows

    def see(self, message: Message, top: Top) -> None:
        if self._pending is not None:
            self._explain(message)
        if self.uneven:
            return
        found = self._first or next(self._published, None)
        self._first = None
        if found is None:
            self.uneven = True
            return
        self.rows += 1
        if found[1] != top:
            self._pending = message
            if self.first_difference is None:
                self.first_difference = StateDifference(self.rows, message.row, top, *found)

    def finish(self) -> None:
        if self._pending is not None:
            self._explain(None)
        if self._first is not None or next(self._published, None) is not None:
            self.uneven = True

    def _explain(self, following: Message | None) -> None:
        before, self._pending = self._pending, None
        assert before is not None
        if following is not None and following.time == before.time:
            self.differences[f"{before.kind} rows followed at the same time by a {following.kind} row"] += 1
        else:
            self.differences[f"{before.kind} rows"] += 1


class _StateCheck:
    """Compares two sequences of states, and finds their common thread again where they differ."""

    def __init__(self, published: Iterator[tuple[int, Top]]) -> None:
        self._published = published
        self._there = deque(islice(published, 1))
        self._here = deque[tuple[int, Top]]()
        self.states = 0
        self.equal = 0
        self.first_difference: StateDifference | None = None

    def see(self, row: int, top: Top) -> None:
        self._here.append((row, top))
        self._match(least=_AHEAD + 1)

    def finish(self) -> None:
        self._match(least=1)
        self._differ(len(self._here), len(self._there))
        for row in self._published:
            self._there.append(row)
            self._differ(0, 1)

    def _match(self, least: int) -> None:
        """Compare while equal, and at differences while so many states of the replay are known."""
        while self._here:
            if not self._there:
                self._there.extend(islice(self._published, 1))
            if self._there and self._here[0][1] == self._there[0][1]:
                self._here.popleft()
                self._there.popleft()
                self.states += 1
                self.equal += 1
            elif len(self._here) < least or not self._there:
                return
            else:
                self._there.extend(islice(self._published, _AHEAD + 1 - len(self._there)))
                self._differ(*self._next_common())

    def _next_common(self) -> tuple[int, int]:
        """Find how many states to leave out here and there until several in a row are equal."""
        here, there = ([top for _, top in islice(side, _AHEAD + 1)] for side in (self._here, self._there))
        if here[1:3] == there[:2]:
            return 1, 0
        if here[:2] == there[1:3]:
            return 0, 1
        places: dict[tuple[Top, ...], int] = {}
        for place in range(len(there)):
            places.setdefault(tuple(there[place : place + _IN_A_ROW]), place)
        found = [
            (place, places[run])
            for place in range(len(here))
            if (run := tuple(here[place : place + _IN_A_ROW])) in places
        ]
        most = min(len(here), len(there))
        return min(found, key=sum, default=(max(1, most // 2), max(1, most // 2)))

    def _differ(self, here: int, there: int) -> None:
        if self.first_difference is None and (here or there):
            row, replayed = self._here[0] if self._here else (None, None)
            published_row, published = self._there[0] if self._there else (None, None)
            state = self.states + 1
            self.first_difference = StateDifference(state, row, replayed, published_row, published)
        self.states += max(here, there)
        if here == there:
            pairs = islice(zip(self._here, self._there, strict=False), here)
            self.equal += sum(mine[1] == theirs[1] for mine, theirs in pairs)
        for side, count in ((self._here, here), (self._there, there)):
            for _ in range(count):
                side.popleft()


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
