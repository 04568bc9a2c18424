"""Models of request bodies, queries, and paths. They reject invalid values instead of converting them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated, Any, TypeVar, cast

from fastapi import Header
from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema

from oms.api.integers import body_integer, body_integer_schema, query_integer, reject
from oms.contract import (
    IDEMPOTENCY_KEY,
    IDEMPOTENCY_KEY_HEADER,
    LARGEST_JSON_INTEGER,
    LONGEST_IDEMPOTENCY_KEY,
    LONGEST_PAGE,
    id_from_json,
    id_from_path,
)
from oms.errors import InvalidOrderError
from oms.models import MAX_INT, Order, Side, check_symbol
from oms.submission import PostOnly, Submission, TimeInForce
from oms.submission_checks import check_order_key, check_owner

__all__ = [
    "Amendment",
    "AmountOrPrice",
    "AmountQuery",
    "AvailableQuery",
    "Body",
    "BodyOrderId",
    "BookQuery",
    "DayEnd",
    "DecimalsQuery",
    "EngineBodyOrderId",
    "EngineOrderId",
    "EngineOrdersQuery",
    "Expiration",
    "InstrumentsQuery",
    "KeyHeader",
    "LevelsQuery",
    "NewOrder",
    "NewSubmission",
    "NewTrade",
    "OptionalBodyFlag",
    "OptionalBodySide",
    "OptionalBodySymbol",
    "OptionalOwner",
    "OptionalUnbounded",
    "OrderId",
    "OrdersQuery",
    "PastQuery",
    "PriceQuery",
    "PricesQuery",
    "QuoteQuery",
    "Reduction",
    "Replacement",
    "SelectionQuery",
    "StreamQuery",
    "SymbolQuery",
    "Unbounded",
    "UnboundedFromZero",
    "WithinQuery",
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
_Symbol = Annotated[str, PlainValidator(_read_symbol), _SYMBOL_SCHEMA]
_OptionalSymbol = Annotated[str | None, PlainValidator(_read_symbol), _SYMBOL_SCHEMA]
# With this input type, every side in the OpenAPI document refers to the same schema, Side.
_Side = Annotated[Side, PlainValidator(_read_side, json_schema_input_type=Side)]
_OptionalSide = Annotated[Side | None, PlainValidator(_read_side, json_schema_input_type=Side)]

# ---------------------------------------------------------------------- bodies


def _read_body_flag(value: object) -> bool:
    if type(value) is not bool:
        reject("true or false")
    return value


def _nullable(read: Callable[[object], T], default: T) -> Callable[[object], T]:
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
_Resting = Annotated[int, PlainValidator(_read_resting), WithJsonSchema(_RESTING)]
_OptionalResting = Annotated[
    int | None, PlainValidator(_nullable(_read_resting, None)), _nullable_schema(_RESTING)
]
Unbounded = Annotated[int, PlainValidator(_read_unbounded), WithJsonSchema(_UNBOUNDED)]
OptionalUnbounded = Annotated[
    int | None, PlainValidator(_nullable(_read_unbounded, None)), _nullable_schema(_UNBOUNDED)
]
OptionalBodyFlag = Annotated[
    bool, PlainValidator(_nullable(_read_body_flag, False)), _nullable_schema({"type": "boolean"})
]


UnboundedFromZero = Annotated[
    int, PlainValidator(body_integer(0, None)), WithJsonSchema(body_integer_schema(0, None))
]


class Body(BaseModel):
    """A JSON object in a request. Its fields cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def explicit_fields(self) -> dict[str, Any]:
        """Return the fields whose values differ from their defaults."""
        return self.model_dump(exclude_defaults=True)


class NewOrder(Body):
    """An order to add: `amount` lots at `price` ticks."""

    order_id: BodyOrderId
    symbol: _Symbol
    side: _Side
    amount: _Resting
    price: _Resting

    def order(self) -> Order:
        """Return the order as a value."""
        return Order(self.order_id, self.symbol, self.side, self.amount, self.price)


class AmountOrPrice(Body):
    """A new amount, a new price, or both."""

    model_config = ConfigDict(
        json_schema_extra={
            # At least one of the two fields must be present and not null.
            "not": {"properties": {"amount": {"type": "null"}, "price": {"type": "null"}}}
        }
    )

    amount: _OptionalResting = None
    price: _OptionalResting = None


class Amendment(AmountOrPrice):
    """The new amount of an order, its new price, or both."""


class NewTrade(Body):
    """A trade to place. Only a BUY may have a `max_total_price`, and only a SELL a `min_total_price`."""

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [
                {
                    "not": {
                        "properties": {"side": {"const": other}, bound: {"not": {"type": "null"}}},
                        "required": ["side", bound],
                    }
                }
                for other, bound in (("SELL", "max_total_price"), ("BUY", "min_total_price"))
            ]
        }
    )

    symbol: _Symbol
    side: _Side
    amount: Unbounded
    limit_price: OptionalUnbounded = None
    max_total_price: OptionalUnbounded = None
    min_total_price: OptionalUnbounded = None
    allow_partial: OptionalBodyFlag = False


# ---------------------------------------------------------------------- bodies for a MatchingEngine


def _read_order_key(value: object) -> int | str:
    order_id = _checked_order_key(id_from_json(value) if type(value) is str else value)
    if type(value) is int and abs(value) > LARGEST_JSON_INTEGER:
        reject(f'a string, such as "{value}", if it is above {LARGEST_JSON_INTEGER}')
    return order_id


def _checked_order_key(order_id: object) -> int | str:
    try:
        check_order_key(order_id)
    except InvalidOrderError as error:
        reject(error.allowed)
    return cast("int | str", order_id)


def _read_owner(value: object) -> str:
    try:
        check_owner(value)
    except InvalidOrderError as error:
        reject(error.allowed)
    return str(value)


M = TypeVar("M", bound=StrEnum)


def _member(kind: type[M]) -> Callable[[object], M]:
    def read(value: object) -> M:
        if type(value) is not str or value not in list(kind):
            reject(" or ".join(f"'{member}'" for member in kind))
        return kind(value)

    return read


_read_time_in_force = _nullable(_member(TimeInForce), TimeInForce.GTC)
_read_post_only = _nullable(_member(PostOnly), None)

_TEXT = {"type": "string", "minLength": 1}
_ORDER_KEY = WithJsonSchema(
    {
        "description": "An int of at most 256 bits, as a string above 2^53-1, or a non-empty string.",
        "anyOf": [
            {"type": "integer", "minimum": -LARGEST_JSON_INTEGER, "maximum": LARGEST_JSON_INTEGER},
            _TEXT,
        ],
    }
)
EngineBodyOrderId = Annotated[int | str, PlainValidator(_read_order_key), _ORDER_KEY]
_OptionalText = _nullable_schema(_TEXT)
OptionalOwner = Annotated[str | None, PlainValidator(_nullable(_read_owner, None)), _OptionalText]
OptionalBodySymbol = Annotated[str | None, PlainValidator(_nullable(_read_symbol, None)), _OptionalText]
OptionalBodySide = Annotated[
    Side | None, PlainValidator(_nullable(_read_side, None), json_schema_input_type=Side | None)
]


class NewSubmission(Body):
    """An order to submit: the arguments of `MatchingEngine.submit`. The side is the submitter's.

    An order without a price is a market order. GTD orders need `expires`, and no other orders may have it.
    `post_only` and `display` need a price, and exclude IOC and FOK. `post_only` also excludes `stop_price`.
    """

    order_id: EngineBodyOrderId
    symbol: _Symbol
    side: _Side
    amount: _Resting
    price: _OptionalResting = None
    time_in_force: Annotated[
        TimeInForce, PlainValidator(_read_time_in_force, json_schema_input_type=TimeInForce | None)
    ] = TimeInForce.GTC
    post_only: Annotated[
        PostOnly | None, PlainValidator(_read_post_only, json_schema_input_type=PostOnly | None)
    ] = None
    owner: OptionalOwner = None
    display: _OptionalResting = None
    stop_price: _OptionalResting = None
    expires: _OptionalResting = None

    def submission(self) -> Submission:
        """Return the terms as a value."""
        return Submission(**{name: getattr(self, name) for name in Submission._fields})


class Replacement(AmountOrPrice):
    """The new open amount of an order, its new price, or both. A missing value stays."""


class Reduction(Body):
    """An order, and the number of lots by which its open amount is reduced."""

    order_id: EngineBodyOrderId
    amount: _Resting


class Expiration(Body):
    """A time in nanoseconds since 1970. The orders that expire until then are canceled."""

    now: _Resting


class DayEnd(Body):
    """The symbol whose DAY orders are canceled, by default all symbols."""

    symbol: OptionalBodySymbol = None


# ---------------------------------------------------------------------- paths, queries, and headers


def _query_integer_schema(least: int) -> WithJsonSchema:
    return WithJsonSchema({"type": "integer", "minimum": least})


def _read_query_flag(text: object) -> bool:
    if text not in ("true", "false"):
        reject("'true' or 'false'")
    return text == "true"


def _read_page_length(text: object) -> int:
    length = query_integer(1)(text)
    if length > LONGEST_PAGE:
        reject(f"an int in 1..{LONGEST_PAGE}")
    return length


def _read_idempotency_key(text: object) -> str:
    if not (type(text) is str and IDEMPOTENCY_KEY.fullmatch(text)):
        reject(f"1 to {LONGEST_IDEMPOTENCY_KEY} visible ASCII characters")
    return text


_QueryInt = Annotated[int, PlainValidator(query_integer(1)), _query_integer_schema(1)]
_OptionalQueryInt = Annotated[int | None, PlainValidator(query_integer(1)), _query_integer_schema(1)]
_QueryIntFromZero = Annotated[int, PlainValidator(query_integer(0)), _query_integer_schema(0)]
_OptionalQueryIntFromZero = Annotated[int | None, PlainValidator(query_integer(0)), _query_integer_schema(0)]
_QueryFlag = Annotated[bool, PlainValidator(_read_query_flag), WithJsonSchema({"type": "boolean"})]
_PageLength = Annotated[
    int,
    PlainValidator(_read_page_length),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": LONGEST_PAGE}),
]

OrderId = Annotated[
    int,
    PlainValidator(query_integer(0)),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": MAX_INT}),
]
EngineOrderId = Annotated[
    int | str,
    PlainValidator(lambda text: _checked_order_key(id_from_path(text))),
    WithJsonSchema({"type": "string", "minLength": 1}),
]
IdempotencyKey = Annotated[
    str | None,
    PlainValidator(_read_idempotency_key),
    WithJsonSchema(
        {"type": "string", "minLength": 1, "maxLength": LONGEST_IDEMPOTENCY_KEY, "pattern": "^[!-~]+$"}
    ),
]


KeyHeader = Annotated[
    IdempotencyKey,
    Header(
        alias=IDEMPOTENCY_KEY_HEADER,
        description="A retry with the same key gets the original response. The change is made only once.",
    ),
]


class DecimalsQuery(BaseModel):
    """The choice of decimals in the response."""

    decimals: _QueryFlag = Field(
        default=False,
        description="If true, each object with prices, amounts, or totals also contains `decimals`, an object"
        " with the same fields as exact decimal strings.",
    )

    def arguments(self) -> dict[str, Any]:
        """Return all parameters except `decimals`."""
        return {name: value for name, value in vars(self).items() if name != "decimals"}


class BookQuery(DecimalsQuery):
    """The parameters that identify one book."""

    symbol: _Symbol
    side: _Side


class PriceQuery(BookQuery):
    """A book and an amount (lots)."""

    amount: _QueryInt


class QuoteQuery(PriceQuery):
    """A book, an amount (lots), and an optional limit price (ticks)."""

    limit_price: _OptionalQueryInt = None
    allow_partial: _QueryFlag = False


class PricesQuery(BookQuery):
    """A book and several amounts (lots), such as `amounts=10&amounts=20`."""

    amounts: list[_QueryInt] = []


class AmountQuery(BookQuery):
    """A book, a budget (ticks times lots), and an optional limit price (ticks)."""

    budget: _QueryInt
    limit_price: _OptionalQueryInt = None


class AvailableQuery(BookQuery):
    """A book and an optional limit price (ticks)."""

    limit_price: _OptionalQueryInt = None


class LevelsQuery(BookQuery):
    """A book and the number of price levels to return, by default all."""

    levels: _OptionalQueryInt = None


class WithinQuery(BookQuery):
    """A book and a maximum slippage (basis points)."""

    max_slippage_bps: _QueryIntFromZero


class OrdersQuery(DecimalsQuery):
    """A request for one page of orders: the first `limit` orders with an id above `after`, sorted by id."""

    symbol: _OptionalSymbol = None
    side: _OptionalSide = None
    after: _OptionalQueryIntFromZero = None
    limit: _PageLength = 100


class SelectionQuery(BaseModel):
    """The open orders to select: by symbol, by the submitter's side, by owner, or all of them."""

    symbol: _OptionalSymbol = None
    side: _OptionalSide = None
    owner: Annotated[str | None, PlainValidator(_read_owner), WithJsonSchema(_TEXT)] = None


class EngineOrdersQuery(DecimalsQuery, SelectionQuery):
    """A request for one page of open orders: the first `limit` orders after `after`, in order of arrival."""

    after: _OptionalQueryIntFromZero = None
    limit: _PageLength = 100


class SymbolQuery(DecimalsQuery):
    """A symbol."""

    symbol: _Symbol


class PastQuery(BaseModel):
    """A page of past events or trades: the first `limit` items with a number or id above `after`."""

    after: _OptionalQueryIntFromZero = None
    limit: _PageLength = 100


class InstrumentsQuery(BaseModel):
    """The symbol whose instrument to return, by default all symbols."""

    symbol: _OptionalSymbol = None


class StreamQuery(BaseModel):
    """The symbol to stream, by default all symbols."""

    symbol: _OptionalSymbol = None
