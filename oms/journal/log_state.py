"""The state of the write-ahead log. It shows whether a file is complete without that log.

The problem: while a journal is open, its latest changes are in a separate log file (`-wal`). If you copy only
the main file, the copy lacks these changes. It is still a valid database, so nothing seems to be missing.

The solution: the `log` table has a single row, which contains one of three states.
- Before each checkpoint, the journal sets the state to AWAY. The checkpoint copies the log into the main
  file, which then says AWAY.
- Right after the checkpoint, the journal sets the state to OPEN. This change is only in the log.
- When the journal closes, it sets the state to CLOSED before the last checkpoint.

A reader interprets the state as follows:
- AWAY without a log: the file was copied without its log, or the log was deleted.
- OPEN with a log: the journal is open, or its process was killed.
- OPEN without a log: the process was killed, and another program then copied the log into the file and
  removed the log. The file is complete.

In two cases, the state is misleading:
- The process was killed, or `open` was interrupted, between AWAY and OPEN. The log was then copied into the
  file. The file is complete, but its state is AWAY.
- A long-running read prevented a checkpoint from completing, so the file may say OPEN. If it is copied
  without the log, the copy says OPEN too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from oms.errors import JournalError
from oms.journal.connection import Connection, reported

__all__ = ["AWAY", "CLOSED", "OPEN", "copy_log", "is_without_its_log", "mark", "read_state", "warning_about"]

AWAY: Final = "away"
OPEN: Final = "open"
CLOSED: Final = "closed"


def mark(connection: Connection, state: str) -> None:
    """Set the state. Raises sqlite3.Error."""
    connection.execute("UPDATE log SET state = ?", (state,))


def copy_log(connection: Connection, *, to_close: bool = False) -> None:
    """Run a checkpoint, and set the state before and after it. Raises sqlite3.Error."""
    mark(connection, CLOSED if to_close else AWAY)
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    if not to_close:
        mark(connection, OPEN)


def read_state(connection: Connection, path: str) -> str:
    """Return the state: AWAY, OPEN, or CLOSED. Raises JournalError if the table contains anything else."""
    place = f"{path}: log"
    with reported(place, "it cannot be read"):
        rows = connection.execute("SELECT state FROM log").fetchall()
    for state in (AWAY, OPEN, CLOSED):
        if rows == [(state,)]:
            return state
    raise JournalError(place, "it must contain one row: away, open, or closed")


def is_without_its_log(connection: Connection, path: Path) -> bool:
    """Return True if the file was copied without its log, or if the log was deleted.

    Raises JournalError and OSError.
    """
    log = path.with_name(f"{path.name}-wal")
    return read_state(connection, str(path)) == AWAY and not (log.exists() and log.stat().st_size)


def warning_about(connection: Connection, path: Path, last: int) -> str | None:
    """Return a warning if the file lacks its log, or None if not. `last` is the last event in the file."""
    if not is_without_its_log(connection, path):
        return None
    return (
        f"it ends with event {last}, and later events may be missing: it is a copy of an open journal "
        "without the -wal file, or the -wal file was deleted; copy an open journal with `oms journal backup`"
    )
