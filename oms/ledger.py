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

import os
from contextlib import suppress
from threading import Condition, RLock
from time import monotonic, sleep
from typing import Any
from weakref import WeakSet, ref

from oms.books import APPLY, UNDO, Batch, Books, before_image, touched
from oms.call_stack import callers
from oms.errors import OmsError, OpenTransactionError
from oms.events import Event, Snapshot, TradePlaced
from oms.models import OrderRow
from oms.owner import Owner
from oms.subscribers import Subscribers

__all__ = ["Change", "Ledger", "Savepoint"]

LONGEST_WAIT = 30.0
"""The seconds that a call waits for another thread's transaction before raising OpenTransactionError."""

_POLL_INTERVAL = 0.05  # seconds; needed because an abandoned transaction does not notify its waiters
_PAUSE = 0.001  # seconds; enough for a waiting thread to acquire the lock

_AT_WORK = frozenset({"close", "commit", "commit_batch", "settle"})  # the methods of a ledger that set a mark


Change = tuple[type[Event], Any]
"""The kind and the subject of the event that describes a change."""


class Savepoint:
    """The state at the start of a transaction or a what-if, to which a rollback returns."""

    __slots__ = ("depth", "ended", "events", "handle", "keep", "outer_note", "sequence")

    def __init__(self, ledger: Ledger, handle: object, *, keep: bool) -> None:
        self.depth = len(ledger._open)
        self.events = len(ledger._provisional)
        self.sequence = ledger.sequence
        self.outer_note = ledger._note
        self.keep = keep
        self.ended = False  # True once its `__exit__` has begun or can no longer be called
        self.handle = ref(handle)  # the object that will end the transaction


class Ledger:
    """The sequence numbers, the open transaction, and the lock of one OrderManagement.

    Before you call a method, acquire `lock`, and call `admit` if the ledger is `busy`. While a transaction or
    a what-if is open, changes are provisional. The books already contain them, so later calls see them. Their
    events are stored in `_provisional`, so they can be rolled back.
    """

    __slots__ = (
        "__weakref__",
        "_kind",
        "_marked_batch",
        "_note",
        "_open",
        "_owner",
        "_provisional",
        "_subject",
        "_target",
        "_waiters",
        "_waiting",
        "books",
        "busy",
        "lock",
        "sequence",
        "subscribers",
        "version",
    )

    def __init__(self, books: Books) -> None:
        self.lock = RLock()
        self.books = books
        self.subscribers = Subscribers(self.lock)
        self.sequence = 0  # the sequence number of the last event
        self.version: int = 0  # odd during a change or an open transaction, then the next even number
        self.busy = False  # True while `version` is odd
        # The mark. During a change, it is the kind and the subject of the change, or a batch of many changes.
        # During a rollback, it is the savepoint to which the rollback returns.
        self._kind: type[Event] | None = None
        self._subject: Any = None
        self._marked_batch: Batch | None = None
        self._target: Savepoint | None = None
        self._note: str | None = None
        self._open: list[Savepoint] = []
        self._owner: Owner | None = None  # the owner of the open transaction
        self._provisional: list[Event] = []
        self._waiting = Condition(self.lock)  # notified when a transaction ends
        self._waiters = 0  # may be too high after an interrupt
        _ledgers.add(self)

    def restore(self, snapshot: Snapshot) -> None:
        """Load a snapshot into a new, empty ledger. O(n log n) for n orders."""
        self.sequence, self.books.next_trade_id, orders = snapshot
        self.books.add_many(orders)

    @property
    def is_open(self) -> bool:
        """True while a transaction or a what-if is open."""
        return bool(self._open)

    def check_closed(self, action: str) -> None:
        """Raise OpenTransactionError while a transaction or a what-if is open."""
        if self._open:
            raise OpenTransactionError(
                f"{action} is not possible inside a transaction or a what-if", "end it first"
            )

    @property
    def is_marked(self) -> bool:
        """True if a change is being made or rolled back, or was interrupted."""
        return self._kind is not None or self._target is not None or self._marked_batch is not None

    # ------------------------------------------------------------------ access

    def admit(self) -> None:
        """Settle interrupted changes, and wait until no other thread has a transaction open.

        If the ledger is `busy`, call this method while you hold the lock. Raises OpenTransactionError if the
        caller cannot wait or has waited too long. Raises JournalError if the journal cannot be read.
        """
        deadline = None
        while self.busy:
            owner = self._owner
            if owner is None or self.is_marked or self._first_abandoned() is not None:
                self._settle_or_raise()
                continue
            if owner.is_current():
                return
            if owner.is_this_thread() or owner.is_inherited():
                raise OpenTransactionError(
                    "another task, context, or thread has a transaction open in these books",
                    "call this after the transaction has ended, or where it was opened",
                )
            deadline = deadline or monotonic() + LONGEST_WAIT
            if monotonic() >= deadline:
                raise OpenTransactionError(
                    f"another thread's transaction was still open after {LONGEST_WAIT:g} seconds",
                    "end the transaction, or try again later",
                )
            self._waiters += 1
            try:
                self._waiting.wait(_POLL_INTERVAL)
            finally:
                self._waiters -= 1

    def give_way(self) -> None:
        """Pause if other threads wait for the end of a transaction. Call this before acquiring the lock.

        Without the pause, a thread that opens one transaction after another would always acquire the lock
        before a waiting thread wakes up.
        """
        if self._waiters and not self._open:
            sleep(_PAUSE)

    def _first_abandoned(self) -> Savepoint | None:
        for savepoint in self._open:
            if savepoint.ended or savepoint.handle() is None:
                return savepoint
        if self._owner is not None and self._owner.has_ended():
            return self._open[0]
        return None

    def _settle_or_raise(self) -> None:
        in_progress = self.is_marked or any(savepoint.ended for savepoint in self._open)
        if in_progress and self._is_at_work():
            raise OpenTransactionError(
                "this thread is in the middle of another change of these books",
                "in a signal handler or a finalizer, set a flag instead of calling a method",
            )
        try:
            self.settle()
        except OmsError:
            raise
        except Exception as error:
            raise OpenTransactionError(
                f"an interrupted change could not be rolled back: {error!r}", "the next call tries again"
            ) from error

    def _is_at_work(self) -> bool:
        """Return True if a function in the call stack is in the middle of a change.

        Only that function can finish the change. No other thread can be in the middle of a change, because
        this thread holds the lock. Calls from a subscriber are allowed, because subscribers are notified
        after the change.
        """
        for name, owner in callers():
            if owner is self.subscribers and name == "publish":
                return False
            if owner is self and name in _AT_WORK:
                return True
        return False

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
            self.busy, self.version = False, (self.version | 1) + 1

    def _settle_at_once(self) -> None:
        """Try to settle after a failure. If this fails, the next caller settles."""
        if self.busy:
            with suppress(BaseException):  # the mark stays, and the caller raises its own error
                self.settle()

    # ------------------------------------------------------------------ changes

    def commit(self, kind: type[Event], subject: Any) -> None:
        """Make a validated change. Outside a transaction, also publish its event."""
        sequence, version = self.sequence + 1, self.version | 1
        if self._open:
            self._commit_provisionally(kind, subject)
            return
        try:
            self._subject = subject
            self._kind, self.busy, self.version = kind, True, version
            APPLY[kind](self.books, subject)
            self.sequence, self._kind, self.version = sequence, None, version + 1
            self.busy = False
        except BaseException:
            self._settle_at_once()
            raise
        if self.subscribers.callbacks:
            self.subscribers.publish([kind.about(subject, sequence, None)])

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

    def _commit_provisionally(self, kind: type[Event], subject: Any) -> None:
        event = kind.about(subject, self.sequence + 1, self._note)
        try:
            self._kind, self._subject = kind, subject
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
        self.busy, self.version = version & 1 == 1, version

    def _restore_books(self) -> None:
        """Restore the state that the mark describes, regardless of the books' current state. O(n log n)."""
        changes = [(type(event), event.subject()) for event in self._provisional[self._count_remaining() :]]
        if self._marked_batch is not None:
            changes += self._marked_batch.changes()
        if self._kind is not None:
            changes.append((self._kind, self._subject))
        orders: dict[int, OrderRow | None] = {}
        for change in reversed(changes):
            orders.update(before_image(*change))
        self.books.recover(orders, {name for change in changes for name in touched(*change)})
        trades = [subject[0] for kind, subject in changes if kind is TradePlaced]
        if trades:
            self.books.next_trade_id = trades[0].trade_id

    def _count_remaining(self) -> int:
        """Return the number of provisional events that remain after `_restore`."""
        if self._target is not None:
            return self._target.events
        return sum(event.sequence <= self.sequence for event in self._provisional)

    # ------------------------------------------------------------------ transactions

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

    def _end(self, savepoint: Savepoint, *, keep: bool) -> None:
        if not keep:
            self._roll_back(savepoint)
        self.subscribers.publish(self._leave(savepoint))

    def _roll_back(self, savepoint: Savepoint) -> None:
        """Undo all changes since the savepoint. This takes about as long as the changes took."""
        self._target = savepoint
        provisional = self._provisional
        while len(provisional) > savepoint.events:
            event = provisional[-1]
            UNDO[type(event)](self.books, event.subject())
            provisional.pop()
        self.sequence, self._target = savepoint.sequence, None

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
            False,
            (self.version | 1) + 1,
        )
        return batch

    # ------------------------------------------------------------------ a forked process

    def reset_after_fork(self) -> None:
        """Release a lock or a transaction of a thread that does not exist in this forked process."""
        lock: Any = self.lock
        if not lock._is_owned():
            lock._at_fork_reinit()  # the standard library resets its own locks in the same way
            self.subscribers.stop_publishing()
            self._waiting = Condition(self.lock)
        if self._owner is not None and not self._owner.is_this_thread():
            # The owner's thread does not exist in this process, but `has_ended` may still return False.
            for savepoint in self._open:
                savepoint.ended = True


_ledgers: WeakSet[Ledger] = WeakSet()


def _reset_after_fork() -> None:
    for ledger in list(_ledgers):
        ledger.reset_after_fork()


if hasattr(os, "register_at_fork"):  # pragma: no branch  # Windows has no fork
    os.register_at_fork(after_in_child=_reset_after_fork)
