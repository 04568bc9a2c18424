"""Group commit: the changes of a short while reach the disk by one sync.

The problem: syncing a file takes far longer than all the rest of a commit. With durability "batched" a
change is acknowledged as soon as the operating system has it. The disk must have it before `group_size`
changes are made, or `group_seconds` seconds have passed, whichever comes first.

What does not work:
- Leaving the syncs to SQLite (`synchronous=NORMAL`). It then syncs at checkpoints only, which may be
  hours apart.
- Committing an empty transaction at `synchronous=FULL`. A commit that changes nothing writes nothing,
  and SQLite syncs only what it has written.

The solution: most commits run at `synchronous=NORMAL`, and the one that completes a group runs at
`synchronous=FULL`. All commits go to one log, so that one sync has the whole group on the disk. A group
that is not complete in time is ended by a thread: it commits a counter (`heads.syncs`) at FULL.

Invariants:
- `unsynced` is at least the number of commits since the last sync. After an interrupt it may be too
  high, which costs a sync; it is never too low, which would cost a change.
- The time of a group begins with its first commit, which wakes the thread. If the group is complete
  before the time is over, the next group's first commit wakes the thread again, for a new time.
- The thread holds the journal's lock while it syncs, so it never meets a commit that is being made.
- A sync that fails makes the journal read-only, and ends the thread. The next append, or closing,
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
    """Syncs commits in groups of `size`, or after `seconds`. Its caller holds the journal's lock."""

    def __init__(self, writer: Writer, lock: RLock, size: int, seconds: float) -> None:
        self.unsynced = 0
        self._file = writer.file
        self._writer = writer
        self._size = size
        self._seconds = seconds
        self._begun = Condition(lock)  # notified by the first commit of a group
        self._is_closed = False

    def start(self, sync: Callable[[], None]) -> None:
        """Start the thread that calls the journal's `sync` when the time of a group is over.

        Raises JournalError if the system has no thread left.
        """
        name = f"oms journal {self._file.path.name}"
        try:
            Thread(target=self._keep_time, args=(sync,), name=name, daemon=True).start()
        except RuntimeError as error:
            problem = (
                f"durability 'batched' needs a thread, and none can be started ({error}); open it as 'full'"
            )
            raise JournalError(str(self._file.path), problem) from error

    def prepare_commit(self) -> bool:
        """Have the next commit synced if it completes the group, and return True then."""
        is_last = self.unsynced + 1 >= self._size
        if is_last:
            self._file.set_synchronous("FULL")
        return is_last

    def count_commit(self, *, is_synced: bool = False) -> None:
        """Count a commit that was made: it has completed a group if `is_synced`."""
        if is_synced:
            self._file.set_synchronous("NORMAL")
            self.unsynced = 0
            return
        self.unsynced += 1
        if self.unsynced == 1:
            self._begun.notify()

    def sync(self) -> None:
        """Have every commit on the disk before returning. Raises JournalError."""
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
        """End the thread; nothing more is synced."""
        self._is_closed = True
        self._begun.notify()

    def _keep_time(self, sync: Callable[[], None]) -> None:
        with self._begun:
            while not self._is_closed:
                if not self.unsynced:
                    self._begun.wait()
                    continue
                if self._begun.wait(self._seconds):
                    continue  # another group has begun, with a time of its own
                if self.unsynced and not self._is_closed:
                    try:
                        sync()
                    except JournalError:  # the next append raises it
                        return
