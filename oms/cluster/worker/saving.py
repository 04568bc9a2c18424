"""Save snapshots of a worker's copy (replica) of a shard while its books change.

The problem: without regular snapshots, it takes longer and longer to open a shard. But it takes seconds to
copy a million orders, and no change should wait that long. Also, several workers have a copy of the shard,
but only one of them should save each snapshot.

What does not work: choosing one worker that saves the snapshots. If this worker is slow, or has just died, no
snapshots are saved. Leaving the snapshots to followers does not work either, because a shard may have no
followers.

The solution: the orders are copied in slices while the books change. A worker saves a snapshot when the log
has enough events after the latest stored snapshot, whichever worker has saved that one. The owner has more to
do than the followers, so it waits for twice as many events. So the owner saves a snapshot only if no follower
does.

Invariants:

- The copy of the state begins under the same locks under which its position in the log is read. While these
  locks are held, the owner makes no change, and a follower reads nothing from the log.
- A snapshot is only a shortcut. So a failure is only logged as a warning. The next attempt follows after the
  usual number of further events.
"""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager

from oms.api.followers import retried
from oms.api.state_hash import begin_copy
from oms.cluster.log.log_journal import LogJournal
from oms.cluster.log.snapshots import SavedState
from oms.facade import Facade

__all__ = ["EVERY", "Saving"]

_log = logging.getLogger("oms.cluster")

EVERY = 100_000
"""The default number of events between two snapshots."""


class Saving:
    """Snapshots of the books that use this journal, saved once every `every` events.

    `lock` is held at the start of the copy, so that a follower applies no message at that moment.
    """

    def __init__(
        self, books: Facade, journal: LogJournal, lock: AbstractContextManager[object], every: int
    ) -> None:
        self._books = books
        self._journal = journal
        self._lock = lock
        self._every = every
        self._saved = 0  # the last event in the latest snapshot that this worker knows about

    def run(self, *, is_owner: bool) -> None:
        """Save a snapshot if one is due. Raises JournalError.

        O(n log n + m) for n orders and m events since the latest extract. The books are locked for a moment,
        and then for O(1,000) orders at a time. See begin_copy.
        """
        every = 2 * self._every if is_owner else self._every
        sequence = self._books.last_sequence
        if sequence - self._saved < every:
            return
        self._saved = self._journal.saved_sequence()
        if sequence - self._saved < every:
            return
        self._saved = sequence  # even if saving fails, so that it is not retried at once
        saved = retried(self._copied)
        self._journal.save(saved)
        _log.info("%s: a snapshot after event %d is saved", self._journal.place, saved.head.sequence)

    def _copied(self) -> SavedState:
        with self._lock, self._books.locked():
            sequence, finish = begin_copy(self._books)
            stored = self._journal.stored_after(sequence)
        return SavedState.of(stored, *finish())
