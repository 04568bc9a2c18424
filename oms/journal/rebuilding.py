"""Rebuilding: write the orders, trades and fills again from the events, where only they are damaged.

These tables are derived: the events say everything. So a new file gets the original tables of the old
one (the events, the snapshot that they begin with, the replies), and the result of a replay. The new file
is verified, and then replaces the old one in one step. The old file is not repaired in place, because
deleting rows fails where its pages are damaged.

The tables that cannot be derived must be undamaged: their hashes, and the head that says where the event
log ends. A damaged head could hide that the last events are missing.
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
from oms.journal.batch import trade_rows
from oms.journal.connection import Connection, connected, reported, sync_folder, uri_of
from oms.journal.event_log import EventLog
from oms.journal.place import check_name, find_or_make, real_path
from oms.journal.verification import Verification, replayed, verify_event_log
from oms.journal.writer_lock import WriterLock

__all__ = ["rebuild"]

_ORIGINAL = ("snapshot", "noted", "replies", "heads", "events", "log")
"""The tables that cannot be derived."""
_AT_ONCE = 1000


def rebuild(path: str | os.PathLike[str]) -> Verification:
    """Write the orders, trades and fills of a journal again from its events, and return what it then holds.

    Indexes and views that were added by hand are lost. Raises JournalError if the journal is open
    elsewhere, or if tables are damaged that cannot be derived; then the file is unchanged. O(events).
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
            found = verify_event_log(EventLog(target, str(real)))
        _take_over(source, real)
        draft.replace(real)
        sync_folder(real)
    return found


def _fill(source: Connection, target: Connection, place: str) -> None:
    """Copy the original tables into an empty journal, and write the derived ones, in one transaction."""
    source.execute("BEGIN")
    if schema.version_of(source, place) != schema.VERSION:
        raise JournalError(
            f"{place}: header", "it is of an older version: open it to write, and it is migrated"
        )
    schema.check_tables(source, place, _ORIGINAL)
    event_log = EventLog(source, place)
    end = event_log.head("now")
    event_log.check_end(end)
    list(event_log.noted())
    event_log.replies()
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

    def take(event: TradePlaced) -> None:
        trades.append(event)
        if len(trades) == _AT_ONCE:
            write_trades()

    om = replayed(event_log, end.sequence, take)
    write_trades()
    _insert(target, "orders", iter((each[0], each[1], each[2].value, *each[3:]) for each in om))
    target.execute("COMMIT")
    source.execute("COMMIT")
    ((busy, _, _),) = target.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    if busy:
        raise JournalError(place, "somebody else has its draft open")


def _insert(target: Connection, table: str, rows: Iterator[Sequence[Any]]) -> None:
    while some := list(islice(rows, _AT_ONCE)):
        marks = ", ".join("?" * len(some[0]))
        target.executemany(f"INSERT INTO {table} VALUES ({marks})", some)  # noqa: S608  # constants


def _take_over(source: Connection, real: Path) -> None:
    """Remove the old file's log, and lock all others out, so that the file can be replaced.

    A log left behind would be taken for that of the new file. A reader of the old file would share its locks.
    """
    ((mode,),) = source.execute("PRAGMA journal_mode=DELETE").fetchall()
    if mode != "delete":
        raise JournalError(str(real), "it is being read elsewhere: close that, and rebuild it again")
    source.execute("BEGIN EXCLUSIVE")


def _remove(draft: Path) -> None:
    """Remove the new file, and whatever a failure has left of it."""
    for name, suffix in product((draft.name, f"{draft.name}-new"), ("", "-wal", "-shm", "-journal")):
        draft.with_name(f"{name}{suffix}").unlink(missing_ok=True)
