"""The context of a transaction or a what-if: entered once, left by the thread that entered it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from threading import RLock, get_ident
from typing import TypeVar

from oms.errors import OpenTransactionError
from oms.ledger import Ledger, Savepoint

__all__ = ["Transaction"]

T = TypeVar("T")


class Transaction(AbstractContextManager[T]):
    """Holds the lock from end to end, and keeps or undoes what was changed between them.

    Entering it gives `subject`, the OrderManagement that it belongs to.
    """

    def __init__(self, subject: T, lock: RLock, ledger: Ledger, *, keep: bool, note: str | None) -> None:
        self._subject = subject
        self._lock = lock
        self._ledger = ledger
        self._keep = keep
        self._note = note
        self._thread: int | None = None
        self._savepoint: Savepoint | None = None

    def __enter__(self) -> T:
        if self._thread is not None:
            raise OpenTransactionError("entering the same transaction a second time")
        self._lock.acquire()
        try:
            self._thread = get_ident()
            self._savepoint = self._ledger.open(self._note, keep=self._keep)
        except BaseException:
            self._lock.release()
            raise
        return self._subject

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        if self._savepoint is None or self._thread != get_ident():
            raise OpenTransactionError("leaving a transaction that this thread has not entered")
        try:
            self._ledger.close(self._savepoint, failed=kind is not None)
        except BaseException:
            self._ledger.abandon(self._savepoint)
            raise
        finally:
            self._savepoint = None
            self._lock.release()
