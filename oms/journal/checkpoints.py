"""Checkpoints, which regularly copy the write-ahead log into the file to keep the log short."""

from __future__ import annotations

import sqlite3
from contextlib import suppress

from oms.errors import JournalError
from oms.journal.log_state import copy_log
from oms.journal.writer import Writer

__all__ = ["Checkpoints"]

APPENDS_TO_CHECKPOINT = 1_000
ROWS_TO_CHECKPOINT = 20_000


class Checkpoints:
    """The checkpoints of one journal. A checkpoint is due after a fixed number of writes or rows."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._appends = self._rows = 0

    def count(self, rows: int) -> None:
        """Count one write of `rows` rows."""
        self._appends += 1
        self._rows += rows

    def make_when_due(self) -> None:
        """Make a checkpoint if it is due. If the checkpoint fails, the journal becomes read-only.

        The failure raises no error, because the write before the checkpoint is already committed.
        """
        if self._appends >= APPENDS_TO_CHECKPOINT or self._rows >= ROWS_TO_CHECKPOINT:
            self._appends = self._rows = 0
            with suppress(JournalError):
                self.make()

    def make(self, *, to_close: bool = False) -> None:
        """Checkpoint the write-ahead log into the database file.

        If that fails, make the journal read-only and raise JournalError.
        """
        self._writer.check_writable(thorough=True)
        try:
            copy_log(self._writer.file.connection, to_close=to_close)
        except sqlite3.Error as error:
            raise self._writer.failure(error, committing=False) from error
