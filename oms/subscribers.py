"""Subscribers: callbacks that are notified of every event, in order, under the lock.

The problem: a callback may itself make a change, subscribe, or unsubscribe, and it may raise.

The solution: a queue. An event that a callback causes is put behind the present one, with the
subscribers of that moment, so that all subscribers see all events in the same order. What callbacks
raise is collected, and raised when everyone has been notified.

Invariants:
- A queue is used only while `publish` runs further up, so none is ever left unread.
- Whoever subscribed before an event is notified of it once, unless it has unsubscribed meanwhile.
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
    """The callbacks that a ledger notifies. The caller of each method holds the ledger's lock."""

    __slots__ = ("_lock", "_queue", "callbacks")

    def __init__(self, lock: RLock) -> None:
        self._lock = lock
        self.callbacks: dict[object, Callback] = {}
        self._queue: deque[tuple[Event, tuple[object, ...]]] | None = None

    def subscribe(self, callback: Callback) -> Callable[[], None]:
        """Notify the callback of each change from now on; return a function that ends this."""
        key = object()
        self.callbacks[key] = callback

        def unsubscribe() -> None:
            with self._lock:
                self.callbacks.pop(key, None)

        return unsubscribe

    def publish(self, events: list[Event]) -> None:
        """Notify the present subscribers of each event, then raise what they raised."""
        if not events:
            return
        addressed = ((event, tuple(self.callbacks)) for event in events)
        if self._queue is not None and self._is_publishing():
            self._queue.extend(addressed)  # a callback made a change, which waits for its turn
            return
        errors: list[BaseException] = []
        try:
            self._queue = deque(addressed)
            while self._queue:
                event, audience = self._queue.popleft()
                errors.extend(self._failures(event, audience))
        finally:
            self._queue = None
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise BaseExceptionGroup("callbacks failed after the change was made", errors)

    def _is_publishing(self) -> bool:
        """Return True if `publish` is running further up than the call of it that asks."""
        running = 0
        for name, owner in callers():
            running += owner is self and name == "publish"
        return running > 1

    def stop_publishing(self) -> None:
        """Drop the queue: in a forked process, the thread that worked on it does not exist."""
        self._queue = None

    def _failures(self, event: Event, audience: tuple[object, ...]) -> Iterator[BaseException]:
        for key in audience:
            callback = self.callbacks.get(key)
            if callback is not None:  # it may have unsubscribed meanwhile
                try:
                    callback(event)
                except BaseException as error:
                    with suppress(Exception):  # a frozen exception takes no note
                        error.add_note(f"raised by a subscriber told of event {event.sequence}, which stands")
                    yield error
