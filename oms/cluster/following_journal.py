"""A journal that first follows the writer of its log, and can then replace this writer.

The problem: a standby must know almost all of the log before the writer fails. A journal that is opened for
writing reads the whole log at this moment.

What does not work: two journals, one to read and one to write. The books and the HTTP application would have
to be created again, from the beginning of the log.

The solution: the journal is opened to read, and returns each new message, from which the books are kept up to
date. To take over, the same journal appends the message that deposes the former writer. Then it returns the
messages that the former writer has appended in the meantime.

Invariants:

- `follow` and `take_over` together return each message after the opening once, and in order.
- After `take_over` has returned, no other writer can append anything, unless it opens the log itself.
"""

from __future__ import annotations

from oms.cluster.log_journal import LogJournal
from oms.cluster.message import Content, Head
from oms.cluster.patience import Patience
from oms.cluster.replicated_log import ReplicatedLog
from oms.cluster.snapshots import SnapshotStore
from oms.errors import JournalError

__all__ = ["FollowingJournal"]


class FollowingJournal(LogJournal):
    """A journal that follows a log, until it takes over. See LogJournal for the arguments and the errors."""

    def __init__(
        self,
        log: ReplicatedLog,
        *,
        patience: Patience | None = None,
        snapshots: SnapshotStore | None = None,
    ) -> None:
        self._noted: list[Content] | None = None  # while it is opened, its books read all events anyway
        super().__init__(log, read_only=True, patience=patience, snapshots=snapshots)
        self._noted = []
        self._follows = True

    @property
    def head(self) -> Head:
        """The end of the log, as far as it has been read or written. O(1)."""
        return self._current()

    def follow(self) -> list[Content]:
        """Return the messages that the writer has appended since the last call. O(new messages).

        Raises JournalError if the journal has taken over, if a message is damaged or missing, or if the log
        cannot be read. A later call then continues.
        """
        with self._own_lock():
            self._check_open()
            self._check_follows()
            self._catch_up()
            return self._drained()

    def take_over(self, writer: str) -> list[Content]:
        """Depose the present writer, and return the messages that it has appended since the last `follow`.

        `writer` is the name that the other writer sees in its error message. Raises JournalError if the
        journal has taken over before, or if the log is damaged or unavailable. Then close the journal.
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
