"""The endpoints of the library's questions, under its names."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from oms.api import openapi
from oms.api.openapi import described
from oms.api.request_models import (
    AmountQuestion,
    AvailableQuestion,
    BookQuestion,
    LevelsQuestion,
    PriceQuestion,
    PricesQuestion,
    QuoteQuestion,
    WithinQuestion,
    answer,
    as_fields,
)
from oms.management import OrderManagement

__all__ = ["Questions"]


class Questions:
    """One endpoint a question. They may wait for the book's lock, so each runs in a thread."""

    def __init__(self, om: OrderManagement) -> None:
        self._om = om

    def add_to(self, router: APIRouter) -> None:
        """Put the endpoints under a router."""
        for path, endpoint, of in (
            ("/price", self.calculate_price, openapi.PRICE),
            ("/quote", self.quote, openapi.QUOTE),
            ("/prices", self.calculate_prices, openapi.PRICES),
            ("/curve", self.price_curve, openapi.CURVE),
            ("/amount", self.calculate_amount, openapi.AMOUNT),
            ("/available", self.available_amount, openapi.AVAILABLE),
            ("/within", self.amount_within, openapi.WITHIN),
            ("/best-price", self.best_price, openapi.BEST_PRICE),
            ("/depth", self.depth, openapi.DEPTH),
            ("/symbols", self.symbols, openapi.SYMBOLS),
            ("/count", self.count, openapi.COUNT),
        ):
            router.add_api_route(path, endpoint, methods=["GET"], **described(of, endpoint))

    def calculate_price(self, asked: Annotated[PriceQuestion, Query()]) -> Response:
        """What a trade of an amount would cost (BUY) or raise (SELL)."""
        return _about(asked, total_price=self._om.calculate_price(**vars(asked)))

    def quote(self, asked: Annotated[QuoteQuestion, Query()]) -> Response:
        """What a trade of an amount would be, order by order, without making it."""
        quote = self._om.quote(**vars(asked))
        return answer({**as_fields(quote), "slippage": quote.slippage})

    def calculate_prices(self, asked: Annotated[PricesQuestion, Query()]) -> Response:
        """What each of many amounts would cost, with one walk for all."""
        return _about(asked, total_prices=self._om.calculate_prices(**vars(asked)))

    def price_curve(self, asked: Annotated[LevelsQuestion, Query()]) -> Response:
        """What the best price levels cost, a row a level."""
        return _of_book(asked, **self._om.price_curve(**vars(asked)))

    def calculate_amount(self, asked: Annotated[AmountQuestion, Query()]) -> Response:
        """How much a budget is good for."""
        return _about(asked, amount=self._om.calculate_amount(**vars(asked)))

    def available_amount(self, asked: Annotated[AvailableQuestion, Query()]) -> Response:
        """How much can be traded at no worse than a limit price, or at all."""
        return _about(asked, amount=self._om.available_amount(**vars(asked)))

    def amount_within(self, asked: Annotated[WithinQuestion, Query()]) -> Response:
        """How much can be traded before the slippage passes so many basis points."""
        return _about(asked, amount=self._om.amount_within(**vars(asked)))

    def best_price(self, asked: Annotated[BookQuestion, Query()]) -> Response:
        """At what price the next trade starts; null if nothing rests."""
        return _about(asked, price=self._om.best_price(**vars(asked)))

    def depth(self, asked: Annotated[LevelsQuestion, Query()]) -> Response:
        """The best price levels, best first."""
        return _of_book(asked, levels=[as_fields(level) for level in self._om.depth(**vars(asked))])

    def symbols(self) -> Response:
        """The symbols for which something rests, sorted."""
        return answer({"symbols": self._om.symbols()})

    def count(self) -> Response:
        """How many orders rest, in O(1)."""
        return answer({"count": len(self._om)})


def _about(asked: BookQuestion, **found: Any) -> Response:
    """What was asked, and what was found."""
    return answer({**{name: value for name, value in vars(asked).items() if value is not None}, **found})


def _of_book(asked: BookQuestion, **found: Any) -> Response:
    return answer({"symbol": asked.symbol, "side": asked.side, **found})
