"""The ledger: number every change, roll back uncommitted ones, and notify subscribers.

The problem: an interrupt (Ctrl-C, a signal), a lack of memory, or a lack of stack can raise an
exception between any two steps of a change, and also between any two steps of undoing it.

What does not work: undoing in an `except` block alone, because a second interrupt can cut it short;
undoing in a thread of its own, because there may be no thread to be had.

The solution: a mark. A change is marked before it is made, by one assignment that says what it takes
to restore the state before it; the mark is cleared after the change, by one assignment too. Where a
change fails, its own `except` block tries to settle. If that fails too, the mark stays, and the next
caller who takes the lock settles first (`admit`). Settling puts the marked orders back as they were,
whatever they are now, and makes the books that they touch anew from all orders. So it can be
interrupted anywhere and be done again.

Invariants:
- `version` is odd while a mark is set, or a transaction is open. A lock-free read looks at it.
- A mark is cleared, and a transaction ended, in one line that calls nothing. CPython looks for
  interrupts only where something is called, so either all of that line happens or nothing.
- Whoever takes the lock and finds `version` odd calls `admit`, which settles, waits, or raises.
  An undo that keeps failing raises for each caller, and nothing is read or changed before it worked.
- The lock is held during a verb only. A transaction belongs to its owner, a thread and a context.
  Other threads wait for its end; all others get an error, because their wait would never end.
- A transaction that nobody can leave any more is rolled back by the next caller: its `Transaction`
  object is gone, its thread has ended, or leaving it was interrupted.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import Condition, RLock
from time import monotonic
from typing import Any
from weakref import WeakSet, ref

from oms.books import APPLY, UNDO, Books, before_image, touched
from oms.errors import OmsError, OpenTransactionError
from oms.events import Event, TradePlaced
from oms.models import OrderRow, Trade
from oms.owner import Owner

__all__ = ["Ledger", "Savepoint"]

Callback = Callable[[Event], object]
Mark = tuple[int, int, type[Event] | None, Any, OrderRow | None]
"""To restore: how many provisional events, the sequence number; then the change that was being made:
its kind and subject, and for a trade the last order that it fills, as it was before."""

LONGEST_WAIT = 30.0
"""Seconds that a verb waits for another thread's transaction before it raises."""

_LOOK_AGAIN = 0.05  # seconds: a transaction that was dropped notifies nobody


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
    """Numbers the changes of some books, keeps the open transaction, and notifies subscribers.

    Its caller holds `lock`, and has called `admit` if `version` is odd. While a transaction or a
    what-if is open, changes are provisional: they are in the books, so that later verbs see them,
    and in `_provisional`, so that they can be undone.
    """

    __slots__ = (
        "__weakref__",
        "_mark",
        "_note",
        "_open",
        "_owner",
        "_provisional",
        "_subscribers",
        "_unpublished",
        "_waiting",
        "books",
        "lock",
        "sequence",
        "version",
    )

    def __init__(self, books: Books) -> None:
        self.lock = RLock()
        self.books = books
        self.sequence = 0  # of the last event
        self.version = 0  # odd while something changes or is provisional; afterwards a new even one
        self._mark: Mark | None = None
        self._note: str | None = None
        self._open: list[Savepoint] = []
        self._owner: Owner | None = None  # of the open transaction
        self._provisional: list[tuple[Event, OrderRow | None]] = []  # with the row as in a mark
        self._subscribers: dict[object, Callback] = {}
        self._unpublished: deque[tuple[Event, tuple[object, ...]]] | None = None  # while publishing
        self._waiting = Condition(self.lock)  # for the end of another thread's transaction
        _ledgers.add(self)

    @property
    def is_open(self) -> bool:
        """Return True while a transaction or a what-if is open."""
        return bool(self._open)

    # ------------------------------------------------------------------ who may come in

    def admit(self) -> None:
        """Return when the caller may go on; call it with the lock held, where `version` is odd.

        Raises OpenTransactionError, and JournalError.
        """
        deadline = None
        while self.version & 1:
            if self._mark is not None or self._first_abandoned() is not None or self._owner is None:
                self._settle_or_raise()
                continue
            if self._owner.is_here():
                return
            if self._owner.is_this_thread() or self._owner.is_inherited():
                raise OpenTransactionError(
                    "using this book while another task, context, or thread has a transaction open"
                )
            now = monotonic()
            deadline = deadline or now + LONGEST_WAIT
            if now >= deadline:
                raise OpenTransactionError(
                    f"waiting longer than {LONGEST_WAIT:g} seconds for another thread's transaction"
                )
            self._waiting.wait(_LOOK_AGAIN)

    def admitted(self) -> Ledger:
        """Return this ledger, once `admit` lets the caller in."""
        if self.version & 1:
            self.admit()
        return self

    def _first_abandoned(self) -> Savepoint | None:
        for savepoint in self._open:
            if savepoint.ended or savepoint.handle() is None:
                return savepoint
        if self._owner is not None and self._owner.has_ended():
            return self._open[0]
        return None

    def _settle_or_raise(self) -> None:
        in_progress = self._mark is not None or any(savepoint.ended for savepoint in self._open)
        if in_progress and _depth(self.lock) > 1:
            raise OpenTransactionError("a verb in the middle of another (a signal handler, or a finalizer)")
        try:
            self.settle()
        except OmsError:
            raise
        except Exception as error:
            raise OpenTransactionError(
                f"using this book before an interrupted change is rolled back ({error!r})"
            ) from error

    def settle(self) -> None:
        """Finish or roll back what was interrupted; if this raises, it can be called again."""
        if self._mark is not None:
            self._restore(self._mark)
        savepoint = self._first_abandoned()
        if savepoint is not None:
            self._roll_back(savepoint)
            self._leave(savepoint)
        elif not self._open:
            self.version = (self.version | 1) + 1

    def _settle_at_once(self) -> None:
        """Settle after a failure, if that is possible now; else the next caller does."""
        if self.version & 1:
            with suppress(BaseException):  # the mark stays; the first failure is the one to raise
                self.settle()

    # ------------------------------------------------------------------ changes

    def commit(self, kind: type[Event], subject: Any) -> None:
        """Make a validated change; outside a transaction, publish it."""
        last = self._last_order(subject) if kind is TradePlaced else None
        sequence, version = self.sequence, self.version | 1
        if self._open:
            self._commit_provisionally(kind, subject, last)
            return
        try:
            self._mark, self.version = (0, sequence, kind, subject, last), version
            APPLY[kind](self.books, subject)
            self.sequence = sequence + 1
            self._mark, self.version = None, version + 1
        except BaseException:
            self._settle_at_once()
            raise
        if self._subscribers:
            self._publish([kind.about(subject, sequence + 1, None)])

    def _commit_provisionally(self, kind: type[Event], subject: Any, last: OrderRow | None) -> None:
        sequence = self.sequence
        event = kind.about(subject, sequence + 1, self._note)
        try:
            self._mark = (len(self._provisional), sequence, kind, subject, last)
            APPLY[kind](self.books, subject)
            self._provisional.append((event, last))
            self.sequence, self._mark = event.sequence, None
        except BaseException:
            self._settle_at_once()
            raise

    def _restore(self, mark: Mark) -> None:
        """Make everything as the mark says it was."""
        self._put_back(mark)
        version = (self.version | 1) + (not self._open)
        del self._provisional[mark[0] :]
        self.sequence, self._mark, self.version = mark[1], None, version

    def _put_back(self, mark: Mark) -> None:
        """Make the books as the mark says they were, whatever they are now, in O(n)."""
        events, _, kind, subject, last = mark
        changes = [(type(event), event.subject(), row) for event, row in self._provisional[events:]]
        if kind is not None:
            changes.append((kind, subject, last))
        orders: dict[int, OrderRow | None] = {}
        for each in reversed(changes):
            orders.update(before_image(*each))
        self.books.recover(orders, {name for each in changes for name in touched(*each[:2])})
        trades = [subject.trade_id for kind, subject, _ in changes if kind is TradePlaced]
        if trades:
            self.books.next_trade_id = trades[0]

    def _last_order(self, trade: Trade) -> OrderRow | None:
        return self.books.orders.get(trade.fills[-1].order_id)

    # ------------------------------------------------------------------ transactions

    def open(self, savepoint: Savepoint, note: str | None) -> None:
        """Make what follows provisional, until it is closed; an inner note goes before an outer one."""
        owner = self._owner or Owner()
        note = self._note if note is None else note
        opened, version = [*self._open, savepoint], self.version | 1
        self._open, self._owner, self._note, self.version = opened, owner, note, version

    def is_owned_here(self) -> bool:
        """Return True if this thread and context have opened the transaction that is open."""
        return self._owner is not None and self._owner.is_here()

    def close(self, savepoint: Savepoint, *, failed: bool, foreign: bool = False) -> None:
        """Roll back to the savepoint, or keep what came after it; at the outermost exit publish that.

        Raises OpenTransactionError, and rolls back, if those inside it have not been closed before,
        or the caller is `foreign`: not the owner.
        """
        if savepoint not in self._open:
            if failed:
                return  # it was rolled back
            raise OpenTransactionError("leaving a transaction that has ended already")
        try:
            if self._mark is not None:
                self._restore(self._mark)
            in_order = self._open[-1] is savepoint
            self._end(savepoint, keep=savepoint.keep and in_order and not failed and not foreign)
        except BaseException:
            savepoint.ended = True
            self._settle_at_once()
            raise
        if foreign:
            raise OpenTransactionError(
                "leaving a transaction in another thread, task, or context, which rolls it back,"
            )
        if not (in_order or failed):
            raise OpenTransactionError("leaving an outer transaction before an inner one")

    def _end(self, savepoint: Savepoint, *, keep: bool) -> None:
        if not keep:
            self._roll_back(savepoint)
        self._publish(self._leave(savepoint))

    def _roll_back(self, savepoint: Savepoint) -> None:
        """Undo what came after the savepoint; costs what doing it did."""
        self._mark = (savepoint.events, savepoint.sequence, None, None, None)
        provisional = self._provisional
        while len(provisional) > savepoint.events:
            event, _ = provisional[-1]
            UNDO[type(event)](self.books, event.subject())
            provisional.pop()
        self.sequence, self._mark = savepoint.sequence, None

    def _leave(self, savepoint: Savepoint) -> list[Event]:
        """End the transaction that began at the savepoint; return what is no longer provisional."""
        if savepoint.depth:
            self._open, self._note = self._open[: savepoint.depth], savepoint.outer_note
            return []
        batch = [event for event, _ in self._provisional]
        if self._owner is not None:
            self._owner.leave()
        self._waiting.notify_all()  # they come in when the lock is released
        version = (self.version | 1) + 1
        self._open, self._provisional, self._owner, self._note, self.version = [], [], None, None, version
        return batch

    # ------------------------------------------------------------------ subscribers

    def subscribe(self, callback: Callback) -> Callable[[], None]:
        """Call back after each change from now on; call what is returned to end that."""
        key = object()
        self._subscribers[key] = callback

        def unsubscribe() -> None:
            with self.lock:
                self._subscribers.pop(key, None)

        return unsubscribe

    def _publish(self, events: list[Event]) -> None:
        """Publish each event to those who are subscribed now, then raise what they raised."""
        if not events:
            return
        news = ((event, tuple(self._subscribers)) for event in events)
        if self._unpublished is not None and _depth(self.lock) > 1:
            self._unpublished.extend(news)  # a callback made a change: it waits for its turn
            return
        self._unpublished = deque(news)
        errors: list[BaseException] = []
        try:
            while self._unpublished:
                event, audience = self._unpublished.popleft()
                errors.extend(self._failures(event, audience))
        finally:
            self._unpublished = None
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise BaseExceptionGroup("callbacks failed after the change was made", errors)

    def _failures(self, event: Event, audience: tuple[object, ...]) -> Iterator[BaseException]:
        for key in audience:
            callback = self._subscribers.get(key)
            if callback is not None:  # it may have left meanwhile
                try:
                    callback(event)
                except BaseException as error:
                    with suppress(Exception):  # a frozen exception takes no note
                        error.add_note(f"raised by a subscriber told of event {event.sequence}, which stands")
                    yield error

    # ------------------------------------------------------------------ a forked process

    def begin_anew(self) -> None:
        """In a forked process: let go of what threads hold that were not copied into it."""
        lock: Any = self.lock
        if not lock._is_owned():
            lock._at_fork_reinit()  # as the standard library does with its own locks
            self._unpublished = None
            self._waiting = Condition(self.lock)
        if self._owner is not None and not self._owner.is_this_thread():
            for savepoint in self._open:
                savepoint.ended = True


_ledgers: WeakSet[Ledger] = WeakSet()


def _begin_anew() -> None:
    for ledger in list(_ledgers):
        ledger.begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


def _depth(lock: RLock) -> int:
    """Return how often this thread, which holds the lock, has taken it; only its repr says so in 3.11.0."""
    return int(repr(lock).split("count=")[1].split()[0])
