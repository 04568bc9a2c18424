"""Durability: a ledger whose changes are in a journal before they are in memory, or in both or neither."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from oms.books import APPLY, Books
from oms.errors import JournalError
from oms.events import Event, Journal
from oms.ledger import Ledger, Savepoint, see_through

__all__ = ["DurableLedger"]


class DurableLedger(Ledger):
    """A ledger that starts from what a journal holds, and appends every change to it.

    A single change goes to the journal, then into the books. A transaction changes the books
    provisionally, and goes to the journal as one batch at its outermost exit. Whatever strikes on
    the way, memory ends up with what the journal holds; should that fail too, nothing more is taken.
    """

    __slots__ = ("_batch", "_journal", "_reached")

    def __init__(self, books: Books, journal: Journal) -> None:
        super().__init__(books)
        self._journal = journal
        self.sequence, books.next_trade_id, orders = journal.snapshot()
        books.add_many(orders)
        self._batch: tuple[Event, ...] = ()  # what an outermost exit has tried to append
        self._reached = 0  # the last sequence number that the journal may hold
        self._follow()

    # ------------------------------------------------------------------ changes

    def commit(self, kind: type[Event], subject: Any) -> None:
        """Make a validated change durable, then make it, then tell it; raises JournalError."""
        if self._open:
            super().commit(kind, subject)
            return
        self._refuse_after_a_loss(self.sequence)
        event = kind.about(subject, self.sequence + 1, None)
        try:
            self._append((event,))
            super().commit(kind, subject)
        except BaseException:
            if self.sequence < self._reached:  # struck before memory had it
                see_through(self._follow)
            raise

    def close(self, savepoint: Savepoint, *, failed: bool) -> None:
        """As any ledger; but what the outermost transaction keeps is made durable first."""
        try:
            if self._provisional and self._open == [savepoint] and savepoint.keep and not failed:
                self._make_durable(savepoint)
            super().close(savepoint, failed=failed)
        except BaseException as error:  # where it had been closed, only the telling failed
            if savepoint in self._open or (self._provisional and not self._open):
                see_through(partial(self._finish, savepoint, refused=isinstance(error, JournalError)))
            raise

    def _make_durable(self, savepoint: Savepoint) -> None:
        self._refuse_after_a_loss(self._provisional[0].sequence - 1)
        self._batch = tuple(self._provisional)
        self._append(self._batch)

    # ------------------------------------------------------------------ memory follows the journal

    def _refuse_after_a_loss(self, sequence: int) -> None:
        if self._reached != sequence:
            problem = "a change was struck, and memory may lack it: nothing is taken until it is opened again"
            raise JournalError("journal", problem)

    def _append(self, batch: Sequence[Event]) -> None:
        self._reached = batch[-1].sequence
        try:
            self._journal.append(batch)
        except JournalError:
            self._reached = batch[0].sequence - 1
            raise

    def _follow(self) -> None:
        """Apply what the journal holds and memory does not."""
        self.version |= 1
        for event in self._journal.read(self.sequence + 1):
            APPLY[type(event)](self.books, event.subject())
            self.sequence = event.sequence
        self._reached = self.sequence
        self._settle()

    def _finish(self, savepoint: Savepoint, *, refused: bool) -> None:
        """Undo what was refused or struck before it was closed; but keep it if the journal holds it."""
        batch, kept = self._batch, False
        try:
            if not refused and self._provisional and batch and batch[0] is self._provisional[0]:
                kept = self._journal.last_sequence >= batch[-1].sequence
                self._reached = batch[-1].sequence if kept else batch[0].sequence - 1
        finally:
            try:
                if not kept:
                    self._undo_to(savepoint.events)
            finally:
                del self._open[savepoint.depth :]
                if not self._open:
                    self._provisional = []
                self._note = savepoint.outer_note
                self._settle()
