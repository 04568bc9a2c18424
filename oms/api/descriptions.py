"""The successful response of each endpoint, an example of it, and its error codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from pydantic import BaseModel

from oms.api.answer_models import (
    AvailableResponse,
    BestPriceResponse,
    BudgetResponse,
    CountResponse,
    CurveResponse,
    DepthResponse,
    InstrumentsResponse,
    PriceResponse,
    PricesResponse,
    QuoteResponse,
    SymbolsResponse,
    WithinResponse,
)
from oms.api.bulk_responses import AddedResponse, TransactionResponse, WhatIfResponse
from oms.api.response_models import (
    ChangedOrder,
    EventsPage,
    HealthResponse,
    OrderResponse,
    OrdersPage,
    ReadyResponse,
    StateResponse,
    TradeResponse,
    TradesPage,
)

__all__ = [
    "AMENDED_ORDER",
    "AMOUNT",
    "AVAILABLE",
    "BEST_PRICE",
    "BODY_CODES",
    "CHANGE_CODES",
    "COUNT",
    "CURVE",
    "DEPTH",
    "Description",
    "EXAMPLE_BOOK",
    "EXAMPLE_TIME",
    "FORBIDDEN_CODES",
    "HEALTH",
    "INSTRUMENTS",
    "ONE_ORDER",
    "ORDER_ADDED",
    "PAGE_OF_EVENTS",
    "PAGE_OF_ORDERS",
    "PAGE_OF_TRADES",
    "PAST_CODES",
    "PRICE",
    "PRICES",
    "QUOTE",
    "READY",
    "REMOVED_ORDER",
    "SHORT_CODES",
    "STATE_HASH",
    "SYMBOLS",
    "TRADE_PLACED",
    "TRANSACTION",
    "UNREADABLE_CODES",
    "WHAT_IF",
    "WITHIN",
]


class Description(NamedTuple):
    """An endpoint's successful response, an example of it, and the error codes that the endpoint returns."""

    model: type[BaseModel]
    example: Mapping[str, object]
    codes: tuple[str, ...] = ()
    status: int = 200


EXAMPLE_BOOK: Final = {"symbol": "JPM", "side": "BUY"}
_ORDER: Final = {"order_id": 4, **EXAMPLE_BOOK, "amount": 10, "price": 21}
_FILLS: Final = [{"order_id": 1, "amount": 20, "price": 20}, {"order_id": 4, "amount": 2, "price": 21}]
UNREADABLE_CODES: Final = ("body_too_large", "request_timeout")
BODY_CODES: Final = ("malformed_json", *UNREADABLE_CODES, "unsupported_media_type")
CHANGE_CODES: Final = ("idempotency_key_reused", "journal_failed", "forbidden")
SHORT_CODES: Final = ("insufficient_liquidity",)
EXAMPLE_TIME: Final = "1792998000000000000"
_CHANGED: Final = {"sequence": 2, "time": EXAMPLE_TIME, **_ORDER}

ORDER_ADDED = Description(AddedResponse, _CHANGED, ("duplicate_order", *BODY_CODES, *CHANGE_CODES), 201)
PAGE_OF_ORDERS = Description(OrdersPage, {"sequence": 2, "total": 2, "orders": [_ORDER], "next": 4})
ONE_ORDER = Description(OrderResponse, _ORDER, ("order_not_found",))
AMENDED_ORDER = Description(ChangedOrder, _CHANGED, ("order_not_found", *BODY_CODES, *CHANGE_CODES))
REMOVED_ORDER = Description(ChangedOrder, _CHANGED, ("order_not_found", *UNREADABLE_CODES, *CHANGE_CODES))
TRADE_PLACED = Description(
    TradeResponse,
    {
        "sequence": 3,
        "time": EXAMPLE_TIME,
        "trade_id": 1,
        **EXAMPLE_BOOK,
        "amount": 22,
        "total_price": 442,
        "fills": _FILLS,
    },
    (*SHORT_CODES, "price_bound", *BODY_CODES, *CHANGE_CODES),
    201,
)
PAST_CODES: Final = ("no_longer_available",)
PAGE_OF_TRADES = Description(
    TradesPage, {"first": 1, "trades": [TRADE_PLACED.example], "next": 1}, PAST_CODES
)
PAGE_OF_EVENTS = Description(
    EventsPage,
    {
        "first": 1,
        "events": [
            {"type": "OrderAdded", "previous": 0, "sequence": 1, "time": EXAMPLE_TIME, "order": _ORDER}
        ],
        "next": 1,
    },
    PAST_CODES,
)
PRICE = Description(PriceResponse, {**EXAMPLE_BOOK, "amount": 22, "total_price": 442}, SHORT_CODES)
PRICES = Description(
    PricesResponse, {**EXAMPLE_BOOK, "amounts": [22, 10], "total_prices": [442, 200]}, SHORT_CODES
)
QUOTE = Description(
    QuoteResponse,
    {
        **EXAMPLE_BOOK,
        "requested": 22,
        "amount": 22,
        "shortfall": 0,
        "total_price": 442,
        "best_price": 20,
        "worst_price": 21,
        "levels": 2,
        "fills": _FILLS,
        "slippage": 2,
    },
    SHORT_CODES,
)
CURVE = Description(
    CurveResponse,
    {
        **EXAMPLE_BOOK,
        "price": [20, 21],
        "amount": [20, 10],
        "cumulative_amount": [20, 30],
        "cumulative_price": [400, 610],
    },
)
AMOUNT = Description(BudgetResponse, {**EXAMPLE_BOOK, "budget": 450, "amount": 22}, SHORT_CODES)
AVAILABLE = Description(AvailableResponse, {**EXAMPLE_BOOK, "limit_price": 20, "amount": 20})
WITHIN = Description(WithinResponse, {**EXAMPLE_BOOK, "max_slippage_bps": 50, "amount": 22})
BEST_PRICE = Description(BestPriceResponse, {**EXAMPLE_BOOK, "price": 20})
DEPTH = Description(DepthResponse, {**EXAMPLE_BOOK, "levels": [{"price": 20, "amount": 20, "orders": 1}]})
_TRADE_RESULT: Final = {"verb": "place_trade", **TRADE_PLACED.example, "sequence": 2}
_VERB_CODES: Final = ("order_not_found", "duplicate_order", *SHORT_CODES, "price_bound", *BODY_CODES)
TRANSACTION = Description(
    TransactionResponse,
    {
        "sequence": 3,
        "time": EXAMPLE_TIME,
        "results": [_TRADE_RESULT, {"verb": "remove_order", **_CHANGED, "sequence": 3, "amount": 8}],
    },
    (*_VERB_CODES, *CHANGE_CODES),
    201,
)
WHAT_IF = Description(
    WhatIfResponse,
    {
        "sequence": 1,
        "results": [{**_TRADE_RESULT, "time": None}],
        "answers": [{"question": "price", **EXAMPLE_BOOK, "amount": 8, "total_price": 168}],
    },
    _VERB_CODES,
)
COUNT = Description(CountResponse, {"count": 2})
SYMBOLS = Description(SymbolsResponse, {"symbols": ["IBM", "JPM"]})
INSTRUMENTS = Description(
    InstrumentsResponse,
    {
        "instruments": [
            {
                "symbol": "JPM",
                "tick_size": "0.01",
                "lot_size": "1",
                "name": "JPMorgan Chase",
                "currency": "USD",
                "price_decimals": 2,
            }
        ]
    },
)

FORBIDDEN_CODES: Final = ("forbidden",)
HEALTH = Description(HealthResponse, {"alive": True})
READY = Description(
    ReadyResponse, {"ready": True, "durable": True, "sequence": 2, "orders": 2}, ("not_ready",)
)
STATE_HASH = Description(StateResponse, {"sequence": 2, "state_hash": "9f64" * 16}, FORBIDDEN_CODES)
