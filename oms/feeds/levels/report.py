"""What a level-2 feed was found to be: counted for each symbol, and for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from oms.feeds.levels.capture import UNREADABLE
from oms.instrument import Instrument

__all__ = ["LevelReport", "LevelTally", "SymbolReport"]


@dataclass(slots=True)
class LevelTally:
    """The counts of one symbol while they grow; `SymbolReport` says what they are."""

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
    """What was counted about one symbol.

    messages: snapshots and updates; snapshots: those alone; trades: published ones, of any price
    checksums_ok, checksums_failed: messages whose CRC32 is, or is not, that of the book after them
    gaps: messages that do not follow the one before them by their numbers
    rejected: messages that hold a price or an amount that no book can hold
    ignored: updates while the book was stale; times_stale: how often it became so
    stale: why it is so at the end, None if it is not
    crossed: messages after which the best ask was not above the best bid
    unknown_deletes: deletions of levels that were not there
    unholdable: changes of levels at price 0, which count for the checksum but for no order
    finer_ticks: snapshots from which on a finer tick or lot than before is counted in
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
    """What was counted about each symbol, and of which lines of the file nothing came, by reason."""

    symbols: Mapping[str, SymbolReport]
    passed_over: Mapping[str, int] = field(default_factory=dict[str, int])
    first_rows: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def messages(self) -> int:
        """Snapshots and updates of all symbols."""
        return sum(symbol.messages for symbol in self.symbols.values())

    @property
    def checksums_ok(self) -> int:
        """Messages whose CRC32 is that of the book after them."""
        return sum(symbol.checksums_ok for symbol in self.symbols.values())

    @property
    def checksums_failed(self) -> int:
        """Messages whose CRC32 is not."""
        return sum(symbol.checksums_failed for symbol in self.symbols.values())

    @property
    def gaps(self) -> int:
        """Messages that do not follow the one before them by their numbers."""
        return sum(symbol.gaps for symbol in self.symbols.values())

    @property
    def stale(self) -> tuple[str, ...]:
        """The symbols whose books are stale at the end."""
        return tuple(name for name, symbol in self.symbols.items() if symbol.stale is not None)

    @property
    def agrees(self) -> bool:
        """True if every book has followed its feed to the end and never failed, and every line was read."""
        return self.followed and not self.unread

    @property
    def followed(self) -> bool:
        """True if every book has followed what was read, to the end, and never failed on the way."""
        return not any(symbol.stale or symbol.times_stale for symbol in self.symbols.values())

    @property
    def unread(self) -> int:
        """Lines that may have changed a book, but are cut short or not of the exchange's form."""
        return self.passed_over.get(UNREADABLE, 0)

    @property
    def disagreements(self) -> tuple[str, ...]:
        """What went wrong: a sentence for each symbol, and one for the lines that were not read."""
        problems = tuple(_problems(self.symbols.items()))
        if not self.unread:
            return problems
        row = self.first_rows[UNREADABLE]
        lines = f"lines not read: {self.unread:,}, the first is row {row:,}: {UNREADABLE}; "
        return (*problems, f"{lines}what they said is in no book")


def _problems(symbols: Iterable[tuple[str, SymbolReport]]) -> Iterator[str]:
    for name, found in symbols:
        if found.times_stale:
            times = "once" if found.times_stale == 1 else f"{found.times_stale:,} times"
            end = f"; it is so at the end: {found.stale}" if found.stale else ""
            yield f"{name} became stale {times}, updates of it ignored: {found.ignored:,}{end}"
        elif found.stale:
            yield f"{name} is stale, updates of it ignored: {found.ignored:,}; {found.stale}"
