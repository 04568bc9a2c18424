"""The context manager for transactions and what-ifs (transactions that are always rolled back).

The problem: suppose that `__enter__` acquires a lock and `__exit__` releases it. If an interrupt occurs after
the last line of `__enter__` or before the first line of `__exit__`, the lock is never released. The same
happens if another thread calls `__exit__`, because a thread cannot release a lock that it does not hold.

What does not work: a generator that holds the lock in a `with` statement. The lock is released only when the
generator is garbage-collected, possibly in another thread. A weak reference to the Transaction does not work
either. If `__exit__` is interrupted, the traceback references its frame, and the frame references the
Transaction. A notebook or debugger may keep that traceback for a long time.

The solution: the lock is held inside `__enter__` and inside `__exit__`, but not between them. Between them,
the ledger stores the open transaction, its owner, and a weak reference to its handle. The handle is the
object that will end the transaction. If the handle is deleted, or the savepoint is marked as ended, the next
caller rolls the transaction back.

A `with` statement looks up `__exit__` before it calls `__enter__`, and keeps the result alive until
`__exit__` returns or fails. Here, that result is a `partial`, which serves as the handle. A `partial` is
written in C, so it has no frame that a traceback could reference. It is therefore deleted when the call
fails. Without a `with` statement, for example in an ExitStack, the handle is the Transaction itself.

Invariants:

- Even if `__enter__` or `__exit__` is interrupted, the transaction is either committed as a whole or rolled
  back as a whole. The ledger settles an interrupted call.
- If a `with` statement entered the transaction, only that statement can end it. Calling `__exit__` explicitly
  raises an error and changes nothing. Otherwise, the rest of the block would run outside the transaction.
- Without a `with` statement, another thread, task, or context can call `__exit__`. The transaction is then
  rolled back, and the call raises an error.
- The function that `__exit__` runs references neither the Transaction nor the `partial`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, TypeVar
from weakref import ref

from oms.errors import OpenTransactionError
from oms.ledger import Ledger
from oms.locked import bound_by
from oms.savepoint import Savepoint

__all__ = ["Transaction"]

T = TypeVar("T")


class _Block:
    """The data that `__enter__` and `__exit__` share."""

    __slots__ = ("ledger", "savepoint")

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.savepoint: Savepoint | None = None


def _leave(block: _Block, kind: type[BaseException] | None, error: object, trace: object) -> None:
    savepoint, ledger = block.savepoint, block.ledger
    if savepoint is None:
        raise OpenTransactionError("the transaction was not entered", "enter it with a with statement")
    try:
        with ledger.lock:
            ledger.close(savepoint, failed=kind is not None)
        if savepoint.concurrent:
            ledger.store(savepoint)
    except BaseException:
        savepoint.ended = savepoint.failed = True
        raise


def _leave_explicitly(block: _Block, *failure: Any) -> None:
    savepoint = block.savepoint
    if savepoint is not None and not savepoint.ended and isinstance(savepoint.handle(), partial):
        raise OpenTransactionError(
            "only the with statement that entered this transaction can end it", "leave its block"
        )
    _leave(block, *failure)


def _exit_without_reference(transaction: Transaction[Any]) -> Callable[..., None]:
    """Return a `partial` that ends the transaction without referencing the Transaction."""
    if transaction._entered:
        return partial(_leave_explicitly, transaction._block)
    leave = partial(_leave, transaction._block)
    transaction._early = ref(leave)
    return leave


class Transaction(AbstractContextManager[T]):
    """A context manager that commits or rolls back the changes made in its block.

    `with` returns `subject`, the OrderManagement to which the transaction belongs.
    """

    def __init__(
        self, subject: T, ledger: Ledger, *, keep: bool, note: str | None, concurrent: bool = False
    ) -> None:
        self._subject = subject
        self._block = _Block(ledger)
        self._keep = keep
        self._concurrent = concurrent
        self._note = note
        self._entered = False
        self._early: ref[Callable[..., None]] | None = None  # `__exit__`, looked up before `__enter__`

    @property
    def is_committed(self) -> bool:
        """True once the changes are final. Subscribers may not have been notified yet, or may have failed."""
        return self._block.savepoint is not None and self._block.savepoint.committed

    def __enter__(self) -> T:
        if self._entered:
            raise OpenTransactionError(
                "the transaction was entered before", "call transaction() or what_if() for a new one"
            )
        self._entered = True
        block, ledger = self._block, self._block.ledger
        handle = self._early and self._early()
        ledger.give_way()
        try:
            with ledger.lock:
                if ledger.busy:
                    ledger.admit(to_read=not self._keep)
                block.savepoint = ledger.savepoint(
                    handle or self, keep=self._keep, concurrent=self._concurrent
                )
                ledger.open(block.savepoint, self._note)
            return self._subject  # noqa: TRY300  # an interrupt here must also end the transaction
        except BaseException:
            if block.savepoint is not None:
                block.savepoint.ended = True
            raise

    @bound_by(_exit_without_reference)
    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        _leave_explicitly(self._block, kind, error, trace)
