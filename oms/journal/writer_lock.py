"""One writer at a time: a lock that goes with the process, and that no second name or fork gets round."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import ExitStack
from pathlib import Path

from oms.errors import JournalError

__all__ = ["WriterLock"]


class WriterLock:
    """The right to write into a file, held until `release` or the end of the process.

    It is an exclusive SQLite transaction on an empty file beside it, `NAME-lock`. SQLite knows how to
    lock a file on every system, and refuses a second handle in the same process too, which the
    locks of POSIX do not. The empty file stays: removing it would let two in at once.

    A file that SQLite may only read it locks for reading only, without an error. So a write is tried
    in that transaction. It stays in memory, because the transaction is never committed.

    Raises JournalError where somebody else holds it, and where the file beside cannot be locked.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._process = os.getpid()
        beside = path.with_name(f"{path.name}-lock")
        if os.path.lexists(beside) and not stat.S_ISREG(beside.lstat().st_mode):
            raise JournalError(
                str(path), f"{beside.name} is not a plain file, so it cannot be the lock: move it away"
            )
        with ExitStack() as undo:
            try:
                self._connection = sqlite3.connect(
                    beside, timeout=0, isolation_level=None, check_same_thread=False
                )
                undo.callback(self._connection.close)
                self._connection.execute("PRAGMA journal_mode=MEMORY")
                self._connection.execute("BEGIN EXCLUSIVE")
                self._connection.execute("PRAGMA user_version=1")
            except sqlite3.Error as error:
                raise JournalError(str(path), _problem(error, beside)) from error
            undo.pop_all()

    def check(self) -> None:
        """Raise JournalError in a process that was forked off the one which holds the lock."""
        if not self.is_ours():
            raise JournalError(str(self._path), "it was opened by the process that this one was forked from")

    def is_ours(self) -> bool:
        """Whether this is the process that took the lock."""
        return os.getpid() == self._process

    def release(self) -> None:
        """Let the next one in."""
        self._connection.close()


def _problem(error: sqlite3.Error, beside: Path) -> str:
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return "it is open elsewhere, and takes one writer"
    problem = f"{beside.name} cannot be written, and without it a second writer would be let in: {error}"
    return f"{problem}; make it and its folder writable for this user, or open the journal as the user that owns it"
