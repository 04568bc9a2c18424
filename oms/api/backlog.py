"""The events that streams have not sent yet, and the text of each event, created once for all streams.

The problem: a client may be slow or disconnected, but the books must never wait for it. Creating the text of
a trade with 30,000 fills takes 100 ms. With 50 streams, the event loop must not create this text 50 times,
nor even once.

The solution: all streams share one subscriber, which runs with the books' lock held. It creates one notice of
the event, appends it to the backlog of each stream, and wakes each event loop once. The first stream that
needs the text starts its creation, in a worker thread if the event is large. The other streams wait for the
same text. Only the number of the previous message differs between streams, so it is added to the text last.

Invariants:

- Two streams share a text only if `Feed.key` is equal for both. It is equal only if both may see the same
  content.
- A backlog contains at most `limit` notices. Beyond that, `overflow` is set, and the stream is closed.
- If an event was missed (see `oms.api.followers`), all streams that are open at this time are closed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable
from concurrent.futures import Executor, Future
from threading import Lock
from typing import Any, NamedTuple, Protocol, TypeAlias

from oms.api.followers import Follower, MissedEventError
from oms.api.integers import json_text
from oms.events import Event
from oms.facade import Facade

__all__ = ["Backlog", "Message", "Notice", "Part", "Readers", "Snapshot", "Source", "Text"]

Message: TypeAlias = dict[str, Any]

CATCHING_UP = 10
"""A backlog may be this many times longer until its stream has sent the snapshot and the changes since."""


class Notice:
    """An event, details that were read from the books when it was published, and its texts."""

    def __init__(self, event: Event, details: Any = None) -> None:
        self.event = event
        self.symbol = event.symbol
        self.details = details
        self._texts: dict[Hashable, Future[Text | None]] = {}

    def text(
        self, key: Hashable, make: Callable[[], Message | None], executor: Executor | None
    ) -> Future[Text | None]:
        """Return the text for all streams with this key, or None if they do not get the event.

        The first call creates the text: in `executor`, or before it returns if `executor` is None.
        """
        future = self._texts.get(key)
        if future is None:
            if executor is None:
                future = Future[Text | None]()
                future.set_result(_text_of(make))
            else:
                future = executor.submit(_text_of, make)
            self._texts[key] = future
        return future


class Text:
    """The JSON text of a message, without the value of its field `previous`."""

    def __init__(self, message: Message) -> None:
        content = {name: value for name, value in message.items() if name not in ("type", "previous")}
        self._head = f'{{"type":{json_text(message["type"])},"previous":'
        self._tail = f",{json_text(content)[1:]}"
        self._latest = (-1, "")

    def after(self, previous: int) -> str:
        """Return the whole text. `previous` is usually the same for all streams, so the text is cached."""
        latest = self._latest
        if latest[0] != previous:
            self._latest = latest = previous, f"{self._head}{json_text(previous)}{self._tail}"
        return latest[1]


def _text_of(make: Callable[[], Message | None]) -> Text | None:
    message = make()
    return None if message is None else Text(message)


class Part(NamedTuple):
    """The fields of one part of a snapshot, and True if there are more parts."""

    fields: Message
    more: bool


class Snapshot(Protocol):
    """The state of the books when the snapshot was created. A snapshot subscribes to the books."""

    def __call__(self, event: Event) -> object:
        """Note that an event has changed the books. O(1)."""
        ...

    def next_part(self, length: int) -> Part:
        """Return the next part, with at most `length` orders. The lock is held for O(length)."""
        ...


class Source(Protocol):
    """The part of a Feed that backlogs need."""

    def notice(self, event: Event) -> Notice:
        """Return a notice of an event that is being published. The caller holds the lock."""
        ...


class Backlog:
    """The events that one stream has not sent yet. It belongs to the event loop that creates it."""

    def __init__(self, symbol: str | None, viewer: str | None, limit: int) -> None:
        self.symbol = symbol
        self.viewer = viewer
        self.overflow = asyncio.Event()
        self.loop = asyncio.get_running_loop()
        self.is_closed = False
        self.is_incomplete = False  # True if an event was missed
        self.snapshot: Snapshot | None = None
        self._limit = limit
        self._is_catching_up = True
        self._is_full = False
        self._waiting: deque[Notice] = deque()
        self._not_empty = asyncio.Event()

    def begin(self, snapshot: Snapshot) -> None:
        """Begin with a snapshot of the current state. The caller holds the books' lock."""
        self.snapshot = snapshot
        self._waiting.clear()
        self._is_full = False

    def append(self, notice: Notice) -> None:
        """Append a notice unless its event belongs to another symbol. The caller holds the lock. O(1)."""
        snapshot = self.snapshot
        if snapshot is not None:
            snapshot(notice.event)
        if self.symbol is not None and notice.symbol not in (None, self.symbol):
            return
        if len(self._waiting) < self._limit * (CATCHING_UP if self._is_catching_up else 1):
            self._waiting.append(notice)
        else:
            self._is_full = True

    def wake(self) -> None:
        """Let the stream continue if there is something to do. Only the event loop calls this method."""
        if self._is_full:
            self.overflow.set()
        if self._waiting or self.is_incomplete:
            self._not_empty.set()

    async def next(self) -> Notice:
        """Wait for the next event and return its notice. The stream has sent everything before it.

        Raise MissedEventError if an event is missing.
        """
        if len(self._waiting) <= self._limit:
            self._is_catching_up = False
        while not (self._waiting or self.is_incomplete):
            self._not_empty.clear()
            await self._not_empty.wait()
        if self.is_incomplete:
            raise MissedEventError
        return self._waiting.popleft()


class Readers(Follower):
    """A thread-safe collection of all open streams' backlogs, which subscribes to the books."""

    def __init__(self, books: Facade, source: Source) -> None:
        super().__init__(books)
        self._source = source
        self._lock = Lock()
        self._backlogs: tuple[Backlog, ...] = ()  # replaced, never changed
        self._waking: set[asyncio.AbstractEventLoop] = set()

    def __len__(self) -> int:
        """Return the number of backlogs. O(1)."""
        return len(self._backlogs)

    def add(self, backlog: Backlog) -> None:
        """Append all later events to a backlog. The caller holds the books' lock. O(n) for n backlogs."""
        self.catch_up()
        with self._lock:
            if not backlog.is_closed:
                self._backlogs = (*self._backlogs, backlog)

    def remove(self, backlog: Backlog) -> None:
        """Stop appending events to a backlog until it is added again. O(n) for n backlogs."""
        with self._lock:
            self._backlogs = tuple(each for each in self._backlogs if each is not backlog)

    def close(self, backlog: Backlog) -> None:
        """Stop appending events to one of n backlogs, even if another thread is about to add it. O(n)."""
        backlog.is_closed = True
        self.remove(backlog)

    def __call__(self, event: Event) -> None:
        """Append an event to all n backlogs. If an earlier event is missing, end all backlogs. O(n)."""
        if event.sequence > self._sequence + 1:
            self._build()
            self._sequence = event.sequence - 1
        super().__call__(event)

    def _apply(self, event: Event) -> None:
        """Append an event to every backlog. O(n) for n backlogs, plus the time to create the notice."""
        backlogs = self._backlogs
        if not backlogs:
            return
        notice = self._source.notice(event)
        for backlog in backlogs:
            backlog.append(notice)
        self._wake_loops()

    def _build(self) -> None:
        """End all backlogs, because an event is missing. O(n) for n backlogs."""
        for backlog in self._backlogs:
            backlog.is_incomplete = True
        self._wake_loops()

    def _wake_loops(self) -> None:
        for loop in {backlog.loop for backlog in self._backlogs}.difference(self._waking):
            self._waking.add(loop)
            try:
                loop.call_soon_threadsafe(self._wake, loop)
            except RuntimeError:  # the event loop is closed, so nothing waits
                self._waking.discard(loop)

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        self._waking.discard(loop)  # first, so that an event from now on wakes the loop again
        for backlog in self._backlogs:
            if backlog.loop is loop:
                backlog.wake()
