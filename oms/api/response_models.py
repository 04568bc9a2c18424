"""JSON responses, and the models that describe them in the OpenAPI document.

The endpoints do not use these models to build responses. The tests check every kind of response against its
model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field

from oms.contract import PROBLEMS
from oms.models import Order, OrderFill, PriceLevel, Quote, Side, Trade

__all__ = [
    "AvailableResponse",
    "BestPriceResponse",
    "BookResponse",
    "BudgetResponse",
    "ChangedOrder",
    "CountResponse",
    "CurveResponse",
    "DepthResponse",
    "FillResponse",
    "HealthResponse",
    "LevelResponse",
    "OrderResponse",
    "OrdersPage",
    "PriceResponse",
    "PricesResponse",
    "Problem",
    "QuoteResponse",
    "ReadyResponse",
    "StateResponse",
    "SymbolsResponse",
    "TradeResponse",
    "WithinResponse",
    "json_response",
    "to_json",
]

# ---------------------------------------------------------------------- JSON


def json_response(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON response. Integers of any size stay exact."""
    body = json.dumps(content, allow_nan=False, separators=(",", ":"))
    return Response(body, status, {"Cache-Control": "no-store", **(headers or {})}, "application/json")


def to_json(value: Order | Trade | Quote | PriceLevel | OrderFill) -> dict[str, Any]:
    """Return the fields of an order, trade, quote, level, or fill as a JSON object."""
    fields = value._asdict()
    if isinstance(value, Trade | Quote):
        fields["fills"] = [fill._asdict() for fill in value.fills]
    return fields


# ---------------------------------------------------------------------- models

_STRICT = ConfigDict(extra="forbid")


class OrderResponse(BaseModel):
    """A resting order: `amount` lots at `price` ticks."""

    model_config = _STRICT
    order_id: int
    symbol: str
    side: Side
    amount: int
    price: int


class ChangedOrder(OrderResponse):
    """The added, amended, or removed order, with the sequence number of the event."""

    sequence: int


class OrdersPage(BaseModel):
    """Resting orders sorted by id. Pass `next` as `after` to get the next page, unless `next` is null."""

    model_config = _STRICT
    sequence: int = Field(
        description="The number of the last event. Pages with the same number show the same state."
    )
    total: int = Field(description="The number of selected orders on all pages.")
    orders: list[OrderResponse]
    next: int | None


class CountResponse(BaseModel):
    """The number of resting orders."""

    model_config = _STRICT
    count: int


class FillResponse(BaseModel):
    """The part of a trade that one order fills."""

    model_config = _STRICT
    order_id: int
    amount: int
    price: int


class TradeResponse(BaseModel):
    """An executed trade. The fill with the best price is first."""

    model_config = _STRICT
    sequence: int
    trade_id: int
    symbol: str
    side: Side
    amount: int
    total_price: int
    fills: list[FillResponse]


class BookResponse(BaseModel):
    """The symbol and side of the book."""

    model_config = _STRICT
    symbol: str
    side: Side


class PriceResponse(BookResponse):
    """The total price of an amount, in ticks times lots: the cost of a BUY, or the proceeds of a SELL."""

    amount: int
    total_price: int


class PricesResponse(BookResponse):
    """The total price of each amount, in the order of the request."""

    amounts: list[int]
    total_prices: list[int]


class QuoteResponse(BookResponse):
    """The result that a trade would have if it were placed now."""

    requested: int
    amount: int
    shortfall: int
    total_price: int
    best_price: int
    worst_price: int
    levels: int
    fills: list[FillResponse]
    slippage: int


class CurveResponse(BookResponse):
    """The price levels and their cumulative amounts and prices, as columns of equal length."""

    price: list[int]
    amount: list[int]
    cumulative_amount: list[int]
    cumulative_price: list[int]


class BudgetResponse(BookResponse):
    """The largest amount that a budget buys."""

    budget: int
    limit_price: int | None = None
    amount: int


class AvailableResponse(BookResponse):
    """The available amount."""

    limit_price: int | None = None
    amount: int


class WithinResponse(BookResponse):
    """The largest amount within a maximum slippage."""

    max_slippage_bps: int
    amount: int


class BestPriceResponse(BookResponse):
    """The best price, or null if the book is empty."""

    price: int | None


class LevelResponse(BaseModel):
    """The total amount and the number of orders at one price."""

    model_config = _STRICT
    price: int
    amount: int
    orders: int


class DepthResponse(BookResponse):
    """Price levels, best first."""

    levels: list[LevelResponse]


class SymbolsResponse(BaseModel):
    """The sorted symbols that have resting orders."""

    model_config = _STRICT
    symbols: list[str]


class HealthResponse(BaseModel):
    """The response of a running process."""

    model_config = _STRICT
    alive: Literal[True]


class ReadyResponse(BaseModel):
    """The response of a service that accepts changes. If `durable` is true, changes survive a restart."""

    model_config = _STRICT
    ready: Literal[True]
    durable: bool
    sequence: int
    orders: int


class StateResponse(BaseModel):
    """A SHA-256 hash of the whole state after the event with the number `sequence`."""

    model_config = _STRICT
    sequence: int
    state_hash: str


class Problem(BaseModel):
    """An error (RFC 9457). The fields after `detail` depend on `code`."""

    model_config = _STRICT
    type: str
    title: str
    status: int
    code: Literal[tuple(PROBLEMS)]  # type: ignore[valid-type]  # only the contract lists the codes
    detail: str
    field: str = Field(default="", description="invalid_order, price_bound: the field or parameter.")
    value: Any = Field(default=None, description="invalid_order: the value, unless it is long.")
    allowed: str = Field(default="", description="invalid_order: the allowed values.")
    order_id: int = Field(default=0, description="duplicate_order, order_not_found.")
    symbol: str = Field(default="", description="insufficient_liquidity.")
    side: Side = Field(default=Side.BUY, description="insufficient_liquidity.")
    requested: int = Field(default=0, description="insufficient_liquidity, in lots or money (see unit).")
    available: int = Field(default=0, description="insufficient_liquidity, in lots or money (see unit).")
    unit: Literal["amount", "money"] = Field(default="amount", description="insufficient_liquidity.")
    bound: int = Field(default=0, description="price_bound.")
    total_price: int = Field(default=0, description="price_bound.")
    place: str = Field(default="", description="journal_failed: the file.")
    problem: str = Field(default="", description="journal_failed: the reason.")
    reason: str = Field(default="", description="not_ready: the reason.")
