"""The ledger: number every change, roll back uncommitted ones, and decide who may come in.

The problem: an interrupt (Ctrl-C, a signal), a lack of memory, or a lack of stack can raise an
exception between any two steps of a change, and also between any two steps of undoing it.

What does not work: undoing in an `except` block alone, because a second interrupt can cut it short;
undoing in a thread of its own, because there may be no thread to be had.

The solution: a mark. A change is marked before it is made, by one assignment that says what it takes
to restore the state before it; the mark is cleared after the change, by one assignment too. Where a
change fails, its own `except` block tries to settle. If that fails too, the mark stays, and the next
caller who takes the lock settles first (`admit`). Settling puts the marked orders back as they were,
whatever they are now, and rebuilds the books that they touch from all orders. So it can be
interrupted anywhere and be done again.

Invariants:
- `version` is odd, and `busy` True, while a mark is set or a transaction is open. A lock-free read
  looks at `version`.
- A mark is cleared, and a transaction ended, in one line that calls nothing. CPython looks for
  interrupts only where something is called, so either all of that line happens or nothing.
- A caller that takes the lock and finds the ledger `busy` calls `admit`, which settles, waits, or raises.
  An undo that keeps failing raises for each caller, and nothing is read or changed before it worked.
- The lock is held during a verb only. A transaction belongs to its owner, a thread and a context.
  Other threads wait for its end; all others get an error, because their wait would never end.
- A transaction that nobody can leave any more is rolled back by the next caller: its handle is gone,
  its thread has ended, or leaving it was interrupted.
"""

from __future__ import annotations

import os
from contextlib import suppress
from threading import Condition, RLock
from time import monotonic
from typing import Any
from weakref import WeakSet, ref

from oms.books import APPLY, UNDO, Books, before_image, touched
from oms.call_stack import callers
from oms.errors import OmsError, OpenTransactionError
from oms.events import Event, Snapshot, TradePlaced
from oms.models import OrderRow
from oms.owner import Owner
from oms.subscribers import Subscribers

__all__ = ["Ledger", "Savepoint"]

LONGEST_WAIT = 30.0
"""Seconds that a verb waits for another thread's transaction before it raises."""

_LOOK_AGAIN = 0.05  # seconds: a transaction that was dropped notifies nobody

_AT_WORK = frozenset({"close", "commit", "settle"})  # the methods of a ledger that set a mark


class Savepoint:
    """Where a transaction or a what-if began: at which depth, and after which provisional event."""

    __slots__ = ("depth", "ended", "events", "handle", "keep", "outer_note", "sequence")

    def __init__(self, ledger: Ledger, handle: object, *, keep: bool) -> None:
        self.depth = len(ledger._open)
        self.events = len(ledger._provisional)
        self.sequence = ledger.sequence
        self.outer_note = ledger._note
        self.keep = keep
        self.ended = False  # True once its exit has begun, or can never come
        self.handle = ref(handle)  # the object that will leave it


class Ledger:
    """The changes of some books: their numbers, the open transaction, and the lock.

    Its caller holds `lock`, and has called `admit` if it is `busy`. While a transaction or a
    what-if is open, changes are provisional: they are in the books, so that later verbs see them,
    and in `_provisional`, so that they can be undone.
    """

    __slots__ = (
        "__weakref__",
        "_kind",
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
        self.sequence = 0  # of the last event
        self.version = 0  # odd while something changes or is provisional; afterwards a new even one
        self.busy = False  # True while `version` is odd
        # The mark: the kind of a change that is being made, and its subject; or the savepoint that is
        # being rolled back to.
        self._kind: type[Event] | None = None
        self._subject: Any = None
        self._target: Savepoint | None = None
        self._note: str | None = None
        self._open: list[Savepoint] = []
        self._owner: Owner | None = None  # of the open transaction
        self._provisional: list[Event] = []
        self._waiting = Condition(self.lock)  # for the end of another thread's transaction
        self._waiters = 0  # an interrupt may leave it too high
        _ledgers.add(self)

    def restore(self, snapshot: Snapshot) -> None:
        """Start from a snapshot, in O(n log n). The books are empty, and nothing has happened yet."""
        self.sequence, self.books.next_trade_id, orders = snapshot
        self.books.add_many(orders)

    @property
    def is_open(self) -> bool:
        """Return True while a transaction or a what-if is open."""
        return bool(self._open)

    def check_closed(self, action: str) -> None:
        """Raise OpenTransactionError while a transaction or a what-if is open."""
        if self._open:
            raise OpenTransactionError(
                f"{action} is not possible inside a transaction or a what-if", "end it first"
            )

    @property
    def is_marked(self) -> bool:
        """Return True while a change is being made or undone, or one was interrupted."""
        return self._kind is not None or self._target is not None

    # ------------------------------------------------------------------ who may come in

    def admit(self) -> None:
        """Return when the caller may go on; call it with the lock held, if the ledger is `busy`.

        Raises OpenTransactionError, and JournalError.
        """
        deadline = None
        while self.busy:
            owner = self._owner
            if owner is None or self.is_marked or self._first_abandoned() is not None:
                self._settle_or_raise()
                continue
            if owner.is_here():
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
                self._waiting.wait(_LOOK_AGAIN)
            finally:
                self._waiters -= 1

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
        """Return True if a caller is in the middle of a change, and has to finish it itself.

        This thread holds the lock, so no other thread can be. A subscriber is called after the change.
        """
        for name, owner in callers():
            if owner is self.subscribers and name == "publish":
                return False
            if owner is self and name in _AT_WORK:
                return True
        return False

    def settle(self) -> None:
        """Finish or roll back what was interrupted; if this raises, it can be called again."""
        if self.is_marked:
            self._restore()
        savepoint = self._first_abandoned()
        if savepoint is not None:
            self._roll_back(savepoint)
            self._leave(savepoint)
        elif not self._open:
            self.busy, self.version = False, (self.version | 1) + 1

    def _settle_at_once(self) -> None:
        """Settle after a failure, if that is possible now; else the next caller does."""
        if self.busy:
            with suppress(BaseException):  # the mark stays; the first failure is the one to raise
                self.settle()

    # ------------------------------------------------------------------ changes

    def commit(self, kind: type[Event], subject: Any) -> None:
        """Make a validated change; outside a transaction, publish it."""
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
        """Make everything as the mark says it was."""
        self._put_back()
        target, version = self._target, (self.version | 1) + (not self._open)
        del self._provisional[self._count_kept() :]
        sequence = self.sequence if target is None else target.sequence
        self._kind, self._target, self.sequence = None, None, sequence
        self.busy, self.version = version & 1 == 1, version

    def _put_back(self) -> None:
        """Make the books as the mark says they were, whatever they are now, in O(n)."""
        changes = [(type(event), event.subject()) for event in self._provisional[self._count_kept() :]]
        if self._kind is not None:
            changes.append((self._kind, self._subject))
        orders: dict[int, OrderRow | None] = {}
        for change in reversed(changes):
            orders.update(before_image(*change))
        self.books.recover(orders, {name for change in changes for name in touched(*change)})
        trades = [subject[0] for kind, subject in changes if kind is TradePlaced]
        if trades:
            self.books.next_trade_id = trades[0].trade_id

    def _count_kept(self) -> int:
        """Return how many provisional events stay when the mark is restored."""
        if self._target is not None:
            return self._target.events
        return sum(event.sequence <= self.sequence for event in self._provisional)

    # ------------------------------------------------------------------ transactions

    def open(self, savepoint: Savepoint, note: str | None) -> None:
        """Make what follows provisional, until it is closed; an inner note goes before an outer one."""
        owner = self._owner or Owner()
        note = self._note if note is None else note
        opened, version = [*self._open, savepoint], self.version | 1
        self._open, self._owner, self._note, self.busy, self.version = opened, owner, note, True, version

    def is_owned_here(self) -> bool:
        """Return True if this thread and context have opened the transaction that is open."""
        return self._owner is not None and self._owner.is_here()

    def close(self, savepoint: Savepoint, *, failed: bool) -> None:
        """Roll back to the savepoint, or keep what came after it; at the outermost exit publish that.

        Raises OpenTransactionError, and rolls back, if transactions inside it are still open, or if the
        caller is not the owner.
        """
        ended, savepoint.ended = savepoint.ended, True
        foreign = ended or not self.is_owned_here()
        if savepoint not in self._open:
            if failed:
                return  # it was rolled back
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
        """Undo what came after the savepoint; costs what doing it did."""
        self._target = savepoint
        provisional = self._provisional
        while len(provisional) > savepoint.events:
            event = provisional[-1]
            UNDO[type(event)](self.books, event.subject())
            provisional.pop()
        self.sequence, self._target = savepoint.sequence, None

    def _leave(self, savepoint: Savepoint) -> list[Event]:
        """End the transaction that began at the savepoint; return what is no longer provisional."""
        if savepoint.depth:
            self._open, self._note = self._open[: savepoint.depth], savepoint.outer_note
            return []
        batch = self._provisional
        assert self._owner is not None, "an open transaction has an owner"
        self._owner.end()
        if self._waiters:
            self._waiting.notify_all()  # they come in when the lock is released
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

    def begin_anew(self) -> None:
        """In a forked process: let go of what threads hold that were not copied into it."""
        lock: Any = self.lock
        if not lock._is_owned():
            lock._at_fork_reinit()  # as the standard library does with its own locks
            self.subscribers.stop_publishing()
            self._waiting = Condition(self.lock)
        if self._owner is not None and not self._owner.is_this_thread():
            # Its thread is not in this process; this does not wait for the interpreter to clear its data.
            for savepoint in self._open:
                savepoint.ended = True


_ledgers: WeakSet[Ledger] = WeakSet()


def _begin_anew() -> None:
    for ledger in list(_ledgers):
        ledger.begin_anew()


if hasattr(os, "register_at_fork"):  # pragma: no branch  # Windows has no fork
    os.register_at_fork(after_in_child=_begin_anew)
