"""The exchange-independent messages of level-2 feeds: books, trades, and instruments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple, Protocol, TypeAlias

from oms.errors import OmsError
from oms.feeds.levels.checksums import ChecksumRule
from oms.models import Side

__all__ = [
    "BookMessage",
    "Checksums",
    "InstrumentMessage",
    "LevelFeedName",
    "LevelMessage",
    "Levels",
    "TradeMessage",
    "Translator",
    "UnsupportedChannelError",
]

Checksums = Literal["verify", "ignore"]
"""The effect of a wrong checksum: "verify" makes the book stale, and "ignore" only counts the failure."""

LevelFeedName = Literal["bitget", "kraken", "okx"]
"""The supported level-2 feeds."""

Levels: TypeAlias = tuple[tuple[str, str], ...]
"""The (price, amount) of each level, as strings exactly as the exchange sent them."""


class BookMessage(NamedTuple):
    """A snapshot of a whole book, or an update of some levels. An amount of zero deletes a level.

    `row` is the row in the capture, from 1. `time` is in nanoseconds since 1970. `checksum` is the CRC32 of
    the book after the message. `sequence` is this message's sequence number, and `previous` is that of the
    message before it. `depth` is the number of levels per side that the exchange publishes. Each of these
    four is None if the exchange did not send it.
    """

    row: int
    time: int
    symbol: str
    snapshot: bool
    asks: Levels
    bids: Levels
    checksum: int | None = None
    sequence: int | None = None
    previous: int | None = None
    depth: int | None = None


class TradeMessage(NamedTuple):
    """A trade that the exchange published. `side` is the taker's side, so a BUY trade filled asks."""

    row: int
    time: int
    symbol: str
    side: Side
    price: str
    amount: str


class InstrumentMessage(NamedTuple):
    """The tick size and lot size of a symbol, as the exchange published them."""

    row: int
    time: int
    symbol: str
    tick_size: str
    lot_size: str


LevelMessage: TypeAlias = BookMessage | TradeMessage | InstrumentMessage


class UnsupportedChannelError(OmsError, ValueError):
    """The error for a book message on an unsupported `channel`. `supported` is the tuple of supported ones.

    >>> print(UnsupportedChannelError("books-elp", ("books", "books5")))
    channel 'books-elp' is not supported; supported channels: 'books', 'books5'

    """

    def __init__(self, channel: str, supported: tuple[str, ...]) -> None:
        super().__init__(channel, supported)
        self.channel = channel
        self.supported = supported

    def __str__(self) -> str:
        names = ", ".join(map(repr, self.supported))
        return f"channel {self.channel[:40]!r} is not supported; supported channels: {names}"


class Translator(Protocol):
    """A translator from one exchange's JSON to messages. It may depend on earlier messages."""

    rule: ChecksumRule

    def translate(self, sent: object, row: int, time: int | None) -> Iterator[LevelMessage]:
        """Translate one JSON value, in which all numbers are strings.

        `time` is the time of receipt in ns since 1970, or None if it was not recorded. A value that is not a
        book, a trade, or an instrument yields no messages. Raise UnsupportedChannelError for a book on an
        unsupported channel, and LookupError, TypeError, or ValueError for a malformed message.
        """
        ...
