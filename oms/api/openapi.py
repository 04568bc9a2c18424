"""What the OpenAPI document says of each endpoint: its answers, with schemas, examples and problems."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

from pydantic import BaseModel

from oms.api.response_models import (
    AvailableAnswer,
    BestPriceAnswer,
    BudgetAnswer,
    ChangedOrder,
    CountAnswer,
    CurveAnswer,
    DepthAnswer,
    HealthAnswer,
    OrderAnswer,
    OrdersPage,
    PriceAnswer,
    PricesAnswer,
    Problem,
    QuoteAnswer,
    ReadyAnswer,
    StateAnswer,
    SymbolsAnswer,
    TradeAnswer,
    WithinAnswer,
)
from oms.api.sessions import COOKIE
from oms.contract import PROBLEM_MEDIA_TYPE, PROBLEMS

__all__ = [
    "AMENDED_ORDER",
    "AMOUNT",
    "AVAILABLE",
    "BEST_PRICE",
    "COUNT",
    "CURVE",
    "DEPTH",
    "HEALTH",
    "ONE_ORDER",
    "ORDER_ADDED",
    "PAGE_OF_ORDERS",
    "PRICE",
    "PRICES",
    "QUOTE",
    "READY",
    "REMOVED_ORDER",
    "STATE_HASH",
    "SYMBOLS",
    "TRADE_PLACED",
    "WITHIN",
    "complete",
    "described",
]


class Description(NamedTuple):
    """The good answer of an endpoint, an example of it, and the codes of what may go wrong."""

    model: type[BaseModel]
    example: Mapping[str, object]
    codes: tuple[str, ...] = ()
    status: int = 200


_JPM: Final = {"symbol": "JPM", "side": "BUY"}
_ORDER: Final = {"order_id": 4, **_JPM, "amount": 10, "price": 21}
_FILLS: Final = [{"order_id": 1, "amount": 20, "price": 20}, {"order_id": 4, "amount": 2, "price": 21}]
_UNREAD: Final = ("body_too_large", "request_timeout")
_BODY: Final = ("malformed_json", *_UNREAD, "unsupported_media_type")
_CHANGE: Final = ("idempotency_key_reused", "journal_failed")
_SHORT: Final = ("insufficient_liquidity",)
_CHANGED: Final = {"sequence": 2, **_ORDER}

ORDER_ADDED = Description(ChangedOrder, _CHANGED, ("duplicate_order", *_BODY, *_CHANGE), 201)
PAGE_OF_ORDERS = Description(OrdersPage, {"sequence": 2, "total": 2, "orders": [_ORDER], "next": 4})
ONE_ORDER = Description(OrderAnswer, _ORDER, ("order_not_found",))
AMENDED_ORDER = Description(ChangedOrder, _CHANGED, ("order_not_found", *_BODY, *_CHANGE))
REMOVED_ORDER = Description(ChangedOrder, _CHANGED, ("order_not_found", *_UNREAD, *_CHANGE))
TRADE_PLACED = Description(
    TradeAnswer,
    {"sequence": 3, "trade_id": 1, **_JPM, "amount": 22, "total_price": 442, "fills": _FILLS},
    (*_SHORT, "price_bound", *_BODY, *_CHANGE),
    201,
)
PRICE = Description(PriceAnswer, {**_JPM, "amount": 22, "total_price": 442}, _SHORT)
PRICES = Description(PricesAnswer, {**_JPM, "amounts": [22, 10], "total_prices": [442, 200]}, _SHORT)
QUOTE = Description(
    QuoteAnswer,
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
    CurveAnswer,
    {
        **_JPM,
        "price": [20, 21],
        "amount": [20, 10],
        "cumulative_amount": [20, 30],
        "cumulative_price": [400, 610],
    },
)
AMOUNT = Description(BudgetAnswer, {**_JPM, "budget": 450, "amount": 22}, _SHORT)
AVAILABLE = Description(AvailableAnswer, {**_JPM, "limit_price": 20, "amount": 20})
WITHIN = Description(WithinAnswer, {**_JPM, "max_slippage_bps": 50, "amount": 22})
BEST_PRICE = Description(BestPriceAnswer, {**_JPM, "price": 20})
DEPTH = Description(DepthAnswer, {**_JPM, "levels": [{"price": 20, "amount": 20, "orders": 1}]})
COUNT = Description(CountAnswer, {"count": 2})
SYMBOLS = Description(SymbolsAnswer, {"symbols": ["IBM", "JPM"]})
HEALTH = Description(HealthAnswer, {"alive": True})
READY = Description(ReadyAnswer, {"ready": True, "durable": True, "sequence": 2, "orders": 2}, ("not_ready",))
STATE_HASH = Description(StateAnswer, {"sequence": 2, "state_hash": "9f64" * 16})

_ALWAYS = ("invalid_order", "unauthorized", "origin_refused", "host_refused", "not_ready", "internal_error")
_REPLAYED = {
    "Idempotent-Replayed": {
        "description": "true, if this is the first answer to a request that came again.",
        "schema": {"type": "string", "enum": ["true"]},
    }
}
_LINKS = {
    name: {"operationId": name, "parameters": {"order_id": "$response.body#/order_id"}}
    for name in ("get_order", "amend_order", "remove_order")
}


def described(of: Description, endpoint: Callable[..., object]) -> dict[str, Any]:
    """What add_api_route takes, beside the path and the methods."""
    responses: dict[int | str, dict[str, Any]] = {
        of.status: {
            "model": of.model,
            "description": _first_line(of.model),
            "content": {"application/json": {"example": of.example}},
        }
    }
    if "journal_failed" in of.codes:
        responses[of.status]["headers"] = dict(_REPLAYED)
    if of is ORDER_ADDED:
        responses[of.status]["headers"]["Location"] = {"schema": {"type": "string"}}
        responses[of.status]["headers"]["Idempotency-Key"] = {
            "description": "The request's own, if it was under this key that the order was added.",
            "schema": {"type": "string"},
        }
        responses[of.status]["links"] = _LINKS
        responses[200] = responses[of.status] | {
            "description": "The same body came before: the first answer."
        }
    for code in dict.fromkeys((*of.codes, *_ALWAYS)):
        status = PROBLEMS[code].status
        known = responses.setdefault(
            status, {"model": Problem, "description": "", "content": {"application/json": {"examples": {}}}}
        )
        known["description"] = "; ".join(filter(None, [known["description"], PROBLEMS[code].title]))
        known["content"]["application/json"]["examples"][code] = {"value": _example(code)}
    return {
        "status_code": of.status,
        "responses": responses,
        "response_model": None,
        "operation_id": endpoint.__name__,
        "summary": (endpoint.__doc__ or "").partition("\n")[0],
        "description": "",
    }


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").partition("\n")[0]


def _example(code: str) -> dict[str, object]:
    kind = PROBLEMS[code]
    return {
        "type": f"urn:oms:problem:{code}",
        "title": kind.title,
        "status": kind.status,
        "code": code,
        "detail": kind.title,
    }


def complete(document: dict[str, Any], *, needs_key: bool) -> dict[str, Any]:
    """Add what FastAPI has no word for: the media type of problems, and how one is let in."""
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if status >= "400" and "application/json" in response.get("content", {}):
                    response["content"] = {PROBLEM_MEDIA_TYPE: response["content"]["application/json"]}
            if path == "/health":
                operation["security"] = []
    side = document["components"]["schemas"]["Side"]
    side["description"] = side["description"].partition("\n")[0]
    if needs_key:
        document["components"]["securitySchemes"] = {
            "key": {"type": "http", "scheme": "bearer", "description": "The API key."},
            "session": {
                "type": "apiKey",
                "in": "cookie",
                "name": COOKIE,
                "description": "What POST /session gives for the key; changes then need an Origin too.",
            },
        }
        document["security"] = [{"key": []}, {"session": []}]
    return cast("dict[str, Any]", _whole(document))


def _whole(part: Any) -> Any:
    """The same with integers for whole floats, which FastAPI makes of the limits of integers."""
    if isinstance(part, dict):
        return {name: _whole(each) for name, each in cast("dict[str, Any]", part).items()}
    if isinstance(part, list):
        return [_whole(each) for each in cast("Sequence[Any]", part)]
    return int(part) if isinstance(part, float) and part.is_integer() else part
