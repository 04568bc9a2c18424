"""Durability: a ledger whose changes are in a journal before they are in memory, or in both or neither.

The problem: an exception can come between any two steps, also after the journal holds a change and
before memory does.

The solution: a single change is marked, then appended to the journal, then made in the books. A
transaction changes the books provisionally; its outermost exit remembers the batch, then appends it.
Settling asks the journal for its last sequence number, and makes memory what the journal holds.

Invariants:
- A journal that raises JournalError from `append` does not hold the batch: memory does not either.
- After any other exception the journal alone knows. If it cannot say, every verb raises JournalError
  until it can.
- A rollback that has begun is never turned into a commit, because it begins only where the journal
  does not hold the batch.
"""

from __future__ import annotations

from typing import Any

from oms.books import APPLY, Books
from oms.errors import JournalError
from oms.events import Event, Journal
from oms.ledger import Ledger, Savepoint

__all__ = ["DurableLedger"]


class DurableLedger(Ledger):
    """A ledger that starts from the contents of a journal, and appends every change to it."""

    __slots__ = ("_batch", "_journal")

    def __init__(self, books: Books, journal: Journal) -> None:
        super().__init__(books)
        self._journal = journal
        self.restore(journal.snapshot())
        for event in journal.read(self.sequence + 1):
            APPLY[type(event)](books, event.subject())
            self.sequence = event.sequence
        self._batch: tuple[Event, ...] = ()  # what the journal may hold of the open transaction

    def commit(self, kind: type[Event], subject: Any) -> None:
        """Make a validated change durable, then make it, then publish it; raises JournalError."""
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
        """As any ledger; but keep what the journal holds. Raises JournalError."""
        kind, sequence = self._kind, self.sequence
        if kind is not None and not self._open and self._journal.last_sequence > sequence:
            self._put_back()
            APPLY[kind](self.books, self._subject)
            version = (self.version | 1) + 1
            self.sequence, self._kind, self.busy, self.version = sequence + 1, None, False, version
        elif not self.is_marked and self._is_appended():
            self._leave(self._open[0])
        else:
            super().settle()

    def _is_appended(self) -> bool:
        """Return True if the journal holds the batch of the open transaction."""
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
