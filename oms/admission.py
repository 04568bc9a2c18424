"""Admission to the books: wait for another thread's transaction, or settle an interrupted change.

The problem: a thread that stores a batch does not hold the lock (see in_flight.py), so it can be interrupted
while another thread is in a `locked(to_read=True)` block. If the next query in this block applied the batch,
the block would see two states.

What does not work: a flag or a counter that the block sets, because the end of a block runs no Python code
that could reset it (see locked.py).

The solution: a query can see how often its thread has acquired the lock. If this is the first time, no block
is open, and the query applies the batch. Otherwise, a block or another query has begun before, and the query
leaves the batch to a later call. The books contain the state before the batch, which is complete.

Invariants, in addition to the ledger's invariants (see ledger.py):

- A call that reads applies the batch of another thread only if it is the outermost holder of the lock.
- A call that changes the books applies or discards an interrupted batch before it reads anything.
"""

from __future__ import annotations

from abc import abstractmethod
from threading import Condition, RLock
from time import monotonic, sleep
from typing import Any

from oms.call_stack import callers
from oms.errors import OmsError, OpenTransactionError
from oms.fork import reset_in_forks
from oms.in_flight import InFlight
from oms.owner import Owner
from oms.savepoint import Savepoint
from oms.subscribers import Subscribers

__all__ = ["Admission", "LONGEST_WAIT"]

LONGEST_WAIT = 30.0
"""The seconds that a call waits for another thread's transaction before raising OpenTransactionError."""

_POLL_INTERVAL = 0.05  # seconds; needed because an abandoned transaction does not notify its waiters
_PAUSE = 0.001  # seconds; enough for a waiting thread to acquire the lock

_AT_WORK = frozenset({"close", "commit", "commit_batch", "commit_steps", "follow", "settle", "store"})
"""The methods of a ledger that set a mark."""


class Admission:
    """A ledger's lock, the owner of the open transaction, and the threads waiting for its end."""

    __slots__ = (
        "__weakref__",
        "_open",
        "_owner",
        "_waiters",
        "_waiting",
        "busy",
        "in_flight",
        "lock",
        "subscribers",
        "version",
    )

    def __init__(self) -> None:
        self.lock = RLock()
        self.subscribers = Subscribers(self.lock)
        self.version: int = 0  # odd during a change or an open transaction, then the next even number
        self.busy = False  # True while `version` is odd, and while a batch is in flight
        self.in_flight: InFlight | None = None  # only a DurableLedger stores a batch without the lock
        self._open: list[Savepoint] = []
        self._owner: Owner | None = None  # the owner of the open transaction
        self._waiting = Condition(self.lock)  # notified when a transaction ends
        self._waiters = 0  # may be too high after an interrupt
        reset_in_forks(self)

    @property
    @abstractmethod
    def is_marked(self) -> bool:
        """True if a change is being made or rolled back, or was interrupted."""

    @abstractmethod
    def settle(self) -> None:
        """Finish or roll back an interrupted change, and roll back an abandoned transaction."""

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

    def admit(self, *, to_read: bool = False) -> None:
        """Settle interrupted changes, and wait until no other thread has a transaction open.

        Also wait for a batch in flight, unless `to_read` is True. A call that reads can go on, because the
        books contain the state before the batch. If an outer block or call of this thread holds the lock
        too, a call that reads does not even apply a batch whose thread was interrupted.

        If the ledger is `busy`, call this method while you hold the lock. Raises OpenTransactionError if the
        caller cannot wait or has waited too long. Raises JournalError if the journal cannot be read.
        """
        deadline = None
        while self.busy:
            if self._must_settle(to_read=to_read):
                self._settle_or_raise()
                continue
            if self._owner is not None and self._owner.is_current():
                return
            if to_read and self._owner is None:
                return
            self._check_waiting_ends()
            deadline = deadline or monotonic() + LONGEST_WAIT
            if monotonic() >= deadline:
                raise OpenTransactionError(
                    f"another thread's transaction was still open after {LONGEST_WAIT:g} seconds",
                    "end the transaction, or try again later",
                )
            self._wait()

    def _must_settle(self, *, to_read: bool) -> bool:
        """Return True if no other thread will end the ledger's `busy` state, and this call may end it."""
        if self.is_marked or self._first_abandoned() is not None:
            return True
        batch = self.in_flight
        if self._owner is not None or batch is None:
            return self._owner is None
        return batch.is_abandoned and not (to_read and self._is_in_block_of_reader(batch))

    def _is_in_block_of_reader(self, batch: InFlight) -> bool:
        """Return True if the caller has acquired the lock before, and may have read the books since.

        If the interrupted batch belongs to this thread, return False: the block has itself changed the books.
        """
        # In Python 3.11.0, only the text of a lock says how often its thread has acquired it.
        return not batch.owner.is_this_thread() and " count=1 " not in repr(self.lock)

    def _check_waiting_ends(self) -> None:
        """Raise OpenTransactionError if the caller waits for itself."""
        owner = self._owner
        if owner is None:
            if self.in_flight is not None and self.in_flight.owner.is_this_thread():
                raise self._in_the_middle()
        elif owner.is_this_thread() or owner.is_inherited():
            raise OpenTransactionError(
                "another task, context, or thread has a transaction open in these books",
                "call this after the transaction has ended, or where it was opened",
            )

    def _wait(self) -> None:
        """Release the lock until a transaction ends. O(1)."""
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
            raise self._in_the_middle()
        try:
            self.settle()
        except OmsError:
            raise
        except Exception as error:
            raise OpenTransactionError(
                f"an interrupted change could not be rolled back: {error!r}", "the next call tries again"
            ) from error

    def _in_the_middle(self) -> OpenTransactionError:
        return OpenTransactionError(
            "this thread is in the middle of another change of these books",
            "in a signal handler or a finalizer, set a flag instead of calling a method",
        )

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

    def reset_after_fork(self) -> None:
        """Release a lock or a transaction of a thread that does not exist in this forked process."""
        lock: Any = self.lock
        if not lock._is_owned():
            lock._at_fork_reinit()  # the standard library resets its own locks in the same way
            self._waiting = Condition(self.lock)
        if self._owner is not None and not self._owner.is_this_thread():
            # The owner's thread does not exist in this process, but `has_ended` may still return False.
            for savepoint in self._open:
                savepoint.ended = True
        if self.in_flight is not None and not self.in_flight.owner.is_this_thread():
            self.in_flight.savepoint.failed = True
