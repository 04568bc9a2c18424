"""The owner of an open transaction: one thread in one context.

The problem: only the code that opened a transaction may use it. The thread alone does not identify that code,
because all asyncio tasks in an event loop share one thread. But each task has its own context, so the thread
and the context together identify the owner.

What does not work: comparing the value of a ContextVar. A task created inside a transaction starts with a
copy of the context, so it inherits the value. Thread ids do not work either, because a new thread can reuse
the id of a thread that has ended.

The solution: a ContextVar can be reset only in the context in which the reset token was created. A token
works only once, so each check uses up the token and creates a new one. If an interrupt occurs between these
two steps, the next check compares only the threads, because it cannot compare contexts. To identify a thread,
the owner holds a weak reference to a thread-local object. This object is deleted when the thread ends, so no
later thread can be mistaken for the owner.
"""

from __future__ import annotations

from contextlib import suppress
from contextvars import ContextVar
from threading import local
from weakref import ref

__all__ = ["Owner"]


class _Thread:
    """An object that identifies a thread, and is deleted when that thread ends."""

    __slots__ = ("__weakref__",)


class _Current(local):
    """The current thread's object."""

    def __init__(self) -> None:
        self.thread = _Thread()


_current = _Current()
_entered: ContextVar[Owner | None] = ContextVar("oms_transaction", default=None)


class Owner:
    """The thread and the context in which a transaction was opened."""

    __slots__ = ("_thread", "_token")

    def __init__(self) -> None:
        self._thread = ref(_current.thread)
        _entered.set(None)  # otherwise, the token would reference all earlier owners
        self._token = _entered.set(self)

    def is_current(self) -> bool:
        """Return True if called from the owner's thread and context."""
        if self._thread() is not _current.thread:
            return False
        try:
            _entered.reset(self._token)
        except ValueError:  # the token was created in another context
            return False
        except RuntimeError:  # the token was used: an interrupt stopped the last call before the next token
            pass
        self._token = _entered.set(self)
        return True

    def is_this_thread(self) -> bool:
        """Return True if called from the owner's thread, regardless of the current context."""
        return self._thread() is _current.thread

    def is_inherited(self) -> bool:
        """Return True if called from the owner's context or a copy of it, in any thread.

        Code in a copy of the context must not wait for the owner, because the owner may be waiting for it.
        """
        return _entered.get() is self

    def has_ended(self) -> bool:
        """Return True if the owner's thread has ended."""
        return self._thread() is None

    def end(self) -> None:
        """Reset the ContextVar. Do nothing if called from another context or a second time."""
        with suppress(ValueError, RuntimeError):
            _entered.reset(self._token)
