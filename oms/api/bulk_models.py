"""Models of bodies with lists: new orders, the verbs of a transaction, and the questions of a what-if.

A verb has the fields of the request that makes the same change alone. A question has the parameters of the
request that asks the same, as JSON values. The models of queries are the base classes of the questions, so
the endpoints answer both.

A list is validated in the thread of its endpoint, not on the event loop, because 10,000 orders take more than
50 ms.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeAlias, cast

from pydantic import (
    BeforeValidator,
    ConfigDict,
    FailFast,
    Field,
    PlainValidator,
    TypeAdapter,
    ValidationError,
)
from typing_extensions import TypeAliasType

from oms.api.integers import reject
from oms.api.request_models import (
    AmountOrPrice,
    AmountQuery,
    AvailableQuery,
    Body,
    BodyOrderId,
    BookQuery,
    DecimalsQuery,
    EngineBodyOrderId,
    LevelsQuery,
    NewOrder,
    NewSubmission,
    NewTrade,
    OptionalBodyFlag,
    OptionalBodySide,
    OptionalBodySymbol,
    OptionalOwner,
    OptionalUnbounded,
    PriceQuery,
    PricesQuery,
    QuoteQuery,
    Reduction,
    Unbounded,
    UnboundedFromZero,
    WithinQuery,
)
from oms.api.route import first_problem
from oms.contract import MOST_ORDERS, MOST_QUESTIONS, MOST_VERBS

__all__ = [
    "AddOrder",
    "AddOrders",
    "AmendOrder",
    "BookVerb",
    "Cancel",
    "CancelAll",
    "EngineTransactionBody",
    "EngineVerb",
    "EngineWhatIfBody",
    "NewOrders",
    "PlaceTrade",
    "Question",
    "Reduce",
    "RemoveOrder",
    "Replace",
    "Submit",
    "TransactionBody",
    "WhatIfBody",
    "checked_by",
    "unchecked",
]


def _list_of(least: int, most: int, name: str) -> tuple[object, ...]:
    """Return the annotations of a list of `least` to `most` elements. Validation stops at the first error."""

    def read(value: object) -> object:
        if not isinstance(value, list) or not least <= len(cast("list[object]", value)) <= most:
            reject(f"a list of {least} to {most} {name}")
        return cast("list[object]", value)

    return FailFast(), BeforeValidator(read), Field(min_length=least, max_length=most)


def checked_by(kind: Any, name: str = "body") -> Callable[[Any], Any]:
    """Return a function that validates the content of a body, in the calling thread. O(n).

    `kind` is a model or a list of models. `name` is the name of the list, for the index in a problem. The
    function raises ProblemError.
    """
    adapter = TypeAdapter[Any](kind)

    def check(content: Any) -> Any:
        try:
            return adapter.validate_python(content)
        except ValidationError as error:
            errors = [
                {**each, "loc": (name, *each["loc"]) if each["loc"] else ("body",)} for each in error.errors()
            ]
            raise first_problem(errors) from None

    return check


def unchecked(kind: Any) -> PlainValidator:
    """Return an annotation for `Any` that accepts any value, but has the JSON schema of `kind`."""
    return PlainValidator(lambda value: value, json_schema_input_type=kind)


NewOrders = TypeAliasType(
    "NewOrders",
    Annotated[list[NewOrder], *_list_of(1, MOST_ORDERS, "orders")],
)
"""A list of new orders. Like Integer, it is one schema in the OpenAPI document."""

# ---------------------------------------------------------------------- verbs


class AddOrder(NewOrder):
    """The verb that adds an order, as `POST /orders` does."""

    verb: Literal["add_order"]


class AddOrders(Body):
    """The verb that adds a list of orders, as `POST /orders` does. One event records all of them."""

    verb: Literal["add_orders"]
    orders: NewOrders


class RemoveOrder(Body):
    """The verb that removes a resting order, as `DELETE /orders/{order_id}` does."""

    verb: Literal["remove_order"]
    order_id: BodyOrderId


class AmendOrder(AmountOrPrice):
    """The verb that amends a resting order, as `PATCH /orders/{order_id}` does."""

    verb: Literal["amend_order"]
    order_id: BodyOrderId


class PlaceTrade(NewTrade):
    """The verb that places a trade, as `POST /trades` does."""

    verb: Literal["place_trade"]


class Submit(NewSubmission):
    """The verb that submits an order, as `POST /submissions` does."""

    verb: Literal["submit"]


class Replace(AmountOrPrice):
    """The verb that replaces an open order, as `PATCH /orders/{order_id}` does."""

    verb: Literal["replace"]
    order_id: EngineBodyOrderId


class Reduce(Reduction):
    """The verb that reduces the open amount of an order, as `POST /reductions` does."""

    verb: Literal["reduce"]


class Cancel(Body):
    """The verb that cancels an open order, as `DELETE /orders/{order_id}` does."""

    verb: Literal["cancel"]
    order_id: EngineBodyOrderId


class CancelAll(Body):
    """The verb that cancels open orders, as `DELETE /orders` does."""

    verb: Literal["cancel_all"]
    symbol: OptionalBodySymbol = None
    side: OptionalBodySide = None
    owner: OptionalOwner = None


BookVerb: TypeAlias = AddOrder | AddOrders | RemoveOrder | AmendOrder | PlaceTrade
EngineVerb: TypeAlias = Submit | Replace | Reduce | Cancel | CancelAll

_BookVerbs: TypeAlias = list[Annotated[BookVerb, Field(discriminator="verb")]]
_EngineVerbs: TypeAlias = list[Annotated[EngineVerb, Field(discriminator="verb")]]
_AT_LEAST_ONE, _ANY = _list_of(1, MOST_VERBS, "verbs"), _list_of(0, MOST_VERBS, "verbs")


class TransactionBody(Body):
    """Verbs that are made together: either all of them, or none."""

    verbs: Annotated[_BookVerbs, *_AT_LEAST_ONE]


class EngineTransactionBody(Body):
    """Verbs of a matching engine that are made together: either all of them, or none."""

    verbs: Annotated[_EngineVerbs, *_AT_LEAST_ONE]


# ---------------------------------------------------------------------- questions


class _Question(DecimalsQuery):
    model_config = ConfigDict(extra="forbid", frozen=True)

    decimals: OptionalBodyFlag = False

    def arguments(self) -> dict[str, Any]:
        """Return all parameters except `question` and `decimals`."""
        return {name: value for name, value in super().arguments().items() if name != "question"}


class PriceQuestion(_Question, PriceQuery):
    """The question of `GET /price`."""

    question: Literal["price"]
    amount: Unbounded


class QuoteQuestion(_Question, QuoteQuery):
    """The question of `GET /quote`."""

    question: Literal["quote"]
    amount: Unbounded
    limit_price: OptionalUnbounded = None
    allow_partial: OptionalBodyFlag = False


class PricesQuestion(_Question, PricesQuery):
    """The question of `GET /prices`."""

    question: Literal["prices"]
    amounts: Annotated[list[Unbounded], *_list_of(0, MOST_ORDERS, "amounts")] = Field(
        default_factory=list[int]
    )


class CurveQuestion(_Question, LevelsQuery):
    """The question of `GET /curve`."""

    question: Literal["curve"]
    levels: OptionalUnbounded = None


class AmountQuestion(_Question, AmountQuery):
    """The question of `GET /amount`."""

    question: Literal["amount"]
    budget: Unbounded
    limit_price: OptionalUnbounded = None


class AvailableQuestion(_Question, AvailableQuery):
    """The question of `GET /available`."""

    question: Literal["available"]
    limit_price: OptionalUnbounded = None


class WithinQuestion(_Question, WithinQuery):
    """The question of `GET /within`."""

    question: Literal["within"]
    max_slippage_bps: UnboundedFromZero


class BestPriceQuestion(_Question, BookQuery):
    """The question of `GET /best-price`."""

    question: Literal["best_price"]


class DepthQuestion(_Question, LevelsQuery):
    """The question of `GET /depth`."""

    question: Literal["depth"]
    levels: OptionalUnbounded = None


class SymbolsQuestion(_Question):
    """The question of `GET /symbols`."""

    question: Literal["symbols"]


class CountQuestion(_Question):
    """The question of `GET /count`."""

    question: Literal["count"]


Question: TypeAlias = (
    PriceQuestion
    | QuoteQuestion
    | PricesQuestion
    | CurveQuestion
    | AmountQuestion
    | AvailableQuestion
    | WithinQuestion
    | BestPriceQuestion
    | DepthQuestion
    | SymbolsQuestion
    | CountQuestion
)
_Questions: TypeAlias = Annotated[
    list[Annotated[Question, Field(discriminator="question")]], *_list_of(0, MOST_QUESTIONS, "questions")
]


class WhatIfBody(Body):
    """Verbs, and questions that are answered as if the verbs had been made. Nothing changes."""

    verbs: Annotated[_BookVerbs, *_ANY] = Field(default_factory=list[BookVerb])
    questions: _Questions = Field(default_factory=list[Question])


class EngineWhatIfBody(Body):
    """Verbs of a matching engine, and questions that are answered as if the verbs had been made."""

    verbs: Annotated[_EngineVerbs, *_ANY] = Field(default_factory=list[EngineVerb])
    questions: _Questions = Field(default_factory=list[Question])
