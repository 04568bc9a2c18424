"""Who has opened a transaction: one thread, in one context. Nobody else may join it.

An asyncio task runs in a context of its own, so a thread and a context tell tasks apart too.
Comparing the value of a ContextVar is not enough: a task created inside a transaction begins with a
copy of the context, and so inherits the value. A token is better: it can only be reset in the very
context that it was made in. So each check resets the token and makes the next one. An interrupt
between these two steps leaves a spent token; then the thread alone decides, once.

A thread's identifier is given again when the thread has ended. So each thread has an object of its
own here, which ends with it: an owner whose thread has ended can never come back.
"""

from __future__ import annotations

from contextlib import suppress
from contextvars import ContextVar
from threading import local
from weakref import ref

__all__ = ["Owner"]


class _Thread:
    """Stands for one thread, and ends with it."""

    __slots__ = ("__weakref__",)


class _Here(local):
    """The running thread."""

    def __init__(self) -> None:
        self.thread = _Thread()


_here = _Here()
_entered: ContextVar[Owner | None] = ContextVar("oms_transaction", default=None)


class Owner:
    """The thread and the context that an open transaction or what-if belongs to: those it is made in."""

    __slots__ = ("_thread", "_token")

    def __init__(self) -> None:
        self._thread = ref(_here.thread)
        _entered.set(None)  # else the token would keep an owner before this one alive, and so on
        self._token = _entered.set(self)

    def is_here(self) -> bool:
        """Return True in the thread and the context of the owner."""
        if self._thread() is not _here.thread:
            return False
        try:
            _entered.reset(self._token)
        except ValueError:  # made in another context
            return False
        except RuntimeError:  # spent: an interrupt came before the next line, once
            pass
        self._token = _entered.set(self)
        return True

    def is_this_thread(self) -> bool:
        """Return True in the thread of the owner, whatever the context."""
        return self._thread() is _here.thread

    def is_inherited(self) -> bool:
        """Return True in a copy of the owner's context, in whatever thread: the owner may wait for it."""
        return _entered.get() is self

    def has_ended(self) -> bool:
        """Return True if the owner's thread has ended."""
        return self._thread() is None

    def end(self) -> None:
        """Forget the owner in its context; elsewhere, or a second time, do nothing."""
        with suppress(ValueError, RuntimeError):
            _entered.reset(self._token)
