"""Idempotency: a change is made only once, even if its request arrives several times.

The problem. If a client gets no response, it cannot tell whether its request arrived. It has to retry, but
the retry must not trade a second time.

What does not work. If the keys were in a separate table, a crash between the two writes would lose either the
change or its key. If the lookup happened without the lock, two simultaneous requests would both find no
entry, and both would make the change.

The solution. The client sends an idempotency key with each change. A new order does not need a key, because
its order id identifies the request. The service makes the change in a transaction, and puts the key and a
digest of the request into the transaction's note. The journal stores the note with the event, so a crash
loses both the key and the change, or neither. The lookup happens inside the transaction, under the books'
lock. If the same request arrives several times at once, the first one makes the change. The others wait for
the lock, and then find the response. After a restart, the service rebuilds the responses from the journal.

A request that changes nothing creates no event, so there is no note to store its key in. Instead, the journal
stores the response in a separate row, called a reply, before the response is sent.

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
from collections.abc import Callable, Mapping
from typing import NamedTuple

from oms.api.first_responses import FirstResponse, FirstResponses, to_note, to_reply
from oms.api.problems import ProblemError
from oms.api.request_models import Amendment, NewOrder, NewTrade
from oms.api.subjects import Subject
from oms.contract import IDEMPOTENCY_KEY_HEADER
from oms.errors import JournalError, OmsError
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

    `sequence` and `time` are those of the event, and `subject` is what the response is about. `replayed` is
    True if an earlier request made the change. `made_change` is True if the change was made by this request,
    or by an earlier one with the same key.
    """

    sequence: int
    subject: Subject
    replayed: bool = False
    made_change: bool = True
    time: int | None = None


class IdempotentChanges:
    """The four write operations of the API. Each change is made only once per idempotency key."""

    def __init__(self, om: OrderManagement, responses: FirstResponses) -> None:
        self._om = om
        self._responses = responses
        self._once = Once(om, responses)

    def add(self, order: NewOrder, key: str | None) -> Change:
        """Add an order with a new id. A repeated request gets the original response."""
        new = order.order()

        def make() -> Order | FirstResponse:
            first = self._responses.with_order(new)
            if first is None:
                self._om.add_order(*new)
            return first or new

        digest, former = digest_of("POST", "/orders", order.explicit_fields()), ("POST", "/orders", *new)
        return self._once(key, digest, former, make)

    def remove(self, order_id: int, key: str | None) -> Change:
        """Remove a resting order."""

        def make() -> Order:
            order = self._om.get_order(order_id)
            self._om.remove_order(order_id)
            return order

        digest, former = digest_of("DELETE", f"/orders/{order_id}", {}), ("DELETE", "/orders", order_id)
        return self._once(key, digest, former, make)

    def amend(self, order_id: int, amendment: Amendment, key: str | None) -> Change:
        """Amend a resting order's amount, price, or both."""

        def make() -> Order:
            return self._om.amend_order(order_id, **vars(amendment))

        digest = digest_of("PATCH", f"/orders/{order_id}", amendment.explicit_fields())
        former = "PATCH", "/orders", order_id, amendment.amount, amendment.price
        return self._once(key, digest, former, make)

    def trade(self, trade: NewTrade, key: str | None) -> Change:
        """Place a trade against the book."""

        def make() -> Trade:
            return self._om.place_trade(**vars(trade))

        digest = digest_of("POST", "/trades", trade.explicit_fields())
        former = "POST", "/trades", *(getattr(trade, name) for name in _FORMER_TRADE_FIELDS)
        return self._once(key, digest, former, make)


class Once:
    """A function that makes a change only once per idempotency key. The keys of each owner are separate."""

    def __init__(self, books: Facade, responses: FirstResponses) -> None:
        self._books = books
        self._responses = responses

    def __call__(
        self,
        key: str | None,
        digest: str,
        former: tuple[object, ...] | None,
        make: Callable[[], Subject | FirstResponse],
        owner: str | None = None,
    ) -> Change:
        """If the key already has a response, return that. Otherwise, make the change.

        `former` contains the values for the digest of older journals, if they know the request. `owner` is
        the owner of the request's API key, or None.

        Raise RuntimeError if a subscriber raises an OmsError after the change. The change is not rolled back,
        so the client must not get an error that looks like a rejection.
        """
        change: Change | None = None
        try:
            with self._books.locked():  # until the time of the event is known
                with self._books.transaction(to_note(key, digest, owner)):
                    self._responses.catch_up(self._books)
                    change = self._replay(key, digest, former, owner) or self._make(key, digest, make, owner)
                if not change.replayed:
                    change = change._replace(time=self._responses.time_of(change.sequence))
        except OmsError as error:
            if change is None or isinstance(error, JournalError):
                raise
            raise RuntimeError("a subscriber failed after the change was made") from error
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
    ) -> Change:
        before = self._books.last_sequence
        made = make()
        after = self._books.last_sequence
        if isinstance(made, FirstResponse):
            change = Change(made.sequence, made.subject, replayed=True, made_change=False, time=made.time)
        else:
            change = Change(after, made, time=self._responses.time_of(after))
        if key is not None and after == before:  # there is no event, so no note can contain the key
            sequence, subject, _, made_change, time = change
            self._store(key, FirstResponse(sequence, subject, digest, made_change, time), owner)
        return change

    def _store(self, key: str, response: FirstResponse, owner: str | None) -> None:
        """Store the response to a request that created no event: first in the journal, then in memory."""
        if isinstance(self._books.journal, ReplyKeeper):
            self._books.journal.keep_reply(to_reply(key, response, owner))
        self._responses.record(key, response, owner)


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
