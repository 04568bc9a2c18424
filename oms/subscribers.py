"""Subscribers: callbacks that are notified of every event, in order, while the lock is held.

The problem: a callback can change the books, subscribe, unsubscribe, or raise an exception.

The solution: a queue. If a callback changes the books, the new event is added to the queue, together with the
current subscribers. So all subscribers receive the events in the same order. Exceptions from callbacks are
collected, and raised after all subscribers have been notified.

Invariants:

- The queue exists only during a `publish` call, so no event is ever left in it. In a forked process, it may
  belong to a thread that does not exist there. The next `publish` call replaces it.
- A subscriber is notified of each event exactly once while it is subscribed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import RLock

from oms.call_stack import callers
from oms.events import Event

__all__ = ["Subscribers"]

Callback = Callable[[Event], object]


class Subscribers:
    """A ledger's callbacks. Callers must hold the ledger's lock."""

    __slots__ = ("_lock", "_queue", "callbacks")

    def __init__(self, lock: RLock) -> None:
        self._lock = lock
        self.callbacks: dict[object, Callback] = {}
        self._queue: deque[tuple[Event, tuple[object, ...]]] | None = None

    def subscribe(self, callback: Callback) -> Callable[[], None]:
        """Notify the callback of every event from now on. Return a function that cancels the subscription."""
        key = object()
        self.callbacks[key] = callback

        def unsubscribe() -> None:
            with self._lock:
                self.callbacks.pop(key, None)

        return unsubscribe

    @property
    def is_idle(self) -> bool:
        """True unless events are being published."""
        return self._queue is None

    def publish(self, events: list[Event]) -> None:
        """Notify the current subscribers of each event. Then raise any exceptions from their callbacks."""
        if not events or not self.callbacks:
            return
        entries = ((event, tuple(self.callbacks)) for event in events)
        if self._queue is not None and self._is_publishing():
            self._queue.extend(entries)  # a callback made this change: publish it after the current event
            return
        errors: list[BaseException] = []
        try:
            self._queue = deque(entries)
            while self._queue:
                event, keys = self._queue.popleft()
                errors.extend(self._failures(event, keys))
        finally:
            self._queue = None
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise BaseExceptionGroup("several subscribers failed after the change was made", errors)

    def _is_publishing(self) -> bool:
        """Return True if the current `publish` call is nested inside another."""
        running = 0
        for name, owner in callers():
            running += owner is self and name == "publish"
        return running > 1

    def _failures(self, event: Event, keys: tuple[object, ...]) -> Iterator[BaseException]:
        for key in keys:
            callback = self.callbacks.get(key)
            if callback is not None:  # None if it has unsubscribed in the meantime
                try:
                    callback(event)
                except BaseException as error:
                    with suppress(Exception):  # some exceptions are immutable, so they cannot have notes
                        error.add_note(
                            f"raised by a subscriber of event {event.sequence}, after the change was made"
                        )
                    yield error
