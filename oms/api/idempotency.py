"""Idempotency: a change is made only once, even if its request arrives several times.

The problem. If a client gets no response, it cannot tell whether its request arrived. It has to retry, but
the retry must not trade a second time.

What does not work. If the keys were in a separate table, a crash between the two writes would lose either the
change or its key. If the lookup happened without the lock, two simultaneous requests would both find no
entry, and both would make the change.

The solution. The client sends an idempotency key with each change. A new order does not need a key, because
its order id identifies the request. The service makes the change in a transaction, and puts the key and a
digest of the request into the transaction's note. The journal stores the note with the event, so a crash
loses both the key and the change, or neither. Requests are executed in groups (see group.py), and the lookup
happens inside the transaction of a group. If the same request arrives several times at once, the first one
makes the change. The others are executed in later groups, and find the response. After a restart, the service
rebuilds the responses from the journal.

A request that changes nothing creates no event, so no note can contain its key. Instead, the journal stores
the response in a separate row, called a reply, before the response is sent. It does so after storing the
group, because the response may depend on earlier requests of the group.

Invariants:
- By the time a response is sent, the key is as durable as the change.
- A key belongs to one request. If another request uses the same key, it is rejected.
- Only successful requests are recorded. If a request is rejected, the client may retry it with the same key.
- The digest covers only the fields that differ from their defaults, sorted by name. So a new optional field
  does not change the digests of old requests, and a retry still matches after an upgrade. For the same
  reason, a default must never change.
- The digest covers parsed values. So an integer sent as a string matches the same JSON integer.
- In older journals, digests cover all field values in a fixed order. Retries are compared with these digests
  too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from oms.api.first_responses import FirstResponse, FirstResponses, to_note, to_reply
from oms.api.group import Groups, Request
from oms.api.observation import note_sequence
from oms.api.problems import ProblemError
from oms.api.request_models import Amendment, NewOrder, NewTrade
from oms.api.subjects import Subject
from oms.contract import IDEMPOTENCY_KEY_HEADER
from oms.events import Event
from oms.facade import Facade
from oms.journal import ReplyKeeper
from oms.management import OrderManagement
from oms.models import Order, Trade

__all__ = ["Change", "IdempotentChanges", "Once", "digest_of"]

_FORMER_TRADE_FIELDS = (
    "symbol",
    "side",
    "amount",
    "limit_price",
    "max_total_price",
    "min_total_price",
    "allow_partial",
)


class Change(NamedTuple):
    """The result of a change request.

    `sequence` and `time` are the event's sequence number and timestamp. `subject` is what the response is
    about. `replayed` is True if an earlier request made the change. `made_change` is True if the change was
    made by this request, or by an earlier one with the same key. `event` is the event that this request has
    created, or None if it has created none, or if the event was missed.
    """

    sequence: int
    subject: Subject
    replayed: bool = False
    made_change: bool = True
    time: int | None = None
    event: Event | None = None


class IdempotentChanges:
    """The four write operations of the API. Each change is made only once per idempotency key."""

    def __init__(self, om: OrderManagement, responses: FirstResponses) -> None:
        self._om = om
        self._responses = responses
        self.once = Once(om, responses)
        self.groups = self.once.groups

    def add(self, order: NewOrder, key: str | None) -> Change:
        """Add an order with a new id. A repeated request gets the original response."""
        new = order.order()

        def make() -> Order | FirstResponse:
            first = self._responses.with_order(new)
            if first is None:
                self._om.add_order(*new)
            return first or new

        digest, former = digest_of("POST", "/orders", order.explicit_fields()), ("POST", "/orders", *new)
        return self.once(key, digest, former, make, order_ids=[new.order_id])

    def remove(self, order_id: int, key: str | None) -> Change:
        """Remove a resting order."""

        def make() -> Order:
            order = self._om.get_order(order_id)
            self._om.remove_order(order_id)
            return order

        digest, former = digest_of("DELETE", f"/orders/{order_id}", {}), ("DELETE", "/orders", order_id)
        return self.once(key, digest, former, make)

    def amend(self, order_id: int, amendment: Amendment, key: str | None) -> Change:
        """Amend a resting order's amount, price, or both."""

        def make() -> Order:
            return self._om.amend_order(order_id, **vars(amendment))

        digest = digest_of("PATCH", f"/orders/{order_id}", amendment.explicit_fields())
        former = "PATCH", "/orders", order_id, amendment.amount, amendment.price
        return self.once(key, digest, former, make)

    def trade(self, trade: NewTrade, key: str | None) -> Change:
        """Place a trade against the book."""

        def make() -> Trade:
            return self._om.place_trade(**vars(trade))

        digest = digest_of("POST", "/trades", trade.explicit_fields())
        former = "POST", "/trades", *(getattr(trade, name) for name in _FORMER_TRADE_FIELDS)
        return self.once(key, digest, former, make)


class Once:
    """A function that makes a change only once per idempotency key. The keys of each owner are separate."""

    def __init__(self, books: Facade, responses: FirstResponses) -> None:
        self._books = books
        self._responses = responses
        self.groups: Groups[_Made] = Groups(books, lambda: responses.begin_group(books), self._finished)

    def __call__(
        self,
        key: str | None,
        digest: str,
        former: tuple[object, ...] | None,
        make: Callable[[], Subject | FirstResponse],
        owner: str | None = None,
        order_ids: Iterable[int] = (),
    ) -> Change:
        """Return the key's earlier response, if it has one. Otherwise, make the change.

        `former` contains the values for the digest in older journals, if these can contain the request.
        `owner` is the owner of the request's API key, or None. `order_ids` are the ids by which a request
        that adds orders can be recognized without a key. The request waits for other requests, and is then
        executed in one group with them.

        Raise RuntimeError if a subscriber raises an error after the change. The change is not rolled back, so
        the client must not get an error that looks like a rejection.
        """
        claims: set[object] = {("order", order_id) for order_id in order_ids}
        if key is not None:
            claims.add((owner, key))

        def run() -> _Made:
            replayed = self._replay(key, digest, former, owner)
            return _Made(replayed) if replayed else self._make(key, digest, make, owner)

        note = to_note(key, digest, owner)
        change = self.groups.run(Request(run, note, frozenset(claims))).change
        note_sequence(change.sequence)
        return change

    def _replay(
        self, key: str | None, digest: str, former: tuple[object, ...] | None, owner: str | None
    ) -> Change | None:
        first = None if key is None else self._responses.with_key(key, owner)
        if first is None:
            return None
        if first.digest not in (digest, former and _former_digest_of(former)):
            raise ProblemError(
                "idempotency_key_reused",
                f"another request has used this {IDEMPOTENCY_KEY_HEADER}; use a new key for each request",
            )
        return Change(first.sequence, first.subject, True, first.made_change, first.time)

    def _make(
        self,
        key: str | None,
        digest: str,
        make: Callable[[], Subject | FirstResponse],
        owner: str | None,
    ) -> _Made:
        before = self._books.last_sequence
        made = make()
        after = self._books.last_sequence
        if isinstance(made, FirstResponse):
            change = Change(made.sequence, made.subject, replayed=True, made_change=False, time=made.time)
        else:
            change = Change(after, made)
        # Without an event, there is no note that could contain the key.
        return _Made(change, (key, digest, owner) if key is not None and after == before else None)

    def _finished(self, made: _Made) -> _Made:
        """Add the timestamp and the event to a durable change. Without an event, store the response."""
        change = made.change
        if not change.replayed:
            sequence, responses = change.sequence, self._responses
            change = change._replace(event=responses.event_of(sequence), time=responses.time_of(sequence))
        if made.reply is not None:
            key, digest, owner = made.reply
            first = FirstResponse(change.sequence, change.subject, digest, change.made_change, change.time)
            if isinstance(self._books.journal, ReplyKeeper):
                self._books.journal.keep_reply(to_reply(key, first, owner))
            self._responses.record(key, first, owner)
        return _Made(change)


class _Made(NamedTuple):
    """A change, and the key, the digest, and the owner of a request that has created no event."""

    change: Change
    reply: tuple[str, str, str | None] | None = None


def digest_of(method: str, path: str, fields: Mapping[str, object]) -> str:
    """Return a digest of a request's method, path, and fields. The field order does not matter.

    >>> digest_of("PATCH", "/orders/4", {"price": 9, "amount": 3})
    'd87892082520cc06605d7df94fbc0a23'

    """
    request = json.dumps([method, path, fields], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(request.encode()).hexdigest()[:32]


def _former_digest_of(values: tuple[object, ...]) -> str:
    """Return the digest of these values in the format that older journals use."""
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:32]
