"""Durability: a ledger that makes each change both in the journal and in memory, or in neither.

The problem: an exception can be raised between any two steps. For example, a change may already be in the
journal but not yet in memory.

The solution: outside a transaction, each change is first marked as pending, then appended to the journal, and
then applied to the books. Inside a transaction, the books change first. When the outermost transaction ends,
the ledger marks its events as the pending batch, and then appends that batch to the journal. In the same
step, the journal stores the instruments that the transaction has set. The steps of a matching engine also
change the books first, because each step depends on the previous one. After an interrupt, `settle` reads the
journal's last sequence number, or its instruments if the batch has no events. If the pending batch is in the
journal, `settle` finishes the change. Otherwise, it rolls the change back.

A transaction with `concurrent_commit` stores its batch without holding the lock. See in_flight.py. Books that
follow another writer of the journal treat each batch of that writer in the same way: the batch is stored, but
not applied yet.

Invariants:

- If `append` raises JournalError, the batch is not in the journal, and its changes are not in memory.
- After any other exception, the ledger must check whether the batch is in the journal. Until the journal can
  be read, every call raises JournalError.
- A rollback starts only if the batch is not in the journal. So once started, a rollback never turns into a
  commit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from oms.books import APPLY, Books, Steps
from oms.errors import JournalError
from oms.events import Event, InstrumentKeeper, Journal
from oms.in_flight import InFlight
from oms.instrument import Instrument
from oms.ledger import Ledger
from oms.owner import Owner
from oms.savepoint import Savepoint

__all__ = ["DurableLedger"]


class DurableLedger(Ledger):
    """A ledger that loads its initial state from a journal and appends every change to it."""

    __slots__ = ("_appended", "_journal", "_keeper")

    def __init__(self, books: Books, journal: Journal) -> None:
        super().__init__(books)
        self._journal = journal
        snapshot = journal.snapshot()
        if snapshot.sequence and (snapshot.engine is None) is not (books.engine_state() is None):
            raise self._foreign()
        self.restore(snapshot)
        for event in journal.read(self.sequence + 1):
            if type(event) not in books.kinds:
                raise self._foreign()
            APPLY[type(event)](books, event.subject())
            self.sequence = event.sequence
        self._keeper = journal if isinstance(journal, InstrumentKeeper) else None
        if self._keeper is not None:
            books.instruments = dict(self._keeper.instruments())
        # The outermost transaction, from the moment when its batch may be in the journal
        self._appended: Savepoint | None = None

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

    def _store(self, event: Event, steps: Steps) -> None:
        steps.is_appended = True
        try:
            self._journal.append((event,))
        except JournalError:  # the event is not in the journal
            steps.is_appended = False
            raise

    def _foreign(self) -> JournalError:
        """Return the error for a journal that another class has written."""
        is_engine = self.books.engine_state() is not None
        other, function = ("an OrderManagement", "open") if is_engine else ("a MatchingEngine", "open_engine")
        problem = f"it contains the changes of {other}; open it with journal.{function}"
        return JournalError(self._place(), problem)

    def settle(self) -> None:
        """Finish interrupted changes that are in the journal, and roll back all others.

        Raises JournalError if the journal's last sequence number cannot be read.
        """
        kind, steps, sequence, in_flight = self._kind, self._marked_batch, self.sequence, self.in_flight
        if in_flight is not None and not self._open and (self.is_marked or in_flight.is_abandoned):
            self._land(in_flight)
        elif kind is not None and not self._open and self._journal.last_sequence > sequence:
            self._restore_books()
            APPLY[kind](self.books, self._subject)
            version = (self.version | 1) + 1
            self.sequence, self._kind, self.busy, self.version = sequence + 1, None, False, version
        elif isinstance(steps, Steps) and steps.is_appended and self._journal.last_sequence > sequence:
            version = (self.version | 1) + 1  # the steps were complete when they were appended
            self.sequence, self._marked_batch, self.busy, self.version = sequence + 1, None, False, version
        elif not self.is_marked and self._is_appended():
            self._open[0].committed = True
            self._leave(self._open[0])
        else:
            super().settle()

    def _is_appended(self) -> bool:
        """Return True if the open transaction's batch is in the journal."""
        if not self._open or self._open[0] is not self._appended:
            return False
        return self._is_stored(self._provisional, self._new_instruments())

    def _is_stored(self, events: Sequence[Event], new: Mapping[str, Instrument]) -> bool:
        """Return True if the journal contains these events. Without events, check the instruments."""
        if events:
            return self._journal.last_sequence >= events[-1].sequence
        return self._keeper is not None and bool(new) and new.items() <= self._keeper.instruments().items()

    def _new_instruments(self) -> Mapping[str, Instrument]:
        """Return the instruments that the open transaction has set."""
        before, after = self._open[0].instruments, self.books.instruments
        if after is before:  # the usual case, and there can be thousands of instruments
            return {}
        return {symbol: each for symbol, each in after.items() if before.get(symbol) != each}

    def _end(self, savepoint: Savepoint, *, keep: bool) -> None:
        if not keep or savepoint.depth or not (self._provisional or self._new_instruments()):
            super()._end(savepoint, keep=keep)
        elif savepoint.concurrent:
            self._send(savepoint)
        else:
            self._appended = savepoint
            try:
                self._append(self._provisional, self._new_instruments())
            except JournalError:
                self._appended = None
                raise
            super()._end(savepoint, keep=True)
            self._appended = None

    def _append(self, events: Sequence[Event], new: Mapping[str, Instrument]) -> None:
        """Store events and instruments together."""
        batch = tuple(events)
        if not new:
            self._journal.append(batch)
        elif self._keeper is not None:
            self._keeper.keep_instruments(new, batch)
        else:
            problem = "it cannot store instruments; pass them to OrderManagement(journal, instruments=...)"
            raise JournalError(self._place(), problem)

    # ------------------------------------------------------------------ a batch in flight

    def _send(self, savepoint: Savepoint) -> None:
        """End the outermost transaction, and keep its changes as a batch in flight."""
        assert self._owner is not None, "an open transaction has an owner"
        new, after = self._new_instruments(), self.books.instruments
        batch = InFlight(tuple(self._provisional), new, after, savepoint, self._owner)
        self._roll_back(savepoint)
        self.in_flight = batch
        self._leave(savepoint)

    def store(self, savepoint: Savepoint) -> None:
        """Store a transaction's batch in flight without holding the lock, and apply it. See Ledger.store.

        The batch is applied as soon as no what-if is open, however long this takes. An error instead would
        suggest that the changes had failed, although they are stored. Returning without waiting would
        acknowledge changes that the caller cannot see yet.

        Raises JournalError if the journal cannot store the batch. It is then discarded.
        """
        batch = self.in_flight
        if batch is None or batch.savepoint is not savepoint:
            return
        try:
            self._append(batch.events, batch.new_instruments)
        except JournalError:
            with self.lock:
                self._discard()
            raise
        with self.lock:
            while self._open or self.is_marked:  # a what-if, which the batch must not become a part of
                if self.is_marked or self._first_abandoned() is not None:
                    self.settle()
                else:
                    self._wait()
            if self.in_flight is batch:
                self._apply(batch)
                self.subscribers.publish(list(batch.events))

    def _land(self, batch: InFlight) -> None:
        """Apply a batch that another call should have applied, or discard it if it is not in the journal."""
        if self._is_stored(batch.events, batch.new_instruments):
            self._apply(batch)
            with suppress(Exception):  # the caller has not made these changes
                self.subscribers.publish(list(batch.events))
        else:
            self._discard()

    def _apply(self, batch: InFlight) -> None:
        """Apply a stored batch. An interrupted call can be repeated."""
        if self.is_marked:
            self._restore_books()
        self._make(batch)

    def _make(self, batch: InFlight) -> None:
        """Make the changes of a stored batch. If this is interrupted, the next call applies the batch."""
        steps, version = Steps(batch.changes()), self.version | 1
        sequence = self.sequence + len(batch.events)
        self.in_flight, self._marked_batch, self.busy, self.version = batch, steps, True, version
        for kind, subject in steps.made:
            APPLY[kind](self.books, subject)
        self.books.instruments = batch.instruments
        self._waiting.notify_all()  # the waiting threads continue when the lock is released
        version += 1
        batch.savepoint.committed = True
        self.sequence, self._marked_batch, self.in_flight, self.busy, self.version = (
            sequence,
            None,
            None,
            False,
            version,
        )

    def follow(self, events: Sequence[Event], instruments: Mapping[str, Instrument]) -> None:
        """Apply a batch that another program has stored in the journal, and publish its events.

        `instruments` are all instruments after the batch. The journal must already contain the batch. If a
        call is interrupted, the next call finishes it. Raises OpenTransactionError inside a transaction or a
        what-if, and JournalError for the events of another class, or if events are missing before the batch.
        """
        self.check_closed("following another writer")
        if any(type(event) not in self.books.kinds for event in events):
            raise self._foreign()
        if events and events[0].sequence != self.sequence + 1:
            problem = f"event {events[0].sequence} cannot follow event {self.sequence}"
            raise JournalError(self._place(), problem)
        savepoint, owner = self.savepoint(self, keep=True), Owner()
        owner.end()
        try:
            self._make(InFlight(tuple(events), {}, instruments, savepoint, owner))
        except BaseException:
            self._settle_at_once()
            raise
        self.subscribers.publish(list(events))

    def _discard(self) -> None:
        """Forget a batch in flight that is not in the journal."""
        self._waiting.notify_all()
        is_open = len(self._open) > 0
        self.in_flight, self.busy = None, is_open

    def _place(self) -> str:
        """Return the path of the journal, or the name of its class if it has no path."""
        return str(getattr(self._journal, "path", type(self._journal).__name__))
