"""Decimals in responses: with `decimals=true`, each object also contains its numbers as decimal strings.

An object with prices, amounts, or totals gets a field `decimals`. This field is an object with the same names
and the exact decimal values, according to the symbol's instrument. The integers do not change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from decimal import Decimal
from functools import wraps
from typing import Any, Final, cast

from fastapi import Response

from oms.api.query_models import DecimalsQuery
from oms.api.response_models import json_response
from oms.facade import Facade
from oms.instrument import TICKS_AND_LOTS, Instrument

__all__ = ["CONVERSIONS", "responding", "with_decimals"]

_FREE_ATTEMPTS = 3
"""The number of attempts to read content and instruments of one state without holding the lock throughout."""

CONVERSIONS: Final[Mapping[str, Callable[[Instrument, int], Decimal]]] = {
    **dict.fromkeys(
        ("price", "limit_price", "best_price", "worst_price", "stop_price", "resting_price"),
        Instrument.to_price,
    ),
    **dict.fromkeys(
        (
            *("amount", "amounts", "requested", "shortfall", "cumulative_amount"),
            *("display", "filled", "remaining", "displayed"),
        ),
        Instrument.to_amount,
    ),
    **dict.fromkeys(
        ("total_price", "total_prices", "budget", "slippage", "cumulative_price"), Instrument.to_money
    ),
}
"""The fields that contain prices, amounts, and totals, each with the method that converts it."""


def responding(om: Facade, endpoint: Callable[..., dict[str, Any]]) -> Callable[..., Response]:
    """Return an endpoint that responds with the content that `endpoint` returns, as JSON.

    If the query asks for decimals, they are added. The content and the instruments then come from the same
    state of the books. If instruments change during the first attempts, the last attempt holds the lock.
    """

    @wraps(endpoint)
    def respond(**arguments: Any) -> Response:
        query = arguments.get("query")
        has_decimals = isinstance(query, DecimalsQuery) and query.decimals
        attempts = 0
        while True:
            attempts += 1
            with om.locked(to_read=True) if attempts > _FREE_ATTEMPTS else nullcontext():
                before = om._books.instruments  # replaced by each change
                content = endpoint(**arguments)
                if not has_decimals:
                    return json_response(content)
                with om.locked(to_read=True):
                    if om._books.instruments is before:
                        break
        return json_response(with_decimals(content, before))

    return respond


def with_decimals(
    content: Mapping[str, Any], instruments: Mapping[str, Instrument], symbol: str | None = None
) -> dict[str, Any]:
    """Return a JSON object with decimals. The objects that it contains get decimals too.

    `symbol` applies to an object without a field `symbol`. O(n) for n fields.

    >>> with_decimals({"symbol": "JPM", "amount": 20, "price": 2025}, {"JPM": Instrument("0.01", "10")})
    {'symbol': 'JPM', 'amount': 20, 'price': 2025, 'decimals': {'amount': '200', 'price': '20.25'}}

    """
    symbol = content.get("symbol", symbol)
    instrument = TICKS_AND_LOTS if symbol is None else instruments.get(symbol, TICKS_AND_LOTS)
    fields = {name: _nested(value, instruments, symbol) for name, value in content.items()}
    decimals = {
        name: _text(value, instrument, CONVERSIONS[name])
        for name, value in content.items()
        if name in CONVERSIONS
    }
    return fields | {"decimals": decimals} if decimals else fields


def _nested(value: object, instruments: Mapping[str, Instrument], symbol: str | None) -> object:
    if isinstance(value, list):
        return [_nested(each, instruments, symbol) for each in cast("list[object]", value)]
    if isinstance(value, dict):
        return with_decimals(cast("dict[str, Any]", value), instruments, symbol)
    return value


def _text(
    value: int | list[int] | None, instrument: Instrument, convert: Callable[[Instrument, int], Decimal]
) -> str | list[str] | None:
    if isinstance(value, list):
        return [f"{convert(instrument, each):f}" for each in value]
    return None if value is None else f"{convert(instrument, value):f}"
