"""The one seam to SQLite: the methods of a connection that are used, how one is made, and its errors.

Tests replace `connector` to have the journal write to a disk that fails.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
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
    "sync_folder",
    "uri_of",
]

Row = tuple[Any, ...]


class Cursor(Protocol):
    """The rows of an answer, one by one or all."""

    def __iter__(self) -> Iterator[Row]: ...

    def fetchall(self) -> list[Row]:
        """All that are left."""
        ...


class Connection(Protocol):
    """In autocommit: a transaction begins with BEGIN and with nothing else. Raises sqlite3.Error."""

    @property
    def total_changes(self) -> int:
        """How many rows it has changed so far, in 32 bits: after 2**31 - 1 comes -2**31."""
        ...

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> Cursor:
        """Do one statement."""
        ...

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> object:
        """Do one statement for each of many parameters."""
        ...

    def backup(self, target: Any, /) -> None:
        """Copy all pages, as they are at one moment, into another connection of the same kind."""
        ...

    def close(self) -> None:
        """Let go; the last connection copies the log into the file."""
        ...


Connect = Callable[[str], Connection]
"""Connects to a file that is named by an SQLite URI."""

_PATIENCE = 5.0  # seconds to wait for somebody who writes into the file by hand


def connect_by_sqlite3(uri: str) -> Connection:
    """Connect by the sqlite3 of the standard library, for use by one thread at a time."""
    return sqlite3.connect(uri, uri=True, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)


connector: Connect = connect_by_sqlite3


def connect(uri: str) -> Connection:
    """Connect to the file that an SQLite URI names. Raises sqlite3.Error."""
    return connector(uri)


def uri_of(path: Path, mode: Literal["ro", "rw", "rwc"], *, immutable: bool = False) -> str:
    """The URI of a file, to be opened read-only, to write, or to write and be made if it is missing.

    >>> uri_of(Path("/a b?.db"), "ro")
    'file:///a%20b%3F.db?mode=ro'

    """
    return f"{path.as_uri()}?mode={mode}{'&immutable=1' if immutable else ''}"


@contextmanager
def reported(place: str, doing: str) -> Generator[None]:
    """Turn what SQLite or the file system raises into a JournalError that says where and what."""
    try:
        yield
    except JournalError:
        raise
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:  # the last from text that is damaged
        raise JournalError(place, f"{doing}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """What went wrong, without folders: the place of a JournalError says where."""
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


def sync_folder(path: Path) -> None:
    """Make the name of a file as durable as its content, where a folder can be synced at all."""
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
