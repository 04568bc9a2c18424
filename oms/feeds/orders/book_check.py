"""Compare a replay's best prices with an order-book file.

A state is the price and amount of the best level on each side. Some files have a row for every message, and
others have a row only for every change. The kind of a file becomes clear only at the end, so two comparisons
run at the same time:

- Row by row: each message is compared with one row of the file. This result is used if the file has exactly
  one row per message and at least half of the rows match. With fewer matches, the row count may be a
  coincidence.
- State by state: consecutive equal states count as one. This comparison works for any file.

One extra state in the replay or the file must not make all later states differ. So at each difference, the
comparison looks ahead:

1. If skipping one state in the replay or the file makes the next two states equal, it skips that state.
2. Otherwise, it searches a limited number of states on both sides for the nearest run of four equal states,
   and continues there. Shorter runs often match by chance.
3. Skipped states count as different. However, if the replay and the file skip equally many states, the
   skipped states are first compared pairwise.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from itertools import chain, islice, repeat
from typing import NamedTuple

from oms.feeds.orders import lobster
from oms.feeds.orders.messages import Kind, MessageRow
from oms.feeds.top_of_book import Best, Level, Top, top_of
from oms.instrument import Instrument

__all__ = ["BookCheck", "StateDifference"]

_AHEAD = 64  # the number of states to look ahead; a difference takes O(_AHEAD) time and memory
_IN_A_ROW = 4


class StateDifference(NamedTuple):
    """The first difference between a replay and a file.

    `state` is the state number, starting at 1. `row` is a row number in the recording, and `replayed`
    contains the best levels after that row. Both are None if the replay has ended. `published_row` is a row
    number in the file, and `published` contains that row's best levels. Both are None if the file has ended.
    """

    state: int
    row: int | None
    replayed: Top | None
    published_row: int | None
    published: Top | None

    def describe(self, units: Instrument) -> str:
        """Describe the difference, including the state number, with prices and amounts in `units`."""
        return f"state {self.state:,}: {self.sides(units)}"

    def sides(self, units: Instrument) -> str:
        """Describe both states, with prices and amounts in `units`."""
        replay, file = "the replay has ended", "the file has ended"
        if self.replayed is not None:
            replay = f"the replay has {_shown(self.replayed, units)} after row {self.row:,}"
        if self.published is not None:
            file = f"the file has {_shown(self.published, units)} in row {self.published_row:,}"
        return f"{replay}, but {file}"


class BookCheck:
    """A comparison of a replay with a file, both row by row and state by state.

    A state is the price and amount of the best level on each side.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open the file. Raise FeedError if its first row cannot be read."""
        self._rows = _RowCheck(lobster.best_levels(path))
        self._states = _StateCheck(_distinct(lobster.best_levels(path)))
        self._last: Best | None = None

    def see(self, messages: Sequence[MessageRow], between: Sequence[Best], best: Best) -> None:
        """Compare the states after each message of an event. Raise FeedError if a row in the file is invalid.

        `between` contains the states after the first `len(between)` messages. `best` is the state after every
        later message.
        """
        if best is self._last and not between and self._rows.uneven:
            return
        states = chain(between, repeat(best)) if between else repeat(best)
        for message, state in zip(messages, states, strict=False):
            if not self._rows.uneven:
                self._rows.see(message, state)
            if state is not self._last and state != self._last:
                self._last = state
                self._states.see(message[0], state)

    def finish(self) -> None:
        """Compare the remaining states and rows. Raise FeedError if a row is invalid. O(r) for r rows."""
        self._rows.finish()
        self._states.finish()

    @property
    def states(self) -> int:
        """The number of states compared."""
        return self._states.states

    @property
    def equal(self) -> int:
        """The number of equal states. States without a counterpart count as different."""
        return self._states.equal

    @property
    def first_difference(self) -> StateDifference | None:
        """The first difference between rows or, if `rows` is None, between states."""
        return self._states.first_difference if self.rows is None else self._rows.first_difference

    @property
    def rows(self) -> int | None:
        """The number of rows compared, or None if the file does not have a row for each message."""
        return self._rows.rows if self._rows.count else None

    @property
    def row_differences(self) -> dict[str, int]:
        """The number of rows that differ, by message kind."""
        return self._rows.differences() if self._rows.count else {}


class _RowCheck:
    """A comparison of each message with the file row at the same position."""

    def __init__(self, published: Iterator[tuple[int, Best]]) -> None:
        self._published = published
        self._first = next(published, None)
        self.rows = 0
        self.uneven = False
        self._differences = Counter[tuple[Kind, Kind | None]]()
        self.first_difference: StateDifference | None = None
        self._pending: MessageRow | None = None  # the latest message, if its row differs

    @property
    def count(self) -> bool:
        """True if the file appears to have a row for each message."""
        return not self.uneven and 2 * self._differences.total() <= self.rows

    def differences(self) -> dict[str, int]:
        """Return the number of rows that differ, by message kind."""
        return {
            f"{kind} rows"
            if following is None
            else f"{kind} rows followed at the same time by a {following} row": number
            for (kind, following), number in self._differences.items()
        }

    def see(self, message: MessageRow, best: Best) -> None:
        if self._pending is not None:
            self._explain(self._pending, message)
            self._pending = None
        published = self._first or next(self._published, None)
        self._first = None
        if published is None:
            self.uneven = True
            return
        self.rows += 1
        if published[1] != best:
            self._pending = message
            if self.first_difference is None:
                self.first_difference = _difference(self.rows, (message[0], best), published)

    def finish(self) -> None:
        if self._pending is not None:
            self._explain(self._pending, None)
        if self._first is not None or next(self._published, None) is not None:
            self.uneven = True

    def _explain(self, message: MessageRow, following: MessageRow | None) -> None:
        _, time, kind, _, _, _, _ = message
        if following is not None and following[1] == time:
            self._differences[kind, following[2]] += 1
        else:
            self._differences[kind, None] += 1


class _StateCheck:
    """A comparison of two sequences of states, which are realigned after each difference."""

    def __init__(self, published: Iterator[tuple[int, Best]]) -> None:
        self._published = published
        self._from_file = deque(islice(published, 1))
        self._replayed = deque[tuple[int, Best]]()
        self.states = 0
        self.equal = 0
        self.first_difference: StateDifference | None = None

    def see(self, row: int, best: Best) -> None:
        if not self._replayed:
            published = self._from_file.popleft() if self._from_file else next(self._published, None)
            if published is not None:
                if published[1] == best:
                    self.states += 1
                    self.equal += 1
                    return
                self._from_file.appendleft(published)
        self._replayed.append((row, best))
        self._match(least=_AHEAD + 1)

    def finish(self) -> None:
        self._match(least=1)
        self._differ(len(self._replayed), len(self._from_file))
        for row in self._published:
            self._from_file.append(row)
            self._differ(0, 1)

    def _match(self, least: int) -> None:
        """Compare states up to a difference, and skip it once the replay has at least `least` states."""
        while self._replayed:
            if not self._from_file:
                self._from_file.extend(islice(self._published, 1))
            if self._from_file and self._replayed[0][1] == self._from_file[0][1]:
                self._replayed.popleft()
                self._from_file.popleft()
                self.states += 1
                self.equal += 1
            elif len(self._replayed) < least or not self._from_file:
                return
            else:
                self._from_file.extend(islice(self._published, _AHEAD + 1 - len(self._from_file)))
                self._differ(*self._next_common())

    def _next_common(self) -> tuple[int, int]:
        """Return how many states to skip in the replay, and how many in the file, until both match again."""
        replayed, published = (
            [top for _, top in islice(side, _AHEAD + 1)] for side in (self._replayed, self._from_file)
        )
        if replayed[1:3] == published[:2]:
            return 1, 0
        if replayed[:2] == published[1:3]:
            return 0, 1
        indices: dict[tuple[Best, ...], int] = {}
        for index in range(len(published)):
            indices.setdefault(tuple(published[index : index + _IN_A_ROW]), index)
        common = [
            (index, indices[run])
            for index in range(len(replayed))
            if (run := tuple(replayed[index : index + _IN_A_ROW])) in indices
        ]
        most = min(len(replayed), len(published))
        return min(common, key=sum, default=(max(1, most // 2), max(1, most // 2)))

    def _differ(self, replayed_count: int, file_count: int) -> None:
        if self.first_difference is None and (replayed_count or file_count):
            replayed = self._replayed[0] if self._replayed else None
            published = self._from_file[0] if self._from_file else None
            self.first_difference = _difference(self.states + 1, replayed, published)
        self.states += max(replayed_count, file_count)
        if replayed_count == file_count:
            pairs = islice(zip(self._replayed, self._from_file, strict=False), replayed_count)
            self.equal += sum(ours == theirs for (_, ours), (_, theirs) in pairs)
        for side, count in ((self._replayed, replayed_count), (self._from_file, file_count)):
            for _ in range(count):
                side.popleft()


def _distinct(rows: Iterator[tuple[int, Best]]) -> Iterator[tuple[int, Best]]:
    last: Best | None = None
    for row in rows:
        best = row[1]
        if best is not last and best != last:
            last = best
            yield row


def _difference(
    state: int, replayed: tuple[int, Best] | None, published: tuple[int, Best] | None
) -> StateDifference:
    row, ours = replayed or (None, None)
    published_row, theirs = published or (None, None)
    return StateDifference(state, row, ours and top_of(ours), published_row, theirs and top_of(theirs))


def _shown(top: Top, units: Instrument) -> str:
    return f"BUY {_shown_level(top.buy, units)}, SELL {_shown_level(top.sell, units)}"


def _shown_level(level: Level | None, units: Instrument) -> str:
    return (
        "nothing" if level is None else f"{units.show_amount(level.amount)} @ {units.show_price(level.price)}"
    )
