"""The place of a journal: what may be there, and whether it is still the file that was opened."""

from __future__ import annotations

import os
from pathlib import Path, PurePath

from oms.errors import InvalidOrderError, JournalError
from oms.journal import schema

__all__ = ["Presence", "check_name", "find_or_make", "real_path"]


def real_path(path: str | os.PathLike[str]) -> Path:
    """The one name of a file, however it was named. Raises InvalidOrderError for what names no file.

    What SQLite takes for a database in memory, or for a URI, is refused: as a path it would quietly
    make a file of that name. Write "./:memory:" for such a file.
    """
    named = os.fspath(path) if isinstance(path, str | os.PathLike) else path
    if not isinstance(named, str) or named in ("", ":memory:") or "\0" in named or named.startswith("file:"):
        raise InvalidOrderError("path", path, "the path of a file, as a str or an os.PathLike of str")
    return Path(os.path.realpath(named))


def check_name(path: Path) -> None:
    """Raise JournalError where something is that is no file, before anything is made beside it."""
    if path.is_symlink():
        raise JournalError(str(path), "it is a symbolic link that leads to itself")
    if path.exists() and not path.is_file():
        raise JournalError(str(path), "it is no file")
    if not path.parent.exists():
        raise JournalError(str(path), "its folder is missing")


def find_or_make(path: Path) -> None:
    """See that there is a file which can be a journal; raises JournalError, OSError and sqlite3.Error."""
    if not path.exists():
        schema.create(path)
    found = path.stat()
    if found.st_nlink > 1:
        # The log is found by the file's name: under two names there would be two.
        raise JournalError(str(path), "it has a second name (a hard link), under which it may be open too")
    if not found.st_size:
        raise JournalError(str(path), "it is empty: a journal is never so short")


class Presence:
    """Notices that a file, or its log, was removed or replaced while it was open.

    SQLite would go on writing into what has no name any more, and nobody would find it again.
    """

    def __init__(self, path: Path) -> None:
        self._file, self._log = str(path), f"{path}-wal"
        self._before = _identity(self._file), _identity(self._log)

    def problem(self, *, thorough: bool = False) -> str | None:
        """What has happened to them, if anything has; a log that was replaced, only if `thorough`."""
        file, log = self._before
        if _identity(self._file) != file:
            return f"{PurePath(self._file).name} was removed or replaced while it was open"
        # Not before every append: to ask for the times of a log that is being written has the file system
        # keep them to the nanosecond, and that makes the next sync of it half as slow again.
        there = _identity(self._log) == log if thorough else os.access(self._log, os.F_OK)
        return None if there else f"{PurePath(self._log).name} was removed or replaced while it was open"


def _identity(file: str) -> tuple[int, int] | None:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_dev, found.st_ino
