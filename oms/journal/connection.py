"""The one seam to SQLite: the methods of a connection that are used, how one is made, and its errors.

Tests replace `connector` to have the journal write to a disk that fails.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath
from typing import Any, Literal, Protocol

from oms.errors import JournalError

__all__ = [
    "Connect",
    "Connection",
    "Cursor",
    "connect",
    "connect_by_sqlite3",
    "connected",
    "reported",
    "roll_back",
    "sync_folder",
    "uri_of",
]

Row = tuple[Any, ...]


class Cursor(Protocol):
    """The rows that a statement returns, one by one or all at once."""

    def __iter__(self) -> Iterator[Row]: ...

    def fetchall(self) -> list[Row]:
        """Return all remaining rows."""
        ...


class Connection(Protocol):
    """A connection in autocommit mode: only BEGIN begins a transaction. Methods raise sqlite3.Error."""

    @property
    def total_changes(self) -> int:
        """The number of rows changed so far, in 32 bits: after 2**31 - 1 comes -2**31."""
        ...

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> Cursor:
        """Execute one statement."""
        ...

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> object:
        """Execute one statement for each of many parameters."""
        ...

    def backup(self, target: Any, /) -> None:
        """Copy all pages, as they are at one moment, to another connection of the same type."""
        ...

    def close(self) -> None:
        """Close; the last connection to close copies the write-ahead log into the file."""
        ...


Connect = Callable[[str], Connection]
"""Connects to a file that is named by an SQLite URI."""

_PATIENCE = 5.0  # seconds to wait for another program that writes to the file


def connect_by_sqlite3(uri: str) -> Connection:
    """Connect by the sqlite3 of the standard library, for use by one thread at a time."""
    return sqlite3.connect(uri, uri=True, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)


connector: Connect = connect_by_sqlite3


def connect(uri: str) -> Connection:
    """Connect to the file that an SQLite URI names. Raises sqlite3.Error."""
    return connector(uri)


def uri_of(path: Path, mode: Literal["ro", "rw", "rwc"], *, immutable: bool = False) -> str:
    """Return the URI of a file, to open it read-only, for writing, or for writing and creating.

    >>> uri_of(Path("/a b?.db"), "ro")
    'file:///a%20b%3F.db?mode=ro'

    """
    return f"{path.as_uri()}?mode={mode}{'&immutable=1' if immutable else ''}"


@contextmanager
def reported(place: str, doing: str) -> Generator[None]:
    """Turn an error of SQLite or of the file system into a JournalError with its place."""
    try:
        yield
    except JournalError:
        raise
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:  # the last one: damaged text
        raise JournalError(place, f"{doing}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Return the reason without folders, because the place of a JournalError has the path."""
    if isinstance(error, OSError) and error.strerror and isinstance(error.filename, str):
        return f"{error.strerror}: {PurePath(error.filename).name}"
    return str(error)


@contextmanager
def connected(uri: str) -> Generator[Connection]:
    """Connect, and close the connection at the end. Raises sqlite3.Error."""
    connection = connect(uri)
    try:
        yield connection
    finally:
        connection.close()


def roll_back(connection: Connection) -> None:
    """Roll back the open transaction, if there is one.

    An interrupt can come just before BEGIN or just after COMMIT, and SQLite rolls back by itself after some
    errors. The exception that is being handled must not be replaced by the error of a useless ROLLBACK.
    """
    with suppress(sqlite3.Error):
        connection.execute("ROLLBACK")


def sync_folder(path: Path) -> None:
    """Make the name of a file durable, on systems that can sync a folder."""
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
