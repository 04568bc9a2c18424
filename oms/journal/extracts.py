"""Extracts: only those past events that a service needs when it starts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from oms.events import Event
from oms.journal.pages import Archive

__all__ = ["ExtractKeeper", "Selection"]


class Selection(NamedTuple):
    """A rule by which a service selects the events that it needs.

    `select` returns the events that the service needs, in the same order. The service must reach the same
    state with the selected events as with all events, whatever events come before and after them. If the rule
    changes, it must get a new `name`, because selected events may be stored for years.
    """

    name: str
    select: Callable[[Sequence[Event]], Sequence[Event]]


@runtime_checkable
class ExtractKeeper(Archive, Protocol):
    """A journal that can also store the events that a service needs, apart from the others.

    When a service starts, it reads all events, because it needs some of them, such as those with idempotency
    keys. If the journal is an ExtractKeeper, the service does not have to read the other events. Such a
    journal never deletes events.
    """

    def extracted(self, selection: Selection) -> Iterator[Event]:
        """Yield at least the events that the service needs, oldest first.

        The journal stores the selected events for the next call, if it can. Raises JournalError if the events
        cannot be read.
        """
        ...

    def read(self, first: int = 1) -> Iterator[Event]:
        """Yield the events from sequence number `first` onward. See Journal."""
        ...
