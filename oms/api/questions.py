"""The endpoints of the library's questions. Each has the name of its method of OrderManagement."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from oms.api import openapi
from oms.api.openapi import documented
from oms.api.request_models import (
    AmountQuestion,
    AvailableQuestion,
    BookQuestion,
    LevelsQuestion,
    PriceQuestion,
    PricesQuestion,
    QuoteQuestion,
    WithinQuestion,
)
from oms.api.response_models import json_response, to_json
from oms.management import OrderManagement

__all__ = ["Questions"]


class Questions:
    """One endpoint per question. They may wait for the lock of the books, so each runs in a thread."""

    def __init__(self, om: OrderManagement) -> None:
        self._om = om

    def add_to(self, router: APIRouter) -> None:
        """Add the endpoints to a router."""
        for path, endpoint, description in (
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
            router.add_api_route(path, endpoint, methods=["GET"], **documented(description, endpoint))

    def calculate_price(self, question: Annotated[PriceQuestion, Query()]) -> Response:
        """Return the total price of an amount: what a BUY would cost or a SELL would bring in."""
        return _about(question, total_price=self._om.calculate_price(**vars(question)))

    def quote(self, question: Annotated[QuoteQuestion, Query()]) -> Response:
        """Return the trade that an amount would make, fill by fill, without making it."""
        quote = self._om.quote(**vars(question))
        return json_response({**to_json(quote), "slippage": quote.slippage})

    def calculate_prices(self, question: Annotated[PricesQuestion, Query()]) -> Response:
        """Return the total price of each amount, with one walk over the book."""
        return _about(question, total_prices=self._om.calculate_prices(**vars(question)))

    def price_curve(self, question: Annotated[LevelsQuestion, Query()]) -> Response:
        """Return the cumulative amounts and prices of the best price levels."""
        return _of_book(question, **self._om.price_curve(**vars(question)))

    def calculate_amount(self, question: Annotated[AmountQuestion, Query()]) -> Response:
        """Return the amount that a budget buys."""
        return _about(question, amount=self._om.calculate_amount(**vars(question)))

    def available_amount(self, question: Annotated[AvailableQuestion, Query()]) -> Response:
        """Return the amount that is available within a limit price, or in the whole book."""
        return _about(question, amount=self._om.available_amount(**vars(question)))

    def amount_within(self, question: Annotated[WithinQuestion, Query()]) -> Response:
        """Return the largest amount whose slippage is within a number of basis points."""
        return _about(question, amount=self._om.amount_within(**vars(question)))

    def best_price(self, question: Annotated[BookQuestion, Query()]) -> Response:
        """Return the best price, or null if the book is empty."""
        return _about(question, price=self._om.best_price(**vars(question)))

    def depth(self, question: Annotated[LevelsQuestion, Query()]) -> Response:
        """Return the best price levels, best first."""
        return _of_book(question, levels=[to_json(level) for level in self._om.depth(**vars(question))])

    def symbols(self) -> Response:
        """Return the symbols with resting orders, sorted."""
        return json_response({"symbols": self._om.symbols()})

    def count(self) -> Response:
        """Return the number of resting orders, in O(1)."""
        return json_response({"count": len(self._om)})


def _about(question: BookQuestion, **results: Any) -> Response:
    """Return a response with the parameters of the question, and its results."""
    given = {name: value for name, value in vars(question).items() if value is not None}
    return json_response({**given, **results})


def _of_book(question: BookQuestion, **results: Any) -> Response:
    """Return a response with the book of the question, and its results."""
    return json_response({"symbol": question.symbol, "side": question.side, **results})
