"""The ledger, which numbers every change, rolls back uncommitted changes, and controls access to the books.

The problem: an interrupt (Ctrl-C or a signal), a MemoryError, or a RecursionError can stop a change between
any two steps. It can also stop a rollback between any two steps.

What does not work: a rollback in an `except` block alone, because a second interrupt can stop it. A rollback
in a separate thread does not work either, because it may be impossible to start a thread.

The solution: a mark, which describes the change that is being made. One assignment sets the mark before the
change, and one assignment clears it afterwards. If the change fails, its `except` block calls `settle`, which
finishes or rolls back the marked change. If `settle` fails too, the mark stays. Then the next caller that
acquires the lock settles first (see `admit`). To roll back, `settle` restores the marked orders, regardless
of their current state, and rebuilds their books. So an interrupted rollback can be repeated.

Invariants:

- While a mark is set or a transaction is open, `version` is odd and `busy` is True. Lock-free reads check
  `version`.
- The line of code that clears a mark or ends a transaction calls no function. CPython checks for interrupts
  only at calls, so this line runs completely or not at all.
- A caller that acquires the lock while the ledger is `busy` calls `admit`, which settles, waits, or raises.
  As long as settling fails, every call raises an error before it reads or changes anything.
- The lock is held only during a call. A transaction belongs to its owner, which is a thread and a context.
  Calls from other threads wait until the transaction ends. Calls from other tasks or contexts of the same
  thread raise an error, because they would wait forever. Calls from a copy of the owner's context raise an
  error too, because the owner may be waiting for them.
- The next caller rolls back an abandoned transaction. A transaction is abandoned if its handle was deleted,
  if its thread has ended, or if its `__exit__` was interrupted. The handle is the object that will end it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeAlias
from weakref import ref

from oms.admission import Admission
from oms.books import APPLY, UNDO, Batch, Books, Change, Steps
from oms.clock import Clock, checked_time
from oms.errors import OpenTransactionError
from oms.events import Event, Snapshot
from oms.owner import Owner
from oms.savepoint import Savepoint

__all__ = ["Ledger", "MakeChange"]

MakeChange: TypeAlias = Callable[[Change], object]
"""A function that records a change. Inside `Ledger.commit_steps`, it also applies the change."""


class Ledger(Admission):
    """The sequence numbers, the open transaction, and the lock of one OrderManagement.

    Before you call a method, acquire `lock`, and call `admit` if the ledger is `busy`. While a transaction or
    a what-if is open, changes are provisional. The books already contain them, so later calls see them. Their
    events are stored in `_provisional`, so they can be rolled back.
    """

    __slots__ = (
        "_kind",
        "_marked_batch",
        "_note",
        "_provisional",
        "_subject",
        "_target",
        "books",
        "clock",
        "sequence",
    )

    def __init__(self, books: Books) -> None:
        super().__init__()
        self.books = books
        self.clock: Clock | None = None  # gives events their time; None gives them no time
        self.sequence: int = 0  # the sequence number of the last event
        # The mark. During a change, it is the kind and the subject of the change, or a batch of many changes.
        # During a rollback, it is the savepoint to which the rollback returns.
        self._kind: type[Event] | None = None
        self._subject: Any = None
        self._marked_batch: Batch | Steps | None = None
        self._target: Savepoint | None = None
        self._note: str | None = None
        self._provisional: list[Event] = []

    def restore(self, snapshot: Snapshot) -> None:
        """Load a snapshot into a new, empty ledger. O(n log n) for n orders."""
        self.sequence = snapshot.sequence
        self.books.load(snapshot)

    @property
    def is_marked(self) -> bool:
        """True if a change is being made or rolled back, or was interrupted."""
        return self._kind is not None or self._target is not None or self._marked_batch is not None

    def settle(self) -> None:
        """Finish or roll back an interrupted change, and roll back an abandoned transaction.

        If this method raises an exception, it can be called again.
        """
        if self.is_marked:
            self._restore()
        savepoint = self._first_abandoned()
        if savepoint is not None:
            self._roll_back(savepoint)
            self._leave(savepoint)
        elif not self._open:
            self.busy, self.version = self.in_flight is not None, (self.version | 1) + 1

    def _settle_at_once(self) -> None:
        """Try to settle after a failure. If this fails, the next caller settles.

        Leave another thread's batch in flight to `admit`, because this thread may be in a block of a reader.
        """
        if self.busy and (self.in_flight is None or self.is_marked or self._open):
            with suppress(BaseException):  # the mark stays, and the caller raises its own error
                self.settle()

    # ------------------------------------------------------------------ changes

    def commit(self, kind: type[Event], subject: Any, event: Event | None = None) -> None:
        """Make a validated change. Outside a transaction, also publish its event.

        `event` is the event of the change if the caller has already created it.
        """
        sequence, version = self.sequence + 1, self.version | 1
        if self._open:
            self._commit_provisionally(kind, subject)
            return
        try:
            self._subject = subject
            self._kind, self.busy, self.version = kind, True, version
            if event is None and self.subscribers.callbacks:
                event = kind.about(subject, sequence, None, None if self.clock is None else self._now())
            APPLY[kind](self.books, subject)
            self.sequence, self._kind, self.version = sequence, None, version + 1
            self.busy = False
        except BaseException:
            self._settle_at_once()
            raise
        if event is not None:
            self.subscribers.publish([event])

    def _now(self) -> int | None:
        """Return the timestamp of the event that is being made, or None without a clock. Set the mark first.

        A what-if does not use the clock, because nobody receives its events. While the mark is set, the clock
        cannot call the methods of these books.
        """
        return None if self.clock is None or self.in_what_if else checked_time(self.clock())

    @property
    def in_what_if(self) -> bool:
        """True inside a what-if, including in a transaction inside one."""
        return bool(self._open) and self._open[-1].in_what_if

    @property
    def latest_provisional(self) -> Event | None:
        """The latest event of the open transaction, or None if it has none."""
        return self._provisional[-1] if self._provisional else None

    @property
    def needs_events(self) -> bool:
        """True if events are needed: for subscribers, a journal, or the rollback of an open transaction."""
        return bool(self._open or self.subscribers.callbacks)

    def commit_batch(self, batch: Batch) -> None:
        """Apply validated changes atomically, without creating events.

        Call this only if `needs_events` is False.
        """
        sequence, version = self.sequence + batch.events, self.version | 1
        try:
            self._marked_batch, self.busy, self.version = batch, True, version
            self.books.apply(batch)
            self.sequence, self._marked_batch, self.version = sequence, None, version + 1
            self.busy = False
        except BaseException:
            self._settle_at_once()
            raise

    def commit_steps(self, kind: type[Event], verb: Callable[[MakeChange], tuple[Any, ...]]) -> None:
        """Run a function that makes one change after another, and commit all of them as one event.

        `verb` receives a function that records a change and applies it to the books. `verb` returns the first
        fields of the event's subject, and the changes become its last field. Without changes, no event is
        created.
        """
        steps = Steps()
        changes, books, version = steps.made, self.books, self.version | 1

        def make(change: Change) -> None:
            changes.append(change)
            APPLY[change[0]](books, change[1])

        event, sequence, is_open = None, self.sequence, len(self._open) > 0
        try:
            self._marked_batch, self.busy, self.version = steps, True, version
            head = verb(make)
            sequence += len(changes) > 0
            if changes and self.needs_events:
                event = kind.about((*head, tuple(changes)), sequence, self._note, self._now())
                if is_open:
                    self._provisional.append(event)
                else:
                    self._store(event, steps)
            if not is_open:
                version += 1
            self.sequence, self._marked_batch, self.busy, self.version = sequence, None, is_open, version
        except BaseException:
            self._settle_at_once()
            raise
        if event is not None and not is_open:
            self.subscribers.publish([event])

    def _store(self, event: Event, steps: Steps) -> None:
        """Store the event of steps that have just been applied. Only a DurableLedger stores anything."""

    def _commit_provisionally(self, kind: type[Event], subject: Any) -> None:
        try:
            self._kind, self._subject = kind, subject
            time = None if self.clock is None else self._now()
            event = kind.about(subject, self.sequence + 1, self._note, time)
            APPLY[kind](self.books, subject)
            self._provisional.append(event)
            self.sequence, self._kind = event.sequence, None
        except BaseException:
            self._settle_at_once()
            raise

    def _restore(self) -> None:
        """Roll back the marked change, or complete the marked rollback, and clear the mark."""
        self._restore_books()
        target, version = self._target, (self.version | 1) + (not self._open)
        del self._provisional[self._count_remaining() :]
        sequence = self.sequence if target is None else target.sequence
        self._kind, self._marked_batch, self._target, self.sequence = None, None, None, sequence
        self.busy, self.version = version & 1 == 1 or self.in_flight is not None, version

    def _restore_books(self) -> None:
        """Restore the state that the mark describes, regardless of the books' current state. O(n log n)."""
        changes: list[Change] = [
            (type(event), event.subject()) for event in self._provisional[self._count_remaining() :]
        ]
        self.books.restore(changes + self._marked_changes())

    def _marked_changes(self) -> list[Change]:
        """Return the changes that are being made or were interrupted."""
        if self._kind is not None:
            return [(self._kind, self._subject)]
        return [] if self._marked_batch is None else self._marked_batch.changes()

    def _count_remaining(self) -> int:
        """Return the number of provisional events that remain after `_restore`."""
        if self._target is not None:
            return self._target.events
        return sum(event.sequence <= self.sequence for event in self._provisional)

    # ------------------------------------------------------------------ transactions

    def savepoint(self, handle: object, *, keep: bool, concurrent: bool = False) -> Savepoint:
        """Return the current state, for a transaction that `handle` will end. See Savepoint."""
        depth = len(self._open)
        in_what_if = not keep or (depth > 0 and self._open[-1].in_what_if)
        events, instruments = len(self._provisional), self.books.instruments
        before = depth, events, self.sequence, instruments, self._note
        return Savepoint(*before, keep, in_what_if, ref(handle), concurrent)

    def open(self, savepoint: Savepoint, note: str | None) -> None:
        """Start a transaction. Later changes are provisional until `close`.

        If `note` is None, the note of the enclosing transaction applies.
        """
        owner = self._owner or Owner()
        note = self._note if note is None else note
        opened, version = [*self._open, savepoint], self.version | 1
        self._open, self._owner, self._note, self.busy, self.version = opened, owner, note, True, version

    def is_current_owner(self) -> bool:
        """Return True if the current thread and context own the open transaction."""
        return self._owner is not None and self._owner.is_current()

    def close(self, savepoint: Savepoint, *, failed: bool) -> None:
        """End a transaction. Commit the changes since its savepoint, or roll them back.

        At the end of the outermost transaction, publish the committed events. If an inner transaction is
        still open, or if the caller is not the owner, roll back and raise OpenTransactionError.
        """
        ended, savepoint.ended = savepoint.ended, True
        foreign = ended or not self.is_current_owner()
        if savepoint not in self._open:
            if failed:
                return  # the transaction has already been rolled back
            raise OpenTransactionError("the transaction has already ended", "begin a new one")
        try:
            if self.is_marked:
                self._restore()
            in_order = self._open[-1] is savepoint
            self._end(savepoint, keep=savepoint.keep and in_order and not failed and not foreign)
        except BaseException:
            savepoint.ended = True
            self._settle_at_once()
            raise
        if foreign:
            raise OpenTransactionError(
                "the transaction was rolled back, because another thread, task, or context ended it",
                "end a transaction where it was entered",
            )
        if not (in_order or failed):
            raise OpenTransactionError(
                "the transaction was rolled back, because a transaction inside it was still open",
                "end the inner transaction first",
            )

    def store(self, savepoint: Savepoint) -> None:
        """Finish a transaction whose batch is in flight. Call this after `close`, without the lock."""

    def _end(self, savepoint: Savepoint, *, keep: bool) -> None:
        if not keep:
            self._roll_back(savepoint)
        events = self._leave(savepoint)
        savepoint.committed = keep
        self.subscribers.publish(events)

    def _roll_back(self, savepoint: Savepoint) -> None:
        """Undo all changes since the savepoint. This takes about as long as the changes took."""
        self._target = savepoint
        provisional = self._provisional
        while len(provisional) > savepoint.events:
            event = provisional[-1]
            UNDO[type(event)](self.books, event.subject())
            provisional.pop()
        self.sequence, self.books.instruments, self._target = savepoint.sequence, savepoint.instruments, None

    def _leave(self, savepoint: Savepoint) -> list[Event]:
        """End the transaction that began at the savepoint, and return the events that it commits."""
        if savepoint.depth:
            self._open, self._note = self._open[: savepoint.depth], savepoint.outer_note
            return []
        batch = self._provisional
        assert self._owner is not None, "an open transaction has an owner"
        self._owner.end()
        if self._waiters:
            self._waiting.notify_all()  # the waiting threads continue when the lock is released
        self._open, self._provisional, self._owner, self._note, self.busy, self.version = (
            [],
            [],
            None,
            None,
            self.in_flight is not None,
            (self.version | 1) + 1,
        )
        return batch
