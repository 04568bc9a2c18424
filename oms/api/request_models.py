"""What goes over the wire: bodies and questions, read strictly, and answers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, NoReturn, TypeVar

from fastapi import Response
from pydantic import BaseModel, ConfigDict, PlainValidator, WithJsonSchema

from oms.contract import IDEMPOTENCY_KEY, LARGEST_IN_BODY, MOST_DIGITS_IN_QUERY
from oms.errors import InvalidOrderError
from oms.models import Order, OrderFill, PriceLevel, Quote, Side, Trade, check_symbol

__all__ = [
    "Amendment",
    "AmountQuestion",
    "AvailableQuestion",
    "BookQuestion",
    "IdempotencyKey",
    "LevelsQuestion",
    "NewOrder",
    "NewTrade",
    "OrderId",
    "OrdersQuestion",
    "PriceQuestion",
    "PricesQuestion",
    "QuoteQuestion",
    "StreamQuestion",
    "WithinQuestion",
    "answer",
    "as_fields",
]

T = TypeVar("T")

_DIGITS = re.compile(r"[0-9]+", re.ASCII)
_TRUTHS = {"true": True, "false": False}

# ---------------------------------------------------------------------- values in bodies


def _refuse(allowed: str) -> NoReturn:
    raise ValueError(allowed)


def _whole(least: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        if type(value) is not int or not least <= value <= LARGEST_IN_BODY:
            _refuse(f"an int in {least}..{LARGEST_IN_BODY}")
        return value

    return read


def _whole_schema(least: int) -> WithJsonSchema:
    return WithJsonSchema({"type": "integer", "minimum": least, "maximum": LARGEST_IN_BODY})


def _or_absent(read: Callable[[object], T], absent: T) -> Callable[[object], T]:
    """Read null as a field that is not there, as models that a generator made of the document write it."""

    def read_or_absent(value: object) -> T:
        return absent if value is None else read(value)

    return read_or_absent


def _nullable(schema: Mapping[str, Any]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [dict(schema), {"type": "null"}]})


def _symbol(value: object) -> str:
    try:
        check_symbol(value)
    except InvalidOrderError as error:
        _refuse(error.allowed)
    return str(value)


def _side(value: object) -> Side:
    if value not in ("BUY", "SELL"):
        _refuse("'BUY' or 'SELL'")
    return Side(value)


def _truth(value: object) -> bool:
    if type(value) is not bool:
        _refuse("true or false")
    return value


Id = Annotated[int, PlainValidator(_whole(0)), _whole_schema(0)]
Count = Annotated[int, PlainValidator(_whole(1)), _whole_schema(1)]
MaybeCount = Annotated[
    int | None,
    PlainValidator(_or_absent(_whole(1), None)),
    _nullable({"type": "integer", "minimum": 1, "maximum": LARGEST_IN_BODY}),
]
Symbol = Annotated[str, PlainValidator(_symbol), WithJsonSchema({"type": "string", "minLength": 1})]
SideName = Annotated[Side, PlainValidator(_side, json_schema_input_type=Side)]  # one schema, by its name
MaybeTruth = Annotated[bool, PlainValidator(_or_absent(_truth, False)), _nullable({"type": "boolean"})]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NewOrder(_Body):
    """An order to rest: `amount` lots at `price` ticks."""

    order_id: Id
    symbol: Symbol
    side: SideName
    amount: Count
    price: Count


class Amendment(_Body):
    """What an order becomes: at least one of the two."""

    model_config = ConfigDict(
        json_schema_extra={
            "not": {"properties": {"amount": {"type": "null"}, "price": {"type": "null"}}}  # or left out
        }
    )

    amount: MaybeCount = None
    price: MaybeCount = None


class NewTrade(_Body):
    """A trade to make, best price first; `max_total_price` bounds a BUY, `min_total_price` a SELL."""

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [
                {
                    "not": {
                        "properties": {"side": {"const": other}, bound: {"type": "integer"}},
                        "required": ["side", bound],
                    }
                }
                for other, bound in (("SELL", "max_total_price"), ("BUY", "min_total_price"))
            ]
        }
    )

    symbol: Symbol
    side: SideName
    amount: Count
    limit_price: MaybeCount = None
    max_total_price: MaybeCount = None
    min_total_price: MaybeCount = None
    allow_partial: MaybeTruth = False


# ---------------------------------------------------------------------- values in paths and queries


def _digits(least: int) -> Callable[[object], int]:
    def read(text: object) -> int:
        if not (type(text) is str and len(text) <= MOST_DIGITS_IN_QUERY and _DIGITS.fullmatch(text)):
            _refuse(f"an int >= {least}, of at most {MOST_DIGITS_IN_QUERY} digits and nothing else")
        number = int(text)
        if number < least:
            _refuse(f"an int >= {least}")
        return number

    return read


def _number(least: int) -> WithJsonSchema:
    return WithJsonSchema({"type": "integer", "minimum": least})


def _truth_word(text: object) -> bool:
    if text not in ("true", "false"):
        _refuse("'true' or 'false'")
    return _TRUTHS[str(text)]


def _limit(text: object) -> int:
    limit = _digits(1)(text)
    if limit > 1_000:
        _refuse("an int in 1..1000")
    return limit


Asked = Annotated[int, PlainValidator(_digits(1)), _number(1)]
AskedOrNone = Annotated[int | None, PlainValidator(_digits(1)), _number(1)]
FromZero = Annotated[int, PlainValidator(_digits(0)), _number(0)]
FromZeroOrNone = Annotated[int | None, PlainValidator(_digits(0)), _number(0)]
OrderId = Annotated[int, PlainValidator(_digits(0)), _whole_schema(0)]
SymbolOrNone = Annotated[
    str | None, PlainValidator(_symbol), WithJsonSchema({"type": "string", "minLength": 1})
]
SideOrNone = Annotated[Side | None, PlainValidator(_side, json_schema_input_type=Side)]
Limit = Annotated[
    int, PlainValidator(_limit), WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 1000})
]
TruthWord = Annotated[bool, PlainValidator(_truth_word), WithJsonSchema({"type": "boolean"})]


def _key(text: object) -> str:
    if not (type(text) is str and IDEMPOTENCY_KEY.fullmatch(text)):
        _refuse("1 to 255 visible ASCII characters")
    return text


IdempotencyKey = Annotated[
    str | None,
    PlainValidator(_key),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}),
]


class BookQuestion(BaseModel):
    """Which book."""

    symbol: Symbol
    side: SideName


class PriceQuestion(BookQuestion):
    """Of an amount (lots)."""

    amount: Asked


class QuoteQuestion(PriceQuestion):
    """Of an amount, within a limit price (ticks)."""

    limit_price: AskedOrNone = None
    allow_partial: TruthWord = False


class PricesQuestion(BookQuestion):
    """Of many amounts: `amounts=10&amounts=20`."""

    amounts: list[Asked] = []


class AmountQuestion(BookQuestion):
    """Of a budget (ticks times lots), within a limit price (ticks)."""

    budget: Asked
    limit_price: AskedOrNone = None


class AvailableQuestion(BookQuestion):
    """Within a limit price (ticks)."""

    limit_price: AskedOrNone = None


class LevelsQuestion(BookQuestion):
    """Of the best `levels` price levels; all, if it is left out."""

    levels: AskedOrNone = None


class WithinQuestion(BookQuestion):
    """Within a slippage, in basis points."""

    max_slippage_bps: FromZero


class OrdersQuestion(BaseModel):
    """A page of orders, by order id: those after `after`, at most `limit`."""

    symbol: SymbolOrNone = None
    side: SideOrNone = None
    after: FromZeroOrNone = None
    limit: Limit = 100


class StreamQuestion(BaseModel):
    """Of one symbol; of all, if it is left out."""

    symbol: SymbolOrNone = None


# ---------------------------------------------------------------------- answers


def answer(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in JSON, with integers of any size exact."""
    body = json.dumps(content, allow_nan=False, separators=(",", ":"))
    return Response(body, status, {"Cache-Control": "no-store", **(headers or {})}, "application/json")


def as_fields(value: Order | Trade | Quote | PriceLevel | OrderFill) -> dict[str, Any]:
    """A value of the library as JSON has it: its fields by name."""
    fields = value._asdict()
    if isinstance(value, Trade | Quote):
        fields["fills"] = [fill._asdict() for fill in value.fills]
    return fields
