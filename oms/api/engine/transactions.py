"""Transactions and what-ifs of a matching engine.

A transaction can change only the caller's own orders, like each of its verbs alone. Only the operator may use
a what-if: it would show an owner the hidden lots and the stop orders of all other owners at no cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Response

from oms.api.batches import Tried, VerbNotes
from oms.api.body_lists import checked_by, unchecked
from oms.api.callers import CallersOwner, check_operator
from oms.api.engine import descriptions
from oms.api.engine.changes import own_order, own_selection
from oms.api.engine.messages import execution_json, order_json
from oms.api.engine.results import Canceled, Executed, Reduced
from oms.api.first_responses import request_fields
from oms.api.idempotency import Change, Once, digest_of
from oms.api.openapi import documented
from oms.api.query_models import KeyHeader
from oms.api.question_models import EngineWhatIfBody
from oms.api.route import accepting_lists
from oms.api.subjects import Single
from oms.api.transactions import transaction_response
from oms.api.verb_models import (
    Cancel,
    CancelAll,
    EngineTransactionBody,
    EngineVerb,
    Reduce,
    Replace,
    Submit,
)
from oms.api.verbs import Verbs
from oms.api.what_if import WhatIf
from oms.matching import MatchingEngine

__all__ = ["EngineTransactions"]

_TRANSACTION: Final = checked_by(EngineTransactionBody)
_WHAT_IF: Final = checked_by(EngineWhatIfBody)
_Transaction = Annotated[Any, unchecked(EngineTransactionBody), Body()]
_WhatIf = Annotated[Any, unchecked(EngineWhatIfBody), Body()]


class EngineTransactions:
    """The endpoints of transactions and what-ifs. They run in threads, because they may wait for a lock."""

    def __init__(self, engine: MatchingEngine, once: Once, what_if: WhatIf) -> None:
        self._engine = engine
        self._once = once
        self._what_if = what_if

    def add_to(self, router: APIRouter) -> None:
        """Add the endpoints to a router."""
        for path, endpoint, description in (
            ("/transactions", self.make_transaction, descriptions.ENGINE_TRANSACTION),
            ("/what-if", self.ask_what_if, descriptions.ENGINE_WHAT_IF),
        ):
            router.add_api_route(path, endpoint, methods=["POST"], **documented(description, endpoint))

    @accepting_lists
    def make_transaction(
        self, transaction: _Transaction, caller: CallersOwner, key: KeyHeader = None
    ) -> Response:
        """Make several changes together: either all of them, or none."""
        verbs: list[EngineVerb] = _TRANSACTION(transaction).verbs
        change = self._transaction(verbs, key, caller)

        def to_fields(verb: EngineVerb, subject: Single) -> dict[str, Any]:
            return _subject_json(verb, subject, caller)

        return transaction_response(change, verbs, to_fields)

    @accepting_lists
    def ask_what_if(self, what_if: _WhatIf, caller: CallersOwner) -> Response:
        """Answer questions as if changes had been made. Only the operator may do this. Nothing changes."""
        check_operator(caller)
        body: EngineWhatIfBody = _WHAT_IF(what_if)
        verbs = Verbs(self._engine, body.verbs, lambda: EngineVerbs(self._engine, None))
        return self._what_if.response(verbs, body.questions, _subject_json)

    def _transaction(self, verbs: Sequence[EngineVerb], key: str | None, caller: str | None) -> Change:
        digest = digest_of("POST", "/transactions", {"verbs": [verb.explicit_fields() for verb in verbs]})
        batch = Verbs(self._engine, verbs, lambda: EngineVerbs(self._engine, caller))

        def notes(tried: Sequence[Tried]) -> VerbNotes:
            return VerbNotes(request_fields(key, digest, caller), len(verbs), tried)

        return self._once(key, digest, None, lambda: batch.make(notes, tries=True), caller)


class EngineVerbs:
    """A callable that executes one verb per call on a matching engine, on behalf of a caller."""

    def __init__(self, engine: MatchingEngine, caller: str | None) -> None:
        self._engine = engine
        self._caller = caller

    def __call__(self, verb: EngineVerb) -> Single:
        """Execute a verb, and return the subject of its response.

        Raise OmsError if the engine rejects the verb, and ProblemError if the caller may not do this.
        """
        engine, caller = self._engine, self._caller
        if isinstance(verb, Replace | Reduce | Cancel):
            own_order(engine, verb.order_id, caller)
        match verb:
            case Submit():
                order = verb.submission()._replace(owner=own_selection(verb.owner, caller))
                return Executed(engine.submit(**order._asdict()), {})
            case Replace():
                execution = engine.replace(verb.order_id, amount=verb.amount, price=verb.price)
                return Executed(execution, {})
            case Reduce():
                return Reduced(engine.reduce(verb.order_id, verb.amount))
            case Cancel():
                return Canceled((engine.cancel(verb.order_id),))
            case CancelAll():
                owner = own_selection(verb.owner, caller)
                return Canceled(engine.cancel_all(verb.symbol, verb.side, owner))


def _subject_json(verb: EngineVerb, subject: Single, caller: str | None = None) -> dict[str, Any]:
    """Return the result of a verb as a JSON object, as the caller may see it."""
    match subject:
        case Executed(execution, owners):
            return execution_json(execution, owners, caller)
        case Canceled((order,)) | Reduced(order) if not isinstance(verb, CancelAll):
            return order_json(order)
        case Canceled(orders):
            return {"orders": [order_json(order) for order in orders]}
        case other:
            raise AssertionError(f"{other} is not a result of a matching engine")
