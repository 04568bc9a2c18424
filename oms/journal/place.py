"""The path of a journal: checks before the file is opened, and a check that it is still the same file."""

from __future__ import annotations

import os
from pathlib import Path, PurePath

from oms.errors import InvalidArgumentError, JournalError
from oms.journal import schema

__all__ = ["Presence", "check_name", "find_or_make", "real_path"]


def real_path(path: str | os.PathLike[str]) -> Path:
    """Return the path without symbolic links. Raises InvalidArgumentError unless it is the path of a file.

    ":memory:" and "file:..." are rejected, because SQLite uses them for a database in memory and for a URI.
    A journal would create a file with that name. Write "./:memory:" if you want that file.
    """
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else path
    if not isinstance(text, str) or text in ("", ":memory:") or "\0" in text or text.startswith("file:"):
        is_name = isinstance(text, str) and text and "\0" not in text
        remedy = f"for a file with this name, write './{text}'" if is_name else ""
        raise InvalidArgumentError("path", path, "the path of a file, as a str or os.PathLike of str", remedy)
    return Path(os.path.realpath(text))


def check_name(path: Path) -> None:
    """Raise JournalError if the path cannot be that of a file. Call this before creating a file beside it."""
    if path.is_symlink():
        raise JournalError(str(path), "it is a symbolic link that leads to itself")
    if path.exists() and not path.is_file():
        raise JournalError(str(path), "it is not a file")
    if not path.parent.exists():
        raise JournalError(str(path), "its folder does not exist")


def find_or_make(path: Path) -> None:
    """Create the journal if the file does not exist. Raises JournalError, OSError, and sqlite3.Error.

    A file with a second name (a hard link) and an empty file raise JournalError.
    """
    if not path.exists():
        schema.create(path)
    status = path.stat()
    if status.st_nlink > 1:
        # SQLite derives the name of the log from that of the file, so two names would have two logs.
        problem = "it has a second name (a hard link), by which another program may open it; remove that name"
        raise JournalError(str(path), problem)
    if not status.st_size:
        raise JournalError(str(path), "it is an empty file, not a journal")


class Presence:
    """A check that a file and its log are still the ones that were opened.

    If a file was removed or replaced, SQLite would write to the removed file, and the changes would be lost.
    """

    def __init__(self, path: Path) -> None:
        self._file, self._log = str(path), f"{path}-wal"
        self._before = _identity(self._file), _identity(self._log)

    def problem(self, *, thorough: bool = False) -> str | None:
        """Return a text about the file that was removed or replaced, or None.

        A replaced log is detected only if `thorough`. A removed log is always detected.
        """
        file, log = self._before
        if _identity(self._file) != file:
            return f"{PurePath(self._file).name} was removed or replaced while it was open"
        # `stat` is too slow before every append: after a `stat` of the log, the file system records its times
        # to the nanosecond, and the next sync of the log takes half as long again.
        is_same = _identity(self._log) == log if thorough else os.access(self._log, os.F_OK)
        return None if is_same else f"{PurePath(self._log).name} was removed or replaced while it was open"


def _identity(file: str) -> tuple[int, int] | None:
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_dev, status.st_ino
