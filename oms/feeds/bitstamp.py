"""Bitstamp order events as the R package obAnalytics records them, and the trades it infers.

An order row is: id, time received and time at the exchange (milliseconds since 1970), price
(2 decimals), volume (1e-8 BTC), action, direction; below a header. No row says execution: a fill
shows as a smaller volume, or as a deletion that leaves 0.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from oms.feeds.csv_file import INTEGER, Column, CsvFile, RowFormat, scaled
from oms.feeds.instrument import Instrument
from oms.feeds.messages import ASK, BID, Kind, Message, Recording, symbol_from_name

__all__ = ["InferredTrade", "UNITS", "is_header", "read", "trades"]

UNITS = Instrument.of_decimals(price=2, amount=8)
"""A tick is USD 0.01, a lot is 1e-8 BTC."""

_KINDS = {"created": Kind.CREATED, "changed": Kind.CHANGED, "deleted": Kind.DELETED}
_SIDES = {"bid": BID, "ask": ASK}
_PRICE = r"\d{1,17}(?:\.\d{1,2})?"
_ORDER = RowFormat(
    Column("id", INTEGER, "an integer"),
    Column("timestamp", r"\d{1,16}", "milliseconds since 1970"),
    Column("exchange.timestamp", r"\d{1,16}", "milliseconds since 1970"),
    Column("price", _PRICE, "a number with at most 2 decimals"),
    Column("volume", INTEGER, "an integer"),
    Column("action", "created|changed|deleted", "created, changed or deleted"),
    Column("direction", "bid|ask", "bid or ask"),
)
_TRADE = RowFormat(
    Column("timestamp", r"\d{1,13}(?:\.\d{1,9})?", "seconds since 1970"),
    Column("price", _PRICE, "a number with at most 2 decimals"),
    Column("volume", r"\d{1,19}(?:\.0+)?", "a whole number"),
    Column("direction", "buy|sell", "buy or sell"),
    Column("maker.event.id", INTEGER, "an integer"),
    Column("taker.event.id", INTEGER, "an integer"),
    Column("maker", INTEGER, "an integer"),
    Column("taker", INTEGER, "an integer"),
)


def read(path: str | os.PathLike[str], symbol: str | None = None) -> Recording:
    """Open a file of order events, to be streamed; prices are ticks of 0.01, amounts lots of 1e-8.

    Nothing in the file says what was traded: the symbol is by default the file's name. Iterating
    raises FeedError for a bad file or row. O(1) memory.
    """
    if symbol is None:
        symbol = symbol_from_name(path)
    return Recording(path, _messages, "bitstamp", symbol, UNITS)


def is_header(text: str) -> bool:
    """Whether a file that begins with this row is a recording of this kind."""
    return text == _ORDER.header


def _messages(file: CsvFile) -> Iterator[Message]:
    rows = file.rows()
    _ORDER.read_header(file, *next(rows))
    row = 1
    for row, text in rows:
        order_id, time, _, price, volume, action, direction = _ORDER.read(file, row, text)
        yield Message(
            row,
            int(time) * 1_000_000,
            _KINDS[action],
            int(order_id),
            _SIDES[direction],
            int(volume),
            scaled(price, 2),
        )
    if row == 1:
        raise file.error(None, "the file is empty below its header")


class InferredTrade(NamedTuple):
    """A trade that obAnalytics inferred: its time (ns since 1970), amount (lots), and whose order made it."""

    row: int
    time: int
    amount: int
    maker: int


def trades(path: str | os.PathLike[str]) -> Iterator[InferredTrade]:
    """Stream the inferred trades, which are in order of time; raises FeedError. O(1) memory."""
    file = CsvFile(path)
    rows = file.rows()
    _TRADE.read_header(file, *next(rows))
    for row, text in rows:
        time, _, volume, _, _, _, maker, _ = _TRADE.read(file, row, text)
        yield InferredTrade(row, scaled(time, 9), int(volume.partition(".")[0]), int(maker))
