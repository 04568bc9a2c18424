"""Consistent reads of large collections, one slice at a time.

The problem. A reader wants all resting orders, or all price levels of a book. While one thread holds the lock
to read a million of them, every other request waits. If the reader releases the lock between two slices, the
books change in between, and the slices do not belong together.

What does not work. The reader could start over whenever the books have changed. In a busy service, the books
change during every attempt. A copy of the books under the lock takes as long as the read itself.

The solution. A subscriber records the events while the slices are read. Each event says which items it
touches. After the last slice, the reader reads these items again, and replaces them in the slices. The events
of that time touch fewer items, which are read again too, and so on. As soon as the events touch at most SLICE
items, the reader reads them under the same lock as the sequence number. The result is the state at this
number.

Invariants:
- The lock is held for at most SLICE items at a time. If the books change faster than the reader can follow,
  the limit of the last read doubles in each round, so the read always ends.
- Each item in the result has the value that it has at `sequence`, and no item is missing.
- Every event between the first slice and `sequence` is recorded. If one was not published, because an
  interrupt prevented it, the sequence numbers have a gap, and the reader starts over.
- `then` runs under the same lock as the last read. So what it subscribes receives exactly the events after
  `sequence`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from oms.events import Event
from oms.facade import Facade

__all__ = ["SLICE", "Sliced", "Source", "read_in_slices"]

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")

SLICE = 1_000
"""The maximum number of items that are read under one lock."""


class Source(Protocol[K, V]):
    """A collection of items in the books, sorted by key.

    The caller of `after` and `get` holds the lock. The other methods do not read the books.
    """

    def after(self, last: K | None, limit: int) -> list[V]:
        """Return the first `limit` items whose keys are above `last`, in order. O(limit log n)."""
        ...

    def get(self, key: K) -> V | None:
        """Return the item with this key, or None if the collection does not contain it. O(log n)."""
        ...

    def key(self, item: V) -> K:
        """Return the key of an item. O(1)."""
        ...

    def touched(self, event: Event) -> Iterator[K | None]:
        """Yield the key of each item that the event may have changed. O(m) for m changed amounts.

        Yield None for a change outside of the collection, so that the caller can bound its own work.
        """
        ...


class Sliced(NamedTuple, Generic[V, T]):
    """The items of a collection, in order, as they are at one sequence number.

    `slices` are non-empty lists of about SLICE items. `made` is the result of `then`.
    """

    sequence: int
    slices: list[list[V]]
    made: T

    def items(self) -> Iterator[V]:
        """Iterate over all items, in order."""
        return chain.from_iterable(self.slices)


def read_in_slices(om: Facade, source: Source[Any, V], then: Callable[[], T]) -> Sliced[V, T]:
    """Return all items of a collection. Call `then` under the lock under which the result is the state.

    Do not hold the lock when you call this function. O(n log n) for n items, with the lock held for O(SLICE)
    items at a time. Raise whatever `then` raises.
    """
    while True:
        recorded: list[Event] = []
        with om.locked(to_read=True):
            sequence, items = om.last_sequence, source.after(None, SLICE)
            if len(items) < SLICE:
                return Sliced(sequence, [items] if items else [], then())
            unsubscribe = om.subscribe(recorded.append)
        try:
            result = _Walk(om, source, recorded, sequence).finish(items, then)
        finally:
            unsubscribe()
        if result is not None:
            return result


class _Walk(Generic[K, V]):
    """One attempt to read all slices. `recorded` receives the events after the event `sequence`."""

    def __init__(self, om: Facade, source: Source[K, V], recorded: list[Event], sequence: int) -> None:
        self._om = om
        self._source = source
        self._recorded = recorded
        self._sequence = sequence  # of the last event whose items have been read again
        self._slices: list[list[V]] = []
        self._starts: list[Any] = []  # each slice contains the keys from its start to the next one

    def finish(self, items: list[V], then: Callable[[], T]) -> Sliced[V, T] | None:
        """Read all other slices, and then the changed items. Return None if an event is missing."""
        source = self._source
        while items:
            self._slices.append(items)
            self._starts.append(source.key(items[0]))
            last = source.key(items[-1])
            with self._om.locked(to_read=True):
                items = source.after(last, SLICE)
        most = SLICE
        while True:
            with self._om.locked(to_read=True):
                events = list(self._recorded)
                self._recorded.clear()
                sequence = self._om.last_sequence
                keys = list(islice(self._touched(events), most + 1))
                is_last = len(keys) <= most
                fresh = self._read(keys) if is_last else {}
                is_complete = self._is_consecutive(events, sequence)
                made = then() if is_last and is_complete else None
            if not is_complete:
                return None
            self._sequence = sequence
            if is_last:
                self._replace(fresh)
                return Sliced(sequence, list(filter(None, self._slices)), made)  # type: ignore[arg-type]  # `then` ran
            self._read_again(events)
            most *= 2

    def _touched(self, events: Iterable[Event]) -> Iterator[K | None]:
        return chain.from_iterable(map(self._source.touched, events))

    def _is_consecutive(self, events: list[Event], sequence: int) -> bool:
        numbers = [event.sequence for event in events]
        return numbers == list(range(self._sequence + 1, sequence + 1))

    def _read(self, keys: Iterable[K | None]) -> dict[K, V | None]:
        return {key: self._source.get(key) for key in dict.fromkeys(keys) if key is not None}

    def _read_again(self, events: list[Event]) -> None:
        """Read the items that many events have touched, a slice at a time."""
        keys = iter(dict.fromkeys(self._touched(events)))
        while part := list(islice(keys, SLICE)):
            with self._om.locked(to_read=True):
                fresh = self._read(part)
            self._replace(fresh)

    def _replace(self, fresh: dict[K, V | None]) -> None:
        """Replace items in the slices. None removes an item."""
        by_slice: dict[int, dict[K, V | None]] = {}
        for key, item in fresh.items():
            at = max(bisect_right(self._starts, key) - 1, 0)
            by_slice.setdefault(at, {})[key] = item
        for at, changed in by_slice.items():
            items = {self._source.key(item): item for item in self._slices[at]} | changed
            self._slices[at] = [item for _, item in sorted(items.items()) if item is not None]
