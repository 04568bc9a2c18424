"""OpenAPI descriptions of all endpoints: responses, examples, and errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

from pydantic import BaseModel

from oms.api.bulk_responses import (
    AddedResponse,
    EngineTransactionResponse,
    EngineWhatIfResponse,
    TransactionResponse,
    WhatIfResponse,
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
from oms.api.response_models import (
    AvailableResponse,
    BestPriceResponse,
    BudgetResponse,
    ChangedOrder,
    CountResponse,
    CurveResponse,
    DepthResponse,
    EventsPage,
    HealthResponse,
    InstrumentsResponse,
    OrderResponse,
    OrdersPage,
    PriceResponse,
    PricesResponse,
    Problem,
    QuoteResponse,
    ReadyResponse,
    StateResponse,
    SymbolsResponse,
    TradeResponse,
    TradesPage,
    WithinResponse,
)
from oms.contract import (
    IDEMPOTENCY_KEY_HEADER,
    PROBLEM_MEDIA_TYPE,
    PROBLEM_TYPE,
    PROBLEMS,
    REPLAYED_HEADER,
)

__all__ = [
    "AMENDED_ORDER",
    "AMOUNT",
    "AVAILABLE",
    "BEST_PRICE",
    "CANCELED_ORDER",
    "CANCELED_ORDERS",
    "COUNT",
    "CURVE",
    "DEPTH",
    "ENGINE_TRANSACTION",
    "ENGINE_WHAT_IF",
    "HEALTH",
    "INSTRUMENTS",
    "LAST_PRICE",
    "ONE_ORDER",
    "OPEN_ORDER",
    "ORDER_ADDED",
    "PAGE_OF_ENGINE_EVENTS",
    "PAGE_OF_ENGINE_TRADES",
    "PAGE_OF_EVENTS",
    "PAGE_OF_OPEN_ORDERS",
    "PAGE_OF_ORDERS",
    "PAGE_OF_TRADES",
    "PRICE",
    "PRICES",
    "QUEUE_AHEAD",
    "QUOTE",
    "READY",
    "REDUCED_ORDER",
    "REMOVED_ORDER",
    "REPLACED",
    "STATE_HASH",
    "SUBMITTED",
    "SYMBOLS",
    "TRADE_PLACED",
    "TRANSACTION",
    "WHAT_IF",
    "WITHIN",
    "completed",
    "documented",
]


class Description(NamedTuple):
    """An endpoint's successful response, an example of it, and the error codes that the endpoint returns."""

    model: type[BaseModel]
    example: Mapping[str, object]
    codes: tuple[str, ...] = ()
    status: int = 200


_JPM: Final = {"symbol": "JPM", "side": "BUY"}
_ORDER: Final = {"order_id": 4, **_JPM, "amount": 10, "price": 21}
_FILLS: Final = [{"order_id": 1, "amount": 20, "price": 20}, {"order_id": 4, "amount": 2, "price": 21}]
_UNREADABLE: Final = ("body_too_large", "request_timeout")
_BODY: Final = ("malformed_json", *_UNREADABLE, "unsupported_media_type")
_CHANGE: Final = ("idempotency_key_reused", "journal_failed", "forbidden")
_SHORT: Final = ("insufficient_liquidity",)
_TIME: Final = "1792998000000000000"
_CHANGED: Final = {"sequence": 2, "time": _TIME, **_ORDER}

ORDER_ADDED = Description(AddedResponse, _CHANGED, ("duplicate_order", *_BODY, *_CHANGE), 201)
PAGE_OF_ORDERS = Description(OrdersPage, {"sequence": 2, "total": 2, "orders": [_ORDER], "next": 4})
ONE_ORDER = Description(OrderResponse, _ORDER, ("order_not_found",))
AMENDED_ORDER = Description(ChangedOrder, _CHANGED, ("order_not_found", *_BODY, *_CHANGE))
REMOVED_ORDER = Description(ChangedOrder, _CHANGED, ("order_not_found", *_UNREADABLE, *_CHANGE))
TRADE_PLACED = Description(
    TradeResponse,
    {"sequence": 3, "time": _TIME, "trade_id": 1, **_JPM, "amount": 22, "total_price": 442, "fills": _FILLS},
    (*_SHORT, "price_bound", *_BODY, *_CHANGE),
    201,
)
_PAST: Final = ("no_longer_available",)
PAGE_OF_TRADES = Description(TradesPage, {"first": 1, "trades": [TRADE_PLACED.example], "next": 1}, _PAST)
PAGE_OF_EVENTS = Description(
    EventsPage,
    {
        "first": 1,
        "events": [{"type": "OrderAdded", "previous": 0, "sequence": 1, "time": _TIME, "order": _ORDER}],
        "next": 1,
    },
    _PAST,
)
PRICE = Description(PriceResponse, {**_JPM, "amount": 22, "total_price": 442}, _SHORT)
PRICES = Description(PricesResponse, {**_JPM, "amounts": [22, 10], "total_prices": [442, 200]}, _SHORT)
QUOTE = Description(
    QuoteResponse,
    {
        **_JPM,
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
    _SHORT,
)
CURVE = Description(
    CurveResponse,
    {
        **_JPM,
        "price": [20, 21],
        "amount": [20, 10],
        "cumulative_amount": [20, 30],
        "cumulative_price": [400, 610],
    },
)
AMOUNT = Description(BudgetResponse, {**_JPM, "budget": 450, "amount": 22}, _SHORT)
AVAILABLE = Description(AvailableResponse, {**_JPM, "limit_price": 20, "amount": 20})
WITHIN = Description(WithinResponse, {**_JPM, "max_slippage_bps": 50, "amount": 22})
BEST_PRICE = Description(BestPriceResponse, {**_JPM, "price": 20})
DEPTH = Description(DepthResponse, {**_JPM, "levels": [{"price": 20, "amount": 20, "orders": 1}]})
_TRADE_RESULT: Final = {"verb": "place_trade", **TRADE_PLACED.example, "sequence": 2}
_VERB_CODES: Final = ("order_not_found", "duplicate_order", *_SHORT, "price_bound", *_BODY)
TRANSACTION = Description(
    TransactionResponse,
    {
        "sequence": 3,
        "time": _TIME,
        "results": [_TRADE_RESULT, {"verb": "remove_order", **_CHANGED, "sequence": 3, "amount": 8}],
    },
    (*_VERB_CODES, *_CHANGE),
    201,
)
WHAT_IF = Description(
    WhatIfResponse,
    {
        "sequence": 1,
        "results": [{**_TRADE_RESULT, "time": None}],
        "answers": [{"question": "price", **_JPM, "amount": 8, "total_price": 168}],
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

_NOT_YOURS: Final = ("forbidden",)
_LIMITS: Final = ("limit_exceeded", "rate_limited", "kill_switch")
_SUBMISSION: Final = {
    "order_id": "bid-1",
    **_JPM,
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
    **_JPM,
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
    **_JPM,
    "amount": 20,
    "total_price": 2020,
    "taker": "bid-1",
    "taker_owner": "Ann",
    "fills": [{"maker": None, "maker_owner": None, "amount": 20, "price": 101}],
}
_EVENT: Final = {"sequence": 2, "time": _TIME}
SUBMITTED = Description(
    ExecutedOrder, {**_EVENT, **_EXECUTION}, ("duplicate_order", *_LIMITS, *_NOT_YOURS, *_BODY, *_CHANGE), 201
)
REPLACED = Description(
    ExecutedOrder, {**_EVENT, **_EXECUTION}, ("order_not_found", *_LIMITS, *_BODY, *_CHANGE)
)
REDUCED_ORDER = Description(ChangedOpenOrder, {**_EVENT, **_OPEN}, ("order_not_found", *_BODY, *_CHANGE))
CANCELED_ORDER = Description(
    ChangedOpenOrder, {**_EVENT, **_OPEN}, ("order_not_found", *_UNREADABLE, *_CHANGE)
)
CANCELED_ORDERS = Description(CanceledOrders, {**_EVENT, "orders": [_OPEN]}, (*_NOT_YOURS, *_BODY, *_CHANGE))
_EXECUTION_RESULT: Final = {"verb": "submit", **_EVENT, **_EXECUTION}
_ENGINE_VERB_CODES: Final = ("order_not_found", "duplicate_order", *_LIMITS, *_NOT_YOURS, *_BODY)
ENGINE_TRANSACTION = Description(
    EngineTransactionResponse,
    {**_EVENT, "results": [_EXECUTION_RESULT]},
    (*_ENGINE_VERB_CODES, *_CHANGE),
    201,
)
ENGINE_WHAT_IF = Description(
    EngineWhatIfResponse,
    {
        "sequence": 1,
        "results": [{**_EXECUTION_RESULT, "time": None}],
        "answers": [{"question": "best_price", **_JPM, "price": 101}],
    },
    (*_ENGINE_VERB_CODES, *_SHORT),
)
OPEN_ORDER = Description(OpenOrderResponse, _OPEN, ("order_not_found",))
PAGE_OF_OPEN_ORDERS = Description(
    OpenOrdersPage, {"sequence": 2, "total": 2, "orders": [_OPEN], "next": 4}, _NOT_YOURS
)
QUEUE_AHEAD = Description(
    QueueAheadResponse,
    {"order_id": "bid-1", "symbol": "JPM", "orders": 1, "amount": 20},
    ("order_not_found",),
)
LAST_PRICE = Description(LastPriceResponse, {"symbol": "JPM", "price": 101})
PAGE_OF_ENGINE_TRADES = Description(
    EngineTradesPage, {"first": 1, "trades": [{**_EVENT, **_MARKET_TRADE}], "next": 1}, _PAST
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
                    {**_JPM, "price": 101, "change": -20},
                    {"symbol": "JPM", "side": "SELL", "price": 101, "change": 5},
                ],
                "trades": [_MARKET_TRADE],
                "executions": [_EXECUTION],
                "fills": [
                    {
                        "order_id": "bid-1",
                        "owner": "Ann",
                        **_JPM,
                        "amount": 20,
                        "price": 101,
                        "role": "TAKER",
                    }
                ],
            }
        ],
        "next": 2,
    },
    _PAST,
)
HEALTH = Description(HealthResponse, {"alive": True})
READY = Description(
    ReadyResponse, {"ready": True, "durable": True, "sequence": 2, "orders": 2}, ("not_ready",)
)
STATE_HASH = Description(StateResponse, {"sequence": 2, "state_hash": "9f64" * 16}, _NOT_YOURS)

_ALWAYS = (
    "invalid_order",
    "unauthorized",
    "origin_refused",
    "host_refused",
    "too_many_requests",
    "not_ready",
    "internal_error",
)
_REPLAYED = {
    REPLAYED_HEADER: {
        "description": "true if the request is a retry and this is the original response again.",
        "schema": {"type": "string", "enum": ["true"]},
    }
}
_LINKS = {
    name: {"operationId": name, "parameters": {"order_id": "$response.body#/order_id"}}
    for name in ("get_order", "amend_order", "remove_order")
}


def documented(description: Description, endpoint: Callable[..., object]) -> dict[str, Any]:
    """Return the `add_api_route` arguments that describe an endpoint."""
    responses: dict[int | str, dict[str, Any]] = {
        description.status: {
            "model": description.model,
            "description": _first_line(description.model.__doc__),
            "content": {"application/json": {"example": description.example}},
        }
    }
    if "journal_failed" in description.codes:  # the endpoint makes a change, so its response may be replayed
        responses[description.status]["headers"] = dict(_REPLAYED)
    if description is ORDER_ADDED:
        _describe_added_order(responses)
    for code in dict.fromkeys((*description.codes, *_ALWAYS)):
        _add_problem(responses, code)
    return {
        "status_code": description.status,
        "responses": responses,
        "response_model": None,
        "operation_id": endpoint.__name__,
        "summary": _first_line(endpoint.__doc__),
        "description": "",
    }


def _describe_added_order(responses: dict[int | str, dict[str, Any]]) -> None:
    added = responses[ORDER_ADDED.status]
    added["headers"] |= {
        "Location": {"schema": {"type": "string"}},
        IDEMPOTENCY_KEY_HEADER: {
            "description": "The request's key. Sent only if a request with this key added the order.",
            "schema": {"type": "string"},
        },
    }
    added["links"] = _LINKS
    responses[200] = added | {"description": "The original response, because the order was already added."}


def _add_problem(responses: dict[int | str, dict[str, Any]], code: str) -> None:
    """Add an error code to the response for its status. Several codes may share a status."""
    status, title = PROBLEMS[code]
    response = responses.setdefault(
        status, {"model": Problem, "description": "", "content": {"application/json": {"examples": {}}}}
    )
    response["description"] = "; ".join(filter(None, [response["description"], title]))
    response["content"]["application/json"]["examples"][code] = {"value": _example(code)}


def _first_line(docstring: str | None) -> str:
    return (docstring or "").partition("\n")[0]


def _example(code: str) -> dict[str, object]:
    status, title = PROBLEMS[code]
    kind = PROBLEM_TYPE.format(code=code)
    return {"type": kind, "title": title, "status": status, "code": code, "detail": title}


def completed(document: dict[str, Any], *, session_cookie: str | None) -> dict[str, Any]:
    """Return FastAPI's document with the problem media type and the authentication methods added.

    `session_cookie` is the session cookie's name, or None if the service needs no key.
    """
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if status >= "400" and "application/json" in response.get("content", {}):
                    response["content"] = {PROBLEM_MEDIA_TYPE: response["content"]["application/json"]}
            if path == "/health":
                operation["security"] = []
    for schema in document["components"]["schemas"].values():
        if "enum" in schema:
            schema["description"] = _first_line(schema["description"])
    if session_cookie is not None:
        document["components"]["securitySchemes"] = {
            "key": {"type": "http", "scheme": "bearer", "description": "The API key."},
            "session": {
                "type": "apiKey",
                "in": "cookie",
                "name": session_cookie,
                "description": "The cookie set by POST /session. With it, a change needs an Origin header.",
            },
        }
        document["security"] = [{"key": []}, {"session": []}]
        without_key: dict[str, list[str]] = {}
        document["paths"]["/ready"]["get"]["security"] = [without_key, *document["security"]]
    return cast("dict[str, Any]", _with_integers(document))


def _with_integers(part: Any) -> Any:
    """Convert whole floats in the document to integers. FastAPI writes integer limits as floats."""
    if isinstance(part, dict):
        return {name: _with_integers(each) for name, each in cast("dict[str, Any]", part).items()}
    if isinstance(part, list):
        return [_with_integers(each) for each in cast("Sequence[Any]", part)]
    return int(part) if isinstance(part, float) and part.is_integer() else part
