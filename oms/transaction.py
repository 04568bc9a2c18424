"""The context of a transaction or a what-if: entered once, and left by the thread that entered it.

The problem: between taking a lock in `__enter__` and giving it back in `__exit__`, an interrupt can
strike where neither runs: before the first line of `__exit__`, or after the last one of `__enter__`.
Then nobody gives the lock back. Or another thread leaves, which cannot give back a lock that it does
not hold.

What does not work: a generator with the lock in a `with` statement. It gives the lock back only when
it is collected, in whatever thread that happens. Nor is it enough to see that this object is gone:
while the interrupt is handled, and as long as a notebook or a debugger keeps it, its traceback keeps
the frame of `__exit__`, and so an object that is `self` there.

The solution: the lock is held inside `__enter__` and inside `__exit__`, never between them. Between
them the ledger knows that a transaction is open, and who owns it. It also has a weak reference to the
object that will leave the transaction, its handle. A `with` statement looks `__exit__` up before it
enters, and keeps the result until the call returns or fails. Here that result is a `partial`, written
in C: no frame keeps it, so it is gone when the call fails. It is the handle; without a `with`
statement (an ExitStack, or calls by hand) the Transaction is. When the handle is gone, or the
savepoint has ended, the next caller rolls back.

Invariants:
- A transaction that `__enter__` did not return from, or that `__exit__` was called for, is kept as a
  whole or rolled back as a whole; the ledger settles what an interrupt left.
- A transaction that a `with` statement is inside is left by that statement alone. Calling `__exit__`
  by hand raises and changes nothing; else the rest of the body would no longer be all or nothing.
- Otherwise another thread, task, or context that calls `__exit__` rolls back, and gets an error.
- What `__exit__` runs refers neither to the Transaction nor to the `partial`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, TypeVar, cast
from weakref import ref

from oms.errors import OpenTransactionError
from oms.ledger import Ledger, Savepoint

__all__ = ["Transaction"]

T = TypeVar("T")
Method = TypeVar("Method", bound=Callable[..., None])


class _Block:
    """What entering and leaving share."""

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
    except BaseException:
        savepoint.ended = True
        raise


def _leave_by_hand(block: _Block, *failure: Any) -> None:
    savepoint = block.savepoint
    if savepoint is not None and not savepoint.ended and isinstance(savepoint.handle(), partial):
        raise OpenTransactionError(
            "only the with statement that entered this transaction can end it", "leave its block"
        )
    _leave(block, *failure)


class _BoundByPartial:
    """The method `__exit__`: looked up in a Transaction, it is a `partial` that does not keep it alive."""

    def __init__(self, method: Callable[..., None]) -> None:
        self._method = method

    def __get__(self, transaction: Transaction[Any] | None, kind: object = None) -> Callable[..., None]:
        if transaction is None:
            return self._method  # looked up in the class, by an ExitStack
        if transaction._entered:
            return partial(_leave_by_hand, transaction._block)
        leave = partial(_leave, transaction._block)
        transaction._early = ref(leave)
        return leave


def _bound_by_partial(method: Method) -> Method:
    return cast("Method", _BoundByPartial(method))


class Transaction(AbstractContextManager[T]):
    """Keeps or rolls back what is changed between its beginning and its end.

    Entering it returns `subject`, the OrderManagement that it belongs to.
    """

    def __init__(self, subject: T, ledger: Ledger, *, keep: bool, note: str | None) -> None:
        self._subject = subject
        self._block = _Block(ledger)
        self._keep = keep
        self._note = note
        self._entered = False
        self._early: ref[Callable[..., None]] | None = None  # `__exit__`, as looked up before entering

    def __enter__(self) -> T:
        if self._entered:
            raise OpenTransactionError(
                "the transaction was entered before", "call transaction() or what_if() for a new one"
            )
        self._entered = True
        block, ledger = self._block, self._block.ledger
        handle = self._early and self._early()
        try:
            with ledger.lock:
                if ledger.busy:
                    ledger.admit()
                block.savepoint = Savepoint(ledger, handle or self, keep=self._keep)
                ledger.open(block.savepoint, self._note)
            return self._subject  # noqa: TRY300  # an interrupt here would leave it open, too
        except BaseException:
            if block.savepoint is not None:
                block.savepoint.ended = True
            raise

    @_bound_by_partial
    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        _leave_by_hand(self._block, kind, error, trace)
