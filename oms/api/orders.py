"""The endpoints that add, get, list, amend, and remove orders, and that place trades."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Path, Query, Request, Response

from oms.api import descriptions
from oms.api.body_lists import checked_by, unchecked
from oms.api.decimals import responding
from oms.api.idempotency import Change, IdempotentChanges
from oms.api.openapi import documented
from oms.api.order_index import OrderIndex
from oms.api.problems import invalid_field
from oms.api.query_models import DecimalsQuery, KeyHeader, OrderId, OrdersQuery
from oms.api.request_models import Amendment, NewOrder, NewTrade
from oms.api.response_models import json_response, to_json
from oms.api.route import accepting_lists
from oms.api.subjects import Added
from oms.api.transactions import BulkChanges
from oms.api.verb_models import NewOrders
from oms.contract import IDEMPOTENCY_KEY_HEADER, MOST_ORDERS, REPLAYED_HEADER
from oms.management import OrderManagement
from oms.models import Order, Trade

__all__ = ["Orders", "one_or_many"]

_OneOrMany = Annotated[Any, unchecked(NewOrder | NewOrders), Body()]
_ONE: Final = checked_by(NewOrder)
_MANY: Final = checked_by(NewOrders, "orders")
_OrderId = Annotated[OrderId, Path(description="The order's id.")]


class Orders:
    """The order and trade endpoints. They run in threads, because they may wait for a lock or the disk."""

    def __init__(
        self, om: OrderManagement, index: OrderIndex, changes: IdempotentChanges, bulk: BulkChanges
    ) -> None:
        self._om = om
        self._index = index
        self._changes = changes
        self._bulk = bulk

    def add_to(self, router: APIRouter) -> None:
        """Add the endpoints to a router."""
        for path, endpoint, method, description in (
            ("/orders", self.add_order, "POST", descriptions.ORDER_ADDED),
            ("/orders", responding(self._om, self.orders), "GET", descriptions.PAGE_OF_ORDERS),
            ("/orders/{order_id}", responding(self._om, self.get_order), "GET", descriptions.ONE_ORDER),
            ("/orders/{order_id}", self.amend_order, "PATCH", descriptions.AMENDED_ORDER),
            ("/orders/{order_id}", self.remove_order, "DELETE", descriptions.REMOVED_ORDER),
            ("/trades", self.place_trade, "POST", descriptions.TRADE_PLACED),
        ):
            router.add_api_route(path, endpoint, methods=[method], **documented(description, endpoint))

    @accepting_lists
    def add_order(self, request: Request, order: _OneOrMany, key: KeyHeader = None) -> Response:
        """Add an order or a list of orders whose ids have never been used. A list is added as a whole.

        A repeated request gets the original response again, with the status 200 instead of 201. The response
        includes the idempotency key if a request with this key added the order or the list.
        """
        headers: dict[str, str] = {}
        orders = one_or_many(order)
        if isinstance(orders, NewOrder):
            change = self._changes.add(orders, key)
            headers["Location"] = f"{request.url.path}/{orders.order_id}"  # includes the router's prefix
        else:
            change = self._bulk.add_list(orders, key)
        if key is not None and change.made_change:
            headers[IDEMPOTENCY_KEY_HEADER] = key
        return _changed(change, 200 if change.replayed else 201, headers)

    def orders(self, query: Annotated[OrdersQuery, Query()]) -> dict[str, Any]:
        """Return one page of resting orders, sorted by order id. O(limit). See OrderIndex.page."""
        after = -1 if query.after is None else query.after
        with self._om.locked(to_read=True):  # so that the sequence number and the orders are consistent
            sequence = self._om.last_sequence
            page = self._index.page(query.symbol, query.side, None, after, query.limit)
            orders = list(map(self._om.get_order, page.numbers))
        shown = list(map(to_json, orders))
        return {"sequence": sequence, "total": page.total, "orders": shown, "next": page.following}

    def get_order(self, order_id: _OrderId, query: Annotated[DecimalsQuery, Query()]) -> dict[str, Any]:
        """Return a resting order. O(1)."""
        del query  # only the response depends on it
        return to_json(self._om.get_order(order_id))

    def amend_order(self, order_id: _OrderId, amendment: Amendment, key: KeyHeader = None) -> Response:
        """Amend a resting order's amount, price, or both."""
        return _changed(self._changes.amend(order_id, amendment, key))

    def remove_order(self, order_id: _OrderId, key: KeyHeader = None) -> Response:
        """Remove a resting order and return it."""
        return _changed(self._changes.remove(order_id, key))

    def place_trade(self, trade: NewTrade, key: KeyHeader = None) -> Response:
        """Place a trade at the best prices. With `allow_partial`, trade less if less is available."""
        return _changed(self._changes.trade(trade, key), 201)


def one_or_many(content: object) -> NewOrder | list[NewOrder]:
    """Return the order or the list of orders in a body. Raise ProblemError if it contains neither. O(n)."""
    if isinstance(content, dict):
        one: NewOrder = _ONE(content)
        return one
    if isinstance(content, list):
        many: list[NewOrder] = _MANY(content)
        return many
    raise invalid_field("body", content, f"a JSON object or a list of 1 to {MOST_ORDERS} orders")


def _changed(change: Change, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return the response to a change. A replayed response gets an extra header."""
    mark = {REPLAYED_HEADER: "true"} if change.replayed else {}
    assert isinstance(change.subject, Order | Trade | Added)
    content = {"sequence": change.sequence, "time": change.time, **to_json(change.subject)}
    return json_response(content, status, {**(headers or {}), **mark})
