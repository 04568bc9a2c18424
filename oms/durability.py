"""Durability: a ledger that makes each change both in the journal and in memory, or in neither of them.

The problem: an exception can come between any two steps. For example, it can come when the journal already
contains a change and memory does not.

The solution: a single change is marked as pending, then appended to the journal, then applied to the books. A
transaction changes the books provisionally. When the outermost transaction ends, the ledger keeps its events
in memory as the pending batch, and then appends the batch to the journal. After an interrupt, `settle` reads
the last sequence number of the journal and makes memory agree with the journal.

Invariants:

- If `append` raises JournalError, the journal does not contain the batch, and memory does not contain its
  changes.
- After any other exception, only the journal knows whether it contains the batch. Until it can answer, every
  call raises JournalError.
- A rollback that has begun never becomes a commit, because a rollback begins only if the journal does not
  contain the batch.
"""

from __future__ import annotations

from typing import Any

from oms.books import APPLY, Books
from oms.errors import JournalError
from oms.events import Event, Journal
from oms.ledger import Ledger, Savepoint

__all__ = ["DurableLedger"]


class DurableLedger(Ledger):
    """A ledger that starts from the state in a journal and appends every change to the journal."""

    __slots__ = ("_batch", "_journal")

    def __init__(self, books: Books, journal: Journal) -> None:
        super().__init__(books)
        self._journal = journal
        self.restore(journal.snapshot())
        for event in journal.read(self.sequence + 1):
            APPLY[type(event)](books, event.subject())
            self.sequence = event.sequence
        self._batch: tuple[
            Event, ...
        ] = ()  # the events of the open transaction, if the journal may contain them

    @property
    def needs_events(self) -> bool:
        """True, because the journal needs every event."""
        return True

    def commit(self, kind: type[Event], subject: Any) -> None:
        """Append a validated change to the journal, make the change, and publish its event.

        Raises JournalError. Inside a transaction, nothing is appended before the transaction ends.
        """
        if self._open:
            super().commit(kind, subject)
            return
        event, version = kind.about(subject, self.sequence + 1, None), self.version | 1
        try:
            self._subject = subject
            self._kind, self.busy, self.version = kind, True, version
            self._journal.append((event,))
        except BaseException as error:
            if isinstance(error, JournalError):
                self._kind, self.busy, self.version = None, False, version + 1
            self._settle_at_once()
            raise
        super().commit(kind, subject)

    def settle(self) -> None:
        """Finish interrupted changes that are in the journal, and roll back all others.

        Raises JournalError if the journal cannot tell its last sequence number.
        """
        kind, sequence = self._kind, self.sequence
        if kind is not None and not self._open and self._journal.last_sequence > sequence:
            self._restore_books()
            APPLY[kind](self.books, self._subject)
            version = (self.version | 1) + 1
            self.sequence, self._kind, self.busy, self.version = sequence + 1, None, False, version
        elif not self.is_marked and self._is_appended():
            self._leave(self._open[0])
        else:
            super().settle()

    def _is_appended(self) -> bool:
        """Return True if the journal contains the batch of the open transaction."""
        batch = self._batch
        if not (batch and self._provisional and batch[0] is self._provisional[0]):
            return False
        return self._journal.last_sequence >= batch[-1].sequence

    def _end(self, savepoint: Savepoint, *, keep: bool) -> None:
        if keep and self._provisional and not savepoint.depth:
            self._batch = tuple(self._provisional)
            try:
                self._journal.append(self._batch)
            except JournalError:
                self._batch = ()
                raise
        super()._end(savepoint, keep=keep)
        self._batch = ()
