"""A common interface to replay a recording of orders or a capture of price levels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeGuard, cast, get_args

from oms.errors import InvalidArgumentError
from oms.feeds.formats import DEFAULT_UNKNOWN, AnyFeed, feed_of, open_capture, open_recording
from oms.feeds.levels.feed import Outcome
from oms.feeds.levels.messages import LevelFeedName
from oms.feeds.levels.replayer import LevelReplay, find_instruments
from oms.feeds.levels.report import LevelReport
from oms.feeds.many.units import ReplayUnit
from oms.feeds.orders.messages import Message, MessageRow, new_message
from oms.feeds.orders.replayer import Replay
from oms.feeds.orders.report import Report
from oms.instrument import Instrument
from oms.management import OrderManagement

__all__ = ["Source", "open_source"]

_FOR_RECORDINGS = ("symbol", "unknown", "ignore", "book", "trades", "midnight")
_FOR_CAPTURES = ("depth", "checksums")


class Source(Protocol):
    """A file that is replayed step by step."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """The sorted symbols of all books that the file has had so far."""
        ...

    def instrument(self, symbol: str) -> Instrument:
        """Return a symbol's instrument. Raise InvalidArgumentError if it has none."""
        ...

    def steps(self) -> Iterator[int]:
        """Apply the events one by one, and yield the time of each event, in nanoseconds."""
        ...

    def latest(self) -> tuple[Message, ...] | Outcome | None:
        """Return the latest event, or None before the first event."""
        ...

    def report(self) -> Report | LevelReport:
        """Return the current counts."""
        ...


def open_source(unit: ReplayUnit, om: OrderManagement) -> Source:
    """Open the file of a unit. Raise FeedError or InvalidArgumentError if that fails."""
    feed = feed_of(unit.path) if unit.feed is None else unit.feed
    return _Capture(unit, feed, om) if _is_level_feed(feed) else _Recording(unit, feed, om)


def _is_level_feed(feed: AnyFeed) -> TypeGuard[LevelFeedName]:
    return feed in get_args(LevelFeedName)


class _Recording:
    def __init__(self, unit: ReplayUnit, feed: AnyFeed, om: OrderManagement) -> None:
        _reject(unit, _FOR_CAPTURES, feed)
        recording = open_recording(
            unit.path, feed, unit.symbol, tick_size=unit.tick_size, lot_size=unit.lot_size
        )
        self._instrument = recording.units
        self._symbol = recording.symbol
        self._midnight = unit.midnight
        self._rows: Sequence[MessageRow] | None = None
        self._run = Replay(
            recording,
            om,
            symbol=recording.symbol,
            unknown=unit.unknown or DEFAULT_UNKNOWN[recording.feed],
            ignore=unit.ignore,
            book=unit.book,
            trades=unit.trades,
            midnight=unit.midnight,
        )
        self.report = self._run.report

    @property
    def symbols(self) -> tuple[str, ...]:
        return (self._symbol,)

    def instrument(self, symbol: str) -> Instrument:
        if symbol != self._symbol:
            raise InvalidArgumentError("symbol", symbol, f"{self._symbol!r}, the symbol of the recording")
        return self._instrument

    def steps(self) -> Iterator[int]:
        for rows in self._run._steps:  # creates no Message objects
            self._rows = rows
            yield self._midnight + rows[0][1]

    def latest(self) -> tuple[Message, ...] | None:
        return None if self._rows is None else tuple(map(new_message, self._rows))


class _Capture:
    def __init__(self, unit: ReplayUnit, feed: LevelFeedName, om: OrderManagement) -> None:
        _reject(unit, _FOR_RECORDINGS, feed)
        capture = open_capture(unit.path, feed, unit.depth)
        instruments = None
        if unit.tick_size is not None or unit.lot_size is not None:
            instruments = find_instruments(capture, unit.tick_size, unit.lot_size)
        self._run = LevelReplay(capture, om, instruments=instruments, checksums=unit.checksums or "verify")
        self._outcome: Outcome | None = None
        self.instrument = self._run.feed.instrument
        self.report = self._run.report

    @property
    def symbols(self) -> tuple[str, ...]:
        return self._run.feed.symbols

    def steps(self) -> Iterator[int]:
        for outcome in self._run:
            self._outcome = outcome
            yield outcome.message.time

    def latest(self) -> Outcome | None:
        return self._outcome


def _reject(unit: ReplayUnit, options: Sequence[str], feed: AnyFeed) -> None:
    """Raise InvalidArgumentError if a unit has an option that does not apply to its feed."""
    defaults = ReplayUnit(unit.path)
    for option in options:
        value = cast("object", getattr(unit, option))
        if value != getattr(defaults, option):
            raise InvalidArgumentError(option, value, f"left out for a file of {feed}")
