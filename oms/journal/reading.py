"""A file that is read beside its writer, or that no one writes."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from oms.errors import JournalError
from oms.journal import schema
from oms.journal.connection import Connection, connected, reported, uri_of
from oms.journal.place import check_name, real_path
from oms.journal.trail import Trail

__all__ = ["opened_to_read"]


@contextmanager
def opened_to_read(path: str | os.PathLike[str]) -> Generator[Trail]:
    """The trail of a file as it is at one moment, whatever its writer does meanwhile.

    Raises JournalError for a file that is damaged, missing, or of another version.
    """
    real = real_path(path)
    place = str(real)
    with reported(place, "it cannot be read"):
        check_name(real)
        if not real.exists():
            raise JournalError(place, "it is missing")
        if not real.stat().st_size:
            raise JournalError(place, "it is empty: a journal is never so short")
        with connected(_uri(real)) as connection:
            _begin(connection)
            schema.check(connection, place)
            yield Trail(connection, place)


def _begin(connection: Connection) -> None:
    connection.execute("BEGIN")
    connection.execute("SELECT name FROM sqlite_master").fetchall()


def _uri(path: Path) -> str:
    """Where nothing can be written, SQLite reads only a file that is said not to change."""
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
