"""Types of the fields of requests. They reject invalid values instead of converting them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar, cast

from pydantic import PlainValidator, WithJsonSchema

from oms.api.integers import body_integer, body_integer_schema, reject
from oms.contract import LARGEST_JSON_INTEGER, id_from_json
from oms.errors import InvalidOrderError
from oms.models import Side, check_symbol
from oms.submission_checks import check_order_key, check_owner

__all__ = [
    "BodyOrderId",
    "EngineBodyOrderId",
    "OptionalBodyFlag",
    "OptionalBodySide",
    "OptionalBodySymbol",
    "OptionalOwner",
    "OptionalResting",
    "OptionalSideName",
    "OptionalSymbol",
    "OptionalUnbounded",
    "Resting",
    "SideName",
    "Symbol",
    "TEXT",
    "Unbounded",
    "UnboundedFromZero",
    "checked_order_key",
    "nullable",
    "read_owner",
]

T = TypeVar("T")


def _read_symbol(value: object) -> str:
    try:
        check_symbol(value)
    except InvalidOrderError as error:
        reject(error.allowed)
    return str(value)


def _read_side(value: object) -> Side:
    if value not in ("BUY", "SELL"):
        reject("'BUY' or 'SELL'")
    return Side(value)


_SYMBOL_SCHEMA = WithJsonSchema({"type": "string", "minLength": 1})
Symbol = Annotated[str, PlainValidator(_read_symbol), _SYMBOL_SCHEMA]
OptionalSymbol = Annotated[str | None, PlainValidator(_read_symbol), _SYMBOL_SCHEMA]
# With this input type, every side in the OpenAPI document refers to the same schema, Side.
SideName = Annotated[Side, PlainValidator(_read_side, json_schema_input_type=Side)]
OptionalSideName = Annotated[Side | None, PlainValidator(_read_side, json_schema_input_type=Side)]


def _read_body_flag(value: object) -> bool:
    if type(value) is not bool:
        reject("true or false")
    return value


def nullable(read: Callable[[object], T], default: T) -> Callable[[object], T]:
    """Return a function that reads null as a missing field, because generated clients often send null."""

    def read_or_default(value: object) -> T:
        return default if value is None else read(value)

    return read_or_default


def _nullable_schema(schema: Mapping[str, Any]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [dict(schema), {"type": "null"}]})


# Amounts and prices of resting orders are at most 2^63-1. Other amounts, prices, and totals may be larger.
_RESTING, _UNBOUNDED = body_integer_schema(1), body_integer_schema(1, None)
_read_resting, _read_unbounded = body_integer(1), body_integer(1, None)
BodyOrderId = Annotated[int, PlainValidator(body_integer(0)), WithJsonSchema(body_integer_schema(0))]
Resting = Annotated[int, PlainValidator(_read_resting), WithJsonSchema(_RESTING)]
OptionalResting = Annotated[
    int | None, PlainValidator(nullable(_read_resting, None)), _nullable_schema(_RESTING)
]
Unbounded = Annotated[int, PlainValidator(_read_unbounded), WithJsonSchema(_UNBOUNDED)]
OptionalUnbounded = Annotated[
    int | None, PlainValidator(nullable(_read_unbounded, None)), _nullable_schema(_UNBOUNDED)
]
OptionalBodyFlag = Annotated[
    bool, PlainValidator(nullable(_read_body_flag, False)), _nullable_schema({"type": "boolean"})
]


UnboundedFromZero = Annotated[
    int, PlainValidator(body_integer(0, None)), WithJsonSchema(body_integer_schema(0, None))
]


def _read_order_key(value: object) -> int | str:
    order_id = checked_order_key(id_from_json(value) if type(value) is str else value)
    if type(value) is int and abs(value) > LARGEST_JSON_INTEGER:
        reject(f'a string, such as "{value}", if it is above {LARGEST_JSON_INTEGER}')
    return order_id


def checked_order_key(order_id: object) -> int | str:
    """Return the id of an order of a matching engine, or reject it."""
    try:
        check_order_key(order_id)
    except InvalidOrderError as error:
        reject(error.allowed)
    return cast("int | str", order_id)


def read_owner(value: object) -> str:
    """Return the name of an owner, or reject it."""
    try:
        check_owner(value)
    except InvalidOrderError as error:
        reject(error.allowed)
    return str(value)


TEXT = {"type": "string", "minLength": 1}
_ORDER_KEY = WithJsonSchema(
    {
        "description": "An int of at most 256 bits, as a string above 2^53-1, or a non-empty string.",
        "anyOf": [
            {"type": "integer", "minimum": -LARGEST_JSON_INTEGER, "maximum": LARGEST_JSON_INTEGER},
            TEXT,
        ],
    }
)
EngineBodyOrderId = Annotated[int | str, PlainValidator(_read_order_key), _ORDER_KEY]
_OptionalText = _nullable_schema(TEXT)
OptionalOwner = Annotated[str | None, PlainValidator(nullable(read_owner, None)), _OptionalText]
OptionalBodySymbol = Annotated[str | None, PlainValidator(nullable(_read_symbol, None)), _OptionalText]
OptionalBodySide = Annotated[
    Side | None, PlainValidator(nullable(_read_side, None), json_schema_input_type=Side | None)
]
