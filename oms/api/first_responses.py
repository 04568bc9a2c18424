"""The original response to each change, by idempotency key and (for new orders) by order id."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple, cast

from oms.errors import DuplicateOrderError
from oms.events import (
    Event,
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

__all__ = ["FirstResponse", "FirstResponses", "RESPONSE_SUBJECTS", "restore", "to_note", "to_reply"]

_MARK = "oms.api"
_FORMAT = 1
_REPLY_FIELDS = {"key", "request", "sequence", "own", "order"}


class FirstResponse(NamedTuple):
    """The content of the original response to a change request.

    `sequence` and `time` are those of the event. `subject` is the order or trade in the response. `digest` is
    the request's digest, or None if the request had no key. `made_change` is False if the request repeated an
    earlier `POST /orders` with a new key.
    """

    sequence: int
    subject: Order | Trade
    digest: str | None = None
    made_change: bool = True
    time: int | None = None


def to_note(key: str | None, digest: str) -> str:
    """Return the note to store with the request's event."""
    fields: dict[str, object] = {_MARK: _FORMAT}
    if key is not None:
        fields |= {"key": key, "request": digest}
    return json.dumps(fields, separators=(",", ":"))


def to_reply(key: str, response: FirstResponse) -> str:
    """Serialize the response to a request that created no event, for the journal."""
    assert isinstance(response.subject, Order)  # every trade has an event
    fields = {
        _MARK: _FORMAT,
        "key": key,
        "request": response.digest,
        "sequence": response.sequence,
        "time": response.time,
        "own": response.made_change,
        "order": {**response.subject._asdict(), "side": response.subject.side.value},
    }
    return json.dumps(fields, separators=(",", ":"))


def restore(om: OrderManagement, responses: FirstResponses, *subscribers: Callable[[Event], object]) -> None:
    """Pass the journal's events to `responses` and the subscribers, then subscribe them to new events.

    Also add the journal's replies to `responses`. A reply is the response to a request that created no event.
    Raise JournalError if the journal cannot be read. O(n) for n events.
    """
    everyone: tuple[Callable[[Event], object], ...] = (responses, *subscribers)
    with om.locked():  # so that no event is published between the replay and the subscriptions
        for event in om.journal.history() if om.journal is not None else ():
            for subscriber in everyone:
                subscriber(event)
        if isinstance(om.journal, ReplyKeeper):
            # Record the latest reply first, because `record` ignores further responses for the same key. A
            # key has two entries only if the process was interrupted between storing a reply and sending the
            # response, and a retry then stored an event or another reply. The client never received the first
            # reply, so the later entry is the valid one.
            for reply in reversed(list(om.journal.replies())):
                responses.record_reply(reply)
        for subscriber in everyone:
            om.subscribe(subscriber)
        responses.sequence = om.last_sequence


class FirstResponses:
    """The original response to each change, to return on a retry. Responses are never deleted.

    A FirstResponses object subscribes to the books' events and is called under their lock. It also records
    the ids of orders that other code in the process adds, because order ids cannot be reused. Those ids have
    no response.

    `sequence` is the number of the last recorded event. If an exception is raised between a change and its
    event's publication, subscribers miss that event. `catch_up` reads missed events from the journal.
    """

    def __init__(self) -> None:
        self.sequence = 0
        self._last: tuple[int, int | None] = (0, None)  # the sequence number and the time of an event
        self._last_request: tuple[int, int | None] = (0, None)
        self._by_order_id: dict[int, FirstResponse | None] = {}
        self._by_key: dict[str, FirstResponse] = {}

    def __call__(self, event: Event) -> None:
        """Record an event. O(1), or O(m) for an event that adds m orders."""
        note = _from_note(event.note)
        if isinstance(event, OrderAdded):
            response = FirstResponse(event.sequence, event.order, time=event.time) if note else None
            self._by_order_id.setdefault(event.order.order_id, response)
        elif isinstance(event, OrdersAdded):
            for order in event.orders:
                self._by_order_id.setdefault(order.order_id, None)
        key, subject = note.get("key"), RESPONSE_SUBJECTS[type(event)](event)
        if isinstance(key, str) and subject is not None:
            first = FirstResponse(event.sequence, subject, note.get("request"), time=event.time)
            self.record(key, first)
        self.sequence = event.sequence
        self._last = event.sequence, event.time
        if note:
            self._last_request = self._last

    def time_of(self, sequence: int) -> int | None:
        """Return the time of the event with this sequence number, if it is one of the latest events.

        Only two events are remembered: the last one, and the last one that a request created. These differ if
        a subscriber made another change. Return None for any other number.
        """
        return dict([self._last_request, self._last]).get(sequence)

    def catch_up(self, om: OrderManagement) -> None:
        """Record missed events from the journal. Call this at the start of a transaction.

        Raise JournalError if the journal cannot be read. O(1) if no event was missed, otherwise O(n) for n
        events in the journal.
        """
        if om.journal is not None and self.sequence < om.last_sequence:
            for event in om.journal.history():  # not `read`, which omits dropped events
                if event.sequence > self.sequence:
                    self(event)
            self.sequence = om.last_sequence

    def record(self, key: str, response: FirstResponse) -> None:
        """Record the response for a key, unless it already has one."""
        self._by_key.setdefault(key, response)

    def record_reply(self, reply: str) -> None:
        """Record a reply from `to_reply`, unless its key already has a response. Ignore other strings."""
        fields = _from_note(reply)
        if fields.keys() >= _REPLY_FIELDS:
            order = Order(**(fields["order"] | {"side": Side(fields["order"]["side"])}))
            values = fields["sequence"], order, fields["request"], fields["own"], fields.get("time")
            response = FirstResponse(*values)
            self.record(fields["key"], response)

    def with_key(self, key: str) -> FirstResponse | None:
        """Return the original response for this key, or None if there is none."""
        return self._by_key.get(key)

    def with_order(self, order: Order) -> FirstResponse | None:
        """Return the original response to the request that added this order, or None if its id is unused.

        Raise DuplicateOrderError if the id belongs to a different order, or to an order that other code in
        the process added.
        """
        if order.order_id not in self._by_order_id:
            return None
        response = self._by_order_id[order.order_id]
        if response is None or response.subject != order:
            raise DuplicateOrderError(order.order_id)
        return response


def _from_note(note: str | None) -> dict[str, Any]:
    """Return the fields of a note or reply written by the API, or an empty dict for any other string."""
    if note is None or _MARK not in note:
        return {}
    try:
        parsed: object = json.loads(note)
    except (ValueError, RecursionError):
        return {}
    fields = cast("dict[str, Any]", parsed) if isinstance(parsed, dict) else {}
    return fields if fields.get(_MARK) == _FORMAT else {}


RESPONSE_SUBJECTS: dict[type[Event], Callable[[Any], Order | Trade | None]] = {
    OrderAdded: lambda event: event.order,
    OrdersAdded: lambda _: None,
    OrderRemoved: lambda event: event.order,
    OrdersRemoved: lambda _: None,
    OrderAmended: lambda event: event.after,
    TradePlaced: lambda event: event.trade,
}
"""For each event type, a function that returns the order or trade to put in the response.

It returns None for event types that API requests never create.
"""
