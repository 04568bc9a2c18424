"""Models of request bodies. They reject invalid values instead of converting them."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, PlainValidator

from oms.api.field_types import (
    BodyOrderId,
    EngineBodyOrderId,
    OptionalBodyFlag,
    OptionalBodySymbol,
    OptionalOwner,
    OptionalResting,
    OptionalUnbounded,
    Resting,
    SideName,
    Symbol,
    Unbounded,
    nullable,
)
from oms.api.integers import reject
from oms.models import Order
from oms.submission import PostOnly, Submission, TimeInForce

__all__ = [
    "Amendment",
    "AmountOrPrice",
    "Body",
    "DayEnd",
    "Expiration",
    "NewOrder",
    "NewSubmission",
    "NewTrade",
    "Reduction",
    "Replacement",
]


class Body(BaseModel):
    """A JSON object in a request. Its fields cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def explicit_fields(self) -> dict[str, Any]:
        """Return the fields whose values differ from their defaults."""
        return self.model_dump(exclude_defaults=True)


class NewOrder(Body):
    """An order to add: `amount` lots at `price` ticks."""

    order_id: BodyOrderId
    symbol: Symbol
    side: SideName
    amount: Resting
    price: Resting

    def order(self) -> Order:
        """Return the order as a value."""
        return Order(self.order_id, self.symbol, self.side, self.amount, self.price)


class AmountOrPrice(Body):
    """A new amount, a new price, or both."""

    model_config = ConfigDict(
        json_schema_extra={
            # At least one of the two fields must be present and not null.
            "not": {"properties": {"amount": {"type": "null"}, "price": {"type": "null"}}}
        }
    )

    amount: OptionalResting = None
    price: OptionalResting = None


class Amendment(AmountOrPrice):
    """The new amount of an order, its new price, or both."""


class NewTrade(Body):
    """A trade to place. Only a BUY may have a `max_total_price`, and only a SELL a `min_total_price`."""

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [
                {
                    "not": {
                        "properties": {"side": {"const": other}, bound: {"not": {"type": "null"}}},
                        "required": ["side", bound],
                    }
                }
                for other, bound in (("SELL", "max_total_price"), ("BUY", "min_total_price"))
            ]
        }
    )

    symbol: Symbol
    side: SideName
    amount: Unbounded
    limit_price: OptionalUnbounded = None
    max_total_price: OptionalUnbounded = None
    min_total_price: OptionalUnbounded = None
    allow_partial: OptionalBodyFlag = False


M = TypeVar("M", bound=StrEnum)


def _member(kind: type[M]) -> Callable[[object], M]:
    def read(value: object) -> M:
        if type(value) is not str or value not in list(kind):
            reject(" or ".join(f"'{member}'" for member in kind))
        return kind(value)

    return read


_read_time_in_force = nullable(_member(TimeInForce), TimeInForce.GTC)
_read_post_only = nullable(_member(PostOnly), None)


class NewSubmission(Body):
    """An order to submit: the arguments of `MatchingEngine.submit`. The side is the submitter's.

    An order without a price is a market order. GTD orders need `expires`, and no other orders may have it.
    `post_only` and `display` need a price, and exclude IOC and FOK. `post_only` also excludes `stop_price`.
    """

    order_id: EngineBodyOrderId
    symbol: Symbol
    side: SideName
    amount: Resting
    price: OptionalResting = None
    time_in_force: Annotated[
        TimeInForce, PlainValidator(_read_time_in_force, json_schema_input_type=TimeInForce | None)
    ] = TimeInForce.GTC
    post_only: Annotated[
        PostOnly | None, PlainValidator(_read_post_only, json_schema_input_type=PostOnly | None)
    ] = None
    owner: OptionalOwner = None
    display: OptionalResting = None
    stop_price: OptionalResting = None
    expires: OptionalResting = None

    def submission(self) -> Submission:
        """Return the terms as a value."""
        return Submission(**{name: getattr(self, name) for name in Submission._fields})


class Replacement(AmountOrPrice):
    """The new open amount of an order, its new price, or both. A missing value is not changed."""


class Reduction(Body):
    """An order, and the number of lots by which its open amount is reduced."""

    order_id: EngineBodyOrderId
    amount: Resting


class Expiration(Body):
    """A time in nanoseconds since 1970. Orders that expire at this time or before are canceled."""

    now: Resting


class DayEnd(Body):
    """The symbol whose DAY orders are canceled, by default all symbols."""

    symbol: OptionalBodySymbol = None
