"""Read LOBSTER files (lobsterdata.com): NASDAQ messages, and the order book after each message.

A message row has six columns: time (seconds after midnight), type, order id, size, price (USD x 10,000), and
the direction of the resting order. Newer files add a column with the order's participant, or null. An
order-book row has the columns ask price 1, ask size 1, bid price 1, and bid size 1, and the same four columns
for each deeper level.

Neither file has a header. Files that another program exported are also accepted, if their meaning is certain.
They may have a header that names these columns in order, quoted fields, whole numbers such as `1000000.0` or
`1e+06`, or an extra first column with row numbers.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator
from contextlib import closing

from oms.feeds.orders.exported_rows import is_header, names_are, plain, uncounted
from oms.feeds.orders.messages import Columns, Kind, Recording, symbol_from_name
from oms.feeds.text_file import INTEGER, Column, RowFormat, TextFile, scaled
from oms.feeds.text_file import Columns as TextColumns
from oms.feeds.top_of_book import ASK, BID, Best, Top, top_of
from oms.instrument import Instrument

__all__ = ["UNITS", "is_message", "read", "tops"]

UNITS = Instrument.of_decimals(price=4, amount=0)
"""The LOBSTER units: a tick is USD 0.0001, and a lot is 1 share."""

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
_COLUMNS = (
    Column("time", r"\d{1,9}+(?:\.\d{1,15}+)?+", "seconds with at most 15 decimals"),
    Column("type", "[1-7]", "a message type in 1..7"),
    Column("order id", INTEGER, "an integer"),
    Column("size", INTEGER, "an integer"),
    Column("price", INTEGER, "an integer"),
    Column("direction", "1|-1", "1 or -1"),
)
_ATTRIBUTION = Column("attribution", "[A-Za-z0-9]{1,16}", "null or the code of a participant")
_MESSAGE = RowFormat(*_COLUMNS)
_ATTRIBUTED = RowFormat(*_COLUMNS, _ATTRIBUTION)
_NAMES = (
    "time|timestamp",
    "type|eventtype|event",
    "orderid|id",
    "size|volume|quantity|shares",
    "price",
    "direction|side|buysellflag",
    "attribution|mpid|participant",
)
_BOOK_NAMES = ("askprice1?", "asksize1?", "bidprice1?", "bidsize1?")
_BOOK_ROW = re.compile(rf"{INTEGER}(?:,{INTEGER}){{3,}}", re.ASCII)
_NO_LEVEL = 9_999_999_999  # with either sign, because the sample files do not match their ReadMe
_TICKER = re.compile(r"([^_]+)_(?:\d{4}-\d{2}-\d{2}_|message[_.])")


def read(path: str | os.PathLike[str], symbol: str | None = None) -> Recording:
    r"""Open a message file for streaming. The default symbol is the ticker in the file name.

    Iterating raises FeedError if the file or a row is invalid. O(1) memory.

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
    return Recording(path, _columns, "lobster", symbol, UNITS)


def is_message(text: str) -> bool:
    """Return True if a file's first row looks like a message, or like the header of a message file."""
    if names_are(text, _NAMES, least=6):
        return True
    form, first = _form_of(text)
    return form is _ATTRIBUTED or first is not None or form.fits(text)


class _MessageRows:
    """A parser of message rows. The first row of values determines the format."""

    def __init__(self, file: TextFile) -> None:
        self._file = file
        self._form: RowFormat | None = None
        self._number: int | None = None  # the next row number, if the rows are numbered

    def columns(self, block: str) -> TextColumns | None:
        return None if self._form is None or self._number is not None else self._form.columns(block)

    def read(self, row: int, text: str) -> tuple[str, ...] | None:
        if self._form is None:
            if is_header(self._file, row, text, _NAMES, least=6):
                return None
            self._form, self._number = _form_of(text)
        if self._number is not None:
            text, self._number = self._counted(row, text, self._number), self._number + 1
        return self._form.split(text) or self._form.read(self._file, row, plain(text))

    def _counted(self, row: int, text: str, number: int) -> str:
        columns = uncounted(text, number)
        if columns is None:
            raise self._file.error(
                row, f"the first column contains row numbers, so it must be {number} in this row"
            )
        return columns[1]


def _columns(file: TextFile, _: Instrument) -> Generator[Columns]:
    row = 0
    with closing(file.parsed(_MessageRows(file))) as blocks:
        for row, columns in blocks:
            times, kinds, order_ids, sizes, prices, directions = columns[:6]
            yield Columns(
                range(row, row + len(times)),
                map(_nanoseconds, times),
                map(_KINDS.__getitem__, kinds),
                map(int, order_ids),
                map(_SIDES.__getitem__, directions),
                map(int, sizes),
                map(int, prices),
            )
    if not row:
        raise file.error(None, "the file has no rows below its header")


def _form_of(text: str) -> tuple[RowFormat, int | None]:
    """Return the format that fits the first row of values, and the row's number if it has one."""
    if _ATTRIBUTED.split(plain(text)):
        return _ATTRIBUTED, None
    number, rest = uncounted(text) or (None, "")
    for form in (_MESSAGE, _ATTRIBUTED):
        if form.split(plain(rest)):
            return form, number
    return _MESSAGE, None


def _nanoseconds(time: str) -> int:
    if time[-10:-9] == ".":  # nine decimals, as in most rows
        return int(time[:-10] + time[-9:])
    # Some files contain floating-point errors after the ninth decimal.
    return (scaled(time, 15) + 500_000) // 1_000_000


def tops(path: str | os.PathLike[str]) -> Generator[tuple[int, Top]]:
    """Yield the rows of an order-book file as (row number, best levels).

    The file may have any number of levels. Consecutive equal rows yield the same Top object. Raise
    FeedError if the file or a row is invalid. O(1) memory.
    """
    last: Best | None = None
    top = Top(None, None)
    with closing(best_levels(path)) as rows:
        for row, best in rows:
            if best is not last:
                last, top = best, top_of(best)
            yield row, top


def best_levels(path: str | os.PathLike[str]) -> Generator[tuple[int, Best]]:
    """Yield the rows of an order-book file like `tops`, but as plain tuples.

    Consecutive equal rows yield the same object.
    """
    file = TextFile(path)
    last: list[str] = []
    last_text = ""
    top: Best = (None, None)
    with closing(file.parsed(_BookRows(file))) as blocks:
        for first, [texts] in blocks:
            for row, text in enumerate(texts, first):
                if text != last_text:
                    last_text, best = text, text.split(",", 4)[:4]
                    if best != last:
                        ask_price, ask_size, bid_price, bid_size = map(int, best)
                        last = best
                        top = (
                            None if abs(ask_price) == _NO_LEVEL else (ask_price, ask_size),
                            None if abs(bid_price) == _NO_LEVEL else (bid_price, bid_size),
                        )
                yield row, top


class _BookRows:
    """A parser that returns order-book rows as a single column. All must have the same number of levels."""

    def __init__(self, file: TextFile) -> None:
        self._file = file
        self._width: int = 0
        self._rows: re.Pattern[str] | None = None

    def columns(self, block: str) -> TextColumns | None:
        if self._rows is None or self._rows.fullmatch(block) is None:
            return None
        return [block[:-1].replace("\r", "").split("\n")]

    def read(self, row: int, text: str) -> tuple[str, ...] | None:
        if is_header(self._file, row, text, _BOOK_NAMES, least=4):
            return None
        if not _BOOK_ROW.fullmatch(text):
            text = plain(text)
        count = text.count(",") + 1
        if not _BOOK_ROW.fullmatch(text) or count % 4 or count != (self._width or count):
            raise self._file.error(row, _book_problem(count, self._width))
        if self._rows is None:
            self._width = count
            self._rows = re.compile(rf"(?:{INTEGER}(?:,{INTEGER}){{{count - 1}}}+\r?\n)*+", re.ASCII)
        return (text,)


def _book_problem(count: int, columns: int) -> str:
    if count % 4 or count != (columns or count):
        return f"must have {f'{columns} columns' if columns else 'four columns per level'}, not {count}"
    return "an order-book row must contain only integers"
