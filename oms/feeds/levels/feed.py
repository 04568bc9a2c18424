"""Follows the books of many symbols, each for itself: one that is stale leaves the others alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from itertools import count
from typing import NamedTuple, get_args

from oms.errors import InvalidArgumentError
from oms.feeds.errors import StaleBookError
from oms.feeds.levels.book import NO_SNAPSHOT, LevelBook
from oms.feeds.levels.checksums import ChecksumRule
from oms.feeds.levels.messages import Checksums, InstrumentMessage, LevelMessage, TradeMessage
from oms.feeds.levels.report import SymbolReport
from oms.feeds.top_of_book import ASK, BID, Level
from oms.instrument import Instrument
from oms.management import OrderManagement
from oms.models import check_symbol

__all__ = ["BookState", "LevelFeed", "Outcome"]


class BookState(NamedTuple):
    """A book as its latest message left it: its best levels (None = nothing there), and how many there are.

    `row`, `time` (ns since 1970) and `sequence` (None = the feed has no numbers) are those of the message.
    The levels themselves rest in the OrderManagement: `om.depth(symbol, side)`.
    """

    symbol: str
    instrument: Instrument
    row: int
    time: int
    sequence: int | None
    buy: Level | None
    sell: Level | None
    levels: int


class Outcome(NamedTuple):
    """What became of a message: whether its book took it in, and why the book is stale (None = it is not)."""

    message: LevelMessage
    applied: bool
    stale: str | None


class LevelFeed:
    """Rests one order for each level of each book, and keeps them as the exchange says.

    `instruments` says what the ticks and lots of each symbol are, or those of all; where it does not, an
    InstrumentMessage has to. If the exchange makes its tick or lot finer, the book counts in the finer one
    from the next snapshot on, and `instrument` says so; a first snapshot that does not fit `instruments`
    leaves its book stale. `checksums` "ignore" keeps a book whose checksum is wrong, and counts.

    The feed's orders have ids from `first_order_id` up, and a level that returns gets a new id. Use other ids
    for orders of your own. Each message is one transaction. The orders of a stale book are removed from `om`,
    so that no question is answered from wrong data.

    >>> from oms import OrderManagement, Side
    >>> from oms.feeds import ALTERNATING, BookMessage
    >>> from oms import Instrument
    >>> om = OrderManagement()
    >>> feed = LevelFeed(om, ALTERNATING, {"XYZ": Instrument("0.1", "1")})
    >>> _ = feed.apply(BookMessage(1, 0, "XYZ", True, asks=(("10.2", "5"),), bids=(("10.0", "4"),)))
    >>> om.calculate_price("XYZ", Side.BUY, 2), feed["XYZ"].sell
    (204, Level(price=100, amount=4))
    >>> feed.apply(BookMessage(2, 0, "XYZ", False, asks=(("10.2", "0"),), bids=(), checksum=7)).stale
    'the checksum of row 2 failed'
    >>> try:
    ...     feed["XYZ"]
    ... except StaleBookError as error:
    ...     error.symbol, error.why, om.available_amount("XYZ", Side.BUY)
    ('XYZ', 'the checksum of row 2 failed', 0)

    """

    def __init__(
        self,
        om: OrderManagement,
        rule: ChecksumRule,
        instruments: Mapping[str, Instrument] | Instrument,
        first_order_id: int = 1,
        checksums: Checksums = "verify",
    ) -> None:
        if checksums not in get_args(Checksums):
            raise InvalidArgumentError("checksums", checksums, "'verify' or 'ignore'")
        self.om = om
        self._rule = rule
        self._default = instruments if isinstance(instruments, Instrument) else None
        self._instruments = {} if isinstance(instruments, Instrument) else dict(instruments)
        self._said: set[str] = set()  # symbols whose instruments are those of the exchange
        self._ignores_checksums = checksums == "ignore"
        self._books: dict[str, LevelBook] = {}
        self._trades = Counter[str]()
        self._new_ids = count(first_order_id)

    def __getitem__(self, symbol: str) -> BookState:
        """Say how a book stands; raises StaleBookError where it cannot be trusted. O(log n)."""
        book = self._books.get(symbol)
        if book is None:
            raise StaleBookError(symbol, NO_SNAPSHOT)
        last = book.last
        if book.why_stale is not None or last is None:
            raise StaleBookError(symbol, book.why_stale or NO_SNAPSHOT)
        return BookState(
            symbol,
            book.instrument,
            last.row,
            last.time,
            last.sequence,
            book.best(ASK),
            book.best(BID),
            len(book),
        )

    def apply(self, message: LevelMessage) -> Outcome:
        """Take a message in: as a whole, or not at all, and then its book is stale until a snapshot.

        Raises InvalidArgumentError for a symbol whose ticks and lots nobody has said. O((k + d) log n) for k
        levels of it, d = levels that the checksum covers.
        """
        if isinstance(message, InstrumentMessage):
            self._hear(message.symbol, Instrument(message.tick_size, message.lot_size))
            return Outcome(message, True, None)
        if isinstance(message, TradeMessage):
            self._trades[message.symbol] += 1
            book = self._books.get(message.symbol)
            return Outcome(message, True, NO_SNAPSHOT if book is None else book.why_stale)
        book = self._book(message.symbol)
        return Outcome(message, book.apply(message), book.why_stale)

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols that books have been told of, stale ones too, sorted."""
        return tuple(sorted(self._books))

    def instrument(self, symbol: str) -> Instrument:
        """Return the instrument of a book. Raise InvalidArgumentError if the symbol has none."""
        book = self._books.get(symbol)
        if book is not None:
            return book.instrument
        found = self._instruments.get(symbol, self._default)
        if found is None:
            remedy = f"give instruments={{{symbol!r}: Instrument(tick_size, lot_size)}}"
            raise InvalidArgumentError("symbol", symbol, "one whose Instrument is known", remedy)
        return found

    def _hear(self, symbol: str, instrument: Instrument) -> None:
        """Take the word of the exchange, unless the caller has given his own."""
        if symbol in self._said:
            self._instruments[symbol] = self._instruments[symbol].finer(instrument)
        elif symbol not in self._instruments:
            self._said.add(symbol)
            self._instruments[symbol] = instrument
        if symbol in self._said and symbol in self._books:
            self._books[symbol].expect(instrument)

    def reports(self) -> dict[str, SymbolReport]:
        """Say what has been counted so far, by symbol."""
        return {
            symbol: SymbolReport(
                instrument=book.instrument,
                stale=book.why_stale,
                trades=self._trades[symbol],
                **asdict(book.tally),
            )
            for symbol, book in sorted(self._books.items())
        }

    def _book(self, symbol: str) -> LevelBook:
        book = self._books.get(symbol)
        if book is None:
            check_symbol(symbol)
            instrument = self.instrument(symbol)
            book = self._books[symbol] = LevelBook(
                self.om,
                symbol,
                instrument,
                self._rule,
                self._new_ids,
                ignores_checksums=self._ignores_checksums,
            )
        return book
