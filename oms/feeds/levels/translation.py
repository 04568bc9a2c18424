"""Translate the JSON structures that several exchanges share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any

from oms.feeds.levels.messages import BookMessage, Levels
from oms.models import Side

__all__ = ["TRADE_SIDES", "book_messages", "levels_of", "milliseconds"]

_PRICE_AND_AMOUNT = itemgetter(0, 1)

TRADE_SIDES = {"buy": Side.BUY, "sell": Side.SELL}
"""Maps the words that the exchanges use to the taker's side."""


def book_messages(
    message: dict[str, Any],
    symbol: str,
    row: int,
    time: int | None,
    numbers: tuple[str, str],
    sides: tuple[str, str] = ("asks", "bids"),
    *,
    whole: bool = False,
) -> Iterator[BookMessage]:
    """Convert the order book data in a message.

    If `whole` is True, all books are snapshots. Otherwise, the message's `action` field says whether it is a
    "snapshot" or an "update". `numbers` names the two fields that hold this message's sequence number and the
    previous one. `sides` names the fields that hold the asks and the bids.
    """
    own, previous = numbers
    asks, bids = sides
    snapshot = whole or {"snapshot": True, "update": False}[message["action"]]
    for data in message["data"]:
        yield BookMessage(
            row,
            milliseconds(data["ts"]) if time is None else time,
            symbol,
            snapshot,
            levels_of(data[asks]),
            levels_of(data[bids]),
            _checksum_of(data, own),
            int(data[own]) if own in data else None,
            int(data[previous]) if previous in data and not snapshot else None,
        )


def levels_of(rows: Iterable[Sequence[str]]) -> Levels:
    """Return the price and amount of each row, which are its first two values."""
    return tuple(map(_PRICE_AND_AMOUNT, rows))


def milliseconds(text: str) -> int:
    """Convert a time in milliseconds to nanoseconds."""
    return int(text) * 1_000_000


def _checksum_of(data: dict[str, str], number: str) -> int | None:
    """Return the checksum, or None if there is none. If there is a sequence number, 0 also means none."""
    if "checksum" not in data:
        return None
    checksum = int(data["checksum"])
    return None if checksum == 0 and number in data else checksum
