"""The path of a journal: checks before the file is opened, and a later check for removal or replacement."""

from __future__ import annotations

import os
from pathlib import Path, PurePath

from oms.errors import InvalidArgumentError, JournalError
from oms.journal import schema

__all__ = ["Presence", "check_name", "find_or_make", "real_path"]


def real_path(path: str | os.PathLike[str]) -> Path:
    """Return the path with symbolic links resolved. Raises InvalidArgumentError unless it can name a file.

    ":memory:" and "file:..." are rejected. In SQLite they mean an in-memory database and a URI, but a journal
    would create a file with that name. To create such a file, pass "./:memory:".
    """
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else path
    if not isinstance(text, str) or text in ("", ":memory:") or "\0" in text or text.startswith("file:"):
        is_name = isinstance(text, str) and text and "\0" not in text
        remedy = f"for a file with this name, write './{text}'" if is_name else ""
        raise InvalidArgumentError("path", path, "the path of a file, as a str or os.PathLike of str", remedy)
    return Path(os.path.realpath(text))


def check_name(path: Path) -> None:
    """Raise JournalError if the path cannot name a file. Call this before creating a file next to it."""
    if path.is_symlink():
        raise JournalError(str(path), "it is a symbolic link that leads to itself")
    if path.exists() and not path.is_file():
        raise JournalError(str(path), "it is not a file")
    if not path.parent.exists():
        raise JournalError(str(path), "its folder does not exist")


def find_or_make(path: Path) -> None:
    """Create the journal if the file does not exist. Raises JournalError, OSError, and sqlite3.Error.

    An empty file raises JournalError, and so does a file with a second name (a hard link).
    """
    if not path.exists():
        schema.create(path)
    status = path.stat()
    if status.st_nlink > 1:
        # SQLite derives the name of the log from the name of the file, so two names would mean two logs.
        problem = "it has a second name (a hard link), by which another program may open it; remove that name"
        raise JournalError(str(path), problem)
    if not status.st_size:
        raise JournalError(str(path), "it is an empty file, not a journal")


class Presence:
    """A check that a file and its log are still the ones that were opened.

    If the file or the log is removed or replaced, SQLite keeps writing to the old one, and the changes are
    lost.
    """

    def __init__(self, path: Path) -> None:
        self._file, self._log = str(path), f"{path}-wal"
        self._before = _identity(self._file), _identity(self._log)

    def problem(self, *, thorough: bool = False) -> str | None:
        """Return a description of the removed or replaced file, or None if there is none.

        A removed log is always detected, but a replaced log only if `thorough` is True.
        """
        file, log = self._before
        if _identity(self._file) != file:
            return f"{PurePath(self._file).name} was removed or replaced while it was open"
        # Calling `stat` on the log before every append is too slow. After a `stat`, the file system records
        # the log's times to the nanosecond, so the next sync of the log takes 1.5 times as long.
        is_same = _identity(self._log) == log if thorough else os.access(self._log, os.F_OK)
        return None if is_same else f"{PurePath(self._log).name} was removed or replaced while it was open"


def _identity(file: str) -> tuple[int, int] | None:
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_dev, status.st_ino
