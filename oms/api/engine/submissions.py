"""The endpoints of a matching engine that submit, change, and list orders."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from starlette.convertors import Convertor, register_url_convertor

from oms.api.callers import CallersOwner
from oms.api.decimals import responding
from oms.api.engine import descriptions
from oms.api.engine.changes import EngineChanges, own_order, own_selection
from oms.api.engine.messages import execution_json, order_json
from oms.api.engine.queue_position import begin_count
from oms.api.engine.results import Canceled, Executed, Reduced
from oms.api.followers import retried
from oms.api.idempotency import Change
from oms.api.openapi import documented
from oms.api.order_index import OrderIndex
from oms.api.query_models import (
    DecimalsQuery,
    EngineOrderId,
    EngineOrdersQuery,
    KeyHeader,
    SelectionQuery,
    SymbolQuery,
)
from oms.api.request_models import DayEnd, Expiration, NewSubmission, Reduction, Replacement
from oms.api.response_models import json_response
from oms.contract import REPLAYED_HEADER, id_as_json, id_as_path
from oms.matching import MatchingEngine

__all__ = ["Submissions"]


class _OrderIdConvertor(Convertor[str]):
    """A part of a path that may contain slashes and line breaks. Starlette's `path` ends at a line break."""

    regex = "(?s:.*)"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("engine_order_id", _OrderIdConvertor())

_OrderId = Annotated[
    EngineOrderId,
    Path(
        description="The order's id. Decimal digits are an integer. A string that could be read as an integer"
        " is in double quotes. Use percent-encoding for all other characters."
    ),
]
_ID = "{order_id:engine_order_id}"


class Submissions:
    """The endpoints for orders. They run in threads, because they may wait for a lock or the disk."""

    def __init__(self, engine: MatchingEngine, index: OrderIndex, changes: EngineChanges) -> None:
        self._engine = engine
        self._index = index
        self._changes = changes

    def add_to(self, router: APIRouter) -> None:
        """Add the endpoints to a router."""
        for method, path, endpoint, description in (
            ("POST", "/submissions", self.submit, descriptions.SUBMITTED),
            ("GET", "/orders", responding(self._engine, self.open_orders), descriptions.PAGE_OF_OPEN_ORDERS),
            ("DELETE", "/orders", self.cancel_all, descriptions.CANCELED_ORDERS),
            ("GET", f"/orders/{_ID}", responding(self._engine, self.open_order), descriptions.OPEN_ORDER),
            ("PATCH", f"/orders/{_ID}", self.replace, descriptions.REPLACED),
            ("DELETE", f"/orders/{_ID}", self.cancel, descriptions.CANCELED_ORDER),
            ("POST", "/reductions", self.reduce, descriptions.REDUCED_ORDER),
            ("POST", "/expirations", self.expire, descriptions.CANCELED_ORDERS),
            ("POST", "/day-ends", self.end_day, descriptions.CANCELED_ORDERS),
            (
                "GET",
                f"/queue-ahead/{_ID}",
                responding(self._engine, self.queue_ahead),
                descriptions.QUEUE_AHEAD,
            ),
            ("GET", "/last-price", responding(self._engine, self.last_price), descriptions.LAST_PRICE),
        ):
            router.add_api_route(path, endpoint, methods=[method], **documented(description, endpoint))

    # ------------------------------------------------------------------ changes

    def submit(
        self, request: Request, submission: NewSubmission, caller: CallersOwner, key: KeyHeader = None
    ) -> Response:
        """Submit an order. The response says what was filled, what stays open, and what was canceled."""
        change = self._changes.submit(submission, key, caller)
        prefix = request.url.path.removesuffix("/submissions")
        location = f"{prefix}/orders/{id_as_path(submission.order_id)}"
        return _changed(change, caller, 201, {"Location": location})

    def replace(
        self, order_id: _OrderId, replacement: Replacement, caller: CallersOwner, key: KeyHeader = None
    ) -> Response:
        """Replace an open order. The new order goes to the back of the queue, and may trade at once."""
        return _changed(self._changes.replace(order_id, replacement, key, caller), caller)

    def reduce(self, reduction: Reduction, caller: CallersOwner, key: KeyHeader = None) -> Response:
        """Reduce the open amount of an order, which keeps its place in the queue. Return the order."""
        return _changed(self._changes.reduce(reduction, key, caller), caller)

    def cancel(self, order_id: _OrderId, caller: CallersOwner, key: KeyHeader = None) -> Response:
        """Cancel an open order, and return it as it was before the cancellation."""
        change = self._changes.cancel(order_id, key, caller)
        assert isinstance(change.subject, Canceled)
        (order,) = change.subject.orders
        return _changed(change._replace(subject=Reduced(order)), caller)

    def cancel_all(
        self, selection: Annotated[SelectionQuery, Query()], caller: CallersOwner, key: KeyHeader = None
    ) -> Response:
        """Cancel all open orders, or those with this symbol, side, and owner. Return their earlier states."""
        return _changed(self._changes.cancel_all(selection, key, caller), caller)

    def expire(self, expiration: Expiration, caller: CallersOwner, key: KeyHeader = None) -> Response:
        """Cancel the GTD orders that expire at `now` or before. Only the operator may do this."""
        return _changed(self._changes.expire(expiration, key, caller), caller)

    def end_day(self, day_end: DayEnd, caller: CallersOwner, key: KeyHeader = None) -> Response:
        """Cancel the DAY orders of one symbol or of all symbols. Only the operator may do this."""
        return _changed(self._changes.end_day(day_end, key, caller), caller)

    # ------------------------------------------------------------------ reads

    def open_order(
        self, order_id: _OrderId, query: Annotated[DecimalsQuery, Query()], caller: CallersOwner
    ) -> dict[str, Any]:
        """Return an open order, its status, and the amounts that are filled, open, and visible. O(1)."""
        del query  # only the response depends on it
        return order_json(own_order(self._engine, order_id, caller))

    def open_orders(
        self, query: Annotated[EngineOrdersQuery, Query()], caller: CallersOwner
    ) -> dict[str, Any]:
        """Return one page of open orders, in order of arrival. O(limit). See OrderIndex.page."""
        owner = own_selection(query.owner, caller)
        with self._engine.locked(to_read=True):  # so that the sequence number and the orders are consistent
            sequence = self._engine.last_sequence
            page = self._index.page(query.symbol, query.side, owner, query.after or 0, query.limit)
            entries = self._engine._books.register.entries  # a different dict after a rollback
            orders = [self._engine._open_order(entries[arrival]) for arrival in page.numbers]
        shown = list(map(order_json, orders))
        return {"sequence": sequence, "total": page.total, "orders": shown, "next": page.following}

    def queue_ahead(
        self, order_id: _OrderId, query: Annotated[DecimalsQuery, Query()], caller: CallersOwner
    ) -> dict[str, Any]:
        """Return how many orders, and how many visible lots, are ahead of an order at its price."""
        del query

        def read() -> dict[str, Any]:
            with self._engine.locked(to_read=True):
                order = own_order(self._engine, order_id, caller)
                count = begin_count(self._engine, order_id)
            return {"order_id": id_as_json(order_id), "symbol": order.order.symbol, **count()._asdict()}

        return retried(read)

    def last_price(self, query: Annotated[SymbolQuery, Query()]) -> dict[str, Any]:
        """Return the price of a symbol's last trade, or null if the symbol has not traded."""
        return {"symbol": query.symbol, "price": self._engine.last_price(query.symbol)}


def _changed(
    change: Change, caller: str | None, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """Return the response to a change, as the caller may see it. A replayed response gets an extra header."""
    match change.subject:
        case Executed(execution, owners):
            content = execution_json(execution, owners, caller)
        case Reduced(order):
            content = order_json(order)
        case Canceled(orders):
            content = {"orders": [order_json(order) for order in orders]}
        case other:
            raise AssertionError(f"{other} is not a result of a matching engine")
    mark = {REPLAYED_HEADER: "true"} if change.replayed else {}
    body = {"sequence": change.sequence, "time": change.time, **content}
    return json_response(body, status, {**(headers or {}), **mark})
