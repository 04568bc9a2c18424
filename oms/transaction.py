"""The context of a transaction or a what-if: entered once, left by the thread that entered it."""

from __future__ import annotations

from collections.abc import Generator
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
        self._ledger = ledger
        self._hold = _hold(lock, ledger, note, keep=keep)
        self._thread: int | None = None
        self._savepoint: Savepoint | None = None

    def __enter__(self) -> T:
        if self._thread is not None:
            raise OpenTransactionError("entering the same transaction a second time")
        try:
            self._thread = get_ident()
            self._savepoint = next(self._hold)
        except BaseException:
            self._hold.close()
            raise
        return self._subject

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        if self._savepoint is None or self._thread != get_ident():
            raise OpenTransactionError("leaving a transaction that this thread has not entered")
        try:
            self._ledger.close(self._savepoint, failed=kind is not None)
        finally:
            self._savepoint = None
            self._hold.close()


def _hold(lock: RLock, ledger: Ledger, note: str | None, *, keep: bool) -> Generator[Savepoint]:
    """Hold the lock and a transaction, until this is closed or forgotten: then undo what nobody has closed.

    A generator, because no interrupt gets between the lock and the block that gives it back, and because
    it ends also where one has struck on the very threshold of `__exit__`, once its exception is let go.
    """
    with lock:
        thread = get_ident()
        savepoint = ledger.savepoint(keep=keep)
        try:
            ledger.open(savepoint, note)
            yield savepoint
        finally:
            if thread == get_ident():
                ledger.abandon(savepoint)
