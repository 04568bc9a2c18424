"""A context manager that holds an OrderManagement's lock across several calls.

The problem: an interrupt (Ctrl-C or a signal) can occur between any two steps. It can occur after the lock is
acquired but before the block starts, or after the block ends but before the lock is released. The lock is
then never released, and all other threads wait forever.

What does not work: an `__exit__` method in Python, because an interrupt can occur before its first line.
`acquired = lock.acquire()` in `__enter__` does not work either, because Python checks for interrupts between
the call and the assignment.

The solution: a `with` statement looks up `__exit__` before it calls `__enter__`. Here, the lookup returns the
lock's own `__exit__`, which is written in C. `__enter__` acquires the lock in a `for` statement, because
Python does not check for interrupts between getting an item from an iterator and assigning it.

Invariants:

- `acquired` is True if and only if `__enter__` has acquired the lock for the block.
- When the block starts, the lock is held, and no other thread, task, or context has an open transaction. A
  batch may be in flight only if the block is entered to read.
- In a block that is entered to read, no query applies a batch in flight. See admission.py.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from threading import RLock
from typing import Any, TypeVar, cast

from oms.ledger import Ledger

__all__ = ["Locked", "bound_by"]

T = TypeVar("T")
Method = TypeVar("Method", bound=Callable[..., None])


class _BoundBy:
    """A descriptor that replaces a method. On an instance, it returns `bind(instance)`."""

    def __init__(self, method: Callable[..., None], bind: Callable[[Any], Callable[..., None]]) -> None:
        self._method = method
        self._bind = bind

    def __get__(self, instance: object, kind: object = None) -> Callable[..., None]:
        if instance is None:
            return self._method  # ExitStack looks up the method in the class
        return self._bind(instance)


def bound_by(bind: Callable[[Any], Callable[..., None]]) -> Callable[[Method], Method]:
    """Return a decorator for `__exit__`. A `with` statement calls the result of `bind(instance)` instead."""

    def decorate(method: Method) -> Method:
        return cast("Method", _BoundBy(method, bind))

    return decorate


def _exit_of_lock(locked: Locked[Any]) -> Callable[..., None]:
    return locked.lock.__exit__


class Locked(AbstractContextManager[T]):
    """A context manager that holds the lock during its block.

    `with` returns `subject`, the OrderManagement to which the lock belongs.
    """

    def __init__(self, subject: T, ledger: Ledger, *, to_read: bool = False) -> None:
        self.lock: RLock = ledger.lock
        self._subject = subject
        self._ledger = ledger
        self._to_read = to_read

    def __enter__(self) -> T:
        acquired = False
        try:
            with self.lock:
                if self._ledger.busy:
                    self._ledger.admit(to_read=self._to_read)
                for acquired in iter(self.lock.acquire, None):  # noqa: B007  # the except clause uses it
                    break
            return self._subject  # noqa: TRY300  # an interrupt here must also release the lock
        except BaseException:
            if acquired:
                self.lock.release()
            raise

    @bound_by(_exit_of_lock)
    def __exit__(self, *_: object) -> None:
        self.lock.release()
