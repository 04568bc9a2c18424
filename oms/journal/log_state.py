"""The state of the write-ahead log: a file is complete by itself, or lacks its log.

The problem: while a journal is open, its last changes are in the log beside the file (`-wal`). A copy of
the file alone is a sound database of an earlier state, and nothing in it says that changes are missing.

So one row of the file says how it was left. It is AWAY before each copying of the log into the file
(a checkpoint), so that this is what the file itself says from then on. It is OPEN directly afterwards,
and that is in the log only. It is CLOSED when the journal closes, before the last checkpoint.

- A file that says AWAY, without a log beside it, was copied without its log, or has lost it.
- A killed process leaves its log, and with the log the row says OPEN.
- Where another program copies the log of a killed process into the file, and removes the log, the file
  says OPEN and is complete.

Two cases are not recognized:
- The process was killed between AWAY and OPEN (the time of one commit), and another program has copied
  the log into the file; or opening was interrupted there. Such a file is complete, but says AWAY.
- A long read has kept a checkpoint from being complete. Such a file says OPEN, although it lacks its log.
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
    """Write how the file is left. Raises sqlite3.Error."""
    connection.execute("UPDATE log SET state = ?", (state,))


def copy_log(connection: Connection, *, to_close: bool = False) -> None:
    """Copy the log into the file, and mark how the file is left. Raises sqlite3.Error."""
    mark(connection, CLOSED if to_close else AWAY)
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    if not to_close:
        mark(connection, OPEN)


def read_state(connection: Connection, path: str) -> str:
    """Return how the file was left. Raises JournalError."""
    place = f"{path}: log"
    with reported(place, "it cannot be read"):
        rows = connection.execute("SELECT state FROM log").fetchall()
    for state in (AWAY, OPEN, CLOSED):
        if rows == [(state,)]:
            return state
    raise JournalError(place, "it must have one row, which says away, open, or closed")


def is_without_its_log(connection: Connection, path: Path) -> bool:
    """Return True if the file was copied without its log, or has lost it. Raises JournalError, OSError."""
    log = path.with_name(f"{path.name}-wal")
    return read_state(connection, str(path)) == AWAY and not (log.exists() and log.stat().st_size)


def warning_about(connection: Connection, path: Path, last: int) -> str | None:
    """Return a warning if the file lacks its log, else None; `last` is its last event."""
    if not is_without_its_log(connection, path):
        return None
    return (
        f"it ends with event {last}, and later events may be missing: it was copied while it was open, "
        "without its -wal file, or has lost that file; copy an open journal with `oms journal backup`"
    )
