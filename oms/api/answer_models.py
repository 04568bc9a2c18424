"""The models that describe the answers to questions about the books in the OpenAPI document.

Like the other response models, they are not used by the endpoints. The tests check every kind of response
against its model.
"""

from __future__ import annotations

from pydantic import BaseModel, Field

from oms.api.integers import Integer
from oms.api.response_models import STRICT, DecimalText, FillResponse, LotDecimals
from oms.models import Side

__all__ = [
    "AvailableResponse",
    "BestPriceResponse",
    "BookResponse",
    "BudgetResponse",
    "CountResponse",
    "CurveResponse",
    "DepthResponse",
    "InstrumentResponse",
    "InstrumentsResponse",
    "LevelResponse",
    "PriceResponse",
    "PricesResponse",
    "QuoteResponse",
    "SymbolsResponse",
    "WithinResponse",
]


class PriceDecimals(BaseModel):
    """The decimal values of a total price."""

    model_config = STRICT
    amount: DecimalText
    total_price: DecimalText


class PricesDecimals(BaseModel):
    """The decimal values of several total prices."""

    model_config = STRICT
    amounts: list[DecimalText]
    total_prices: list[DecimalText]


class QuoteDecimals(BaseModel):
    """The decimal values of a quote."""

    model_config = STRICT
    requested: DecimalText
    amount: DecimalText
    shortfall: DecimalText
    total_price: DecimalText
    best_price: DecimalText
    worst_price: DecimalText
    slippage: DecimalText


class CurveDecimals(BaseModel):
    """The decimal values of a price curve."""

    model_config = STRICT
    price: list[DecimalText]
    amount: list[DecimalText]
    cumulative_amount: list[DecimalText]
    cumulative_price: list[DecimalText]


class BudgetDecimals(BaseModel):
    """The decimal values of a budget, and of the amount that it buys."""

    model_config = STRICT
    budget: DecimalText
    limit_price: DecimalText | None = None
    amount: DecimalText


class AvailableDecimals(BaseModel):
    """The decimal values of an available amount."""

    model_config = STRICT
    limit_price: DecimalText | None = None
    amount: DecimalText


class WithinDecimals(BaseModel):
    """The decimal value of an amount."""

    model_config = STRICT
    amount: DecimalText


class BestPriceDecimals(BaseModel):
    """The decimal value of the best price."""

    model_config = STRICT
    price: DecimalText | None


class CountResponse(BaseModel):
    """The number of resting orders."""

    model_config = STRICT
    count: Integer


class BookResponse(BaseModel):
    """The book's symbol and side."""

    model_config = STRICT
    symbol: str
    side: Side


class PriceResponse(BookResponse):
    """The total price of a trade, in ticks times lots: the cost of a BUY, or the proceeds of a SELL."""

    amount: Integer
    total_price: Integer
    decimals: PriceDecimals | None = None


class PricesResponse(BookResponse):
    """The total price of each amount, in the same order as in the request."""

    amounts: list[Integer]
    total_prices: list[Integer]
    decimals: PricesDecimals | None = None


class QuoteResponse(BookResponse):
    """The expected result of a trade."""

    requested: Integer
    amount: Integer
    shortfall: Integer
    total_price: Integer
    best_price: Integer
    worst_price: Integer
    levels: Integer
    fills: list[FillResponse]
    slippage: Integer
    decimals: QuoteDecimals | None = None


class CurveResponse(BookResponse):
    """The price levels with their cumulative amounts and prices, as columns of equal length."""

    price: list[Integer]
    amount: list[Integer]
    cumulative_amount: list[Integer]
    cumulative_price: list[Integer]
    decimals: CurveDecimals | None = None


class BudgetResponse(BookResponse):
    """The amount that `budget` can buy, or that must be sold to raise `budget`."""

    budget: Integer
    limit_price: Integer | None = None
    amount: Integer
    decimals: BudgetDecimals | None = None


class AvailableResponse(BookResponse):
    """The available amount."""

    limit_price: Integer | None = None
    amount: Integer
    decimals: AvailableDecimals | None = None


class WithinResponse(BookResponse):
    """The largest amount that can be traded within a slippage limit."""

    max_slippage_bps: Integer
    amount: Integer
    decimals: WithinDecimals | None = None


class BestPriceResponse(BookResponse):
    """The best price, or null if the book is empty."""

    price: Integer | None
    decimals: BestPriceDecimals | None = None


class LevelResponse(BaseModel):
    """The total amount and the number of orders at one price."""

    model_config = STRICT
    price: Integer
    amount: Integer
    orders: Integer
    decimals: LotDecimals | None = None


class DepthResponse(BookResponse):
    """Price levels, best first."""

    levels: list[LevelResponse]


class SymbolsResponse(BaseModel):
    """The sorted symbols that have resting orders."""

    model_config = STRICT
    symbols: list[str]


class InstrumentResponse(BaseModel):
    """The instrument of a symbol: the price of one tick, the amount of one lot, and texts for display."""

    model_config = STRICT
    symbol: str
    tick_size: DecimalText
    lot_size: DecimalText
    name: str | None
    currency: str | None
    price_decimals: Integer | None = Field(
        description="The decimal places that prices are shown with, by default those of the tick size."
    )


class InstrumentsResponse(BaseModel):
    """The instruments that were set, sorted by symbol. Any other symbol has ticks and lots of 1."""

    model_config = STRICT
    instruments: list[InstrumentResponse]
