"""JSON responses, and the models that describe them in the OpenAPI document.

The endpoints do not use these models to build responses. The tests check every kind of response against its
model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypeAliasType

from oms.api.integers import EngineOrderId, Integer, json_text
from oms.api.subjects import Added
from oms.contract import PROBLEMS
from oms.events import KINDS
from oms.models import Order, OrderFill, PriceLevel, Quote, Side, Trade

__all__ = [
    "ChangedOrder",
    "DecimalText",
    "EventResponse",
    "EventTrade",
    "EventsPage",
    "FillResponse",
    "HealthResponse",
    "LotDecimals",
    "OrderResponse",
    "OrdersPage",
    "Problem",
    "ReadyResponse",
    "STRICT",
    "StateResponse",
    "TradeResponse",
    "TradesPage",
    "json_response",
    "to_json",
]


def json_response(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON response. Integers of any size stay exact, because those above 2^53-1 are strings."""
    return Response(
        json_text(content), status, {"Cache-Control": "no-store", **(headers or {})}, "application/json"
    )


def to_json(value: Order | Trade | Quote | PriceLevel | OrderFill | Added) -> dict[str, Any]:
    """Return the fields of a value as a JSON object."""
    if isinstance(value, Added):
        return {"count": value.number}
    fields = value._asdict()
    if isinstance(value, Trade | Quote):
        fields["fills"] = [fill._asdict() for fill in value.fills]
    return fields


STRICT = ConfigDict(extra="forbid")

Time = Annotated[
    Integer | None, Field(description="The event's time in nanoseconds since 1970, or null without a clock.")
]

DecimalText = TypeAliasType(
    "DecimalText",
    Annotated[str, Field(description="An exact decimal number.", pattern=r"^[0-9]+(\.[0-9]+)?$")],
)
"""A decimal number in a response. Like Integer, it is one schema in the OpenAPI document."""


class LotDecimals(BaseModel):
    """The decimal values of an order, a fill, or a price level."""

    model_config = STRICT
    amount: DecimalText
    price: DecimalText


class _Order(BaseModel):
    model_config = STRICT
    order_id: Integer
    symbol: str
    side: Side
    amount: Integer
    price: Integer


class OrderResponse(_Order):
    """A resting order: `amount` lots at `price` ticks."""

    decimals: LotDecimals | None = None


class ChangedOrder(_Order):
    """The added, amended, or removed order, with the event's sequence number and time."""

    sequence: Integer
    time: Time


class OrdersPage(BaseModel):
    """Resting orders sorted by id. Pass `next` as `after` to get the next page, unless `next` is null."""

    model_config = STRICT
    sequence: Integer = Field(
        description="The last event's number. Pages with the same number show the same state."
    )
    total: Integer = Field(description="The total number of selected orders across all pages.")
    orders: list[OrderResponse]
    next: Integer | None


class FillResponse(BaseModel):
    """The part of a trade that one order fills."""

    model_config = STRICT
    order_id: Integer
    amount: Integer
    price: Integer
    decimals: LotDecimals | None = None


class TradeResponse(BaseModel):
    """An executed trade. The fill with the best price is first."""

    model_config = STRICT
    sequence: Integer
    time: Time
    trade_id: Integer
    symbol: str
    side: Side
    amount: Integer
    total_price: Integer
    fills: list[FillResponse]


class TradesPage(BaseModel):
    """Past trades, oldest first. Pass `next` as `after` to get the next page, unless `next` is null."""

    model_config = STRICT
    first: Integer = Field(
        description="The id of the first available trade, or of the next one if none is available."
    )
    trades: list[TradeResponse]
    next: Integer | None


class EventTrade(BaseModel):
    """A trade in a message."""

    model_config = STRICT
    trade_id: Integer
    symbol: str
    side: Side
    amount: Integer
    total_price: Integer
    fills: list[FillResponse]


class EventResponse(BaseModel):
    """A message about one event. The fields after `time` depend on `type`."""

    model_config = STRICT
    type: Literal[tuple(sorted(kind.__name__ for kind in KINDS))]  # type: ignore[valid-type]  # all event types
    previous: Integer
    sequence: Integer
    time: Time
    order: OrderResponse | None = Field(default=None, description="OrderAdded, OrderRemoved.")
    orders: list[OrderResponse] | None = Field(default=None, description="OrdersAdded, OrdersRemoved.")
    before: OrderResponse | None = Field(default=None, description="OrderAmended.")
    after: OrderResponse | None = Field(default=None, description="OrderAmended.")
    trade: EventTrade | None = Field(default=None, description="TradePlaced.")


class EventsPage(BaseModel):
    """Past events, oldest first. Pass `next` as `after` to get the next page, unless `next` is null."""

    model_config = STRICT
    first: Integer = Field(
        description="The `sequence` of the first available event, or of the next one if none is available."
    )
    events: list[EventResponse]
    next: Integer | None


class HealthResponse(BaseModel):
    """The response of a running process."""

    model_config = STRICT
    alive: Literal[True]


class ReadyResponse(BaseModel):
    """The response of a service that accepts changes. If `durable` is true, changes survive a restart.

    `sequence` and `orders` are null if the service needs a key and the request has none.
    """

    model_config = STRICT
    ready: Literal[True]
    durable: bool
    sequence: Integer | None
    orders: Integer | None


class StateResponse(BaseModel):
    """A SHA-256 hash of the whole state after event number `sequence`."""

    model_config = STRICT
    sequence: Integer
    state_hash: str


class Problem(BaseModel):
    """An error (RFC 9457). The fields after `detail` depend on `code`."""

    model_config = STRICT
    type: str
    title: str
    status: int
    code: Literal[tuple(PROBLEMS)]  # type: ignore[valid-type]  # only the contract lists the codes
    detail: str
    field: str = Field(default="", description="invalid_order, price_bound: the field or parameter.")
    value: Any = Field(
        default=None, description="invalid_order, limits: the value. A long value is left out."
    )
    allowed: str = Field(default="", description="invalid_order: the allowed values.")
    element: str = Field(default="", description="Part of a list: order, verb, or question.")
    index: int = Field(default=0, description="The index of this part in the list, from 0.")
    order_id: EngineOrderId = Field(default=0, description="duplicate_order, order_not_found.")
    symbol: str = Field(default="", description="insufficient_liquidity, limits.")
    side: Side = Field(default=Side.BUY, description="insufficient_liquidity.")
    requested: Integer = Field(default=0, description="insufficient_liquidity, in lots or money (see unit).")
    available: Integer = Field(default=0, description="insufficient_liquidity, in lots or money (see unit).")
    unit: Literal["amount", "money"] = Field(default="amount", description="insufficient_liquidity.")
    bound: Integer = Field(default=0, description="price_bound.")
    error: str = Field(default="", description="limit_exceeded, rate_limited, kill_switch: the exception.")
    owner: str | None = Field(default=None, description="limit_exceeded, rate_limited, kill_switch.")
    limit: Integer = Field(default=0, description="limit_exceeded, rate_limited, kill_switch.")
    retry_at: Integer = Field(default=0, description="rate_limited: a time in nanoseconds since 1970.")
    total_price: Integer = Field(default=0, description="price_bound.")
    first: Integer = Field(default=0, description="no_longer_available: the first available number or id.")
    place: str = Field(default="", description="journal_failed: the file.")
    problem: str = Field(default="", description="journal_failed: the reason.")
    reason: str = Field(default="", description="not_ready: the reason.")
