"""Read-only access to a journal, without the writer lock. Another program may be writing to the file."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from oms.errors import JournalError
from oms.journal import schema
from oms.journal.connection import Connection, connected, reported, uri_of
from oms.journal.event_log import EventLog
from oms.journal.place import check_name, real_path

__all__ = ["opened_to_read"]


@contextmanager
def opened_to_read(path: str | os.PathLike[str]) -> Generator[EventLog]:
    """Open a file read-only, and yield a consistent snapshot of its event log.

    Raises JournalError if the file is missing or damaged, or has an unsupported version.
    """
    real = real_path(path)
    place = str(real)
    with reported(place, "it cannot be read"):
        check_name(real)
        if not real.exists():
            raise JournalError(place, "it is missing")
        if not real.stat().st_size:
            raise JournalError(place, "it is an empty file, not a journal")
        with connected(_uri(real)) as connection:
            _begin(connection)
            schema.check(connection, place)
            yield EventLog(connection, place)


def _begin(connection: Connection) -> None:
    connection.execute("BEGIN")
    connection.execute("SELECT name FROM sqlite_master").fetchall()


def _uri(path: Path) -> str:
    """Return the URI that opens a file read-only.

    In a read-only directory, SQLite can read a file only if the URI marks the file as immutable.
    """
    uri = uri_of(path, "ro")
    log = path.with_name(f"{path.name}-wal")
    if os.access(path.parent, os.W_OK) or (log.exists() and log.stat().st_size):
        return uri
    try:
        with connected(uri) as connection:
            _begin(connection)
    except sqlite3.OperationalError:
        return uri_of(path, "ro", immutable=True)
    return uri
