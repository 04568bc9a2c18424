"""The endpoints of orders: add, look up, page through, amend, remove."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import nsmallest
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request, Response

from oms.api.idempotency import Done, Door
from oms.api.openapi import (
    AMENDED_ORDER,
    ONE_ORDER,
    ORDER_ADDED,
    PAGE_OF_ORDERS,
    REMOVED_ORDER,
    described,
)
from oms.api.request_models import (
    Amendment,
    IdempotencyKey,
    NewOrder,
    OrderId,
    OrdersQuestion,
    answer,
    as_fields,
)
from oms.management import OrderManagement
from oms.models import Order

__all__ = ["Key", "Orders", "changed"]

Key = Annotated[
    IdempotencyKey,
    Header(alias="Idempotency-Key", description="The same key again: the first answer, and nothing happens."),
]
Which = Annotated[OrderId, Path(description="The order's id.")]


class Orders:
    """The endpoints of orders. They may wait for the book's lock or a disk, so each runs in a thread."""

    def __init__(self, om: OrderManagement, door: Door) -> None:
        self._om = om
        self._door = door

    def add_to(self, router: APIRouter) -> None:
        """Put the endpoints under a router."""
        for path, endpoint, method, description in (
            ("/orders", self.add_order, "POST", ORDER_ADDED),
            ("/orders", self.orders, "GET", PAGE_OF_ORDERS),
            ("/orders/{order_id}", self.get_order, "GET", ONE_ORDER),
            ("/orders/{order_id}", self.amend_order, "PATCH", AMENDED_ORDER),
            ("/orders/{order_id}", self.remove_order, "DELETE", REMOVED_ORDER),
        ):
            router.add_api_route(path, endpoint, methods=[method], **described(description, endpoint))

    def add_order(self, request: Request, order: NewOrder, key: Key = None) -> Response:
        """Rest an order. Its id is used once: the same body again gets the first answer, with 200.

        The answer names the key if it was under this key that the order was added.
        """
        done = self._door.add(Order(**vars(order)), key)
        where = f"{request.url.path}/{order.order_id}"  # wherever the router was mounted
        headers = {"Location": where}
        if key is not None and done.own:
            headers["Idempotency-Key"] = key
        return changed(done, 200 if done.replayed else 201, headers)

    def orders(self, asked: Annotated[OrdersQuestion, Query()]) -> Response:
        """Page through the orders that rest, by order id. O(m) in the orders selected."""
        with self._om.locked():  # one moment for the sequence number and the orders
            sequence, orders = self._om.last_sequence, self._om.orders(asked.symbol, asked.side)
        after = -1 if asked.after is None else asked.after
        rest: Iterable[Order] = (order for order in orders if order.order_id > after)
        page = nsmallest(asked.limit + 1, rest)
        following = page[asked.limit - 1].order_id if len(page) > asked.limit else None
        shown = [as_fields(order) for order in page[: asked.limit]]
        return answer({"sequence": sequence, "total": len(orders), "orders": shown, "next": following})

    def get_order(self, order_id: Which) -> Response:
        """Look up a resting order, in O(1)."""
        return answer(as_fields(self._om.get_order(order_id)))

    def amend_order(self, order_id: Which, amendment: Amendment, key: Key = None) -> Response:
        """Change what rests of an order, its price, or both."""
        return changed(self._door.amend(order_id, amendment.amount, amendment.price, key))

    def remove_order(self, order_id: Which, key: Key = None) -> Response:
        """Take a resting order out, and say what it was."""
        return changed(self._door.remove(order_id, key))


def changed(done: Done, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """The answer to a change, marked if it was given before."""
    marked = {"Idempotent-Replayed": "true"} if done.replayed else {}
    content = {"sequence": done.sequence, **as_fields(done.subject)}
    return answer(content, status, {**(headers or {}), **marked})
