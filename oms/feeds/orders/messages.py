"""The message format shared by all order-by-order feeds."""

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

__all__ = ["Columns", "Feed", "Kind", "Message", "Recording", "symbol_from_name"]

Feed = Literal["bitstamp", "lobster"]
"""The names of the order-by-order feeds."""


class Kind(StrEnum):
    """The kind of a message."""

    SUBMITTED = "submitted"
    """A new order was added (LOBSTER)."""
    CREATED = "created"
    """A new order was added (Bitstamp). It is rejected if an earlier row has already removed the order."""
    REDUCED = "reduced"
    """A part of an order was canceled. `amount` is the canceled part."""
    CHANGED = "changed"
    """The amount of an order changed. `amount` is the new amount."""
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

    `row` is the row number, starting at 1 and counting the header. `time` is in nanoseconds after midnight
    (LOBSTER) or since 1970 (Bitstamp). `side` is `ASK` (Side.BUY) or `BID` (Side.SELL). `amount` is in lots,
    and `price` is in ticks.
    """

    row: int
    time: int
    kind: Kind
    order_id: int
    side: Side
    amount: int
    price: int


class Columns(NamedTuple):
    """The columns of consecutive messages.

    You can iterate over each column once. Most columns convert their values during the iteration, so a column
    that you do not read takes almost no time.
    """

    rows: Iterable[int]
    times: Iterable[int]
    kinds: Iterable[Kind]
    order_ids: Iterable[int]
    sides: Iterable[Side]
    amounts: Iterable[int]
    prices: Iterable[int]


_new_message: Callable[[tuple[int, int, Kind, int, Side, int, int]], Message] = partial(
    tuple.__new__,  # pyright: ignore[reportUnknownMemberType]  # the type in its stub is partly unknown
    Message,
)


def _messages_of(columns: Columns) -> Iterator[Message]:
    return map(_new_message, zip(*columns, strict=False))  # strict would read a row beyond the last one


class Recording(Streamed):
    """A file of messages. Each iteration streams the file from the first row.

    `feed` is the name of the feed, `symbol` is the symbol of its orders, and `units` is the tick and lot
    size. Iterating raises FeedError for a bad file or row.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        parse: Callable[[TextFile, Instrument], Iterator[Columns]],
        feed: Feed,
        symbol: str,
        units: Instrument | Callable[[], Instrument],
    ) -> None:
        """Set the path and its parser. If `units` is a function, it is called on first use."""
        super().__init__(TextFile(path))
        self._parse = parse
        self.feed: Feed = feed
        self.symbol = symbol
        self._units = units

    @cached_property
    def units(self) -> Instrument:
        """The tick and lot size. If they depend on the prices in the file, the first access takes O(m) for m
        messages.
        """
        return self._units if isinstance(self._units, Instrument) else self._units()

    def __iter__(self) -> Iterator[Message]:
        return chain.from_iterable(map(_messages_of, self.columns()))

    def columns(self) -> Iterator[Columns]:
        """Stream the messages as columns of consecutive messages."""
        return self._parse(self._file, self.units)

    def __repr__(self) -> str:
        return f"<{self.feed} recording of {self.symbol}: {self.path}>"


_BEFORE_THE_DOT = re.compile(r"([^.]+)")


def symbol_from_name(path: str | os.PathLike[str], pattern: re.Pattern[str] = _BEFORE_THE_DOT) -> str:
    r"""Return the symbol in a file's name.

    The symbol is the part that matches the pattern or, without a match, the part before the first dot.
    Unprintable characters, such as invalid UTF-8, are replaced.

    >>> symbol_from_name("data/XYZ.csv.gz"), symbol_from_name(".csv")
    ('XYZ', '.csv')
    >>> symbol_from_name("\udcff.csv") == "\ufffd"
    True

    """
    name = "".join(char if char.isprintable() else "\ufffd" for char in Path(path).name)
    match = pattern.match(name) or _BEFORE_THE_DOT.match(name)
    return match[1] if match else name
