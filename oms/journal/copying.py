"""Backups: complete copies of a journal that may be open for writing."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from oms.errors import JournalError
from oms.journal import log_state
from oms.journal.connection import connected, reported, sync_folder, uri_of
from oms.journal.event_log import EventLog
from oms.journal.place import check_name, real_path
from oms.journal.reading import opened_to_read
from oms.journal.verification import Verification, verify_event_log

__all__ = ["backup"]

# If you simply copy the file of an open journal, the copy lacks the changes in the write-ahead log. SQLite's
# backup reads the file and the log in one read transaction, so the copy is a consistent snapshot. The writer
# does not have to wait.
#
# The copy is created under a temporary name in the destination directory, synced, and verified. Then a hard
# link gives the copy its final name, because creating a link never replaces an existing file. Finally the
# directory is synced. If the process is killed, a file whose name ends in "-unfinished" may remain, with the
# files that SQLite creates next to it.

_EXISTS = "it exists already, and is not overwritten; choose another name"


def backup(path: str | os.PathLike[str], to: str | os.PathLike[str]) -> Verification:
    """Copy a journal to a new file, verify the copy, and return the result of the verification.

    Another program may write to the journal at the same time. The copy is durable when `backup` returns.
    Raises JournalError if `to` already exists or cannot be written, or if the journal is damaged. After an
    error, the unfinished copy is removed. O(n log n) for n events and orders.

    >>> folder = tempfile.TemporaryDirectory()
    >>> from oms import Side, journal
    >>> with journal.open(f"{folder.name}/book.db") as om:
    ...     om.add_order(1, "JPM", Side.BUY, 20, 20)
    ...     journal.backup(f"{folder.name}/book.db", f"{folder.name}/monday.db").last
    1
    >>> folder.cleanup()

    """
    target = real_path(to)
    with reported(str(target), "it cannot be created"):
        _check_free(target)
        # Create the draft in the target directory, because a hard link cannot cross file systems.
        handle, name = tempfile.mkstemp("-unfinished", f"{target.name}-", target.parent)
        os.close(handle)
        draft = Path(name)
        try:
            warning = _copy(path, draft, target)
            result = _verified(draft, str(real_path(path)))
            _publish(draft, target)
        finally:
            for suffix in ("", "-wal", "-shm", "-journal"):
                draft.with_name(f"{draft.name}{suffix}").unlink(missing_ok=True)
        sync_folder(target)
    return result._replace(warning=warning)


def _check_free(target: Path) -> None:
    """Raise JournalError if the target exists, or if SQLite would use an existing file as its log."""
    check_name(target)
    for suffix in ("", "-wal", "-journal"):
        each = target.with_name(f"{target.name}{suffix}")
        if os.path.lexists(each):
            raise JournalError(str(each), _EXISTS)


def _copy(path: str | os.PathLike[str], draft: Path, target: Path) -> str | None:
    """Copy a consistent snapshot of a journal. If the journal lacks its log, return a warning."""
    with opened_to_read(path) as event_log:
        draft.chmod(stat.S_IMODE(real_path(path).stat().st_mode))
        with reported(str(target), "it cannot be created"), connected(uri_of(draft, "rw")) as copy:
            copy.execute("PRAGMA synchronous=EXTRA")
            event_log.connection.backup(copy)
            log_state.mark(copy, log_state.CLOSED)  # the copy is complete without a log
            ((busy, _, _),) = copy.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            if busy:  # pragma: no cover - no other program knows this name
                raise JournalError(str(target), f"another program has {draft.name} open")
        return log_state.warning_about(event_log.connection, real_path(path), event_log.head("now").sequence)


def _verified(draft: Path, place: str) -> Verification:
    """Sync and verify the copy. `place` is the original journal, from which any damage was copied."""
    with draft.open("rb+") as file:
        os.fsync(file.fileno())
    with connected(uri_of(draft, "rw")) as connection:
        return verify_event_log(EventLog(connection, place))


def _publish(draft: Path, target: Path) -> None:
    try:
        os.link(draft, target)
    except FileExistsError:
        raise JournalError(str(target), _EXISTS) from None
    except OSError:  # a file system without hard links
        _check_free(target)
        draft.rename(target)
