"""The file of a journal that is open for writing."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import RLock
from typing import Literal

from oms.errors import JournalError
from oms.journal import log_state, schema
from oms.journal.connection import Connection, connect, reported, roll_back, uri_of
from oms.journal.event_log import EventLog
from oms.journal.place import Presence, check_name, find_or_make
from oms.journal.verification import verify_event_log
from oms.journal.writer_lock import WriterLock

__all__ = ["OpenFile", "Synchronous"]

Synchronous = Literal["FULL", "NORMAL", "OFF"]
"""When SQLite syncs the write-ahead log: at each commit, at each checkpoint, or never."""

_log = logging.getLogger("oms.journal")


class OpenFile:
    """A journal file that is open for writing, with its writer lock, connections, and event log.

    A missing file is created, and a file with an older version is migrated. With `verify`, the whole file is
    verified, in O(n log n) for n events and orders. Raises JournalError if the file is damaged, has a newer
    version, or is open for writing elsewhere.
    """

    def __init__(self, path: Path, synchronous: Synchronous, *, verify: bool) -> None:
        self.path = path
        self.place = str(path)
        with reported(self.place, "it cannot be opened"), ExitStack() as undo:
            check_name(path)
            self.writer_lock = WriterLock(path)
            undo.callback(self.writer_lock.release)
            find_or_make(path)
            self.connection = connect(uri_of(path, "rw"))
            undo.callback(self.connection.close)
            _prepare(self.connection, self.place)
            self.set_synchronous(synchronous)
            self.event_log = EventLog(self.connection, self.place)
            self._check(verify=verify)
            log_state.copy_log(self.connection)
            # SQLite copies the log into the file when the last connection closes, but after a failure the log
            # must not be copied. The guard is then closed last. It cannot copy the log, because it is
            # read-only.
            self._guard = connect(uri_of(path, "ro"))
            undo.callback(self._guard.close)
            self._guard.execute("SELECT name FROM heads").fetchall()
            self._read_lock, self._is_closed = RLock(), False
            self._readable_log = EventLog(self._guard, self.place)
            self.presence = Presence(path)
            undo.pop_all()

    def _check(self, *, verify: bool) -> None:
        head = self.event_log.head("now")
        self.event_log.check_end(head)
        if warning := log_state.warning_about(self.connection, self.path, head.sequence):
            _log.warning("%s: %s", self.place, warning)
        if verify:
            verify_event_log(self.event_log)
        is_recovered = log_state.read_state(self.connection, self.place) != log_state.CLOSED
        recovered = ", after it was recovered, because it was not closed" if is_recovered else ""
        _log.info("%s is open, and its last event is %d%s", self.place, head.sequence, recovered)

    @contextmanager
    def reading(self) -> Generator[EventLog]:
        """Yield a consistent snapshot of the event log as it is on disk, without waiting for a write.

        The snapshot is read through a separate connection. Only one thread at a time can read. Raises
        JournalError if the file is closed or cannot be read, and in a forked process.
        """
        self.writer_lock.check()
        with self._read_lock:
            if self._is_closed:
                raise JournalError(self.place, "it is closed")
            roll_back(self._guard)  # an interrupt may have left the last snapshot open
            with reported(self.place, "it cannot be read"):
                self._guard.execute("BEGIN")
            try:
                yield self._readable_log
            finally:
                roll_back(self._guard)

    def set_synchronous(self, level: Synchronous) -> None:
        """Choose when SQLite syncs the write-ahead log. Raises sqlite3.Error."""
        self.connection.execute(f"PRAGMA synchronous={level}")

    def close(self, *, failed: bool) -> None:
        """Close both connections.

        If `failed` is False, SQLite also copies the log into the file, and an error raises sqlite3.Error.
        """
        with self._read_lock:
            self._is_closed = True
            if not failed:
                self._guard.close()
                self.connection.close()
                return
            for connection in (self.connection, self._guard):
                with suppress(sqlite3.Error):  # the original failure has already been raised
                    connection.close()


def _prepare(connection: Connection, place: str) -> None:
    """Check the version, turn on the write-ahead log, migrate the file, and check that it is writable."""
    for pragma in ("cell_size_check=ON", "fullfsync=ON", "checkpoint_fullfsync=ON"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    schema.version_of(connection, place)
    ((mode,),) = connection.execute("PRAGMA journal_mode=WAL").fetchall()
    if mode != "wal":
        raise JournalError(place, f"SQLite cannot use a write-ahead log here, only the mode {mode!r}")
    connection.execute("PRAGMA wal_autocheckpoint=0").fetchall()
    connection.execute("PRAGMA synchronous=FULL")
    schema.migrate(connection, place)
    schema.check(connection, place)
    # SQLite opens a read-only file without an error and fails only at the first write. So write now.
    connection.execute("DELETE FROM events WHERE 0")
