"""The event log as columns, chunk by chunk: for data frames, Parquet files and CSV."""

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
    """Yield the events of a file, from `first` or the beginning, as columns of at most `at_once` rows.

    Each chunk is a dict of lists, which any data frame accepts. The rows are those of `Event.rows`:
    `change` is the amount in lots that was added at a price or, below 0, removed. All changes add up to
    the resting orders (after a compaction, together with those that rested then). An amendment has two
    rows, a trade one for each fill. All columns but `event`, `note`, `symbol`, and `side` are integers
    of at most 64 bits. An empty event log yields one empty chunk.

    The chunks show the file as it is when the first one is read, whatever its writer does meanwhile.
    Raises InvalidArgumentError, and JournalError for a damaged file. O(rows), with one chunk and one event
    in memory.

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
    """Yield events as columns of at most `at_once` rows, at least one chunk."""
    rows = chain.from_iterable(map(event_rows, events))
    some = list(islice(rows, at_once))
    yield _transposed(some)
    while some := list(islice(rows, at_once)):
        yield _transposed(some)


def _transposed(rows: list[Row]) -> Columns:
    return {name: [row[at] for row in rows] for at, name in enumerate(EVENT_COLUMNS)}
