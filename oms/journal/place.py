"""The path of a journal: what may be there, and a check that it is still the file that was opened."""

from __future__ import annotations

import os
from pathlib import Path, PurePath

from oms.errors import InvalidArgumentError, JournalError
from oms.journal import schema

__all__ = ["Presence", "check_name", "find_or_make", "real_path"]


def real_path(path: str | os.PathLike[str]) -> Path:
    """Return the path without symbolic links. Raises InvalidArgumentError unless it is the path of a file.

    ":memory:" and "file:..." are rejected. SQLite takes them for a database in memory and for a URI;
    here they would create a file with that name. Write "./:memory:" if you want such a file.
    """
    named = os.fspath(path) if isinstance(path, str | os.PathLike) else path
    if not isinstance(named, str) or named in ("", ":memory:") or "\0" in named or named.startswith("file:"):
        raise InvalidArgumentError("path", path, "the path of a file, as a str or an os.PathLike of str")
    return Path(os.path.realpath(named))


def check_name(path: Path) -> None:
    """Raise JournalError if something other than a file is there, before anything is created beside it."""
    if path.is_symlink():
        raise JournalError(str(path), "it is a symbolic link that leads to itself")
    if path.exists() and not path.is_file():
        raise JournalError(str(path), "it is not a file")
    if not path.parent.exists():
        raise JournalError(str(path), "its folder is missing")


def find_or_make(path: Path) -> None:
    """Create the journal if it is missing. Raises JournalError, OSError and sqlite3.Error.

    A file with two names or without content raises JournalError.
    """
    if not path.exists():
        schema.create(path)
    found = path.stat()
    if found.st_nlink > 1:
        # SQLite finds the log by the name of the file, so two names would have two logs.
        raise JournalError(str(path), "it has a second name (a hard link), under which it may be open too")
    if not found.st_size:
        raise JournalError(str(path), "it is empty, and so not a journal")


class Presence:
    """Detects that a file, or its log, was removed or replaced while it was open.

    SQLite would continue to write to the removed file, and the changes would be lost.
    """

    def __init__(self, path: Path) -> None:
        self._file, self._log = str(path), f"{path}-wal"
        self._before = _identity(self._file), _identity(self._log)

    def problem(self, *, thorough: bool = False) -> str | None:
        """Return what was removed or replaced, or None; a replaced log is detected only if `thorough`."""
        file, log = self._before
        if _identity(self._file) != file:
            return f"{PurePath(self._file).name} was removed or replaced while it was open"
        # Not before every append. After a stat of the log, the file system keeps its times to the
        # nanosecond, and that makes the next sync of the log half as slow again.
        there = _identity(self._log) == log if thorough else os.access(self._log, os.F_OK)
        return None if there else f"{PurePath(self._log).name} was removed or replaced while it was open"


def _identity(file: str) -> tuple[int, int] | None:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_dev, found.st_ino
