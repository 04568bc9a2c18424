"""Models of the questions of a what-if, and of its body.

A question has the same parameters as the request for the same query, as JSON values. The models of queries
are the base classes of the questions, so the endpoints answer both.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import ConfigDict, Field

from oms.api.body_lists import list_of
from oms.api.field_types import OptionalBodyFlag, OptionalUnbounded, Unbounded, UnboundedFromZero
from oms.api.query_models import (
    AmountQuery,
    AvailableQuery,
    BookQuery,
    DecimalsQuery,
    LevelsQuery,
    PriceQuery,
    PricesQuery,
    QuoteQuery,
    WithinQuery,
)
from oms.api.request_models import Body
from oms.api.verb_models import BookVerb, BookVerbList, EngineVerb, EngineVerbList
from oms.contract import MOST_ORDERS, MOST_QUESTIONS, MOST_VERBS

__all__ = ["CountQuestion", "EngineWhatIfBody", "Question", "SymbolsQuestion", "WhatIfBody"]


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
    amounts: Annotated[list[Unbounded], *list_of(0, MOST_ORDERS, "amounts")] = Field(
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
    list[Annotated[Question, Field(discriminator="question")]], *list_of(0, MOST_QUESTIONS, "questions")
]


_ANY = list_of(0, MOST_VERBS, "verbs")


class WhatIfBody(Body):
    """Changes (verbs), and questions that are answered as if the changes had been made."""

    verbs: Annotated[BookVerbList, *_ANY] = Field(default_factory=list[BookVerb])
    questions: _Questions = Field(default_factory=list[Question])


class EngineWhatIfBody(Body):
    """Changes (verbs) of an engine, and questions that are answered as if the changes had been made."""

    verbs: Annotated[EngineVerbList, *_ANY] = Field(default_factory=list[EngineVerb])
    questions: _Questions = Field(default_factory=list[Question])
