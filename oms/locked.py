"""The context that holds the lock of an OrderManagement for several questions.

The problem: an interrupt (Ctrl-C, a signal) can come between any two steps. If it comes after the lock
was taken and before the block begins, or after the block ends and before the lock is released, then
nobody releases the lock, and all other threads wait without end.

What does not work: `__exit__` as a function, because an interrupt can come before its first line. Nor
`held = lock.acquire()` in `__enter__`, because Python looks for interrupts after each call, which is
before `held` is stored.

The solution: a `with` statement looks `__exit__` up before it enters. Here the result is the lock's own
`__exit__`, which is written in C. In `__enter__` the lock is taken by a `for` statement, because Python
looks for no interrupt between asking an iterator and storing what it yields.

Invariants:
- `held` is True if and only if `__enter__` has taken the lock for the block.
- The block begins with the lock held, and while no other thread, task, or context has a transaction open.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from threading import RLock
from typing import Any, TypeVar, cast

from oms.ledger import Ledger

__all__ = ["Locked"]

T = TypeVar("T")
Method = TypeVar("Method", bound=Callable[..., None])


class _ReleasedInC:
    """The method `__exit__`: looked up in a Locked, it is the `__exit__` of the lock."""

    def __init__(self, method: Callable[..., None]) -> None:
        self._method = method

    def __get__(self, locked: Locked[Any] | None, kind: object = None) -> Callable[..., None]:
        if locked is None:
            return self._method  # looked up in the class, by an ExitStack
        return locked.lock.__exit__


def _released_in_c(method: Method) -> Method:
    return cast("Method", _ReleasedInC(method))


class Locked(AbstractContextManager[T]):
    """Holds the lock from the beginning to the end of a `with` block.

    Entering it returns `subject`, the OrderManagement that it belongs to.
    """

    def __init__(self, subject: T, ledger: Ledger) -> None:
        self.lock: RLock = ledger.lock
        self._subject = subject
        self._ledger = ledger

    def __enter__(self) -> T:
        held = False
        try:
            with self.lock:
                if self._ledger.busy:
                    self._ledger.admit()
                for held in iter(self.lock.acquire, None):  # noqa: B007  # the except clause uses it
                    break
            return self._subject  # noqa: TRY300  # an interrupt before this line has to release the lock
        except BaseException:
            if held:
                self.lock.release()
            raise

    @_released_in_c
    def __exit__(self, *_: object) -> None:
        self.lock.release()
