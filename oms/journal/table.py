"""Exporting the event log as chunks of columns, for data frames, Parquet files, and CSV files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any, TypeAlias

from oms.columns import EVENT_COLUMNS, Row, event_rows
from oms.errors import InvalidArgumentError
from oms.events import Event
from oms.journal.reading import opened_to_read
from oms.models import check_positive

__all__ = ["columns", "in_columns"]

Columns: TypeAlias = dict[str, list[Any]]


def columns(
    path: str | os.PathLike[str],
    *,
    first: int | None = None,
    at_once: int = 100_000,
) -> Iterator[Columns]:
    """Yield a file's events as chunks of columns, with at most `at_once` rows per chunk.

    Pass `first` to start at that sequence number. Each chunk is a dict of lists, which you can pass to a data
    frame constructor. An empty event log yields one empty chunk.

    The rows are the same as in `Event.rows`. For example, an amendment has two rows, and a trade has one row
    for each fill. The `change` column contains the number of lots that were added at a price, or a negative
    number if lots were removed. The sum of all changes at a price is the resting amount. If the journal has
    been compacted, the sum does not include the orders that were resting when it was compacted. The `event`,
    `note`, `symbol`, and `side` columns contain strings. All other columns contain integers of at most 64
    bits. The `time` is in nanoseconds since 1970. The `note` and the `time` of an event can be None.

    All chunks come from one consistent snapshot, taken when the first chunk is read. Raises
    InvalidArgumentError if an argument is invalid, and JournalError if the file is damaged. O(n) for n rows.
    Only one chunk and one event are in memory at a time.

    >>> import pathlib, tempfile
    >>> from oms import Side, journal
    >>> folder = tempfile.TemporaryDirectory()
    >>> with journal.open(pathlib.Path(folder.name, "book.db")) as om:
    ...     om.add_order(1, "JPM", Side.BUY, 20, 20)
    ...     cost = om.place_trade("JPM", Side.BUY, 5).total_price
    >>> for chunk in columns(pathlib.Path(folder.name, "book.db")):
    ...     print(chunk["event"], chunk["change"])
    ['OrderAdded', 'TradePlaced'] [20, -5]
    >>> folder.cleanup()

    """
    for name, value in (("first", 1 if first is None else first), ("at_once", at_once)):
        check_positive(name, value, InvalidArgumentError)
    return _columns(path, first, at_once)


def _columns(path: str | os.PathLike[str], first: int | None, at_once: int) -> Iterator[Columns]:
    with opened_to_read(path) as event_log:
        yield from in_columns(event_log.events(first or event_log.head("snapshot").sequence + 1), at_once)


def in_columns(events: Iterable[Event], at_once: int) -> Iterator[Columns]:
    """Yield events as chunks of columns, with at most `at_once` rows per chunk. Yield at least one chunk."""
    rows = chain.from_iterable(map(event_rows, events))
    chunk = list(islice(rows, at_once))
    yield _transposed(chunk)
    while chunk := list(islice(rows, at_once)):
        yield _transposed(chunk)


def _transposed(rows: list[Row]) -> Columns:
    return {name: [row[position] for row in rows] for position, name in enumerate(EVENT_COLUMNS)}
