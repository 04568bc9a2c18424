"""The writer lock, which ensures that a journal has only one writer at a time."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import ExitStack
from pathlib import Path

from oms.errors import JournalError

__all__ = ["WriterLock"]


class WriterLock:
    """An exclusive lock for writing to a journal, held until `release` or the end of the process.

    The lock is an exclusive SQLite transaction on an empty file next to the journal, `NAME-lock`. SQLite
    locks work on every system. Unlike POSIX locks, they also exclude a second connection in the same process.
    The empty file is never deleted, because that could allow two writers at once.

    If the empty file is read-only, SQLite silently acquires only a read lock. The transaction therefore also
    writes, so that this case raises an error. The write stays in memory, because the transaction is never
    committed.

    Raises JournalError if another writer holds the lock, or if `NAME-lock` cannot be locked.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._process = os.getpid()
        beside = path.with_name(f"{path.name}-lock")
        if os.path.lexists(beside) and not stat.S_ISREG(beside.lstat().st_mode):
            raise JournalError(
                str(path), f"{beside.name} is not a regular file, so it cannot be the lock; move it away"
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
        """Raise JournalError if this process was forked from the one that acquired the lock."""
        if not self.is_ours():
            raise JournalError(
                str(self._path), "it belongs to a parent process; a forked process cannot use it"
            )

    def is_ours(self) -> bool:
        """Return True if the current process acquired the lock."""
        return os.getpid() == self._process

    def release(self) -> None:
        """Release the lock, so that another writer can open the file."""
        self._connection.close()


def _problem(error: sqlite3.Error, beside: Path) -> str:
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return "it is open elsewhere; close it there, because a journal allows only one writer"
    problem = f"{beside.name} cannot be written, so a second writer could not be locked out: {error}"
    return f"{problem}; make it and its folder writable, or open the journal as the user that owns them"
