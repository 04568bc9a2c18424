"""The counts from replaying a level-2 feed, per symbol and in total."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from oms.feeds.levels.capture import UNREADABLE
from oms.instrument import Instrument

__all__ = ["LevelReport", "LevelTally", "SymbolReport"]


@dataclass(slots=True)
class LevelTally:
    """The running counts for one symbol. `SymbolReport` describes them."""

    messages: int = 0
    snapshots: int = 0
    checksums_ok: int = 0
    checksums_failed: int = 0
    gaps: int = 0
    rejected: int = 0
    ignored: int = 0
    times_stale: int = 0
    crossed: int = 0
    unknown_deletes: int = 0
    unholdable: int = 0
    finer_ticks: int = 0


@dataclass(frozen=True, slots=True)
class SymbolReport:
    """The counts for one symbol.

    messages: the number of snapshots and updates
    snapshots: the number of snapshots
    trades: the number of published trades, including those at invalid prices
    checksums_ok: the number of messages whose checksum matches the book after the message
    checksums_failed: the number of messages whose checksum does not match the book after the message
    gaps: the number of messages whose sequence number does not follow the previous message's
    rejected: the number of messages with an invalid price or amount
    ignored: the number of updates that arrived while the book was stale
    times_stale: the number of times that the book became stale
    stale: why the book is stale at the end, or None if it is not stale
    crossed: the number of messages after which the best ask was at or below the best bid
    unknown_deletes: the number of times that a message deleted a level that the book did not contain
    unholdable: the number of changes to levels at price 0, which the checksum covers but orders cannot have
    finer_ticks: the number of snapshots that reduced the tick or lot size of the book
    """

    instrument: Instrument
    messages: int
    snapshots: int
    trades: int
    checksums_ok: int
    checksums_failed: int
    gaps: int
    rejected: int
    ignored: int
    times_stale: int
    stale: str | None
    crossed: int
    unknown_deletes: int
    unholdable: int
    finer_ticks: int


@dataclass(frozen=True, slots=True)
class LevelReport:
    """The counts for each symbol, and the lines in the capture that were skipped.

    `passed_over` maps each reason to the number of skipped lines, and `first_rows` maps it to the first such
    row.
    """

    symbols: Mapping[str, SymbolReport]
    passed_over: Mapping[str, int] = field(default_factory=dict[str, int])
    first_rows: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def messages(self) -> int:
        """The number of snapshots and updates for all symbols."""
        return sum(symbol.messages for symbol in self.symbols.values())

    @property
    def checksums_ok(self) -> int:
        """The number of messages whose checksum matches the book after the message."""
        return sum(symbol.checksums_ok for symbol in self.symbols.values())

    @property
    def checksums_failed(self) -> int:
        """The number of messages whose checksum does not match the book after the message."""
        return sum(symbol.checksums_failed for symbol in self.symbols.values())

    @property
    def gaps(self) -> int:
        """The number of messages whose sequence number does not follow the previous message's."""
        return sum(symbol.gaps for symbol in self.symbols.values())

    @property
    def stale(self) -> tuple[str, ...]:
        """The symbols whose books are stale at the end of the capture."""
        return tuple(name for name, symbol in self.symbols.items() if symbol.stale is not None)

    @property
    def agrees(self) -> bool:
        """True if every line could be read, and every book had a snapshot and was never stale after it."""
        return self.followed and not self.unread

    @property
    def followed(self) -> bool:
        """True if every book had a snapshot and was never stale after it. Ignores unreadable lines."""
        return not any(symbol.stale or symbol.times_stale for symbol in self.symbols.values())

    @property
    def unread(self) -> int:
        """The number of lines that may contain changes to a book but could not be read."""
        return self.passed_over.get(UNREADABLE, 0)

    @property
    def disagreements(self) -> tuple[str, ...]:
        """A sentence for each symbol whose book was stale, and one for lines that could not be read."""
        problems = tuple(_problems(self.symbols.items()))
        if not self.unread:
            return problems
        row = self.first_rows[UNREADABLE]
        lines = f"lines not read: {self.unread:,}, the first is row {row:,}: {UNREADABLE}; "
        return (*problems, f"{lines}the books lack the changes in these lines")


def _problems(symbols: Iterable[tuple[str, SymbolReport]]) -> Iterator[str]:
    for name, symbol in symbols:
        ignored = f"(ignored updates: {symbol.ignored:,})"
        if symbol.times_stale:
            times = "once" if symbol.times_stale == 1 else f"{symbol.times_stale:,} times"
            end = f" and is stale at the end: {symbol.stale}" if symbol.stale else ""
            yield f"{name} became stale {times} {ignored}{end}"
        elif symbol.stale:
            yield f"{name} is stale {ignored}: {symbol.stale}"
