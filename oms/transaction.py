"""The context of a transaction or a what-if: entered once, and left by the thread that entered it.

The problem: between taking a lock in `__enter__` and giving it back in `__exit__`, an interrupt can
strike where neither runs: on the threshold of `__exit__`, or after `__enter__` has done its work.
Then nobody gives the lock back. Or another thread leaves, which cannot give back a lock that it does
not hold.

What does not work: a generator with the lock in a `with` statement. It gives the lock back only when
it is collected, in whatever thread that happens.

The solution: the lock is held inside `__enter__` and inside `__exit__`, never between them. Between
them the ledger knows that a transaction is open, and who owns it. It knows this object by a weak
reference: when the object is gone, or has said that it ended, the next caller rolls back.

Invariants:
- A transaction that `__enter__` did not return from, or that `__exit__` was called for, is kept as a
  whole or rolled back as a whole; the ledger settles what an interrupt left.
- Another thread, task, or context that calls `__exit__` rolls back, and gets an error.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from threading import RLock
from typing import TypeVar

from oms.errors import OpenTransactionError
from oms.ledger import Ledger, Savepoint

__all__ = ["Transaction"]

T = TypeVar("T")


class Transaction(AbstractContextManager[T]):
    """Keeps or rolls back what is changed between its beginning and its end.

    Entering it returns `subject`, the OrderManagement that it belongs to.
    """

    def __init__(self, subject: T, lock: RLock, ledger: Ledger, *, keep: bool, note: str | None) -> None:
        self._subject = subject
        self._lock = lock
        self._ledger = ledger
        self._keep = keep
        self._note = note
        self._entered = False
        self._savepoint: Savepoint | None = None

    def __enter__(self) -> T:
        if self._entered:
            raise OpenTransactionError("entering the same transaction a second time")
        self._entered = True
        ledger = self._ledger
        try:
            with self._lock:
                if ledger.busy:
                    ledger.admit()
                self._savepoint = Savepoint(ledger, self, keep=self._keep)
                ledger.open(self._savepoint, self._note)
            return self._subject  # noqa: TRY300  # an interrupt here would leave it open, too
        except BaseException:
            if self._savepoint is not None:
                self._savepoint.ended = True
            raise

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        savepoint, ledger = self._savepoint, self._ledger
        if savepoint is None:
            raise OpenTransactionError("leaving a transaction that was not entered")
        try:
            with self._lock:
                ledger.close(savepoint, failed=kind is not None)
        except BaseException:
            savepoint.ended = True
            raise
