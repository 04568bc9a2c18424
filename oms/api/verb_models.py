"""Models of the verbs of transactions and what-ifs, and of lists of new orders.

A verb is one change in a transaction or what-if. It has the same fields as the request that makes this change
on its own.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field
from typing_extensions import TypeAliasType

from oms.api.body_lists import list_of
from oms.api.field_types import (
    BodyOrderId,
    EngineBodyOrderId,
    OptionalBodySide,
    OptionalBodySymbol,
    OptionalOwner,
)
from oms.api.request_models import AmountOrPrice, Body, NewOrder, NewSubmission, NewTrade, Reduction
from oms.contract import MOST_ORDERS, MOST_VERBS

__all__ = [
    "AddOrder",
    "AddOrders",
    "AmendOrder",
    "BookVerb",
    "BookVerbList",
    "Cancel",
    "CancelAll",
    "EngineTransactionBody",
    "EngineVerb",
    "EngineVerbList",
    "NewOrders",
    "PlaceTrade",
    "Reduce",
    "RemoveOrder",
    "Replace",
    "Submit",
    "TransactionBody",
]

NewOrders = TypeAliasType(
    "NewOrders",
    Annotated[list[NewOrder], *list_of(1, MOST_ORDERS, "orders")],
)
"""A list of new orders. Like Integer, it is one schema in the OpenAPI document."""


class AddOrder(NewOrder):
    """The verb `add_order`, which adds an order, as `POST /orders` does."""

    verb: Literal["add_order"]


class AddOrders(Body):
    """The verb `add_orders`, which adds a list of orders in a single event, as `POST /orders` does."""

    verb: Literal["add_orders"]
    orders: NewOrders


class RemoveOrder(Body):
    """The verb `remove_order`, which removes a resting order, as `DELETE /orders/{order_id}` does."""

    verb: Literal["remove_order"]
    order_id: BodyOrderId


class AmendOrder(AmountOrPrice):
    """The verb `amend_order`, which amends a resting order, as `PATCH /orders/{order_id}` does."""

    verb: Literal["amend_order"]
    order_id: BodyOrderId


class PlaceTrade(NewTrade):
    """The verb `place_trade`, which places a trade, as `POST /trades` does."""

    verb: Literal["place_trade"]


class Submit(NewSubmission):
    """The verb `submit`, which submits an order, as `POST /submissions` does."""

    verb: Literal["submit"]


class Replace(AmountOrPrice):
    """The verb `replace`, which replaces an open order, as `PATCH /orders/{order_id}` does."""

    verb: Literal["replace"]
    order_id: EngineBodyOrderId


class Reduce(Reduction):
    """The verb `reduce`, which reduces the open amount of an order, as `POST /reductions` does."""

    verb: Literal["reduce"]


class Cancel(Body):
    """The verb `cancel`, which cancels an open order, as `DELETE /orders/{order_id}` does."""

    verb: Literal["cancel"]
    order_id: EngineBodyOrderId


class CancelAll(Body):
    """The verb `cancel_all`, which cancels open orders, as `DELETE /orders` does."""

    verb: Literal["cancel_all"]
    symbol: OptionalBodySymbol = None
    side: OptionalBodySide = None
    owner: OptionalOwner = None


BookVerb: TypeAlias = AddOrder | AddOrders | RemoveOrder | AmendOrder | PlaceTrade
EngineVerb: TypeAlias = Submit | Replace | Reduce | Cancel | CancelAll

BookVerbList: TypeAlias = list[Annotated[BookVerb, Field(discriminator="verb")]]
EngineVerbList: TypeAlias = list[Annotated[EngineVerb, Field(discriminator="verb")]]
_AT_LEAST_ONE = list_of(1, MOST_VERBS, "verbs")


class TransactionBody(Body):
    """Changes (verbs) that are made together: either all of them, or none."""

    verbs: Annotated[BookVerbList, *_AT_LEAST_ONE]


class EngineTransactionBody(Body):
    """Changes (verbs) of a matching engine that are made together: either all of them, or none."""

    verbs: Annotated[EngineVerbList, *_AT_LEAST_ONE]
