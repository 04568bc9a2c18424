"""The message format that all order-by-order feeds share."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import Literal, NamedTuple

from oms.feeds.text_file import Streamed, TextFile
from oms.instrument import Instrument
from oms.models import Side

__all__ = [
    "Columns",
    "Feed",
    "Kind",
    "Message",
    "MessageRow",
    "Recording",
    "new_message",
    "rows_of",
    "symbol_from_name",
]

Feed = Literal["bitstamp", "lobster"]
"""The names of the order-by-order feeds."""


class Kind(StrEnum):
    """The kind of event that a message reports."""

    SUBMITTED = "submitted"
    """A new order was added (LOBSTER)."""
    CREATED = "created"
    """A new order was added (Bitstamp). It is rejected if an earlier row has removed the same order."""
    REDUCED = "reduced"
    """Part of an order was canceled. `amount` is the canceled amount."""
    CHANGED = "changed"
    """An order's amount changed. `amount` is the new amount."""
    DELETED = "deleted"
    """An order was removed. `amount` is the canceled amount (LOBSTER) or the unfilled amount (Bitstamp)."""
    EXECUTED = "executed"
    """A trade filled `amount` of an order at `price`."""
    HIDDEN = "hidden"
    """A trade filled a hidden order, which is not in any book."""
    CROSS = "cross"
    """An auction trade, outside the book."""
    HALT = "halt"
    """Trading halted or resumed."""


class Message(NamedTuple):
    """One row of a recording, with exact integers.

    `row` is the row number. It starts at 1 and includes the header. `time` is in nanoseconds, either after
    midnight (LOBSTER) or since 1970 (Bitstamp). `side` is `ASK` (Side.BUY) or `BID` (Side.SELL). `amount` is
    in lots, and `price` is in ticks.
    """

    row: int
    time: int
    kind: Kind
    order_id: int
    side: Side
    amount: int
    price: int


MessageRow = tuple[int, int, Kind, int, Side, int, int]
"""The fields of a Message as a tuple. A plain tuple is faster to create and to unpack than a Message."""

new_message: Callable[[MessageRow], Message] = partial(
    tuple.__new__,  # pyright: ignore[reportUnknownMemberType]  # the type in its stub is partly unknown
    Message,
)
"""Return the Message with these fields. This is twice as fast as calling `Message`."""


class Columns(NamedTuple):
    """The columns of consecutive messages.

    You can iterate over each column only once. Most columns convert their values as you iterate, so a column
    that you do not read costs almost nothing.
    """

    rows: Iterable[int]
    times: Iterable[int]
    kinds: Iterable[Kind]
    order_ids: Iterable[int]
    sides: Iterable[Side]
    amounts: Iterable[int]
    prices: Iterable[int]


def _rows_in(columns: Columns) -> Iterator[MessageRow]:
    return zip(*columns, strict=False)  # strict would read a row beyond the last one


class Recording(Streamed):
    """A file of messages. Each iteration streams the file from the first row.

    `feed` is the feed's name, `symbol` is the symbol of its orders, and `units` holds the tick size and lot
    size. Iterating raises FeedError if the file or a row is invalid.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        parse: Callable[[TextFile, Instrument], Iterator[Columns]],
        feed: Feed,
        symbol: str,
        units: Instrument | Callable[[], Instrument],
    ) -> None:
        """Set the path and the parser. If `units` is a function, it is called on first use."""
        super().__init__(TextFile(path))
        self._parse = parse
        self.feed: Feed = feed
        self.symbol = symbol
        self._units = units

    @cached_property
    def units(self) -> Instrument:
        """The tick size and lot size.

        If they depend on the prices in the file, the first access reads the file, in O(m) for m messages.
        """
        return self._units if isinstance(self._units, Instrument) else self._units()

    def __iter__(self) -> Iterator[Message]:
        return map(new_message, self.rows())

    def rows(self) -> Iterator[MessageRow]:
        """Yield the fields of each message."""
        return chain.from_iterable(map(_rows_in, self.columns()))

    def columns(self) -> Iterator[Columns]:
        """Yield the messages in blocks of columns."""
        return self._parse(self._file, self.units)

    def __repr__(self) -> str:
        return f"<{self.feed} recording of {self.symbol}: {self.path}>"


def rows_of(messages: Iterable[Message]) -> Iterator[MessageRow]:
    """Yield the fields of each message. A Recording yields plain tuples."""
    return messages.rows() if isinstance(messages, Recording) else iter(messages)


_BEFORE_THE_DOT = re.compile(r"([^.]+)")


def symbol_from_name(path: str | os.PathLike[str], pattern: re.Pattern[str] = _BEFORE_THE_DOT) -> str:
    r"""Extract the symbol from a file name.

    The symbol is the part that matches the pattern. If nothing matches, it is the part before the first dot.
    Unprintable characters, such as invalid UTF-8, are replaced.

    >>> symbol_from_name("data/XYZ.csv.gz"), symbol_from_name(".csv")
    ('XYZ', '.csv')
    >>> symbol_from_name("\udcff.csv") == "\ufffd"
    True

    """
    name = "".join(char if char.isprintable() else "\ufffd" for char in Path(path).name)
    match = pattern.match(name) or _BEFORE_THE_DOT.match(name)
    return match[1] if match else name
