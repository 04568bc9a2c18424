"""Durability: a ledger that makes each change both in the journal and in memory, or in neither.

The problem: an exception can be raised between any two steps. For example, a change may already be in the
journal but not yet in memory.

The solution: outside a transaction, each change is first marked as pending, then appended to the journal, and
then applied to the books. Inside a transaction, the books change first. When the outermost transaction ends,
the ledger stores its events as the pending batch, and then appends that batch to the journal. After an
interrupt, `settle` reads the journal's last sequence number. If the pending events are in the journal,
`settle` finishes the change. Otherwise, it rolls the change back.

Invariants:

- If `append` raises JournalError, the batch is not in the journal, and its changes are not in memory.
- After any other exception, the ledger must check whether the batch is in the journal. Until the journal can
  be read, every call raises JournalError.
- A rollback starts only if the batch is not in the journal. So once started, a rollback never turns into a
  commit.
"""

from __future__ import annotations

from typing import Any

from oms.books import APPLY, Books
from oms.errors import JournalError
from oms.events import Event, Journal
from oms.ledger import Ledger, Savepoint

__all__ = ["DurableLedger"]


class DurableLedger(Ledger):
    """A ledger that loads its initial state from a journal and appends every change to it."""

    __slots__ = ("_batch", "_journal")

    def __init__(self, books: Books, journal: Journal) -> None:
        super().__init__(books)
        self._journal = journal
        self.restore(journal.snapshot())
        for event in journal.read(self.sequence + 1):
            APPLY[type(event)](books, event.subject())
            self.sequence = event.sequence
        # The open transaction's events, from the moment when they may be in the journal
        self._batch: tuple[Event, ...] = ()

    @property
    def needs_events(self) -> bool:
        """True, because the journal needs every event."""
        return True

    def commit(self, kind: type[Event], subject: Any, event: Event | None = None) -> None:
        """Append a validated change to the journal, make the change, and publish its event.

        Inside a transaction, nothing is appended until the outermost transaction ends. Raises JournalError.
        """
        if self._open:
            super().commit(kind, subject)
            return
        version = self.version | 1
        try:
            self._subject = subject
            self._kind, self.busy, self.version = kind, True, version
            event = event or kind.about(subject, self.sequence + 1, None, self._now())
            self._journal.append((event,))
        except BaseException as error:
            if event is None or isinstance(error, JournalError):  # the event is not in the journal
                self._kind, self.busy, self.version = None, False, version + 1
            self._settle_at_once()
            raise
        super().commit(kind, subject, event)

    def settle(self) -> None:
        """Finish interrupted changes that are in the journal, and roll back all others.

        Raises JournalError if the journal's last sequence number cannot be read.
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
        """Return True if the open transaction's batch is in the journal."""
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
