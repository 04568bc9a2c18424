"""Messages from level-2 feeds, in the same form for all exchanges: books, trades, and instruments."""

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
"""What a wrong checksum does: "verify" makes the book stale, and "ignore" only counts the failure."""

LevelFeedName = Literal["bitget", "kraken", "okx"]
"""The supported level-2 feeds."""

Levels: TypeAlias = tuple[tuple[str, str], ...]
"""The (price, amount) of each level, as the exact strings that the exchange sent."""


class BookMessage(NamedTuple):
    """A snapshot of a whole book, or an update to some levels. An amount of zero deletes a level.

    `row` is the row number in the capture, starting at 1. `time` is in nanoseconds since 1970. `checksum` is
    the CRC32 of the book after the message. `sequence` is this message's sequence number, and `previous` is
    the previous message's. `depth` is the number of levels per side that the exchange publishes. Each of
    these last four fields is None if it is not known.
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
    """A trade that the exchange published. `side` is the taker's side, so a BUY trade fills asks."""

    row: int
    time: int
    symbol: str
    side: Side
    price: str
    amount: str


class InstrumentMessage(NamedTuple):
    """A symbol's tick size and lot size, as the exchange published them."""

    row: int
    time: int
    symbol: str
    tick_size: str
    lot_size: str


LevelMessage: TypeAlias = BookMessage | TradeMessage | InstrumentMessage


class UnsupportedChannelError(OmsError, ValueError):
    """A book message from an unsupported `channel`. `supported` contains the supported channels.

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
    """A converter of one exchange's JSON to messages. The result may depend on earlier messages."""

    rule: ChecksumRule

    def translate(self, sent: object, row: int, time: int | None) -> Iterator[LevelMessage]:
        """Translate one JSON value, in which all numbers are strings.

        `time` is the time of receipt in ns since 1970, or None if it was not recorded. A value that is not a
        book, a trade, or an instrument yields no messages. Raise UnsupportedChannelError if a book comes from
        an unsupported channel. Raise LookupError, TypeError, or ValueError if the message is malformed.
        """
        ...
