"""The changes that requests make to a matching engine, each made only once per idempotency key.

The problem. The event of a reduction does not contain the visible amount of an iceberg order, so a response
to a retry could not be rebuilt after a restart. A note is written before the change, so it cannot contain the
result either.

The solution. The reduction is tried in a what-if first. Its result is a part of the note of an inner
transaction, in which the reduction is then executed.

The keys of each owner are separate. An owner can only change their own orders. For another owner's order, the
error is the same as for an order that does not exist.
"""

from __future__ import annotations

from collections.abc import Callable

from oms.api.callers import check_operator
from oms.api.engine.results import Canceled, Executed, Reduced, amounts_of
from oms.api.first_responses import FirstResponses, to_note
from oms.api.idempotency import Change, Once, digest_of
from oms.api.problems import ProblemError
from oms.api.query_models import SelectionQuery
from oms.api.request_models import DayEnd, Expiration, NewSubmission, Reduction, Replacement
from oms.engine_events import EngineEvent
from oms.errors import OrderNotFoundError
from oms.matching import MatchingEngine
from oms.submission import Execution, OpenOrder, OrderId

__all__ = ["EngineChanges", "own_order", "own_selection"]


def own_order(engine: MatchingEngine, order_id: OrderId, caller: str | None) -> OpenOrder:
    """Return an open order. Raise OrderNotFoundError if the caller is an owner, but not the order's owner."""
    order = engine.order(order_id)
    if caller not in (None, order.order.owner):
        raise OrderNotFoundError(order_id)
    return order


def own_selection(owner: str | None, caller: str | None) -> str | None:
    """Return the owner of the orders that a request selects or submits.

    None means all owners, or a new order without an owner. Raise ProblemError if the caller is an owner, and
    the request names another owner.
    """
    if caller is not None and owner not in (None, caller):
        detail = f"owner must be left out or {caller!r}, which is the owner of the API key, not {owner!r}"
        raise ProblemError("forbidden", detail)
    return owner if caller is None else caller


class EngineChanges:
    """The write operations of a matching engine. `caller` is the owner of the request's API key, or None."""

    def __init__(self, engine: MatchingEngine, responses: FirstResponses) -> None:
        self._engine = engine
        self._responses = responses
        self.once = Once(engine, responses)
        self.groups = self.once.groups

    def submit(self, body: NewSubmission, key: str | None, caller: str | None) -> Change:
        """Submit an order for the caller or, if the caller is the operator, for any owner."""
        order = body.submission()._replace(owner=own_selection(body.owner, caller))
        digest = digest_of("POST", "/submissions", body.explicit_fields())
        return self._execute(key, digest, caller, lambda: self._engine.submit(**order._asdict()))

    def replace(self, order_id: OrderId, body: Replacement, key: str | None, caller: str | None) -> Change:
        """Replace an open order."""

        def make() -> Execution:
            own_order(self._engine, order_id, caller)
            return self._engine.replace(order_id, **vars(body))

        digest = digest_of("PATCH", "/orders", {"order_id": order_id, **body.explicit_fields()})
        return self._execute(key, digest, caller, make)

    def reduce(self, body: Reduction, key: str | None, caller: str | None) -> Change:
        """Reduce the open amount of an order."""
        digest = digest_of("POST", "/reductions", body.explicit_fields())

        def make() -> Reduced:
            own_order(self._engine, body.order_id, caller)
            with self._engine.what_if():
                amounts = amounts_of(self._engine.reduce(body.order_id, body.amount))
            with self._engine.transaction(to_note(key, digest, caller, {"open": amounts})):
                return Reduced(self._engine.reduce(body.order_id, body.amount))

        return self.once(key, digest, None, make, caller)

    def cancel(self, order_id: OrderId, key: str | None, caller: str | None) -> Change:
        """Cancel an open order."""

        def make() -> Canceled:
            own_order(self._engine, order_id, caller)
            return Canceled((self._engine.cancel(order_id),))

        digest = digest_of("DELETE", "/orders", {"order_id": order_id})
        return self.once(key, digest, None, make, caller)

    def cancel_all(self, selection: SelectionQuery, key: str | None, caller: str | None) -> Change:
        """Cancel the selected orders of the caller or, if the caller is the operator, of all owners."""
        symbol, side, owner = selection.symbol, selection.side, own_selection(selection.owner, caller)
        fields = {"symbol": symbol, "side": side, "owner": owner}
        digest = digest_of("DELETE", "/orders", {"selection": fields})

        def make() -> Canceled:
            return Canceled(self._engine.cancel_all(symbol, side, owner))

        return self.once(key, digest, None, make, caller)

    def expire(self, body: Expiration, key: str | None, caller: str | None) -> Change:
        """Cancel the orders that expire. Only the operator may do this."""
        check_operator(caller)
        digest = digest_of("POST", "/expirations", body.explicit_fields())
        return self.once(key, digest, None, lambda: Canceled(self._engine.expire(body.now)))

    def end_day(self, body: DayEnd, key: str | None, caller: str | None) -> Change:
        """Cancel the DAY orders. Only the operator may do this."""
        check_operator(caller)
        digest = digest_of("POST", "/day-ends", body.explicit_fields())
        return self.once(key, digest, None, lambda: Canceled(self._engine.end_day(body.symbol)))

    def _execute(
        self, key: str | None, digest: str, caller: str | None, make: Callable[[], Execution]
    ) -> Change:
        """Execute an order once. The owners of the orders that traded come from its event."""
        change = self.once(key, digest, None, lambda: Executed(make(), {}), caller)
        assert isinstance(change.subject, Executed)
        execution = change.subject.execution
        if not (execution.fills and isinstance(change.event, EngineEvent)):
            return change  # if the event was missed, the response names no other order
        return change._replace(subject=Executed(execution, dict(change.event.owners)))
