"""A copy of a journal that is whole, taken while its writer works."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from oms.errors import JournalError
from oms.journal import log_state
from oms.journal.connection import connected, reported, sync_folder, uri_of
from oms.journal.place import check_name, real_path
from oms.journal.reading import opened_to_read
from oms.journal.trail import Trail
from oms.journal.verification import Verification, verify_trail

__all__ = ["backup"]

# A copy by hand of an open journal lacks what is in its log. SQLite's backup reads both, in one read
# transaction, so the copy is the state of one moment, and the writer need not wait.
#
# The copy is made under a name of its own in the folder of its destination, verified there, and synced.
# Only then it is given its name, by a hard link, because a link never replaces a file that came meanwhile.
# Then the name is synced. A process that is killed leaves at most a file that ends in "-unfinished".


def backup(path: str | os.PathLike[str], to: str | os.PathLike[str]) -> Verification:
    """Copy a journal to a new file, also while it is open, and return what the copy holds.

    The copy is verified throughout, and durable. Raises JournalError, and then `to` does not exist,
    where it exists already, cannot be written, or where the journal is damaged. O(events).

    >>> folder = tempfile.TemporaryDirectory()
    >>> from oms import Side, journal
    >>> with journal.open(f"{folder.name}/book.db") as om:
    ...     om.add_order(1, "JPM", Side.BUY, 20, 20)
    ...     journal.backup(f"{folder.name}/book.db", f"{folder.name}/monday.db").last
    1
    >>> folder.cleanup()

    """
    target = real_path(to)
    with reported(str(target), "it cannot be made"):
        _check_free(target)
        # The draft is made by nobody else, and beside the target: a link does not leave a file system.
        handle, name = tempfile.mkstemp("-unfinished", f"{target.name}-", target.parent)
        os.close(handle)
        draft = Path(name)
        try:
            warning = _copy(path, draft, target)
            found = _verified(draft, str(real_path(path)))
            _publish(draft, target)
        finally:
            for suffix in ("", "-wal", "-shm", "-journal"):
                draft.with_name(f"{draft.name}{suffix}").unlink(missing_ok=True)
        sync_folder(target)
    return found._replace(warning=warning)


def _check_free(target: Path) -> None:
    """Raise JournalError where a file, or what SQLite would take for a part of it, is there already."""
    check_name(target)
    for suffix in ("", "-wal", "-journal"):
        each = target.with_name(f"{target.name}{suffix}")
        if os.path.lexists(each):
            raise JournalError(str(each), "it exists already, and is not written over")


def _copy(path: str | os.PathLike[str], draft: Path, target: Path) -> str | None:
    """Copy one state of a journal, and return the warning about it, if there is one."""
    with opened_to_read(path) as trail:
        draft.chmod(stat.S_IMODE(real_path(path).stat().st_mode))
        with reported(str(target), "it cannot be made"), connected(uri_of(draft, "rw")) as copy:
            copy.execute("PRAGMA synchronous=EXTRA")
            trail.connection.backup(copy)
            log_state.mark(copy, log_state.CLOSED)  # the writer is at work, but the copy is whole
            ((busy, _, _),) = copy.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            if busy:  # pragma: no cover - nobody else knows the file
                raise JournalError(str(target), "somebody else has its draft open")
        return log_state.warning_about(trail.connection, real_path(path), trail.head("now").sequence)


def _verified(draft: Path, place: str) -> Verification:
    """Sync the copy and read all of it; what is wrong with it is wrong with the journal at `place`."""
    with draft.open("rb+") as file:
        os.fsync(file.fileno())
    with connected(uri_of(draft, "rw")) as connection:
        return verify_trail(Trail(connection, place))


def _publish(draft: Path, target: Path) -> None:
    try:
        os.link(draft, target)
    except FileExistsError:
        raise JournalError(str(target), "it exists already, and is not written over") from None
    except OSError:  # a file system without hard links
        _check_free(target)
        draft.rename(target)
