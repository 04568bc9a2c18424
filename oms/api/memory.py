"""What the door of the API remembers: the first answer to whatever may be asked again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

from oms.errors import DuplicateOrderError
from oms.events import Event, Journal, OrderAdded, OrderAmended, OrderRemoved, OrdersAdded, TradePlaced
from oms.journal import SqliteJournal
from oms.management import OrderManagement
from oms.models import Order, Trade

__all__ = ["First", "Memory", "note_of", "recall"]

_MARK = "oms.api"


class First(NamedTuple):
    """The first answer: the event's sequence number, what it was about, and the request under its key."""

    sequence: int
    subject: Order | Trade
    request: str | None = None


def note_of(key: str | None, request: str) -> str:
    """The note of an event that comes in at this door."""
    said: dict[str, object] = {_MARK: 1} if key is None else {_MARK: 1, "key": key, "request": request}
    return json.dumps(said, separators=(",", ":"))


def recall(om: OrderManagement, *listeners: Callable[[Event], object]) -> None:
    """Tell listeners what the journal holds of the past, and of every event from now on; O(events).

    Raises JournalError.
    """
    with om.transaction():  # so that nothing happens between the two
        for event in _past(om.journal):
            for listener in listeners:
                listener(event)
        for listener in listeners:
            om.subscribe(listener)


def _past(journal: Journal | None) -> Iterator[Event]:
    if journal is None:
        return iter(())
    return journal.history() if isinstance(journal, SqliteJournal) else journal.read()


class Memory:
    """Remembers by order id and by key, for ever; it is told of every event, under the lock.

    An id that something else has used is used up here too, but has no answer to be given again.
    """

    def __init__(self) -> None:
        self._orders: dict[int, First | None] = {}
        self._keys: dict[str, First] = {}

    def __call__(self, event: Event) -> None:
        """Take note of an event, in O(1) for all but bulk adds."""
        said = _read(event.note)
        if isinstance(event, OrderAdded):
            first = First(event.sequence, event.order) if said else None
            self._orders.setdefault(event.order.order_id, first)
        elif isinstance(event, OrdersAdded):
            for order in event.orders:
                self._orders.setdefault(order.order_id, None)
        key, subject = said.get("key"), _subject(event)
        if isinstance(key, str) and subject is not None:
            self.keep(key, First(event.sequence, subject, said.get("request")))

    def keep(self, key: str, first: First) -> None:
        """Remember an answer under a key, if it is the first."""
        self._keys.setdefault(key, first)

    def under(self, key: str) -> First | None:
        """What was answered first under a key."""
        return self._keys.get(key)

    def added(self, order: Order) -> First | None:
        """What was answered first to this very order; raises DuplicateOrderError if its id is used up."""
        if order.order_id not in self._orders:
            return None
        first = self._orders[order.order_id]
        if first is None or first.subject != order:
            raise DuplicateOrderError(order.order_id)
        return first


def _read(note: str | None) -> dict[str, Any]:
    """What a note of this door says; nothing, if it is somebody else's."""
    if note is None or _MARK not in note:
        return {}
    try:
        said: Any = json.loads(note)
    except ValueError:
        return {}
    return cast("dict[str, Any]", said) if isinstance(said, dict) and _MARK in said else {}


def _subject(event: Event) -> Order | Trade | None:
    match event:
        case OrderAdded(order=order) | OrderRemoved(order=order) | OrderAmended(after=order):
            return order
        case TradePlaced(trade=trade):
            return trade
        case _:
            return None
