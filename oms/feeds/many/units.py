"""A unit of `replay_many`: one recording or capture, and how to replay it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import cast

from oms.errors import InvalidArgumentError
from oms.feeds.formats import AnyFeed
from oms.feeds.levels.messages import Checksums
from oms.feeds.orders.replayer import Unknown

__all__ = ["ReplayUnit"]


@dataclass(frozen=True, slots=True)
class ReplayUnit:
    """One file to replay, usually one day of one symbol. Units are values: picklable and comparable.

    A unit with only a path is replayed as by the command `oms replay`: the feed is detected, the symbol is
    taken from the name of the file, and the policy for unknown orders from `DEFAULT_UNKNOWN`.

    `feed`, `tick_size`, and `lot_size` apply to all files. They have the same meaning as in `open_recording`,
    or in `find_instruments` for captures. `symbol`, `unknown`, `ignore`, `book`, `trades`, and `midnight`
    apply only to recordings of orders, with the same meaning as in `replay`. `depth` and `checksums` apply
    only to captures of price levels, with the same meaning as in `open_capture` and `replay_levels`. An
    option that does not apply to the feed of the file raises InvalidArgumentError when the unit is replayed.

    >>> ReplayUnit("XYZ_2020-01-02_34200000_57600000_message_5.csv", feed="lobster").feed
    'lobster'

    """

    path: str | os.PathLike[str]
    feed: AnyFeed | None = None
    symbol: str | None = None
    tick_size: str | None = None
    lot_size: str | None = None
    unknown: Unknown | None = None
    ignore: tuple[int, ...] = ()
    book: str | os.PathLike[str] | None = None
    trades: str | os.PathLike[str] | None = None
    midnight: int = 0
    depth: int | None = None
    checksums: Checksums | None = None

    def __post_init__(self) -> None:
        """Store the paths as strings, so that units with the same path compare equal."""
        for name in ("path", "book", "trades"):
            value = getattr(self, name)
            if name == "path" or value is not None:
                object.__setattr__(self, name, _as_text(name, value))
        object.__setattr__(self, "ignore", tuple(self.ignore))

    @property
    def name(self) -> str:
        """The path as a string, for messages."""
        return str(self.path)

    def size(self) -> int:
        """Return the size of the file in bytes, or 0 if it is not on this machine. O(1)."""
        try:
            return os.stat(self.path).st_size
        except OSError:
            return 0


def _as_text(name: str, path: object) -> str:
    try:
        text: object = os.fspath(cast("str", path))
    except TypeError:
        text = None
    if not isinstance(text, str) or not text:
        raise InvalidArgumentError(name, path, "the path of a file")
    return text
