"""Models of queries, and types of the parts of a path and of a header."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Header
from pydantic import BaseModel, Field, PlainValidator, WithJsonSchema

from oms.api.field_types import (
    TEXT,
    OptionalSideName,
    OptionalSymbol,
    SideName,
    Symbol,
    checked_order_key,
    read_owner,
)
from oms.api.integers import query_integer, reject
from oms.contract import (
    IDEMPOTENCY_KEY,
    IDEMPOTENCY_KEY_HEADER,
    LONGEST_IDEMPOTENCY_KEY,
    LONGEST_PAGE,
    id_from_path,
)
from oms.models import MAX_INT

__all__ = [
    "AmountQuery",
    "AvailableQuery",
    "BookQuery",
    "DecimalsQuery",
    "EngineOrderId",
    "EngineOrdersQuery",
    "InstrumentsQuery",
    "KeyHeader",
    "LevelsQuery",
    "OrderId",
    "OrdersQuery",
    "PastQuery",
    "PriceQuery",
    "PricesQuery",
    "QuoteQuery",
    "SelectionQuery",
    "StreamQuery",
    "SymbolQuery",
    "WithinQuery",
]


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
    PlainValidator(lambda text: checked_order_key(id_from_path(text))),
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

    symbol: Symbol
    side: SideName


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

    symbol: OptionalSymbol = None
    side: OptionalSideName = None
    after: _OptionalQueryIntFromZero = None
    limit: _PageLength = 100


class SelectionQuery(BaseModel):
    """The open orders to select: by symbol, by side (as submitted), by owner, or all of them."""

    symbol: OptionalSymbol = None
    side: OptionalSideName = None
    owner: Annotated[str | None, PlainValidator(read_owner), WithJsonSchema(TEXT)] = None


class EngineOrdersQuery(DecimalsQuery, SelectionQuery):
    """A request for a page of open orders: the first `limit` orders with an arrival number above `after`."""

    after: _OptionalQueryIntFromZero = None
    limit: _PageLength = 100


class SymbolQuery(DecimalsQuery):
    """A symbol."""

    symbol: Symbol


class PastQuery(BaseModel):
    """A page of past events or trades: at most `limit`, with a sequence number or id above `after`."""

    after: _OptionalQueryIntFromZero = None
    limit: _PageLength = 100


class InstrumentsQuery(BaseModel):
    """The symbol whose instrument to return, by default all symbols."""

    symbol: OptionalSymbol = None


class StreamQuery(BaseModel):
    """The symbol to stream, by default all symbols."""

    symbol: OptionalSymbol = None
