"""Connections to SQLite: the methods that a journal uses, and the translation of errors.

No other module connects to a journal. Tests replace `connector` to simulate a disk that fails.
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
    """The rows that a statement returns."""

    def __iter__(self) -> Iterator[Row]: ...

    def fetchall(self) -> list[Row]:
        """Return all remaining rows."""
        ...


class Connection(Protocol):
    """A connection in autocommit mode, where only BEGIN begins a transaction. Methods raise sqlite3.Error."""

    @property
    def total_changes(self) -> int:
        """The number of rows changed so far, as a signed 32-bit integer: -2**31 follows 2**31 - 1."""
        ...

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> Cursor:
        """Execute one statement."""
        ...

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> object:
        """Execute one statement for each row of parameters."""
        ...

    def backup(self, target: Any, /) -> None:
        """Copy the database, as it is at one moment, to another connection of the same type."""
        ...

    def close(self) -> None:
        """Close. The last connection to close copies the write-ahead log into the file."""
        ...


Connect = Callable[[str], Connection]
"""A function that connects to the file of an SQLite URI."""

_LOCK_TIMEOUT = 5.0  # seconds to wait for another program that writes to the file


def connect_by_sqlite3(uri: str) -> Connection:
    """Connect with the standard library's sqlite3. Only one thread at a time may use the connection."""
    return sqlite3.connect(
        uri, uri=True, timeout=_LOCK_TIMEOUT, isolation_level=None, check_same_thread=False
    )


connector: Connect = connect_by_sqlite3


def connect(uri: str) -> Connection:
    """Connect to the file of an SQLite URI. Raises sqlite3.Error."""
    return connector(uri)


def uri_of(path: Path, mode: Literal["ro", "rw", "rwc"], *, immutable: bool = False) -> str:
    """Return the URI that opens a file in a mode: "ro" to read, "rw" to write, or "rwc" to create.

    >>> uri_of(Path("/a b?.db"), "ro")
    'file:///a%20b%3F.db?mode=ro'

    """
    return f"{path.as_uri()}?mode={mode}{'&immutable=1' if immutable else ''}"


@contextmanager
def reported(place: str, problem: str) -> Generator[None]:
    """Raise JournalError in place of an error of SQLite or the file system inside the block."""
    try:
        yield
    except JournalError:
        raise
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:  # UnicodeDecodeError: damaged text
        raise JournalError(place, f"{problem}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Return the reason without folders, because the `place` of a JournalError contains the path."""
    if isinstance(error, OSError) and error.strerror and isinstance(error.filename, str):
        return f"{error.strerror}: {PurePath(error.filename).name}"
    return str(error)


@contextmanager
def connected(uri: str) -> Generator[Connection]:
    """Connect, and close the connection at the end of the block. Raises sqlite3.Error."""
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
    """Make the name of a file durable, on systems that can sync its folder."""
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
