"""What the answers look like: models for the OpenAPI document and whoever reads it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from oms.contract import PROBLEMS
from oms.models import Side

__all__ = [
    "AvailableAnswer",
    "BestPriceAnswer",
    "BookAnswer",
    "BudgetAnswer",
    "ChangedOrder",
    "CountAnswer",
    "CurveAnswer",
    "DepthAnswer",
    "FillAnswer",
    "HealthAnswer",
    "LevelAnswer",
    "OrderAnswer",
    "OrdersPage",
    "PriceAnswer",
    "PricesAnswer",
    "Problem",
    "QuoteAnswer",
    "ReadyAnswer",
    "StateAnswer",
    "SymbolsAnswer",
    "TradeAnswer",
    "WithinAnswer",
]

_STRICT = ConfigDict(extra="forbid")


class OrderAnswer(BaseModel):
    """A resting order: `amount` lots at `price` ticks."""

    model_config = _STRICT
    order_id: int
    symbol: str
    side: Side
    amount: int
    price: int


class ChangedOrder(OrderAnswer):
    """An order, and the sequence number of the event that made it so."""

    sequence: int


class OrdersPage(BaseModel):
    """Orders by order id; `next` goes into `after` for the next page, and is null on the last one."""

    model_config = _STRICT
    sequence: int = Field(description="Of the last event: equal on two pages if nothing changed between.")
    total: int = Field(description="How many orders are selected, on all pages.")
    orders: list[OrderAnswer]
    next: int | None


class CountAnswer(BaseModel):
    """How many orders rest."""

    model_config = _STRICT
    count: int


class FillAnswer(BaseModel):
    """What a trade takes from one order."""

    model_config = _STRICT
    order_id: int
    amount: int
    price: int


class TradeAnswer(BaseModel):
    """An executed trade, best fill first."""

    model_config = _STRICT
    sequence: int
    trade_id: int
    symbol: str
    side: Side
    amount: int
    total_price: int
    fills: list[FillAnswer]


class BookAnswer(BaseModel):
    """Of one book."""

    model_config = _STRICT
    symbol: str
    side: Side


class PriceAnswer(BookAnswer):
    """What an amount costs (BUY) or raises (SELL), in ticks times lots."""

    amount: int
    total_price: int


class PricesAnswer(BookAnswer):
    """What each amount costs, in the order asked."""

    amounts: list[int]
    total_prices: list[int]


class QuoteAnswer(BookAnswer):
    """What a trade would be."""

    requested: int
    amount: int
    shortfall: int
    total_price: int
    best_price: int
    worst_price: int
    levels: int
    fills: list[FillAnswer]
    slippage: int


class CurveAnswer(BookAnswer):
    """A row a price level, in columns."""

    price: list[int]
    amount: list[int]
    cumulative_amount: list[int]
    cumulative_price: list[int]


class BudgetAnswer(BookAnswer):
    """What a budget is good for."""

    budget: int
    limit_price: int | None = None
    amount: int


class AvailableAnswer(BookAnswer):
    """What can be traded."""

    limit_price: int | None = None
    amount: int


class WithinAnswer(BookAnswer):
    """What can be traded within a slippage."""

    max_slippage_bps: int
    amount: int


class BestPriceAnswer(BookAnswer):
    """Where the next trade starts."""

    price: int | None


class LevelAnswer(BaseModel):
    """All that rests at one price."""

    model_config = _STRICT
    price: int
    amount: int
    orders: int


class DepthAnswer(BookAnswer):
    """Price levels, best first."""

    levels: list[LevelAnswer]


class SymbolsAnswer(BaseModel):
    """The symbols for which something rests, sorted."""

    model_config = _STRICT
    symbols: list[str]


class HealthAnswer(BaseModel):
    """The process is alive."""

    model_config = _STRICT
    alive: Literal[True]


class ReadyAnswer(BaseModel):
    """Changes are taken; `durable` says whether they survive the process."""

    model_config = _STRICT
    ready: Literal[True]
    durable: bool
    sequence: int
    orders: int


class StateAnswer(BaseModel):
    """SHA-256 over the whole state after the event of that sequence number."""

    model_config = _STRICT
    sequence: int
    state_hash: str


class Problem(BaseModel):
    """A refusal (RFC 9457); `code` says which, the rest carries what its exception carries."""

    model_config = _STRICT
    type: str
    title: str
    status: int
    code: Literal[tuple(PROBLEMS)]  # type: ignore[valid-type]  # the one list of them
    detail: str
    field: str = Field(default="", description="invalid_order, price_bound: which field.")
    value: Any = Field(default=None, description="invalid_order: what was given; left out if it is long.")
    allowed: str = Field(default="", description="invalid_order: what would do.")
    order_id: int = Field(default=0, description="duplicate_order, order_not_found.")
    symbol: str = Field(default="", description="insufficient_liquidity.")
    side: Side = Field(default=Side.BUY, description="insufficient_liquidity.")
    requested: int = Field(default=0, description="insufficient_liquidity, in units.")
    available: int = Field(default=0, description="insufficient_liquidity, in units.")
    unit: Literal["amount", "money"] = Field(default="amount", description="insufficient_liquidity.")
    bound: int = Field(default=0, description="price_bound.")
    total_price: int = Field(default=0, description="price_bound.")
    place: str = Field(default="", description="journal_failed: where.")
    problem: str = Field(default="", description="journal_failed: what is wrong.")
    reason: str = Field(default="", description="not_ready: why.")
