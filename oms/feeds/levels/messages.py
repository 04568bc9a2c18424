"""The one vocabulary that every level-2 feed is translated into: whole books, changes of levels, trades."""

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
"""What a wrong checksum does: it makes its book stale, or it is counted and the book is kept."""

LevelFeedName = Literal["bitget", "kraken", "okx"]
"""The level-2 feeds that a capture may come from."""

Levels: TypeAlias = tuple[tuple[str, str], ...]
"""(price, amount) of levels, each in the exchange's own letters."""


class BookMessage(NamedTuple):
    """A whole book (`snapshot`), or the levels that change; an amount of zero deletes its level.

    `row` counts from 1, `time` is in nanoseconds since 1970. What the exchange did not send is None: its
    CRC32, the number of this message and of the one before it, the levels a side that it keeps.
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
    """A trade that the exchange published; a BUY took asks."""

    row: int
    time: int
    symbol: str
    side: Side
    price: str
    amount: str


class InstrumentMessage(NamedTuple):
    """What the exchange says that a tick and a lot of a symbol are."""

    row: int
    time: int
    symbol: str
    tick_size: str
    lot_size: str


LevelMessage: TypeAlias = BookMessage | TradeMessage | InstrumentMessage


class UnsupportedChannelError(OmsError, ValueError):
    """A message is about a book, but of a `channel` that is not read; `supported` names those that are.

    >>> print(UnsupportedChannelError("books-elp", ("books", "books5")))
    channel 'books-elp' is not supported, but only 'books', 'books5'

    """

    def __init__(self, channel: str, supported: tuple[str, ...]) -> None:
        super().__init__(channel, supported)
        self.channel = channel
        self.supported = supported

    def __str__(self) -> str:
        names = ", ".join(map(repr, self.supported))
        return f"channel {self.channel[:40]!r} is not supported, but only {names}"


class Translator(Protocol):
    """Turns what one exchange sends into messages; it may remember what earlier ones said."""

    rule: ChecksumRule

    def translate(self, sent: object, row: int, time: int | None) -> Iterator[LevelMessage]:
        """Translate one object of JSON, its numbers left as text; nothing comes of what is about no book.

        `time` is when it was received, None where nobody wrote it down. Raises UnsupportedChannelError for a
        book of a channel that is not read, and LookupError, TypeError or ValueError for what is about a book,
        but not of its form.
        """
        ...
