"""Models of the responses to lists of orders, transactions, and what-ifs, for the OpenAPI document.

A result has the same fields as the response to a single request that makes the same change. An answer has the
same fields as the response to the same query.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, Field, RootModel

from oms.api.answer_models import (
    AvailableResponse,
    BestPriceResponse,
    BudgetResponse,
    CountResponse,
    CurveResponse,
    DepthResponse,
    PriceResponse,
    PricesResponse,
    QuoteResponse,
    SymbolsResponse,
    WithinResponse,
)
from oms.api.engine.response_models import CanceledOrders, ChangedOpenOrder, ExecutedOrder
from oms.api.integers import Integer
from oms.api.response_models import STRICT, ChangedOrder, Time, TradeResponse

__all__ = [
    "AddedOrders",
    "AddedResponse",
    "EngineTransactionResponse",
    "EngineWhatIfResponse",
    "TransactionResponse",
    "WhatIfResponse",
]


class AddedOrders(BaseModel):
    """The number of added orders, with the event's sequence number and time."""

    model_config = STRICT
    sequence: Integer
    time: Time
    count: Integer


class AddedResponse(RootModel[ChangedOrder | AddedOrders]):
    """The added order, or the number of added orders, with the event's sequence number and time."""


# ---------------------------------------------------------------------- results


class _Result(BaseModel):
    time: Time = None  # without an event, and in a what-if


class OrderResult(_Result, ChangedOrder):
    """The added, amended, or removed order."""

    verb: Literal["add_order", "remove_order", "amend_order"]


class OrdersResult(_Result, AddedOrders):
    """The number of added orders."""

    verb: Literal["add_orders"]


class TradeResult(_Result, TradeResponse):
    """An executed trade."""

    verb: Literal["place_trade"]


class ExecutionResult(_Result, ExecutedOrder):
    """The execution of an order."""

    verb: Literal["submit", "replace"]


class OpenOrderResult(_Result, ChangedOpenOrder):
    """The reduced order, or the canceled order as it was before the cancellation."""

    verb: Literal["reduce", "cancel"]


class CanceledResult(_Result, CanceledOrders):
    """The canceled orders, as they were before the cancellation."""

    verb: Literal["cancel_all"]


_Results: TypeAlias = list[Annotated[OrderResult | OrdersResult | TradeResult, Field(discriminator="verb")]]
_EngineResults: TypeAlias = list[
    Annotated[ExecutionResult | OpenOrderResult | CanceledResult, Field(discriminator="verb")]
]


class _Transaction(BaseModel):
    model_config = STRICT
    sequence: Integer
    time: Time


class TransactionResponse(_Transaction):
    """The results of all verbs, in order. The sequence number and the time come from the last event."""

    results: _Results


class EngineTransactionResponse(_Transaction):
    """The results of all verbs, in order. The sequence number and the time come from the last event."""

    results: _EngineResults


# ---------------------------------------------------------------------- answers


class PriceAnswer(PriceResponse):
    """The response of `GET /price`."""

    question: Literal["price"]


class QuoteAnswer(QuoteResponse):
    """The response of `GET /quote`."""

    question: Literal["quote"]


class PricesAnswer(PricesResponse):
    """The response of `GET /prices`."""

    question: Literal["prices"]


class CurveAnswer(CurveResponse):
    """The response of `GET /curve`."""

    question: Literal["curve"]


class AmountAnswer(BudgetResponse):
    """The response of `GET /amount`."""

    question: Literal["amount"]


class AvailableAnswer(AvailableResponse):
    """The response of `GET /available`."""

    question: Literal["available"]


class WithinAnswer(WithinResponse):
    """The response of `GET /within`."""

    question: Literal["within"]


class BestPriceAnswer(BestPriceResponse):
    """The response of `GET /best-price`."""

    question: Literal["best_price"]


class DepthAnswer(DepthResponse):
    """The response of `GET /depth`."""

    question: Literal["depth"]


class SymbolsAnswer(SymbolsResponse):
    """The response of `GET /symbols`."""

    question: Literal["symbols"]


class CountAnswer(CountResponse):
    """The response of `GET /count`."""

    question: Literal["count"]


_Answer: TypeAlias = (
    PriceAnswer
    | QuoteAnswer
    | PricesAnswer
    | CurveAnswer
    | AmountAnswer
    | AvailableAnswer
    | WithinAnswer
    | BestPriceAnswer
    | DepthAnswer
    | SymbolsAnswer
    | CountAnswer
)


class _WhatIf(BaseModel):
    model_config = STRICT
    sequence: Integer = Field(description="The last event's number. The answers are based on its state.")
    answers: list[Annotated[_Answer, Field(discriminator="question")]]


class WhatIfResponse(_WhatIf):
    """The results of the verbs and the answers to all questions, in order. Nothing has changed."""

    results: _Results


class EngineWhatIfResponse(_WhatIf):
    """The results of the verbs and the answers to all questions, in order. Nothing has changed."""

    results: _EngineResults
