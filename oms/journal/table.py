"""The trail as columns, chunk by chunk: for data frames, Parquet files and CSV."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any, TypeAlias

from oms.columns import EVENT_COLUMNS, Row, event_rows
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
    """The events of a file, from `first` or the beginning, as columns of at most `at_once` rows at a time.

    Any data frame takes them as they are: a row for each order that an event touches, `change` the amount
    that came to a price or, below 0, went, so that the changes add up to what rests (after a compaction,
    together with what rested then). An amendment is two rows, a trade one for each fill. All but `event`,
    `note`, `symbol` and `side` are integers of at most 64 bits. One chunk comes even where there is
    nothing. The file is seen as it is at the first one, whatever its writer does meanwhile. Raises
    InvalidOrderError, and JournalError for a file that is damaged. O(rows), in the memory of one chunk
    and one event.

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
        check_positive(name, value)
    return _columns(path, first, at_once)


def _columns(path: str | os.PathLike[str], first: int | None, at_once: int) -> Iterator[Columns]:
    with opened_to_read(path) as trail:
        yield from in_columns(trail.events(first or trail.head("snapshot").sequence + 1), at_once)


def in_columns(events: Iterable[Event], at_once: int) -> Iterator[Columns]:
    """Events as columns of at most so many rows at a time, at least once."""
    rows = chain.from_iterable(map(event_rows, events))
    some = list(islice(rows, at_once))
    yield _turned(some)
    while some := list(islice(rows, at_once)):
        yield _turned(some)


def _turned(rows: list[Row]) -> Columns:
    return {name: [row[at] for row in rows] for at, name in enumerate(EVENT_COLUMNS)}
