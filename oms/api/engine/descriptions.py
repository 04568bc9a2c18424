"""The successful response of each endpoint of a matching engine, an example of it, and its error codes."""

from __future__ import annotations

from typing import Final

from oms.api.bulk_responses import EngineTransactionResponse, EngineWhatIfResponse
from oms.api.descriptions import (
    BODY_CODES,
    CHANGE_CODES,
    EXAMPLE_BOOK,
    EXAMPLE_TIME,
    FORBIDDEN_CODES,
    PAST_CODES,
    SHORT_CODES,
    UNREADABLE_CODES,
    Description,
)
from oms.api.engine.response_models import (
    CanceledOrders,
    ChangedOpenOrder,
    EngineEventsPage,
    EngineTradesPage,
    ExecutedOrder,
    LastPriceResponse,
    OpenOrderResponse,
    OpenOrdersPage,
    QueueAheadResponse,
)

__all__ = [
    "CANCELED_ORDER",
    "CANCELED_ORDERS",
    "ENGINE_TRANSACTION",
    "ENGINE_WHAT_IF",
    "LAST_PRICE",
    "OPEN_ORDER",
    "PAGE_OF_ENGINE_EVENTS",
    "PAGE_OF_ENGINE_TRADES",
    "PAGE_OF_OPEN_ORDERS",
    "QUEUE_AHEAD",
    "REDUCED_ORDER",
    "REPLACED",
    "SUBMITTED",
]
_LIMITS: Final = ("limit_exceeded", "rate_limited", "kill_switch")
_SUBMISSION: Final = {
    "order_id": "bid-1",
    **EXAMPLE_BOOK,
    "amount": 25,
    "price": 101,
    "time_in_force": "GTC",
    "post_only": None,
    "owner": "Ann",
    "display": None,
    "stop_price": None,
    "expires": None,
}
_OPEN: Final = {
    **_SUBMISSION,
    "status": "PARTIALLY_FILLED",
    "filled": 20,
    "remaining": 5,
    "displayed": 5,
    "resting_price": 101,
}
_EXECUTION: Final = {
    "order_id": "bid-1",
    **EXAMPLE_BOOK,
    "requested": 25,
    "amount": 20,
    "total_price": 2020,
    "fills": [{"order_id": None, "amount": 20, "price": 101}],
    "resting": 5,
    "canceled": 0,
    "reason": None,
}
_MARKET_TRADE: Final = {
    "trade_id": 1,
    **EXAMPLE_BOOK,
    "amount": 20,
    "total_price": 2020,
    "taker": "bid-1",
    "taker_owner": "Ann",
    "fills": [{"maker": None, "maker_owner": None, "amount": 20, "price": 101}],
}
_EVENT: Final = {"sequence": 2, "time": EXAMPLE_TIME}
SUBMITTED = Description(
    ExecutedOrder,
    {**_EVENT, **_EXECUTION},
    ("duplicate_order", *_LIMITS, *FORBIDDEN_CODES, *BODY_CODES, *CHANGE_CODES),
    201,
)
REPLACED = Description(
    ExecutedOrder, {**_EVENT, **_EXECUTION}, ("order_not_found", *_LIMITS, *BODY_CODES, *CHANGE_CODES)
)
REDUCED_ORDER = Description(
    ChangedOpenOrder, {**_EVENT, **_OPEN}, ("order_not_found", *BODY_CODES, *CHANGE_CODES)
)
CANCELED_ORDER = Description(
    ChangedOpenOrder, {**_EVENT, **_OPEN}, ("order_not_found", *UNREADABLE_CODES, *CHANGE_CODES)
)
CANCELED_ORDERS = Description(
    CanceledOrders, {**_EVENT, "orders": [_OPEN]}, (*FORBIDDEN_CODES, *BODY_CODES, *CHANGE_CODES)
)
_EXECUTION_RESULT: Final = {"verb": "submit", **_EVENT, **_EXECUTION}
_ENGINE_VERB_CODES: Final = ("order_not_found", "duplicate_order", *_LIMITS, *FORBIDDEN_CODES, *BODY_CODES)
ENGINE_TRANSACTION = Description(
    EngineTransactionResponse,
    {**_EVENT, "results": [_EXECUTION_RESULT]},
    (*_ENGINE_VERB_CODES, *CHANGE_CODES),
    201,
)
ENGINE_WHAT_IF = Description(
    EngineWhatIfResponse,
    {
        "sequence": 1,
        "results": [{**_EXECUTION_RESULT, "time": None}],
        "answers": [{"question": "best_price", **EXAMPLE_BOOK, "price": 101}],
    },
    (*_ENGINE_VERB_CODES, *SHORT_CODES),
)
OPEN_ORDER = Description(OpenOrderResponse, _OPEN, ("order_not_found",))
PAGE_OF_OPEN_ORDERS = Description(
    OpenOrdersPage, {"sequence": 2, "total": 2, "orders": [_OPEN], "next": 4}, FORBIDDEN_CODES
)
QUEUE_AHEAD = Description(
    QueueAheadResponse,
    {"order_id": "bid-1", "symbol": "JPM", "orders": 1, "amount": 20},
    ("order_not_found",),
)
LAST_PRICE = Description(LastPriceResponse, {"symbol": "JPM", "price": 101})
PAGE_OF_ENGINE_TRADES = Description(
    EngineTradesPage, {"first": 1, "trades": [{**_EVENT, **_MARKET_TRADE}], "next": 1}, PAST_CODES
)
PAGE_OF_ENGINE_EVENTS = Description(
    EngineEventsPage,
    {
        "first": 1,
        "events": [
            {
                "type": "OrderSubmitted",
                "previous": 1,
                **_EVENT,
                "changes": [
                    {**EXAMPLE_BOOK, "price": 101, "change": -20},
                    {"symbol": "JPM", "side": "SELL", "price": 101, "change": 5},
                ],
                "trades": [_MARKET_TRADE],
                "executions": [_EXECUTION],
                "fills": [
                    {
                        "order_id": "bid-1",
                        "owner": "Ann",
                        **EXAMPLE_BOOK,
                        "amount": 20,
                        "price": 101,
                        "role": "TAKER",
                    }
                ],
            }
        ],
        "next": 2,
    },
    PAST_CODES,
)
