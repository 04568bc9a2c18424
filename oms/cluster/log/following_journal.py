"""A journal that follows the current writer of a log, and can then replace this writer.

The problem: a standby must have read almost all of the log before the writer fails. But a journal that is
opened for writing does not read the log before that moment.

What does not work: one journal to read, and another one to write. The books and the HTTP application on the
second journal would have to be built again, from the beginning of the log.

The solution: the journal is opened for reading. It returns each new message, and the caller applies the
message to the books. To take over, the same journal appends a fencing message. From then on, the log rejects
appends from the former writer. The journal then returns the messages before the fencing message that it has
not returned yet.

Invariants:

- Each message that follows the opening of the journal is returned exactly once, and in order, by either
  `follow` or `take_over`.
- `follow` returns a limited number of messages. So a standby that could not read the log for an hour does not
  need the memory for all messages of this hour.
- After `take_over` has returned, no other writer can append anything unless it opens the log again.
"""

from __future__ import annotations

from oms.cluster.log.log_journal import LogJournal
from oms.cluster.log.message import Content, Head
from oms.cluster.log.replicated_log import ReplicatedLog
from oms.cluster.log.snapshots import SnapshotStore
from oms.cluster.patience import Patience
from oms.errors import JournalError

__all__ = ["FollowingJournal", "MOST"]

MOST = 256
"""The largest number of messages that `follow` returns."""


class FollowingJournal(LogJournal):
    """A journal that follows a log until it takes over. LogJournal describes the arguments and errors."""

    def __init__(
        self,
        log: ReplicatedLog,
        *,
        patience: Patience | None = None,
        snapshots: SnapshotStore | None = None,
        least: int = 0,
    ) -> None:
        self._noted: list[Content] | None = None  # None until it is open
        super().__init__(log, read_only=True, patience=patience, snapshots=snapshots, least=least)
        self._noted = []
        self._follows = True

    @property
    def head(self) -> Head:
        """The head of the part of the log that this journal has read or written. O(1)."""
        return self._current()

    def follow(self) -> list[Content]:
        """Return the next messages that the writer has appended, at most MOST. O(n) for n returned messages.

        Raises JournalError if the journal has taken over, if a message is damaged or missing, or if the log
        cannot be read. After an error, the next call continues at the same message.
        """
        with self._own_lock():
            self._check_open()
            self._check_follows()
            self._catch_up(max(MOST - len(self._noted or ()), 0))  # after an error, some are noted already
            return self._drained()

    def take_over(self, writer: str) -> list[Content]:
        """Replace the current writer, and return the messages that it has appended since the last `follow`.

        `writer` is the name of this writer in the error message of the former writer. Raises JournalError if
        the journal has taken over before, or if the log is damaged or unavailable. After an error, close the
        journal.
        """
        with self._own_lock():
            self._check_open()
            self._check_follows()
            self._catch_up()
            self._take_over(writer)
            self._follows = False
            return self._drained()

    def _note(self, content: Content) -> None:
        if self._noted is not None:
            self._noted.append(content)

    def _drained(self) -> list[Content]:
        noted, self._noted = self._noted or [], []
        return noted

    def _check_follows(self) -> None:
        if not self._follows:
            raise JournalError(self.place, "it has taken over the log, so it does not follow another writer")
