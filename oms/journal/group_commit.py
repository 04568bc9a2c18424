"""Group commit: one sync writes the changes of a short time to the disk.

The problem: syncing a file takes far longer than the rest of a commit. With durability "batched" a
change is acknowledged as soon as the operating system has it. The change must be on the disk before
`group_size` changes are made or `group_seconds` seconds have passed, whichever comes first.

What does not work:
- Leaving the syncs to SQLite (`synchronous=NORMAL`). SQLite then syncs only at checkpoints, which may be
  hours apart.
- Committing an empty transaction at `synchronous=FULL`. A commit that changes nothing writes nothing,
  and SQLite syncs only what it has written.

The solution: most commits run at `synchronous=NORMAL`, and the commit that completes a group runs at
`synchronous=FULL`. All commits are written to one log, so one sync saves the whole group. If a group is not
complete in time, a thread ends it by committing a counter (`heads.syncs`) at `synchronous=FULL`.

Invariants:
- `unsynced` is at least the number of commits since the last sync. After an interrupt `unsynced` may be too
  high, which costs a sync. It is never too low, which could lose a change.
- The time of a group begins with its first commit, which wakes the thread. If the group is complete
  before the time is over, the first commit of the next group wakes the thread again and starts a new time.
- The thread holds the journal's lock while it syncs, so it never runs during a commit.
- A failed sync makes the journal read-only, and ends the thread. The next append raises the error, or
  `close` does.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from threading import Condition, RLock, Thread

from oms.errors import JournalError
from oms.journal.writer import Writer

__all__ = ["GroupCommit"]


class GroupCommit:
    """Commits that are synced in groups of `size` or after `seconds`. The caller holds the journal's lock."""

    def __init__(self, writer: Writer, lock: RLock, size: int, seconds: float) -> None:
        self.unsynced = 0
        self._file = writer.file
        self._writer = writer
        self._size = size
        self._seconds = seconds
        self._group_begun = Condition(lock)  # notified by the first commit of a group
        self._is_closed = False

    def start(self, sync: Callable[[], None]) -> None:
        """Start the thread that calls the journal's `sync` when the time of a group is over.

        Raises JournalError if the system cannot start another thread.
        """
        name = f"oms journal {self._file.path.name}"
        try:
            Thread(target=self._sync_in_time, args=(sync,), name=name, daemon=True).start()
        except RuntimeError as error:
            problem = (
                f"durability 'batched' needs a thread, which cannot be started ({error}); "
                "open the journal with durability='full'"
            )
            raise JournalError(str(self._file.path), problem) from error

    def prepare_commit(self) -> bool:
        """Return True if the next commit completes the group, and make that commit sync."""
        is_last = self.unsynced + 1 >= self._size
        if is_last:
            self._file.set_synchronous("FULL")
        return is_last

    def count_commit(self, *, is_synced: bool = False) -> None:
        """Count a commit. `is_synced` is True if the commit has completed a group."""
        if is_synced:
            self._file.set_synchronous("NORMAL")
            self.unsynced = 0
            return
        self.unsynced += 1
        if self.unsynced == 1:
            self._group_begun.notify()

    def sync(self) -> None:
        """Return when every commit is on the disk. Raises JournalError if the sync fails."""
        if not self.unsynced:
            return
        self._file.set_synchronous("FULL")
        try:
            self._file.connection.execute("UPDATE heads SET syncs = syncs + 1 WHERE name = 'now'")
        except sqlite3.Error as error:
            raise self._writer.failure(error, committing=True) from error
        self._file.set_synchronous("NORMAL")
        self.unsynced = 0

    def close(self) -> None:
        """End the thread without another sync."""
        self._is_closed = True
        self._group_begun.notify()

    def _sync_in_time(self, sync: Callable[[], None]) -> None:
        with self._group_begun:
            while not self._is_closed:
                if not self.unsynced:
                    self._group_begun.wait()
                    continue
                if self._group_begun.wait(self._seconds):
                    continue  # another group has begun, and its time starts now
                if self.unsynced and not self._is_closed:
                    try:
                        sync()
                    except JournalError:  # the next append raises the error
                        return
