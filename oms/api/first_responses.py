"""The original response to each change, by idempotency key and (for new orders) by order id."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from oms.api.batches import Batch, note_fields, note_of
from oms.api.event_subjects import RESPONSE_SUBJECTS
from oms.api.subjects import Added, Single, Subject, from_reply, without_event
from oms.errors import DuplicateOrderError
from oms.events import Event, OrderAdded, OrdersAdded
from oms.facade import Facade
from oms.journal.extracts import ExtractKeeper
from oms.models import Order

__all__ = ["FirstResponse", "FirstResponses", "request_fields", "to_note", "to_reply"]

_REPLY_FIELDS = {"key", "request", "sequence", "own"}


class FirstResponse(NamedTuple):
    """The content of the original response to a change request.

    `sequence` and `time` are the event's sequence number and timestamp. `subject` is the order or trade in
    the response. `digest` is the request's digest, or None if the request had no key. `made_change` is False
    if the request repeated an earlier `POST /orders` with a new key.
    """

    sequence: int
    subject: Subject
    digest: str | None = None
    made_change: bool = True
    time: int | None = None


def to_note(
    key: str | None, digest: str, owner: str | None = None, more: dict[str, object] | None = None
) -> str:
    """Return the note to store with the request's event.

    `owner` is the owner of the request's API key, or None. `more` contains fields that the response needs and
    the event lacks.
    """
    return note_of({} if key is None else {**request_fields(key, digest, owner), **(more or {})})


def request_fields(key: str | None, digest: str, owner: str | None = None) -> dict[str, object]:
    """Return the fields of a note that identify a request with a key, or no fields without a key."""
    return {} if key is None else {"key": key, "request": digest, **_owner_field(owner)}


def to_reply(key: str, response: FirstResponse, owner: str | None = None) -> str:
    """Serialize the response to a request that created no event, for the journal."""
    fields = {
        "key": key,
        **_owner_field(owner),
        "request": response.digest,
        "sequence": response.sequence,
        "time": response.time,
        "own": response.made_change,
        **without_event(response.subject),
    }
    return note_of(fields)


def _owner_field(owner: str | None) -> dict[str, object]:
    return {} if owner is None else {"owner": owner}


class FirstResponses:
    """The original response to each change, to return on a retry. Responses are never deleted.

    A FirstResponses object subscribes to the books' events and is called under their lock. It also records
    the ids of orders that other code in the process adds, because order ids cannot be reused. Those ids have
    no response.

    `sequence` is the sequence number of the last recorded event. If an exception is raised between a change
    and its event's publication, subscribers miss that event. `begin_group` reads missed events from the
    journal.
    """

    def __init__(self) -> None:
        self.sequence = 0
        self._of_group: dict[int, Event] | None = None  # the events that the current group has created
        self._last: tuple[int, int | None] = (0, None)  # the sequence number and the time of the last event
        self._before_group: tuple[int, int | None] = (0, None)
        self._by_order_id: dict[int, FirstResponse | None] = {}
        self._by_key: dict[tuple[str | None, str], FirstResponse] = {}  # by the owner and the key
        self._restored_replies: set[tuple[str | None, str]] = set()
        self._batch: Batch | None = None  # the transaction whose events are being recorded
        self._before_batch: int | None = None  # the last event before this transaction, unless one was missed

    def __call__(self, event: Event) -> None:
        """Record an event. O(1), or O(m) for an event that adds m orders."""
        note = note_fields(event.note)
        if isinstance(event, OrderAdded | OrdersAdded):
            self._record_orders(event, note)
        key, subject = note.get("key"), RESPONSE_SUBJECTS[type(event)](event)
        if "verb" in note:
            self._record_verb(event, note, subject)
        elif isinstance(key, str) and subject is not None:
            first = FirstResponse(event.sequence, subject, note.get("request"), time=event.time)
            self.record(key, first, note.get("owner"))
        if event.sequence == self.sequence + 1:  # otherwise, an event was missed: see `begin_group`
            if self._batch is None:
                self._before_batch = None
            elif self._before_batch is None:
                self._before_batch = self.sequence
            self.sequence = event.sequence
        self._last = event.sequence, event.time
        if note and self._of_group is not None:
            self._of_group[event.sequence] = event

    def _record_orders(self, event: OrderAdded | OrdersAdded, note: dict[str, Any]) -> None:
        """Record the ids of new orders.

        Record the response, too, unless other code or a transaction has added the orders.
        """
        subject = RESPONSE_SUBJECTS[type(event)](event)
        response = None
        if note and "verb" not in note and subject is not None:
            response = FirstResponse(event.sequence, subject, note.get("request"), time=event.time)
        for order in [event.order] if isinstance(event, OrderAdded) else event.orders:
            self._by_order_id.setdefault(order.order_id, response)

    def _record_verb(self, event: Event, note: dict[str, Any], subject: Single | None) -> None:
        """Record the event of one verb of a transaction, and the response after the last event."""
        if "verbs" in note:
            self._batch = Batch.begun_by(note)
        batch = self._batch
        if batch is None or subject is None:
            return
        done = batch.add(note, event, subject)
        if done is not None:
            first = FirstResponse(event.sequence, done, batch.digest, time=event.time)
            self.record(batch.key, first, batch.owner)
            self._batch = None

    def begin_group(self, om: Facade) -> int:
        """Record missed events from the journal, and return the last sequence number.

        Call this at the start of a group's transaction. Raise JournalError if the journal cannot be read.
        O(1) if no event was missed, otherwise O(n) for n events in the journal.
        """
        last_sequence = self.catch_up(om)
        self._of_group, self._before_group = {}, self._last
        return last_sequence

    def catch_up(self, om: Facade) -> int:
        """Do the same as `begin_group` at the start of a what-if, which does not belong to a group."""
        last_sequence = om.last_sequence
        if om.journal is not None and self.sequence < last_sequence:
            # A transaction of which only a part is recorded is read from its first event.
            last = self.sequence if self._before_batch is None else self._before_batch
            self._batch = None
            is_complete = isinstance(om.journal, ExtractKeeper)  # otherwise, `read` omits dropped events
            for event in om.journal.read(last + 1) if is_complete else om.journal.history():
                if event.sequence > last:
                    self(event)
            self.sequence = last_sequence
        return last_sequence

    def event_of(self, sequence: int) -> Event | None:
        """Return the event with this sequence number, if a request of the current group created it.

        Return None for any other number, and for an event that was missed.
        """
        return (self._of_group or {}).get(sequence)

    def time_of(self, sequence: int) -> int | None:
        """Return the timestamp of an event in the current group, or of the last event before the group.

        Return None for any other number.
        """
        event = self.event_of(sequence)
        return dict([self._before_group]).get(sequence) if event is None else event.time

    def record(self, key: str, response: FirstResponse, owner: str | None = None) -> None:
        """Record the response for an owner's key, unless the key has a response. Replace a restored reply."""
        name = owner, key
        if name in self._restored_replies:
            self._by_key[name] = response
            self._restored_replies.discard(name)
        else:
            self._by_key.setdefault(name, response)

    def record_reply(self, reply: str) -> None:
        """Record a reply from the journal, unless an event has its key. Ignore strings not from `to_reply`.

        A key can have two entries in the journal. This happens only if the process was interrupted between
        storing a reply and sending the response, and a retry then stored an event or another reply. The
        client never received the first reply, so the later entry is the valid one. This does not depend on
        whether events or replies are read first.
        """
        fields = note_fields(reply)
        subject = from_reply(fields)
        if fields.keys() >= _REPLY_FIELDS and subject is not None:
            values = fields["sequence"], subject, fields["request"], fields["own"], fields.get("time")
            name = fields.get("owner"), fields["key"]
            if name not in self._by_key or name in self._restored_replies:
                self._by_key[name] = FirstResponse(*values)
                self._restored_replies.add(name)

    def with_key(self, key: str, owner: str | None = None) -> FirstResponse | None:
        """Return the original response for this key of this owner, or None if there is none."""
        return self._by_key.get((owner, key))

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

    def with_list(self, order_ids: Sequence[int], digest: str) -> FirstResponse | None:
        """Return the original response to the request that added this list, or None if all ids are unused.

        `digest` is the digest of the request. Raise DuplicateOrderError if an id is used, unless the same
        list has added it. O(m) for m ids.
        """
        used = next((order_id for order_id in order_ids if order_id in self._by_order_id), None)
        if used is None:
            return None
        response = self._by_order_id[used]
        if response is None or not isinstance(response.subject, Added) or response.digest != digest:
            raise DuplicateOrderError(used)
        return response

    def has_used(self, order_id: int) -> bool:
        """Return True if an order with this id was added before. O(1)."""
        return order_id in self._by_order_id
