"""SQLite connections. `reported` converts their errors to JournalError.

No other module opens a connection to a journal. Tests replace `connector` to simulate a failing disk.
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
    """A connection on which only BEGIN starts a transaction. All methods may raise sqlite3.Error."""

    @property
    def total_changes(self) -> int:
        """The number of rows changed so far, as a signed 32-bit integer that wraps around."""
        ...

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> Cursor:
        """Execute one statement."""
        ...

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> object:
        """Execute one statement for each row of parameters."""
        ...

    def backup(self, target: Any, /) -> None:
        """Copy a consistent snapshot of the database to another connection of the same type."""
        ...

    def close(self) -> None:
        """Close the connection. Closing the last connection copies the write-ahead log into the file."""
        ...


Connect = Callable[[str], Connection]
"""A function that connects to the file at an SQLite URI."""

_LOCK_TIMEOUT = 5.0  # seconds to wait while another program writes to the file


def connect_by_sqlite3(uri: str) -> Connection:
    """Connect with the standard library's sqlite3. Only one thread at a time may use the connection."""
    return sqlite3.connect(
        uri, uri=True, timeout=_LOCK_TIMEOUT, isolation_level=None, check_same_thread=False
    )


connector: Connect = connect_by_sqlite3


def connect(uri: str) -> Connection:
    """Connect to the file at this SQLite URI. Raises sqlite3.Error."""
    return connector(uri)


def uri_of(path: Path, mode: Literal["ro", "rw", "rwc"], *, immutable: bool = False) -> str:
    """Return the URI that opens a file in `mode`: "ro" to read, "rw" to write, or "rwc" to create.

    >>> uri_of(Path("/a b?.db"), "ro")
    'file:///a%20b%3F.db?mode=ro'

    """
    return f"{path.as_uri()}?mode={mode}{'&immutable=1' if immutable else ''}"


@contextmanager
def reported(place: str, problem: str) -> Generator[None]:
    """Convert SQLite and file-system errors raised in the block to JournalError."""
    try:
        yield
    except JournalError:
        raise
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:  # a damaged string cannot be decoded
        raise JournalError(place, f"{problem}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Return the error message without directory names. The caller adds the path."""
    if isinstance(error, OSError) and error.strerror and isinstance(error.filename, str):
        return f"{error.strerror}: {PurePath(error.filename).name}"
    return str(error)


@contextmanager
def connected(uri: str) -> Generator[Connection]:
    """Open a connection that is closed at the end of the block. Raises sqlite3.Error."""
    connection = connect(uri)
    try:
        yield connection
    finally:
        connection.close()


def roll_back(connection: Connection) -> None:
    """Roll back the open transaction, if there is one.

    ROLLBACK fails if no transaction is open. For example, an interrupt may have arrived just before BEGIN, or
    SQLite may have rolled back after an error. This failure is ignored, so that it does not replace the
    exception that the caller is handling.
    """
    with suppress(sqlite3.Error):
        connection.execute("ROLLBACK")


def sync_folder(path: Path) -> None:
    """Make the name of a file durable by syncing its directory. On systems other than POSIX, do nothing."""
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
