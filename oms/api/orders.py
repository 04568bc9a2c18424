"""The endpoints that add, get, list, amend, and remove orders, and that place trades."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import nsmallest
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response

from oms.api import openapi
from oms.api.decimals import responding
from oms.api.idempotency import Change, IdempotentChanges
from oms.api.openapi import documented
from oms.api.request_models import (
    Amendment,
    DecimalsQuery,
    IdempotencyKey,
    NewOrder,
    NewTrade,
    OrderId,
    OrdersQuery,
)
from oms.api.response_models import json_response, to_json
from oms.contract import IDEMPOTENCY_KEY_HEADER, REPLAYED_HEADER
from oms.management import OrderManagement
from oms.models import Order, Trade

__all__ = ["Orders"]

_Key = Annotated[
    IdempotencyKey,
    Header(
        alias=IDEMPOTENCY_KEY_HEADER,
        description="A retry with the same key gets the original response. The change is made only once.",
    ),
]
_OrderId = Annotated[OrderId, Path(description="The order's id.")]


class Orders:
    """The order and trade endpoints. They run in threads, because they may wait for a lock or the disk."""

    def __init__(self, om: OrderManagement, changes: IdempotentChanges) -> None:
        self._om = om
        self._changes = changes

    def add_to(self, router: APIRouter) -> None:
        """Add the endpoints to a router."""
        for path, endpoint, method, description in (
            ("/orders", self.add_order, "POST", openapi.ORDER_ADDED),
            ("/orders", responding(self._om, self.orders), "GET", openapi.PAGE_OF_ORDERS),
            ("/orders/{order_id}", responding(self._om, self.get_order), "GET", openapi.ONE_ORDER),
            ("/orders/{order_id}", self.amend_order, "PATCH", openapi.AMENDED_ORDER),
            ("/orders/{order_id}", self.remove_order, "DELETE", openapi.REMOVED_ORDER),
            ("/trades", self.place_trade, "POST", openapi.TRADE_PLACED),
        ):
            router.add_api_route(path, endpoint, methods=[method], **documented(description, endpoint))

    def add_order(self, request: Request, order: NewOrder, key: _Key = None) -> Response:
        """Add an order whose id has never been used. A repeated request gets the original response again.

        The status is 201, or 200 for a repeated request. The response includes the idempotency key if a
        request with this key added the order.
        """
        change = self._changes.add(order, key)
        headers = {"Location": f"{request.url.path}/{order.order_id}"}  # includes the router's prefix
        if key is not None and change.made_change:
            headers[IDEMPOTENCY_KEY_HEADER] = key
        return _changed(change, 200 if change.replayed else 201, headers)

    def orders(self, query: Annotated[OrdersQuery, Query()]) -> dict[str, Any]:
        """Return one page of resting orders, sorted by order id. O(m) for m selected orders."""
        with self._om.locked(to_read=True):  # so that the sequence number and the orders are consistent
            sequence, orders = self._om.last_sequence, self._om.orders(query.symbol, query.side)
        after = -1 if query.after is None else query.after
        remaining: Iterable[Order] = (order for order in orders if order.order_id > after)
        page = nsmallest(query.limit + 1, remaining)  # one extra order reveals whether there is a next page
        following = page[query.limit - 1].order_id if len(page) > query.limit else None
        shown = [to_json(order) for order in page[: query.limit]]
        return {"sequence": sequence, "total": len(orders), "orders": shown, "next": following}

    def get_order(self, order_id: _OrderId, query: Annotated[DecimalsQuery, Query()]) -> dict[str, Any]:
        """Return a resting order. O(1)."""
        del query  # only the response depends on it
        return to_json(self._om.get_order(order_id))

    def amend_order(self, order_id: _OrderId, amendment: Amendment, key: _Key = None) -> Response:
        """Amend a resting order's amount, price, or both."""
        return _changed(self._changes.amend(order_id, amendment, key))

    def remove_order(self, order_id: _OrderId, key: _Key = None) -> Response:
        """Remove a resting order and return it."""
        return _changed(self._changes.remove(order_id, key))

    def place_trade(self, trade: NewTrade, key: _Key = None) -> Response:
        """Place a trade at the best prices. With `allow_partial`, trade less if less is available."""
        return _changed(self._changes.trade(trade, key), 201)


def _changed(change: Change, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return the response to a change. A replayed response gets an extra header."""
    mark = {REPLAYED_HEADER: "true"} if change.replayed else {}
    assert isinstance(change.subject, Order | Trade)
    content = {"sequence": change.sequence, "time": change.time, **to_json(change.subject)}
    return json_response(content, status, {**(headers or {}), **mark})
