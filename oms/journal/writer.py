"""The only code that commits to a journal's file; after a failure it makes the journal read-only."""

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
}  # nothing is wrong with the file


class Written(NamedTuple):
    """The head after a write, and how many rows were written."""

    head: Head
    rows: int


Write = Callable[[Head], Written]
"""Writes rows inside the open transaction, after the given head."""


class Writer:
    """Commits one write at a time. Its caller holds the journal's lock.

    After SQLite has failed in a way that leaves the file in doubt, `problem` says why, and nothing
    more is written until the journal is opened again.
    """

    def __init__(self, file: OpenFile) -> None:
        self.file = file
        self.head = file.event_log.head("now")
        self.problem: str | None = None
        self.in_doubt = False  # True while a write is being made, and after one was interrupted

    def write(self, write: Write) -> int:
        """Write in one transaction, and return how many rows were written. Raises JournalError.

        The caller clears `in_doubt` when it has accounted for the write.
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
        """Roll back an interrupted write that was not committed, and read the head again."""
        roll_back(self.file.connection)
        self.head = self.file.event_log.head("now")

    def check_writable(self, *, thorough: bool = False) -> None:
        """Raise JournalError if the journal is read-only, or its file was removed or replaced."""
        if self.problem is None and (problem := self.file.presence.problem(thorough=thorough)):
            self._turn_read_only(problem)
        if self.problem is not None:
            raise JournalError(self.file.place, f"it is read-only, until it is opened again: {self.problem}")

    def failure(self, error: sqlite3.Error, *, committing: bool) -> JournalError:
        """Roll back after an error of SQLite, and return the error to raise.

        Turn read-only, unless the error is transient and nothing was being committed.
        """
        self.in_doubt = False
        roll_back(self.file.connection)
        problem = str(error)
        if self._is_overtaken():
            problem = (
                f"somebody else has written into it since it was opened (was its -lock removed?): {error}"
            )
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _TRANSIENT or committing:
            self._turn_read_only(problem)
        held = "whether it holds the change is unknown until it is opened again" if committing else "not held"
        return JournalError(self.file.place, f"{held}: {problem}")

    def _turn_read_only(self, problem: str) -> None:
        """Accept no more changes, and log why, once: the error reaches only the caller who made a change."""
        if self.problem is None:
            self.problem = problem
            _log.error("%s is read-only, until it is opened again: %s", self.file.path, problem)

    def _is_overtaken(self) -> bool:
        try:
            return self.file.event_log.head("now") != self.head
        except JournalError:
            return False
