"""The messages that every feed by order is translated into."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

from oms.feeds.text_file import Streamed, TextFile
from oms.instrument import Instrument
from oms.models import Side

__all__ = ["Feed", "Kind", "Message", "Recording", "symbol_from_name"]

Feed = Literal["bitstamp", "lobster"]
"""The feeds by order."""


class Kind(StrEnum):
    """The kind of a message."""

    SUBMITTED = "submitted"
    """A new order rests (LOBSTER)."""
    CREATED = "created"
    """A new order rests (Bitstamp); rejected if an earlier row has already removed it."""
    REDUCED = "reduced"
    """A part of an order was canceled: `amount` is the part."""
    CHANGED = "changed"
    """The amount of an order changed: `amount` is the new one."""
    DELETED = "deleted"
    """An order was removed: `amount` is what was canceled (LOBSTER) or never filled (Bitstamp)."""
    EXECUTED = "executed"
    """A trade took `amount` at `price`."""
    HIDDEN = "hidden"
    """A trade filled a hidden order, which is in no book."""
    CROSS = "cross"
    """An auction traded outside the book."""
    HALT = "halt"
    """Trading halted or resumed."""


class Message(NamedTuple):
    """One row of a recording, in exact integers.

    `row` counts from 1, header included; `time` is in nanoseconds, after midnight (LOBSTER) or
    since 1970 (Bitstamp); `side` is the trade that the order serves; `amount` is in lots, `price` in ticks.
    """

    row: int
    time: int
    kind: Kind
    order_id: int
    side: Side
    amount: int
    price: int


class Recording(Streamed):
    """A file of messages; each iteration streams it again from the first row.

    `feed` is the source, `symbol` the name that its orders are replayed under, and `units` the tick and lot
    size. Iterating raises FeedError for a bad file or row.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        parse: Callable[[TextFile, Instrument], Iterator[Message]],
        feed: Feed,
        symbol: str,
        units: Instrument | Callable[[], Instrument],
    ) -> None:
        """Set the path and its parser; `units` may be a function, called when they are first needed."""
        super().__init__(TextFile(path))
        self._parse = parse
        self.feed: Feed = feed
        self.symbol = symbol
        self._units = units

    @cached_property
    def units(self) -> Instrument:
        """The tick and lot size of the messages. O(rows) the first time if the prices must be read."""
        return self._units if isinstance(self._units, Instrument) else self._units()

    def __iter__(self) -> Iterator[Message]:
        return self._parse(self._file, self.units)

    def __repr__(self) -> str:
        return f"<{self.feed} recording of {self.symbol}: {self.path}>"


_BEFORE_THE_DOT = re.compile(r"([^.]+)")


def symbol_from_name(path: str | os.PathLike[str], pattern: re.Pattern[str] = _BEFORE_THE_DOT) -> str:
    r"""Return the symbol in a file's name: the match of the pattern, else all before the first dot.

    Unprintable characters, such as invalid UTF-8, are replaced.

    >>> symbol_from_name("data/XYZ.csv.gz"), symbol_from_name(".csv")
    ('XYZ', '.csv')
    >>> symbol_from_name("\udcff.csv") == "\ufffd"
    True

    """
    name = "".join(char if char.isprintable() else "\ufffd" for char in Path(path).name)
    match = pattern.match(name) or _BEFORE_THE_DOT.match(name)
    return match[1] if match else name
