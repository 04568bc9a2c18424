"""Orders, trades and fills made anew from the events, where only they are damaged.

They are derived: the events say all. So a new file is made of what the old one was given (the events, the
snapshot that they begin with, the replies) and of what a replay of the events comes to. The new file is
verified, and then takes the place of the old one in one step. Not in the old file: where its pages are
damaged, deleting its rows fails too.

What cannot be derived must be sound: its hashes, and the head that says where the event log ends. A head
that is damaged could hide that the last events are missing.
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
from oms.journal.place import check_name, find_or_make, real_path
from oms.journal.trail import Trail
from oms.journal.verification import Verification, replayed, verify_trail
from oms.journal.writer_lock import WriterLock

__all__ = ["rebuild"]

_GIVEN = ("snapshot", "noted", "replies", "heads", "events", "log")
"""The tables that cannot be derived."""
_AT_ONCE = 1000


def rebuild(path: str | os.PathLike[str]) -> Verification:
    """Make the orders, trades and fills of a journal anew from its events, and return what it then holds.

    All or nothing. Indexes and views that somebody has added are lost. Raises JournalError, and then the
    file is as it was, where it is open elsewhere, or where more is damaged than what is derived. O(events).
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
            found = verify_trail(Trail(target, str(real)))
        _take_over(source, real)
        draft.replace(real)
        sync_folder(real)
    return found


def _fill(source: Connection, target: Connection, place: str) -> None:
    """Write into an empty journal what another was given, and what that comes to, in one transaction."""
    source.execute("BEGIN")
    if schema.version_of(source, place) != schema.VERSION:
        raise JournalError(
            f"{place}: header", "it is of an older version: open it to write, and it is migrated"
        )
    schema.check_tables(source, place, _GIVEN)
    trail = Trail(source, place)
    end = trail.head("now")
    trail.check_end(end)
    list(trail.noted())
    trail.replies()
    target.execute("PRAGMA synchronous=EXTRA")
    target.execute("BEGIN IMMEDIATE")
    for table in _GIVEN:
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

    om = replayed(trail, end.sequence, take)
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
    """Have the old file whole without its log, and nobody else in it, so that it can be replaced.

    A log that stayed would be taken for one of the new file. A reader that stayed would share its locks.
    """
    ((mode,),) = source.execute("PRAGMA journal_mode=DELETE").fetchall()
    if mode != "delete":
        raise JournalError(str(real), "it is being read elsewhere: close that, and rebuild it again")
    source.execute("BEGIN EXCLUSIVE")


def _remove(draft: Path) -> None:
    """Remove the new file, and what a failure has left of it."""
    for name, suffix in product((draft.name, f"{draft.name}-new"), ("", "-wal", "-shm", "-journal")):
        draft.with_name(f"{name}{suffix}").unlink(missing_ok=True)
