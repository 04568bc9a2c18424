"""What the door of the API remembers: the first answer to whatever may be asked again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

from oms.errors import DuplicateOrderError
from oms.events import (
    Event,
    Journal,
    OrderAdded,
    OrderAmended,
    OrderRemoved,
    OrdersAdded,
    OrdersRemoved,
    TradePlaced,
)
from oms.journal import ReplyKeeper
from oms.management import OrderManagement
from oms.models import Order, Side, Trade

__all__ = ["ANSWERS", "First", "Memory", "note_of", "recall", "reply_of"]

_MARK = "oms.api"


class First(NamedTuple):
    """The first answer: the event's sequence number, what it was about, and the request under its key.

    `own` says whether it was that request that made the change, or an earlier one.
    """

    sequence: int
    subject: Order | Trade
    request: str | None = None
    own: bool = True


def reply_of(key: str, first: First) -> str:
    """The text of an answer that no event carries, as a journal keeps it."""
    assert isinstance(first.subject, Order)  # there is no trade without an event
    order = {**first.subject._asdict(), "side": first.subject.side.value}
    said = {_MARK: 1, "key": key, "request": first.request, "sequence": first.sequence, "own": first.own}
    return json.dumps({**said, "order": order}, separators=(",", ":"))


def note_of(key: str | None, request: str) -> str:
    """The note of an event that comes in at this door."""
    said: dict[str, object] = {_MARK: 1} if key is None else {_MARK: 1, "key": key, "request": request}
    return json.dumps(said, separators=(",", ":"))


def recall(om: OrderManagement, memory: Memory, *others: Callable[[Event], object]) -> None:
    """Tell a memory and others what the journal holds of the past, and of every event from now on.

    The memory is also given the replies that no event carries. Raises JournalError. O(events).
    """
    listeners: tuple[Callable[[Event], object], ...] = (memory, *others)
    with om.locked():  # so that nothing happens between the two
        for event in _past(om.journal):
            for listener in listeners:
                listener(event)
        if isinstance(om.journal, ReplyKeeper):
            # Backwards, because the first that is given stays. Of two replies under one key, or of an
            # event and a reply, one was interrupted before it was sent: the reply, or the earlier one.
            for reply in reversed(list(om.journal.replies())):
                memory.keep_reply(reply)
        for listener in listeners:
            om.subscribe(listener)


def _past(journal: Journal | None) -> Iterator[Event]:
    return iter(()) if journal is None else journal.history()


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
        key, subject = said.get("key"), ANSWERS[type(event)](event)
        if isinstance(key, str) and subject is not None:
            self.keep(key, First(event.sequence, subject, said.get("request")))

    def keep(self, key: str, first: First) -> None:
        """Remember an answer under a key, if it is the first."""
        self._keys.setdefault(key, first)

    def keep_reply(self, reply: str) -> None:
        """Remember what `reply_of` wrote, if it is the first under its key; ignore other texts."""
        said = _read(reply)
        if said:
            order = Order(**(said["order"] | {"side": Side(said["order"]["side"])}))
            self.keep(said["key"], First(said["sequence"], order, said["request"], said["own"]))

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


ANSWERS: dict[type[Event], Callable[[Any], Order | Trade | None]] = {
    OrderAdded: lambda event: event.order,
    OrdersAdded: lambda _: None,
    OrderRemoved: lambda event: event.order,
    OrdersRemoved: lambda _: None,
    OrderAmended: lambda event: event.after,
    TradePlaced: lambda event: event.trade,
}
"""What a request that made an event is answered with; None where no request of the API makes it."""
