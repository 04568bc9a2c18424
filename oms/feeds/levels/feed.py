"""The books of all symbols in a level-2 feed. Each book becomes stale on its own."""

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
    """The state of a book after its latest message.

    `row`, `time` (ns since 1970), and `sequence` come from the message. `sequence` is None if the feed has no
    sequence numbers. `buy` is the best ask and `sell` is the best bid, or None if the side is empty. `levels`
    is the number of levels on both sides. To get the levels, call `om.depth(symbol, side)`.
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
    """The result of applying a message.

    `applied` is True if the book applied it. `stale` says why the book is stale, or is None.
    """

    message: LevelMessage
    applied: bool
    stale: str | None


class LevelFeed:
    """A level-2 feed that stores each level of each book as one order in an OrderManagement.

    `instruments` maps symbols to Instruments, or is one Instrument for all symbols. Any other symbol needs an
    InstrumentMessage before its first book. If the exchange reduces its tick or lot size, the book switches
    to the new size at the next snapshot, and `instrument` returns it. If a book's first snapshot contains
    prices or amounts that are not multiples of the tick or lot in `instruments`, the book stays stale. With
    `checksums="ignore"`, wrong checksums are counted but do not make the book stale.

    If you change a size of a symbol in `om`, for example with `convert_orders`, its book becomes stale at the
    next update. The next snapshot repairs it. Do not call `apply` inside a what-if or a transaction that is
    rolled back. The rollback restores the earlier orders, but the feed keeps its later levels and order ids.
    If the rollback changes a size of the symbol's instrument, the next update makes the book stale.
    Otherwise, the feed does not detect the rollback.

    The feed's order ids start at `first_order_id`. A level that reappears gets a new id. Use different ids
    for your own orders. Each message is one transaction. When a book becomes stale, its orders are removed
    from `om`, so that no price is ever computed from wrong data.

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
        self._from_exchange: set[str] = set()  # symbols whose instruments came from the exchange
        self._ignores_checksums = checksums == "ignore"
        self._books: dict[str, LevelBook] = {}
        self._trades = Counter[str]()
        self._new_ids = count(first_order_id)

    def __getitem__(self, symbol: str) -> BookState:
        """Return a book's state. Raise StaleBookError if it is stale or has had no snapshot yet. O(1)."""
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
        """Apply a message completely. If that fails, its book is stale until the next snapshot.

        Raise InvalidArgumentError if the symbol has no Instrument. O(k log n + d) for k levels in the
        message, d levels covered by the checksum, and n levels in the book (up to about 10,000).
        """
        if isinstance(message, InstrumentMessage):
            self._update_instrument(message.symbol, Instrument(message.tick_size, message.lot_size))
            return Outcome(message, True, None)
        if isinstance(message, TradeMessage):
            self._trades[message.symbol] += 1
            book = self._books.get(message.symbol)
            return Outcome(message, True, NO_SNAPSHOT if book is None else book.why_stale)
        book = self._book(message.symbol)
        return Outcome(message, book.apply(message), book.why_stale)

    @property
    def symbols(self) -> tuple[str, ...]:
        """The sorted symbols of all books, including stale ones."""
        return tuple(sorted(self._books))

    def instrument(self, symbol: str) -> Instrument:
        """Return a symbol's Instrument. Raise InvalidArgumentError if it has none."""
        book = self._books.get(symbol)
        if book is not None:
            return book.instrument
        instrument = self._instruments.get(symbol, self._default)
        if instrument is None:
            remedy = f"pass instruments={{{symbol!r}: Instrument(tick_size, lot_size)}}"
            raise InvalidArgumentError("symbol", symbol, "one with a known Instrument", remedy)
        return instrument

    def _update_instrument(self, symbol: str, instrument: Instrument) -> None:
        """Use the exchange's instrument unless the caller passed one for this symbol."""
        if symbol in self._from_exchange:
            self._instruments[symbol] = self._instruments[symbol].finer(instrument)
        elif symbol not in self._instruments:
            self._from_exchange.add(symbol)
            self._instruments[symbol] = instrument
        if symbol in self._from_exchange and symbol in self._books:
            self._books[symbol].expect(instrument)

    def reports(self) -> dict[str, SymbolReport]:
        """Return the current counts by symbol."""
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
