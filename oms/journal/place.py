"""Path checks before a journal is opened, and a check that an open journal is still in place."""

from __future__ import annotations

import os
from pathlib import Path, PurePath

from oms.errors import InvalidArgumentError, JournalError
from oms.journal import schema

__all__ = ["Presence", "check_name", "find_or_make", "real_path"]


def real_path(path: str | os.PathLike[str]) -> Path:
    """Resolve symbolic links in a path. Raises InvalidArgumentError if the path cannot name a file.

    ":memory:" and "file:..." are rejected too, because they have a special meaning in SQLite. To use a file
    with such a name, put "./" in front of it.
    """
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else path
    if not isinstance(text, str) or text in ("", ":memory:") or "\0" in text or text.startswith("file:"):
        is_name = isinstance(text, str) and text and "\0" not in text
        remedy = f"for a file with this name, write './{text}'" if is_name else ""
        raise InvalidArgumentError("path", path, "the path of a file, as a str or os.PathLike of str", remedy)
    return Path(os.path.realpath(text))


def check_name(path: Path) -> None:
    """Raise JournalError if a file cannot be created at this path.

    Call this before creating the lock file.
    """
    if path.is_symlink():
        raise JournalError(str(path), "it is a symbolic link that leads to itself")
    if path.exists() and not path.is_file():
        raise JournalError(str(path), "it is not a file")
    if not path.parent.exists():
        raise JournalError(str(path), "its folder does not exist")


def find_or_make(path: Path) -> None:
    """Create the journal if the file does not exist. Raises JournalError, OSError, and sqlite3.Error.

    If the file is empty or has a second name (a hard link), this raises JournalError.
    """
    if not path.exists():
        schema.create(path)
    status = path.stat()
    if status.st_nlink > 1:
        # SQLite derives the log's name from the file name, so two names would mean two logs.
        problem = "it has a second name (a hard link), which another program could open; remove that name"
        raise JournalError(str(path), problem)
    if not status.st_size:
        raise JournalError(str(path), "it is an empty file, not a journal")


class Presence:
    """A check that a file and its log are still the ones that were opened.

    If the file or the log is removed or replaced, SQLite keeps writing to the old one, and those changes are
    lost.
    """

    def __init__(self, path: Path) -> None:
        self._file, self._log = str(path), f"{path}-wal"
        self._before = _identity(self._file), _identity(self._log)

    def problem(self, *, thorough: bool = False) -> str | None:
        """Return a message if the file or the log was removed or replaced, or None if not.

        A replaced log is detected only if `thorough` is True.
        """
        file, log = self._before
        if _identity(self._file) != file:
            return f"{PurePath(self._file).name} was removed or replaced while it was open"
        # Calling `stat` on the log before every append is too slow. After a `stat`, the file system keeps
        # more precise timestamps for the log, and the next sync takes 1.5 times as long.
        is_same = _identity(self._log) == log if thorough else os.access(self._log, os.F_OK)
        return None if is_same else f"{PurePath(self._log).name} was removed or replaced while it was open"


def _identity(file: str) -> tuple[int, int] | None:
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_dev, status.st_ino
