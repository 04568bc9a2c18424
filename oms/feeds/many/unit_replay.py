"""The replay of one unit (one file), which an analysis iterates over."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from oms.feeds.intervals import nanoseconds_in
from oms.feeds.levels.feed import Outcome
from oms.feeds.levels.report import LevelReport
from oms.feeds.many.sources import open_source
from oms.feeds.many.units import ReplayUnit
from oms.feeds.orders.messages import Message
from oms.feeds.orders.report import Report
from oms.feeds.replay_clock import ReplayClock
from oms.instrument import Instrument
from oms.management import OrderManagement

__all__ = ["UnitReplay"]


class UnitReplay:
    r"""The replay of one unit into new books. `replay_many` passes it to the analysis.

    Each step of an iteration applies one event to the books `om`. The file is streamed. Between two steps,
    the analysis may call any method of the books. For example, it may query prices, try changes with
    `what_if`, or place its own orders. The clock of the books shows the time of the recording.

    >>> import pathlib, tempfile
    >>> from oms import Side
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "XYZ.csv")
    ...     _ = path.write_text("34200.1,1,7,10,1000,-1\n34200.2,1,8,10,1001,-1\n")
    ...     run = UnitReplay(ReplayUnit(path))
    ...     for time in run:
    ...         print(time, run.om.available_amount("XYZ", Side.BUY))
    34200100000000 10
    34200200000000 20
    >>> run.symbols, run.finish().events
    (('XYZ',), 2)

    """

    def __init__(self, unit: ReplayUnit) -> None:
        """Open the file. Raise FeedError if that fails, and InvalidArgumentError for an invalid option."""
        self.unit = unit
        self.om = OrderManagement(clock=ReplayClock())
        self._source = open_source(unit, self.om)
        self._steps = self._source.steps()

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbol of the recording, or the sorted symbols of all books that the capture has had so far."""
        return self._source.symbols

    @property
    def latest(self) -> tuple[Message, ...] | Outcome | None:
        """The latest event, or None before the first.

        In a recording, an event is one message, or all messages of a sweep. In a capture, an event is the
        outcome of one message.
        """
        return self._source.latest()

    def instrument(self, symbol: str) -> Instrument:
        """Return the instrument of a symbol. Raise InvalidArgumentError if the symbol is unknown. O(1)."""
        return self._source.instrument(symbol)

    def __iter__(self) -> Iterator[int]:
        """Apply the events one by one, and yield the time of each, in nanoseconds.

        A second loop continues where the first loop stopped. Raise FeedError if the file cannot be read to
        the end.
        """
        return self._steps

    def every(self, seconds: float) -> Iterator[int]:
        """Apply the events, and yield the time of the first event in each interval, in nanoseconds.

        Intervals are aligned to multiples of `seconds`. An interval without an event yields nothing. Raise
        InvalidArgumentError if `seconds` is not positive.
        """
        return self._first_in_each(nanoseconds_in("seconds", seconds))

    def _first_in_each(self, interval: int) -> Iterator[int]:
        due = 0
        for time in self._steps:
            if time >= due:
                due = (time // interval + 1) * interval
                yield time

    def finish(self) -> Report | LevelReport:
        """Apply the remaining events, and return the report on the whole file. Can be called repeatedly."""
        deque(self._steps, maxlen=0)
        return self._source.report()
