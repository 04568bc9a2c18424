"""Read Bitstamp trades, and Bitstamp order events recorded by the `obAnalytics` R package.

An order file has a header and seven columns: id, time of receipt, exchange time (both in milliseconds since
1970), price (decimal), volume (in units of `lot_size`), action, and direction. Executions do not have their
own rows. Instead, a fill appears as a change to a smaller volume, or as a deletion with volume 0.

A trade file contains trades that either obAnalytics inferred or the exchange reported.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from functools import partial
from typing import NamedTuple

from oms.errors import InvalidArgumentError
from oms.feeds.errors import FeedError
from oms.feeds.orders.messages import Columns, Kind, Recording, symbol_from_name
from oms.feeds.text_file import INTEGER, Column, RowFormat, TextFile, scaled
from oms.feeds.top_of_book import ASK, BID
from oms.instrument import Instrument
from oms.size import decimals_of

__all__ = ["PublishedTrade", "UNITS", "is_header", "read", "trades"]

UNITS = Instrument.of_decimals(price=2, amount=8)
"""The default units: a tick is 0.01 and a lot is 1e-8."""

_KINDS = {"created": Kind.CREATED, "changed": Kind.CHANGED, "deleted": Kind.DELETED}
_SIDES = {"bid": BID, "ask": ASK}
_DECIMAL = r"\d{1,17}+(?:\.\d{1,18}+)?+"
_A_DECIMAL = "a number with at most 18 decimals"
_ORDER = RowFormat(
    Column("id", INTEGER, "an integer"),
    Column("timestamp", r"\d{1,16}+", "milliseconds since 1970"),
    Column("exchange.timestamp", r"\d{1,16}+", "milliseconds since 1970"),
    Column("price", _DECIMAL, _A_DECIMAL),
    Column("volume", INTEGER, "an integer"),
    Column("action", "created|changed|deleted", "created, changed, or deleted"),
    Column("direction", "bid|ask", "bid or ask"),
)
_LONG_PRICE = re.compile(rf"\.[0-9]{{{decimals_of(UNITS.tick_size) + 1}}}")  # no other column has a dot
_TRADE = RowFormat(
    Column("timestamp", r"\d{1,13}(?:\.\d{1,9})?", "seconds since 1970"),
    Column("price", _DECIMAL, _A_DECIMAL),
    Column("volume", r"\d{1,19}(?:\.0+)?", "a whole number"),
    Column("direction", "buy|sell", "buy or sell"),
    Column("maker.event.id", INTEGER, "an integer"),
    Column("taker.event.id", INTEGER, "an integer"),
    Column("maker", INTEGER, "an integer"),
    Column("taker", INTEGER, "an integer"),
)
_TIME = r"\d{9,17}(?:\.\d{1,9})?"
_REPORTED = RowFormat(
    Column("trade_id", INTEGER, "an integer"),
    Column("timestamp", _TIME, "seconds, milliseconds, or microseconds since 1970"),
    Column("exchange_timestamp", f"(?:{_TIME})?", "as timestamp, or empty"),
    Column("price", _DECIMAL, _A_DECIMAL),
    Column("amount", _DECIMAL, _A_DECIMAL),
    Column("buy_order_id", INTEGER, "an integer"),
    Column("sell_order_id", INTEGER, "an integer"),
    Column("side", "buy|sell", "buy or sell"),
)
_MILLION = 1_000_000
_MOST_PRICES = 100_000  # the maximum number of cached prices, to bound the memory
_EARLIER = 1_000_000_000  # ns; an order's row may precede the report of its trade by up to this much


def read(
    path: str | os.PathLike[str],
    symbol: str | None = None,
    *,
    tick_size: str | None = None,
    lot_size: str | None = None,
) -> Recording:
    r"""Open a file of order events for streaming.

    The file does not contain a symbol, so the default is the file name up to the first dot. The default tick
    size is 0.01, or smaller if any price has more decimals. To determine the tick size, `units` reads the
    whole file once. `lot_size` is the size of one unit in the volume column, 1e-8 by default. Raise
    InvalidArgumentError if a size is invalid. Iterating raises FeedError if the file or a row is invalid.
    O(1) memory.

    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "XRPUSD.csv")
    ...     header = "id,timestamp,exchange.timestamp,price,volume,action,direction"
    ...     _ = path.write_text(f"{header}\n7,1500,1000,0.51234,5,created,ask\n")
    ...     recording = read(path)
    ...     message = next(iter(recording))
    >>> message.price, recording.units.tick_size, recording.units.price_text(message.price)
    (51234, '0.00001', '0.51234')

    """
    if symbol is None:
        symbol = symbol_from_name(path)
    lot = lot_size or UNITS.lot_size
    if tick_size is None:
        _ = Instrument(UNITS.tick_size, lot)  # raises now, not at the first row, if a size is invalid
        return Recording(path, _columns, "bitstamp", symbol, partial(_units_of, path, lot))
    return Recording(path, _columns, "bitstamp", symbol, Instrument(tick_size, lot))


def _units_of(path: str | os.PathLike[str], lot_size: str) -> Instrument:
    """Return a tick size and lot size such that every valid price is a multiple of the tick size.

    Ignore invalid rows and file errors here. They raise an error later, when the messages are read.
    """
    most = decimals_of(UNITS.tick_size)
    with suppress(FeedError), closing(TextFile(path).blocks()) as blocks:
        for _, block in blocks:
            if _LONG_PRICE.search(block):
                most = max((most, *map(decimals_of, _prices_in(block))))
    return Instrument(Instrument.of_decimals(most, 0).tick_size, lot_size)


def _prices_in(block: str) -> set[str]:
    """Return the distinct prices in a block's valid rows."""
    columns = _ORDER.columns(block)
    if columns is not None:
        return set(columns[3])
    rows = (_ORDER.split(text.removesuffix("\r")) for text in block.split("\n"))
    return {fields[3] for fields in rows if fields is not None}


def is_header(text: str) -> bool:
    """Return True if a file's first row is the header of a Bitstamp recording."""
    return text == _ORDER.header


class _OrderRows:
    """A parser of the rows below the header."""

    columns = staticmethod(_ORDER.columns)

    def __init__(self, file: TextFile) -> None:
        self._file = file

    def read(self, row: int, text: str) -> tuple[str, ...] | None:
        if row > 1:
            return _ORDER.read(self._file, row, text)
        _ORDER.read_header(self._file, row, text)
        return None


def _columns(file: TextFile, units: Instrument) -> Generator[Columns]:
    ticks = _Ticks(units)
    row = 1
    with closing(file.parsed(_OrderRows(file))) as blocks:
        for row, columns in blocks:
            order_ids, times, _, prices, volumes, actions, directions = columns
            yield Columns(
                range(row, row + len(order_ids)),
                map(_MILLION.__mul__, map(int, times)),
                map(_KINDS.__getitem__, actions),
                map(int, order_ids),
                map(_SIDES.__getitem__, directions),
                map(int, volumes),
                _in_ticks(file, row, prices, ticks),
            )
    if row == 1:
        raise file.error(None, "the file has no rows below its header")


class _Ticks(dict[str, int]):
    """A cache of prices in ticks. Most prices occur many times."""

    def __init__(self, units: Instrument) -> None:
        self._units = units

    def __missing__(self, price: str) -> int:
        if len(self) == _MOST_PRICES:
            self.clear()
        ticks = self[price] = self._units.to_ticks(price)
        return ticks


def _in_ticks(file: TextFile, first: int, prices: Sequence[str], ticks: _Ticks) -> Iterable[int]:
    try:
        return list(map(ticks.__getitem__, prices))
    except InvalidArgumentError:
        return _in_ticks_up_to_the_error(file, first, prices, ticks)


def _in_ticks_up_to_the_error(
    file: TextFile, first: int, prices: Sequence[str], ticks: _Ticks
) -> Iterator[int]:
    for row, price in enumerate(prices, first):
        try:
            yield ticks[price]
        except InvalidArgumentError as error:
            raise file.error(row, str(error)) from error


class PublishedTrade(NamedTuple):
    """A published trade: its time (ns since 1970), its amount (lots), and its maker's order id."""

    row: int
    time: int
    amount: int
    maker: int


def trades(path: str | os.PathLike[str], units: Instrument = UNITS) -> Iterator[PublishedTrade]:
    """Yield the trades in a file, in time order.

    The header shows whether obAnalytics inferred the trades or the exchange reported them. Inferred trades
    have a volume in lots. Reported trades have a decimal amount, and their `side` is the taker's side, so the
    maker is the order on the other side. Raise FeedError if the file or a row is invalid. O(1) memory.
    """
    file = TextFile(path)
    with closing(file.rows()) as rows:
        row, header = next(rows)
        if header == _REPORTED.header:
            yield from _reported(file, rows, units)
            return
        if header != _TRADE.header:
            raise file.error(
                row, f"the header must be {_TRADE.header} or {_REPORTED.header}, not {header[:80]!r}"
            )
        for row, text in rows:
            time, _, volume, _, _, _, maker, _ = _TRADE.read(file, row, text)
            yield PublishedTrade(row, scaled(time, 9), int(volume.partition(".")[0]), int(maker))


def _reported(file: TextFile, rows: Iterator[tuple[int, str]], units: Instrument) -> Iterator[PublishedTrade]:
    for row, text in rows:
        _, time, _, _, amount, buyer, seller, side = _REPORTED.read(file, row, text)
        try:
            lots = units.to_lots(amount)
        except InvalidArgumentError as error:
            raise file.error(row, str(error)) from error
        maker = seller if side == "buy" else buyer
        yield PublishedTrade(row, _nanoseconds(time) - _EARLIER, lots, int(maker))


def _nanoseconds(time: str) -> int:
    """Convert seconds (9-11 digits), milliseconds (12-14), or microseconds (15-17) to nanoseconds."""
    digits = len(time.partition(".")[0])
    return scaled(time, 9) // 10 ** (0 if digits < 12 else 3 if digits < 15 else 6)
