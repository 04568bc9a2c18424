"""The read-only endpoints. Each calls the OrderManagement method of the same name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query

from oms.api import descriptions, long_reads
from oms.api.callers import CallersOwner
from oms.api.decimals import responding
from oms.api.openapi import documented
from oms.api.query_models import (
    AmountQuery,
    AvailableQuery,
    BookQuery,
    InstrumentsQuery,
    LevelsQuery,
    PriceQuery,
    PricesQuery,
    QuoteQuery,
    WithinQuery,
)
from oms.api.read_budget import spend
from oms.api.response_models import to_json
from oms.pricing import price_curve
from oms.queries import Queries

__all__ = ["Questions"]


class Questions:
    """The endpoints that only read the books. They run in threads, because they may wait for a lock."""

    def __init__(self, om: Queries, count: Callable[[str | None], int]) -> None:
        self._om = om
        self._count = count

    def add_to(self, router: APIRouter) -> None:
        """Add the endpoints to a router."""
        for path, endpoint, description in (
            ("/price", self.calculate_price, descriptions.PRICE),
            ("/quote", self.quote, descriptions.QUOTE),
            ("/prices", self.calculate_prices, descriptions.PRICES),
            ("/curve", self.price_curve, descriptions.CURVE),
            ("/amount", self.calculate_amount, descriptions.AMOUNT),
            ("/available", self.available_amount, descriptions.AVAILABLE),
            ("/within", self.amount_within, descriptions.WITHIN),
            ("/best-price", self.best_price, descriptions.BEST_PRICE),
            ("/depth", self.depth, descriptions.DEPTH),
            ("/symbols", self.symbols, descriptions.SYMBOLS),
            ("/instruments", self.instruments, descriptions.INSTRUMENTS),
            ("/count", self.count, descriptions.COUNT),
        ):
            respond = responding(self._om, endpoint)
            router.add_api_route(path, respond, methods=["GET"], **documented(description, respond))

    def calculate_price(self, query: Annotated[PriceQuery, Query()]) -> dict[str, Any]:
        """Return the total price of a trade: the cost of a BUY, or the proceeds of a SELL."""
        return _about(query, total_price=long_reads.calculate_price(self._om, **query.arguments()))

    def quote(self, query: Annotated[QuoteQuery, Query()], caller: CallersOwner) -> dict[str, Any]:
        """Return the fills and the total price of a trade without placing it."""
        quote = long_reads.quote(self._om, **query.arguments())
        content = {**to_json(quote), "slippage": quote.slippage}
        return content if caller is None else {**content, "fills": []}  # an owner sees no other orders

    def calculate_prices(self, query: Annotated[PricesQuery, Query()]) -> dict[str, Any]:
        """Return the total price of each amount. All prices are based on the same state of the book."""
        spend(2 * len(query.amounts))  # the response contains the amounts and the prices
        return _about(query, total_prices=long_reads.calculate_prices(self._om, **query.arguments()))

    def price_curve(self, query: Annotated[LevelsQuery, Query()]) -> dict[str, Any]:
        """Return the best price levels with their cumulative amounts and prices."""
        depth = long_reads.depth(self._om, **query.arguments())
        spend(4 * len(depth))  # the response has four columns
        return _of_book(query, **price_curve(((level.price, level.amount) for level in depth), None))

    def calculate_amount(self, query: Annotated[AmountQuery, Query()]) -> dict[str, Any]:
        """Return the amount that `budget` can buy, or that must be sold to raise `budget`."""
        return _about(query, amount=long_reads.calculate_amount(self._om, **query.arguments()))

    def available_amount(self, query: Annotated[AvailableQuery, Query()]) -> dict[str, Any]:
        """Return the amount available at the limit price or better. Without a limit, count the whole book."""
        return _about(query, amount=long_reads.available_amount(self._om, **query.arguments()))

    def amount_within(self, query: Annotated[WithinQuery, Query()]) -> dict[str, Any]:
        """Return the largest amount that can be traded within a slippage limit, in basis points."""
        return _about(query, amount=long_reads.amount_within(self._om, **query.arguments()))

    def best_price(self, query: Annotated[BookQuery, Query()]) -> dict[str, Any]:
        """Return the best price, or null if the book is empty."""
        return _about(query, price=self._om.best_price(**query.arguments()))

    def depth(self, query: Annotated[LevelsQuery, Query()]) -> dict[str, Any]:
        """Return the best price levels, best first."""
        return _of_book(query, levels=list(map(to_json, long_reads.depth(self._om, **query.arguments()))))

    def symbols(self) -> dict[str, Any]:
        """Return the sorted symbols that have resting orders."""
        spend(len(self._om._books.by_name))
        return {"symbols": self._om.symbols()}

    def instruments(self, query: Annotated[InstrumentsQuery, Query()]) -> dict[str, Any]:
        """Return the instruments that were set, sorted by symbol, or only the instrument of `symbol`."""
        instruments = self._om.instruments
        shown = instruments if query.symbol is None else instruments.keys() & {query.symbol}
        return {"instruments": [{"symbol": symbol, **asdict(instruments[symbol])} for symbol in shown]}

    def count(self, caller: CallersOwner) -> dict[str, Any]:
        """Return the number of resting orders. O(1)."""
        return {"count": self._count(caller)}


def _about(query: BookQuery, **results: Any) -> dict[str, Any]:
    """Return the query parameters and the results."""
    parameters = {name: value for name, value in query.arguments().items() if value is not None}
    return {**parameters, **results}


def _of_book(query: BookQuery, **results: Any) -> dict[str, Any]:
    """Return the query's symbol and side, and the results."""
    return {"symbol": query.symbol, "side": query.side, **results}
