"""LOBSTER (lobsterdata.com): NASDAQ messages, and the order book after each of them.

A message row is: time (seconds after midnight), type, order id, size, price (USD x 10,000),
direction of the resting order. An order-book row is: ask price 1, ask size 1, bid price 1,
bid size 1, and so on for the deeper levels. Neither file has a header.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from oms.feeds.csv_file import INTEGER, Column, CsvFile, RowFormat, scaled
from oms.feeds.instrument import Instrument
from oms.feeds.messages import ASK, BID, Kind, Level, Message, Recording, Top, symbol_from_name

__all__ = ["UNITS", "is_message", "read", "tops"]

UNITS = Instrument.of_decimals(price=4, amount=0)
"""A tick is USD 0.0001, a lot is 1 share."""

_KINDS = {
    "1": Kind.SUBMITTED,
    "2": Kind.REDUCED,
    "3": Kind.DELETED,
    "4": Kind.EXECUTED,
    "5": Kind.HIDDEN,
    "6": Kind.CROSS,
    "7": Kind.HALT,
}
_SIDES = {"1": BID, "-1": ASK}
_MESSAGE = RowFormat(
    Column("time", r"\d{1,9}(?:\.\d{1,15})?", "seconds with at most 15 decimals"),
    Column("type", "[1-7]", "a message type in 1..7"),
    Column("order id", INTEGER, "an integer"),
    Column("size", INTEGER, "an integer"),
    Column("price", INTEGER, "an integer"),
    Column("direction", "1|-1", "1 or -1"),
)
_BOOK_ROW = re.compile(rf"({INTEGER}),({INTEGER}),({INTEGER}),({INTEGER})(?:,{INTEGER})*", re.ASCII)
_NO_LEVEL = 9_999_999_999  # with either sign: the sample files and their ReadMe differ
_TICKER = re.compile(r"([^_]+)_(?:\d{4}-\d{2}-\d{2}_|message[_.])")


def read(path: str | os.PathLike[str], symbol: str | None = None) -> Recording:
    r"""Open a message file, to be streamed; the symbol is by default the ticker in its name.

    Iterating raises FeedError for a bad file or row. O(1) memory.

    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "XYZ_2020-01-02_34200000_57600000_message_5.csv")
    ...     _ = path.write_text("34200.5,1,7,10,1000000,-1\n")
    ...     recording = read(path)
    ...     message = next(iter(recording))
    >>> recording.symbol, message.kind, message.side, message.time
    ('XYZ', <Kind.SUBMITTED: 'submitted'>, <Side.BUY: 'BUY'>, 34200500000000)

    """
    if symbol is None:
        symbol = symbol_from_name(path, _TICKER)
    return Recording(path, _messages, "lobster", symbol, UNITS)


def is_message(text: str) -> bool:
    """Whether a row has as many columns as a message."""
    return _MESSAGE.fits(text)


def _messages(file: CsvFile) -> Iterator[Message]:
    for row, text in file.rows():
        time, kind, order_id, size, price, direction = _MESSAGE.read(file, row, text)
        yield Message(
            row, _nanoseconds(time), _KINDS[kind], int(order_id), _SIDES[direction], int(size), int(price)
        )


def _nanoseconds(time: str) -> int:
    # Some files went through a float on their way, and show its noise behind the ninth decimal.
    return (scaled(time, 15) + 500_000) // 1_000_000


def tops(path: str | os.PathLike[str]) -> Iterator[tuple[int, Top]]:
    """Stream (row number, best level of each side) from an order-book file of any number of levels.

    Raises FeedError for a bad file or row. O(1) memory.
    """
    file = CsvFile(path)
    columns = 0
    for row, text in file.rows():
        match = _BOOK_ROW.fullmatch(text)
        found = text.count(",") + 1
        if match is None or found % 4 or found != (columns or found):
            raise file.error(row, _book_problem(found, columns))
        columns = found
        ask_price, ask_size, bid_price, bid_size = map(int, match.groups())
        yield row, Top(_level(ask_price, ask_size), _level(bid_price, bid_size))


def _level(price: int, size: int) -> Level | None:
    return None if abs(price) == _NO_LEVEL else Level(price, size)


def _book_problem(found: int, columns: int) -> str:
    if found % 4 or found != (columns or found):
        return f"must have {f'{columns} columns' if columns else 'four columns a level'}, not {found}"
    return "an order-book row must hold integers only"
