"""Changes with lists: a list of new orders, and transactions. Each is executed only once per idempotency key.

A list of new orders does not need a key, because its order ids identify it. An order id can be used only
once. So if one id of a list is used, either the same list has added it, and the request is a retry, or the
list is rejected. The note of the event contains the digest of the list.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Body, Response
from pydantic import TypeAdapter

from oms.api import descriptions
from oms.api.batches import Tried, VerbNotes, note_of
from oms.api.body_lists import checked_by, unchecked
from oms.api.first_responses import FirstResponse, FirstResponses, request_fields
from oms.api.idempotency import Change, Once, digest_of
from oms.api.openapi import documented
from oms.api.query_models import KeyHeader
from oms.api.request_models import NewOrder
from oms.api.response_models import json_response, to_json
from oms.api.route import accepting_lists
from oms.api.subjects import Added, Done, Part, Single
from oms.api.verb_models import AmendOrder, BookVerb, EngineVerb, TransactionBody
from oms.api.verbs import BookVerbs, Verbs, added_ids
from oms.contract import REPLAYED_HEADER
from oms.management import OrderManagement
from oms.models import Order, Trade

__all__ = ["BulkChanges", "Transactions", "results_json", "subject_json", "transaction_response"]

V = TypeVar("V", BookVerb, EngineVerb)

_FIELDS: Final = TypeAdapter(list[NewOrder])
_BODY: Final = checked_by(TransactionBody)
_Transaction = Annotated[Any, unchecked(TransactionBody), Body()]


class BulkChanges:
    """The changes of an OrderManagement that contain lists."""

    def __init__(self, om: OrderManagement, responses: FirstResponses, once: Once) -> None:
        self._om = om
        self._responses = responses
        self._once = once

    def add_list(self, orders: list[NewOrder], key: str | None) -> Change:
        """Add orders with new ids, all or none. A repeated list gets the original response."""
        ids, new = [order.order_id for order in orders], [order.order() for order in orders]
        fields = _FIELDS.dump_python(orders, exclude_defaults=True)  # faster than for each order alone
        digest = digest_of("POST", "/orders", {"orders": fields})
        note = note_of({"request": digest, **request_fields(key, digest)})

        def make() -> Added | FirstResponse:
            first = self._responses.with_list(ids, digest)
            if first is None:
                with self._om.transaction(note):
                    self._om.add_orders(new)
            return first or Added(len(new))

        return self._once(key, digest, None, make, order_ids=ids)

    def transaction(self, verbs: Sequence[BookVerb], key: str | None) -> Change:
        """Execute all verbs, or none. Raise ProblemError with the index of a verb that fails."""
        digest = digest_of("POST", "/transactions", {"verbs": [verb.explicit_fields() for verb in verbs]})
        batch = Verbs(self._om, verbs, lambda: BookVerbs(self._om, self._responses))
        tries = any(isinstance(verb, AmendOrder) for verb in verbs)  # an amendment may change nothing

        def notes(tried: Sequence[Tried]) -> VerbNotes:
            return VerbNotes(request_fields(key, digest), len(verbs), tried)

        def make() -> Done:
            return batch.make(notes, tries=tries)

        return self._once(key, digest, None, make, order_ids=added_ids(verbs))


class Transactions:
    """The endpoint of transactions. It runs in a thread, because it may wait for a lock or the disk."""

    def __init__(self, changes: BulkChanges) -> None:
        self._changes = changes

    def add_to(self, router: APIRouter) -> None:
        """Add the endpoint to a router."""
        description = documented(descriptions.TRANSACTION, self.make_transaction)
        router.add_api_route("/transactions", self.make_transaction, methods=["POST"], **description)

    @accepting_lists
    def make_transaction(self, transaction: _Transaction, key: KeyHeader = None) -> Response:
        """Make several changes together: either all of them, or none."""
        verbs = _BODY(transaction).verbs
        change = self._changes.transaction(verbs, key)
        return transaction_response(change, verbs, subject_json)


def subject_json(_verb: BookVerb, subject: Single) -> dict[str, Any]:
    """Return the result of a verb of an OrderManagement as a JSON object."""
    assert isinstance(subject, Order | Trade | Added)
    return to_json(subject)


def transaction_response(
    change: Change, verbs: Sequence[V], to_fields: Callable[[V, Single], dict[str, Any]]
) -> Response:
    """Return the response to a transaction. A replayed response gets an extra header."""
    assert isinstance(change.subject, Done)
    results = results_json(verbs, change.subject.parts, to_fields)
    content = {"sequence": change.sequence, "time": change.time, "results": results}
    return json_response(content, 201, {REPLAYED_HEADER: "true"} if change.replayed else {})


def results_json(
    verbs: Sequence[V], parts: Sequence[Part], to_fields: Callable[[V, Single], dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the results of the verbs as JSON objects. O(n) for n verbs and their fills."""
    return [
        {"verb": verb.verb, "sequence": sequence, "time": time, **to_fields(verb, subject)}
        for verb, (sequence, time, subject) in zip(verbs, parts, strict=True)
    ]
