"""One writer at a time: a lock that goes with the process, and that no second name or fork gets round."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from oms.errors import JournalError

__all__ = ["WriterLock"]


class WriterLock:
    """The right to write into a file, held until `release` or the end of the process.

    It is an exclusive SQLite transaction on an empty file beside it, `NAME-lock`. SQLite knows how to
    lock a file on every system, and refuses a second handle in the same process too, which the
    locks of POSIX do not. The empty file stays: removing it would let two in at once.

    Raises JournalError where somebody else holds it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._process = os.getpid()
        beside = path.with_name(f"{path.name}-lock")
        self._connection = sqlite3.connect(beside, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            self._connection.execute("PRAGMA journal_mode=MEMORY")
            self._connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            self._connection.close()
            locked = "locked" in str(error)
            problem = "it is open elsewhere, and takes one writer" if locked else f"{beside.name}: {error}"
            raise JournalError(str(path), problem) from error

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
