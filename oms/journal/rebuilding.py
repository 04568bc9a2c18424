"""Rebuilding, which derives the orders, trades, and fills of a damaged journal from its events.

The tables that cannot be derived, such as the events and the replies, are copied to a new file. The other
tables are written by replaying the events. The new file is verified, and then replaces the damaged file
atomically. The damaged file is not repaired in place, because SQLite cannot delete rows from damaged pages.

The copied tables must be undamaged, because nothing else contains their data. One of them is `heads`, which
records where the other tables end. A damaged head could hide that the latest events are missing.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import islice, product
from pathlib import Path
from typing import Any

from oms.errors import JournalError
from oms.events import TradePlaced
from oms.journal import schema
from oms.journal.batch import state_rows, trade_rows
from oms.journal.connection import Connection, connected, reported, sync_folder, uri_of
from oms.journal.event_log import EventLog
from oms.journal.place import check_name, find_or_make, real_path
from oms.journal.verification import Verification, replayed, verify_event_log
from oms.journal.writer_lock import WriterLock

__all__ = ["rebuild"]

_ORIGINAL = (
    "snapshot",
    "snapshot_entries",
    "snapshot_last_prices",
    "noted",
    "replies",
    "instruments",
    "heads",
    "events",
    "log",
)
"""The tables that cannot be derived, including the events themselves."""
_CHUNK_SIZE = 1000  # rows


def rebuild(path: str | os.PathLike[str]) -> Verification:
    """Derive the orders, trades, and fills of a journal from its events, and verify the result.

    Indexes and views that were added manually are lost. Raises JournalError if the journal is open elsewhere,
    or if a table that cannot be derived is damaged. After an error, the content of the file is unchanged.
    O(n log n) for n events and orders.
    """
    real = real_path(path)
    with reported(str(real), "it cannot be rebuilt"), ExitStack() as undo:
        check_name(real)
        if not real.exists():
            raise JournalError(str(real), "it is missing")
        lock = WriterLock(real)
        undo.callback(lock.release)
        find_or_make(real)
        draft = real.with_name(f"{real.name}-rebuilt")
        undo.callback(_remove, draft)
        _remove(draft)
        schema.create(draft)
        draft.chmod(stat.S_IMODE(real.stat().st_mode))
        source = undo.enter_context(connected(uri_of(real, "rw")))
        with connected(uri_of(draft, "rw")) as target:
            _fill(source, target, str(real))
        with connected(uri_of(draft, "rw")) as target:
            result = verify_event_log(EventLog(target, str(real)))
        _lock_out_others(source, real)
        draft.replace(real)
        sync_folder(real)
    return result


def _fill(source: Connection, target: Connection, place: str) -> None:
    """Copy the original tables into an empty journal, and write the derived tables, in one transaction."""
    source.execute("BEGIN")
    if schema.version_of(source, place) != schema.VERSION:
        raise JournalError(f"{place}: header", schema.OLDER_VERSION)
    schema.check_tables(source, place, _ORIGINAL)
    event_log = EventLog(source, place)
    end = event_log.head("now")
    event_log.check_end(end)
    list(event_log.noted())
    event_log.replies()
    event_log.instruments()
    target.execute("PRAGMA synchronous=EXTRA")
    target.execute("BEGIN IMMEDIATE")
    for table in _ORIGINAL:
        target.execute(f"DELETE FROM {table}")  # noqa: S608  # constants
        _insert(target, table, iter(source.execute(f"SELECT * FROM {table}")))  # noqa: S608  # constants
    trades: list[TradePlaced] = []

    def write_trades() -> None:
        for table, rows in trade_rows(trades).items():
            _insert(target, table, iter(rows))
        trades.clear()

    def add_trade(event: TradePlaced) -> None:
        trades.append(event)
        if len(trades) == _CHUNK_SIZE:
            write_trades()

    om = replayed(event_log, end.sequence, add_trade)
    write_trades()
    for table, rows in state_rows(om.snapshot()).items():
        _insert(target, table, iter(rows))
    target.execute("COMMIT")
    source.execute("COMMIT")
    ((busy, _, _),) = target.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    if busy:
        raise JournalError(place, "another program has the new file open")


def _insert(target: Connection, table: str, rows: Iterator[Sequence[Any]]) -> None:
    while chunk := list(islice(rows, _CHUNK_SIZE)):
        marks = ", ".join("?" * len(chunk[0]))
        target.executemany(f"INSERT INTO {table} VALUES ({marks})", chunk)  # noqa: S608  # constants


def _lock_out_others(source: Connection, real: Path) -> None:
    """Remove the old file's log and lock out all other programs, so that the file can be replaced.

    If the log remained, SQLite would treat it as the log of the new file. If another program were still
    reading the old file, its locks would also apply to the new file.
    """
    ((mode,),) = source.execute("PRAGMA journal_mode=DELETE").fetchall()
    if mode != "delete":
        raise JournalError(str(real), "another program is reading it; close that program, and rebuild again")
    source.execute("BEGIN EXCLUSIVE")


def _remove(draft: Path) -> None:
    """Remove the new file and the files that SQLite creates next to it, if they exist."""
    for name, suffix in product((draft.name, f"{draft.name}-new"), ("", "-wal", "-shm", "-journal")):
        draft.with_name(f"{name}{suffix}").unlink(missing_ok=True)
