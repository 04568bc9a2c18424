"""The first response to each change: by idempotency key, and by order id for new orders."""

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


class FirstResponse(NamedTuple):
    """The contents of the first response to a change.

    `sequence` is the number of the event, and `subject` the order or trade in the response. `digest` is that
    of the request, if it had a key. `made_change` is False if the request repeated an earlier change under a
    new key.
    """

    sequence: int
    subject: Order | Trade
    digest: str | None = None
    made_change: bool = True


def to_note(key: str | None, digest: str) -> str:
    """Return the note of an event that a request of the API makes."""
    fields: dict[str, object] = {_MARK: _FORMAT}
    if key is not None:
        fields |= {"key": key, "request": digest}
    return json.dumps(fields, separators=(",", ":"))


def to_reply(key: str, response: FirstResponse) -> str:
    """Return the text with which a journal stores a response that has no event of its own."""
    assert isinstance(response.subject, Order)  # every trade has an event
    fields = {
        _MARK: _FORMAT,
        "key": key,
        "request": response.digest,
        "sequence": response.sequence,
        "own": response.made_change,
        "order": {**response.subject._asdict(), "side": response.subject.side.value},
    }
    return json.dumps(fields, separators=(",", ":"))


def restore(om: OrderManagement, responses: FirstResponses, *subscribers: Callable[[Event], object]) -> None:
    """Pass the events of the journal to `responses` and other subscribers, and subscribe them to new events.

    Also pass to `responses` the stored responses that have no event. Raise JournalError if the journal cannot
    be read. O(events).
    """
    everyone: tuple[Callable[[Event], object], ...] = (responses, *subscribers)
    with om.locked():  # no event can come between the history and the subscription
        for event in om.journal.history() if om.journal is not None else ():
            for subscriber in everyone:
                subscriber(event)
        if isinstance(om.journal, ReplyKeeper):
            # Latest first, because `keep` keeps the first that it gets. The journal has two entries for a key
            # only if the process was interrupted after it stored one of them and before it sent a response:
            # a reply before an event, or an earlier reply. Neither was ever sent.
            for reply in reversed(list(om.journal.replies())):
                responses.keep_reply(reply)
        for subscriber in everyone:
            om.subscribe(subscriber)


class FirstResponses:
    """The first responses that a retry gets again. They are kept forever.

    It is a subscriber of the books, so it is called under their lock. An order id that was used elsewhere
    (by code in the same process) is used up too, but has no response.
    """

    def __init__(self) -> None:
        self._by_order_id: dict[int, FirstResponse | None] = {}
        self._by_key: dict[str, FirstResponse] = {}

    def __call__(self, event: Event) -> None:
        """Record an event, in O(1), or in O(m) for m orders that are added in bulk."""
        note = _from_note(event.note)
        if isinstance(event, OrderAdded):
            response = FirstResponse(event.sequence, event.order) if note else None
            self._by_order_id.setdefault(event.order.order_id, response)
        elif isinstance(event, OrdersAdded):
            for order in event.orders:
                self._by_order_id.setdefault(order.order_id, None)
        key, subject = note.get("key"), RESPONSE_SUBJECTS[type(event)](event)
        if isinstance(key, str) and subject is not None:
            self.keep(key, FirstResponse(event.sequence, subject, note.get("request")))

    def keep(self, key: str, response: FirstResponse) -> None:
        """Record a response under a key, unless the key has one already."""
        self._by_key.setdefault(key, response)

    def keep_reply(self, reply: str) -> None:
        """Record a response that `to_reply` wrote, unless its key has one already; ignore other texts."""
        fields = _from_note(reply)
        if fields:
            order = Order(**(fields["order"] | {"side": Side(fields["order"]["side"])}))
            response = FirstResponse(fields["sequence"], order, fields["request"], fields["own"])
            self.keep(fields["key"], response)

    def with_key(self, key: str) -> FirstResponse | None:
        """Return the first response to the request with this key, or None if there was none."""
        return self._by_key.get(key)

    def with_order(self, order: Order) -> FirstResponse | None:
        """Return the first response to the request that added this very order, or None if its id is unused.

        Raise DuplicateOrderError if the id was used by another order, or elsewhere.
        """
        if order.order_id not in self._by_order_id:
            return None
        response = self._by_order_id[order.order_id]
        if response is None or response.subject != order:
            raise DuplicateOrderError(order.order_id)
        return response


def _from_note(note: str | None) -> dict[str, Any]:
    """Return the fields of a note or reply of the API, or an empty dict for any other text."""
    if note is None or _MARK not in note:
        return {}
    try:
        fields: Any = json.loads(note)
    except ValueError:
        return {}
    return cast("dict[str, Any]", fields) if isinstance(fields, dict) and _MARK in fields else {}


RESPONSE_SUBJECTS: dict[type[Event], Callable[[Any], Order | Trade | None]] = {
    OrderAdded: lambda event: event.order,
    OrdersAdded: lambda _: None,
    OrderRemoved: lambda event: event.order,
    OrdersRemoved: lambda _: None,
    OrderAmended: lambda event: event.after,
    TradePlaced: lambda event: event.trade,
}
"""The order or trade in the response to a request that made an event; None where no request makes it."""
