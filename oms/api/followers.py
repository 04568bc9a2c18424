"""Subscribers that keep an image of the books, and notice when they have missed an event.

The problem. A subscriber that applies every event keeps an image of the books, such as an index. If an
interrupt arrives after a change, but before the event is published, no subscriber receives the event. If it
arrives while a subscriber applies the event, the subscriber has applied only a part. Its image would be wrong
from then on.

What does not work. The books cannot publish the event later, because they do not know who has received it. A
subscriber that applies the next event to a wrong image makes it worse.

The solution. Sequence numbers have no gaps. A follower remembers the number of the last event that it has
applied, and compares it with the number of each event and with the books' last sequence number.

Invariants:
- If `_sequence` is the books' last sequence number, the image contains exactly the events up to this number.
- `_sequence` increases only after an event has been applied completely.
- Events up to `_sequence` are ignored, because the image may have been built after them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from oms.events import Event
from oms.facade import Facade

__all__ = ["Follower", "MissedEventError", "retried"]

T = TypeVar("T")


class MissedEventError(Exception):
    """A missed event, after which a follower cannot build its image again."""


class Follower(ABC):
    """A subscriber with an image of the books. Call `catch_up` before each use of the image.

    The image is not built before the first call.
    """

    def __init__(self, books: Facade) -> None:
        self._books = books
        self._sequence: int = -1  # of the last event in the image

    def __call__(self, event: Event) -> None:
        """Apply an event, unless an event before it is missing."""
        if event.sequence == self._sequence + 1:
            self._apply(event)
            self._sequence = event.sequence

    def catch_up(self) -> None:
        """Build the image again if an event is missing. O(1) if none is. The caller holds the lock."""
        sequence = self._books.last_sequence
        if self._sequence != sequence:
            self._sequence = -1  # so that the next call repeats an interrupted build
            self._build()
            # The end of a what-if rolls the books back, so an image of a what-if is used only once.
            self._sequence = -1 if self._books._ledger.is_open else sequence

    @abstractmethod
    def _apply(self, event: Event) -> None:
        """Apply the event that follows the last one."""

    @abstractmethod
    def _build(self) -> None:
        """Build the image from the current books, or raise MissedEventError. The caller holds the lock."""


def retried(read: Callable[[], T]) -> T:
    """Return the result of `read`. If `read` misses an event, call it again, for a later state."""
    while True:
        with suppress(MissedEventError):
            return read()
