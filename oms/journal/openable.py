"""A check that a journal can be opened for writing, without opening it."""

from __future__ import annotations

import os
from pathlib import Path

from oms.errors import JournalError
from oms.journal import schema
from oms.journal.connection import connected, reported, uri_of
from oms.journal.event_log import EventLog
from oms.journal.place import check_name, find_or_make, real_path
from oms.journal.writer_lock import WriterLock

__all__ = ["check_openable"]


def check_openable(path: str | os.PathLike[str]) -> None:
    """Raise JournalError if a journal cannot be opened for writing, or cannot be created.

    No file is created, migrated, or otherwise changed. The check reads the end of the event log, but neither
    the orders nor older events. While it runs, another program cannot open the journal for writing. O(1).

    Raises InvalidArgumentError if the path cannot be the name of a file.
    """
    real = real_path(path)
    place = str(real)
    with reported(place, "it cannot be opened"):
        check_name(real)
        if not os.access(real.parent, os.W_OK | os.X_OK):
            raise JournalError(place, "its folder is not writable")
        lock = real.with_name(f"{real.name}-lock")
        if os.path.lexists(lock):  # without this file, no program has opened the journal for writing
            WriterLock(real).release()
        if real.exists():
            find_or_make(real)  # it exists, so this only checks it
            _check_file(real, place)


def _check_file(real: Path, place: str) -> None:
    if not os.access(real, os.W_OK):
        raise JournalError(place, "it is not writable")
    log = real.with_name(f"{real.name}-wal")
    # To read a file that is not immutable, SQLite creates a log. Without a log, nobody has the file open.
    immutable = not log.exists() or not log.stat().st_size
    with connected(uri_of(real, "ro", immutable=immutable)) as connection:
        if schema.version_of(connection, place) == schema.VERSION:
            schema.check(connection, place)
            event_log = EventLog(connection, place)
            event_log.check_end(event_log.head("now"))
