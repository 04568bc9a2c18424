"""The models that describe the JSON responses of a matching engine in the OpenAPI document.

Like the other response models, they are not used by the endpoints. The tests check every kind of response
against its model.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from oms.api.answer_models import BestPriceDecimals
from oms.api.integers import Change, EngineOrderId, Integer
from oms.api.response_models import STRICT, DecimalText, Time
from oms.engine_events import ENGINE_KINDS
from oms.models import Side
from oms.submission import CancelReason, PostOnly, TimeInForce

__all__ = [
    "CanceledOrders",
    "ChangedOpenOrder",
    "EngineEventResponse",
    "EngineEventsPage",
    "EngineTradeResponse",
    "EngineTradesPage",
    "ExecutedOrder",
    "LastPriceResponse",
    "LevelChange",
    "OpenOrderResponse",
    "OpenOrdersPage",
    "QueueAheadResponse",
]

# Fields that can be null have a default, because FastAPI removes nulls from the examples in the document.


class OpenOrderDecimals(BaseModel):
    """The decimal values of an open order."""

    model_config = STRICT
    amount: DecimalText
    price: DecimalText | None
    display: DecimalText | None
    stop_price: DecimalText | None
    filled: DecimalText
    remaining: DecimalText
    displayed: DecimalText
    resting_price: DecimalText | None


class QueueAheadDecimals(BaseModel):
    """The decimal value of the amount ahead of an order."""

    model_config = STRICT
    amount: DecimalText


class _OpenOrder(BaseModel):
    model_config = STRICT
    order_id: EngineOrderId
    symbol: str
    side: Side
    amount: Integer
    price: Integer | None = None
    time_in_force: TimeInForce
    post_only: PostOnly | None = None
    owner: str | None = None
    display: Integer | None = None
    stop_price: Integer | None = None
    expires: Integer | None = None
    status: Literal["OPEN", "PARTIALLY_FILLED", "WAITING"] = Field(
        description="WAITING orders wait for their stop price."
    )
    filled: Integer
    remaining: Integer
    displayed: Integer = Field(description="The part of the remaining amount that is visible in the book.")
    resting_price: Integer | None = Field(
        default=None, description="The price in the book, or null while WAITING."
    )


class OpenOrderResponse(_OpenOrder):
    """An open order: its terms, its status, and its amounts. The side is the submitter's."""

    decimals: OpenOrderDecimals | None = None


class ChangedOpenOrder(_OpenOrder):
    """The reduced order, or the order before its cancellation, with the event's sequence number and time."""

    sequence: Integer
    time: Time


class CanceledOrders(BaseModel):
    """The orders as they were before their cancellation, with the event's sequence number and time."""

    model_config = STRICT
    sequence: Integer
    time: Time
    orders: list[OpenOrderResponse]


class OpenOrdersPage(BaseModel):
    """Open orders in order of arrival. Pass `next` as `after` to get the next page, unless it is null."""

    model_config = STRICT
    sequence: Integer = Field(
        description="The last event's number. Pages with the same number show the same state."
    )
    total: Integer = Field(description="The total number of selected orders across all pages.")
    orders: list[OpenOrderResponse]
    next: Integer | None


class ExecutionFill(BaseModel):
    """A fill of an execution. The id of a resting order is null if the order has another owner."""

    model_config = STRICT
    order_id: EngineOrderId | None = None
    amount: Integer
    price: Integer


class ExecutionResponse(BaseModel):
    """The result of a submission. `requested` = `amount` (filled) + `resting` + `canceled`, in lots."""

    model_config = STRICT
    order_id: EngineOrderId
    symbol: str
    side: Side
    requested: Integer
    amount: Integer
    total_price: Integer
    fills: list[ExecutionFill]
    resting: Integer
    canceled: Integer
    reason: CancelReason | None = None


class ExecutedOrder(ExecutionResponse):
    """The execution of an order, with the event's sequence number and time."""

    sequence: Integer
    time: Time


class QueueAheadResponse(BaseModel):
    """The number and the visible amount of the orders ahead of an order in the queue at its price."""

    model_config = STRICT
    order_id: EngineOrderId
    symbol: str
    orders: Integer
    amount: Integer
    decimals: QueueAheadDecimals | None = None


class MarketTradeFill(BaseModel):
    """A fill of a trade. The id and the owner of an order are null unless it is yours."""

    model_config = STRICT
    maker: EngineOrderId | None = None
    maker_owner: str | None = None
    amount: Integer
    price: Integer


class MarketTradeResponse(BaseModel):
    """A trade. The side is the taker's. The taker is null unless the order is yours."""

    model_config = STRICT
    trade_id: Integer
    symbol: str
    side: Side
    amount: Integer
    total_price: Integer
    taker: EngineOrderId | None = None
    taker_owner: str | None = None
    fills: list[MarketTradeFill]


class EngineTradeResponse(MarketTradeResponse):
    """A trade, with the event's sequence number and time."""

    sequence: Integer
    time: Time


class EngineTradesPage(BaseModel):
    """Past trades, oldest first. Pass `next` as `after` to get the next page, unless `next` is null."""

    model_config = STRICT
    first: Integer = Field(
        description="The id of the first available trade, or of the next one if none is available."
    )
    trades: list[EngineTradeResponse]
    next: Integer | None


class LevelChange(BaseModel):
    """The change of the visible amount at one price. `side` is the taker's side: BUY for the asks."""

    model_config = STRICT
    symbol: str
    side: Side
    price: Integer
    change: Change


class OrderFillResponse(BaseModel):
    """A fill of one of your orders. The side is the order's side."""

    model_config = STRICT
    order_id: EngineOrderId
    owner: str | None = None
    symbol: str
    side: Side
    amount: Integer
    price: Integer
    role: Literal["TAKER", "MAKER"]


class EngineEventResponse(BaseModel):
    """A message about one event: market data, and the executions and the fills of your orders."""

    model_config = STRICT
    type: Literal[tuple(sorted({"BookChanged"} | {kind.__name__ for kind in ENGINE_KINDS}))] = Field(  # type: ignore[valid-type]  # all event types
        description="BookChanged if the event touches none of your orders."
    )
    previous: Integer
    sequence: Integer
    time: Time
    changes: list[LevelChange]
    trades: list[MarketTradeResponse]
    executions: list[ExecutionResponse]
    fills: list[OrderFillResponse]


class EngineEventsPage(BaseModel):
    """Past events, oldest first. Pass `next` as `after` to get the next page, unless `next` is null."""

    model_config = STRICT
    first: Integer = Field(
        description="The `sequence` of the first available event, or of the next one if none is available."
    )
    events: list[EngineEventResponse]
    next: Integer | None


class LastPriceResponse(BaseModel):
    """The price of a symbol's last trade, or null if the symbol has not traded."""

    model_config = STRICT
    symbol: str
    price: Integer | None
    decimals: BestPriceDecimals | None = None
