"""The one vocabulary that every feed is translated into."""

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
"""The feeds that a recording may come from."""


class Kind(StrEnum):
    """What a message says."""

    SUBMITTED = "submitted"
    """An order rests from now on (LOBSTER)."""
    CREATED = "created"
    """The same (Bitstamp), unless a row that came too early has already said that it is gone."""
    REDUCED = "reduced"
    """A part was cancelled: `amount` is what was taken away."""
    CHANGED = "changed"
    """`amount` is what rests from now on."""
    DELETED = "deleted"
    """Nothing rests any more: `amount` is what was taken away (LOBSTER) or left over (Bitstamp)."""
    EXECUTED = "executed"
    """A trade took `amount` at `price`."""
    HIDDEN = "hidden"
    """A trade took an order that no book shows."""
    CROSS = "cross"
    """An auction traded, beside the book."""
    HALT = "halt"
    """Trading stopped, or goes on again."""


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
    """A file of messages; each iteration streams it once more from its first row.

    `feed` is who recorded it, `symbol` what its name says that it records, `units` what its ticks and lots
    are. Iterating raises FeedError.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        parse: Callable[[TextFile, Instrument], Iterator[Message]],
        feed: Feed,
        symbol: str,
        units: Instrument | Callable[[], Instrument],
    ) -> None:
        """Name the file and what reads it; `units` may be found out when they are first wanted."""
        super().__init__(TextFile(path))
        self._parse = parse
        self.feed: Feed = feed
        self.symbol = symbol
        self._units = units

    @cached_property
    def units(self) -> Instrument:
        """Return what the ticks and lots of the messages are. O(rows) once if the prices must say so."""
        return self._units if isinstance(self._units, Instrument) else self._units()

    def __iter__(self) -> Iterator[Message]:
        return self._parse(self._file, self.units)

    def __repr__(self) -> str:
        return f"<{self.feed} recording of {self.symbol}: {self.path}>"


_BEFORE_THE_DOT = re.compile(r"([^.]+)")


def symbol_from_name(path: str | os.PathLike[str], pattern: re.Pattern[str] = _BEFORE_THE_DOT) -> str:
    r"""Read a symbol from the name of a file: what the pattern captures, else all before the first dot.

    What cannot be shown as text, such as a byte that is not UTF-8, is replaced.

    >>> symbol_from_name("data/XYZ.csv.gz"), symbol_from_name(".csv")
    ('XYZ', '.csv')
    >>> symbol_from_name("\udcff.csv") == "\ufffd"
    True

    """
    name = "".join(char if char.isprintable() else "\ufffd" for char in Path(path).name)
    match = pattern.match(name) or _BEFORE_THE_DOT.match(name)
    return match[1] if match else name
