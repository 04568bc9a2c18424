"""Group commit: one sync writes a whole group of commits to disk.

The problem: syncing a file takes far longer than the rest of a commit. With "batched" durability, a change is
acknowledged as soon as the operating system has it. The commits since the last sync form a group. The group
must be synced after `group_size` commits or `group_seconds` seconds, whichever comes first.

What does not work:
- Leaving the syncs to SQLite with `synchronous=NORMAL`. SQLite then syncs only at checkpoints, which may be
  hours apart.
- Committing an empty transaction at `synchronous=FULL`. SQLite syncs only after a write, and an empty
  transaction does not write anything.

The solution: most commits run at `synchronous=NORMAL`, but the last commit of a group runs at
`synchronous=FULL`. All commits go to the same log, so one sync covers the whole group. If a group does not
fill up in time, a thread syncs it by incrementing a counter (`heads.syncs`) at `synchronous=FULL`.

Invariants:
- `unsynced` is never less than the number of commits since the last sync. Otherwise, changes could stay
  unsynced. After an interrupt, `unsynced` may be too high, which costs only an extra sync.
- The first commit of a group wakes the thread, which then waits `group_seconds` seconds. If the group fills
  up earlier, the first commit of the next group wakes the thread again, and the wait starts over.
- The thread holds the journal's lock while it syncs, so it never syncs in the middle of a commit.
- If a sync fails, the journal becomes read-only and the thread ends. The next call to `append` or `close`
  raises the error.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from threading import Condition, RLock, Thread

from oms.errors import JournalError
from oms.journal.writer import Writer

__all__ = ["GroupCommit"]


class GroupCommit:
    """The current group of commits, and the thread that syncs it. Callers must hold the journal's lock."""

    def __init__(self, writer: Writer, lock: RLock, size: int, seconds: float) -> None:
        self.unsynced = 0
        self._file = writer.file
        self._writer = writer
        self._size = size
        self._seconds = seconds
        self._group_begun = Condition(lock)  # notified by the first commit of a group
        self._is_closed = False

    def start(self, sync: Callable[[], None]) -> None:
        """Start the thread that calls `sync` when a group's time is up.

        Raises JournalError if the system cannot start another thread.
        """
        name = f"oms journal {self._file.path.name}"
        try:
            Thread(target=self._sync_in_time, args=(sync,), name=name, daemon=True).start()
        except RuntimeError as error:
            problem = (
                f"durability 'batched' needs a thread, but none could be started ({error}); "
                "open the journal with durability='full'"
            )
            raise JournalError(str(self._file.path), problem) from error

    def prepare_commit(self) -> bool:
        """Make SQLite sync the next commit, and return True, if this commit fills up the group."""
        is_last = self.unsynced + 1 >= self._size
        if is_last:
            self._file.set_synchronous("FULL")
        return is_last

    def count_commit(self, *, is_synced: bool = False) -> None:
        """Count a commit. Pass `is_synced=True` if SQLite has synced the commit."""
        if is_synced:
            self._file.set_synchronous("NORMAL")
            self.unsynced = 0
            return
        self.unsynced += 1
        if self.unsynced == 1:
            self._group_begun.notify()

    def sync(self) -> None:
        """Sync all commits to disk. Raises JournalError if the sync fails."""
        if not self.unsynced:
            return
        try:
            self._file.set_synchronous("FULL")
            self._file.connection.execute("UPDATE heads SET syncs = syncs + 1 WHERE name = 'now'")
            self._file.set_synchronous("NORMAL")
        except sqlite3.Error as error:
            raise self._writer.failure(error, committing=True) from error
        self.unsynced = 0

    def close(self) -> None:
        """End the thread without a final sync."""
        self._is_closed = True
        self._group_begun.notify()

    def _sync_in_time(self, sync: Callable[[], None]) -> None:
        with self._group_begun:
            while not self._is_closed:
                if not self.unsynced:
                    self._group_begun.wait()
                    continue
                if self._group_begun.wait(self._seconds):
                    continue  # another group has begun, so the wait starts over
                if self.unsynced and not self._is_closed:
                    try:
                        sync()
                    except JournalError:  # the next append raises the error
                        return
                    except Exception:  # noqa: S112  # out of memory, for example: try again after the next wait
                        continue
