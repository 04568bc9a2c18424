"""The writer of a journal file. After a failure, it makes the journal read-only."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from typing import NamedTuple

from oms.errors import JournalError
from oms.journal.connection import roll_back
from oms.journal.open_file import OpenFile
from oms.journal.record import Head

__all__ = ["Write", "Writer", "Written"]

_log = logging.getLogger("oms.journal")
_TRANSIENT = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_TOOBIG,
}  # the file itself is fine


class Written(NamedTuple):
    """The result of a write: the new head, and the number of rows written.

    The head is the row of the table `heads` that describes the last event and the resting orders.
    """

    head: Head
    rows: int


Write = Callable[[Head], Written]
"""A function that writes rows inside the open transaction. It takes the head before the write."""


class Writer:
    """The only class that commits changes to the file. The caller must hold the journal's lock.

    If SQLite fails in a way that leaves the content of the file uncertain, `problem` describes the failure,
    and the journal is read-only until it is opened again.
    """

    def __init__(self, file: OpenFile) -> None:
        self.file = file
        self.head = file.event_log.head("now")
        self.problem: str | None = None
        self.in_doubt = False  # True during a write, and after an interrupted write

    def write(self, write: Write) -> int:
        """Run `write` in one transaction, and return the number of rows written.

        The caller sets `in_doubt` to False after counting the write. Raises JournalError if the write fails.
        """
        self.in_doubt, committing = True, False
        execute = self.file.connection.execute
        try:
            execute("BEGIN IMMEDIATE")
            written = write(self.head)
            committing = True
            execute("COMMIT")
        except sqlite3.Error as error:
            raise self.failure(error, committing=committing) from error
        self.head = written.head
        return written.rows

    def settle(self) -> None:
        """Roll back an interrupted write if it was not committed, and read the event log's head again."""
        roll_back(self.file.connection)
        self.head = self.file.event_log.head("now")
        _log.info("%s is recovered from an interrupted write", self.file.path)

    def check_writable(self, *, thorough: bool = False) -> None:
        """Raise JournalError if the journal is read-only, or if its file was removed or replaced."""
        if self.problem is None and (problem := self.file.presence.problem(thorough=thorough)):
            self._turn_read_only(problem)
        if self.problem is not None:
            raise JournalError(self.file.place, f"it is read-only until it is opened again: {self.problem}")

    def failure(self, error: sqlite3.Error, *, committing: bool) -> JournalError:
        """Roll back after an SQLite error, and return the JournalError to raise.

        The journal becomes read-only, unless the error is transient and happened before the commit.
        """
        self.in_doubt = False
        roll_back(self.file.connection)
        problem = str(error)
        if self._is_overtaken():
            problem = (
                f"another program has written to it while it was open; was its -lock file removed? ({error})"
            )
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _TRANSIENT or committing:
            self._turn_read_only(problem)
        outcome = JournalError.OUTCOME_UNKNOWN if committing else "the change is not stored"
        return JournalError(self.file.place, f"{outcome}: {problem}")

    def _turn_read_only(self, problem: str) -> None:
        """Reject further changes. Log the reason once, because only one caller gets the original error."""
        if self.problem is None:
            self.problem = problem
            _log.error("%s is read-only until it is opened again: %s", self.file.path, problem)

    def _is_overtaken(self) -> bool:
        try:
            return self.file.event_log.head("now") != self.head
        except JournalError:
            return False
