"""An answer repeats what was asked, and one that repeats something else is never taken for a value."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from oms import OmsError, OrderManagement, Side
from oms.api import Settings, create_app
from oms.client import Client, InProcess, UnexpectedResponseError
from support.clients import URL

BUY = Side.BUY


def over(transport: httpx.BaseTransport) -> Client:
    return Client(URL, transport=transport)


class Overheard(InProcess):
    """A service in process that keeps its last answer."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.last = super().handle_request(request)
        return self.last


def example() -> OrderManagement:
    books = OrderManagement()
    books.add_order(1, "JPM", BUY, 20, 20)
    books.add_order(4, "JPM", BUY, 10, 21)
    books.add_order(7, "IBM", Side.SELL, 5, 9)
    return books


BOOK = ["symbol", "side"]
ORDER = ["order_id", *BOOK, "amount", "price"]
REPEATED: dict[str, tuple[Callable[[Client], object], list[str]]] = {
    "add_order": (lambda om: om.add_order(9, "JPM", BUY, 3, 22), ORDER),
    "remove_order": (lambda om: om.remove_order(1), ["order_id"]),
    "amend amount": (lambda om: om.amend_order(1, amount=2), ["order_id", "amount"]),
    "amend price": (lambda om: om.amend_order(1, price=2), ["order_id", "price"]),
    "place_trade": (lambda om: om.place_trade("JPM", BUY, 2), [*BOOK, "amount"]),
    "partial trade": (
        lambda om: om.place_trade("JPM", BUY, 2, limit_price=20, allow_partial=True),
        [*BOOK, "amount"],
    ),
    "calculate_price": (lambda om: om.calculate_price("JPM", BUY, 2), [*BOOK, "amount"]),
    "calculate_prices": (lambda om: om.calculate_prices("JPM", BUY, [2, 1]), [*BOOK, "amounts"]),
    "one price too many": (lambda om: om.calculate_prices("JPM", BUY, [2, 1]), ["total_prices"]),
    "quote": (lambda om: om.quote("JPM", BUY, 2), [*BOOK, "requested", "amount"]),
    "partial quote": (lambda om: om.quote("JPM", BUY, 2, allow_partial=True), [*BOOK, "requested", "amount"]),
    "price_curve": (lambda om: om.price_curve("JPM", BUY), BOOK),
    "calculate_amount": (lambda om: om.calculate_amount("JPM", BUY, 99), [*BOOK, "budget"]),
    "limited amount": (
        lambda om: om.calculate_amount("JPM", BUY, 99, limit_price=20),
        [*BOOK, "budget", "limit_price"],
    ),
    "available_amount": (lambda om: om.available_amount("JPM", BUY), BOOK),
    "amount_within": (lambda om: om.amount_within("JPM", BUY, 5), [*BOOK, "max_slippage_bps"]),
    "get_order": (lambda om: om.get_order(1), ["order_id"]),
    "contains": (lambda om: 1 in om, ["order_id"]),
    "best_price": (lambda om: om.best_price("JPM", BUY), BOOK),
    "depth": (lambda om: om.depth("JPM", BUY), BOOK),
    "no order to get": (lambda om: om.get_order(99), ["order_id"]),
    "no order to remove": (lambda om: om.remove_order(99), ["order_id"]),
    "no order to amend": (lambda om: om.amend_order(99, price=1), ["order_id"]),
    "no order in it": (lambda om: 99 in om, ["order_id"]),
    "another order": (lambda om: om.add_order(1, "JPM", BUY, 1, 1), ["order_id"]),
    "too little": (lambda om: om.place_trade("JPM", BUY, 99), BOOK),
    "too little to quote": (lambda om: om.quote("JPM", BUY, 99), BOOK),
}


def another(value: Any) -> list[Any]:
    """Values that a field could have in an answer to another question."""
    match value:
        case "BUY":
            return ["SELL", None]
        case str():
            return ["IBM", "", None]
        case list():
            return [[*value, 1], [], None]
        case _:
            return [value + 1, float(value), str(value), None]


def heard(ask: Callable[[Client], object]) -> httpx.Response:
    """What the service truly answers."""
    service = Overheard(create_app(example(), Settings()))
    with over(service) as om:
        assert not isinstance(outcome(ask, om), UnexpectedResponseError)
    return service.last


def changed(response: httpx.Response, **fields: object) -> Client:
    """A client that gets this answer to all that it asks, with other fields."""
    said = json.dumps({**response.json(), **fields})
    media_type = {"content-type": response.headers["content-type"]}
    return over(
        httpx.MockTransport(lambda _: httpx.Response(response.status_code, content=said, headers=media_type))
    )


def outcome(ask: Callable[[Client], object], om: Client) -> object:
    try:
        return ask(om)
    except OmsError as error:
        return error


@pytest.mark.parametrize("name", REPEATED)
def test_an_answer_to_another_question_is_an_error_and_never_a_value(name: str) -> None:
    ask, fields = REPEATED[name]
    truth = heard(ask)
    for field in fields:
        for value in another(truth.json()[field]):
            error = outcome(ask, changed(truth, **{field: value}))
            assert isinstance(error, UnexpectedResponseError), (field, value)
            assert field in error.reason


def test_a_change_whose_answer_is_about_another_is_unknown() -> None:
    truth = heard(lambda om: om.place_trade("JPM", BUY, 2))
    with pytest.raises(UnexpectedResponseError, match="symbol is 'IBM', but 'JPM' was requested") as caught:
        changed(truth, symbol="IBM").place_trade("JPM", BUY, 2)
    assert caught.value.outcome_unknown


@pytest.mark.parametrize(
    "ask", [lambda om: om.available_amount("JPM", BUY), lambda om: om.calculate_amount("JPM", BUY, 99)]
)
def test_a_limit_that_was_not_given_is_not_taken_from_an_answer(ask: Callable[[Client], object]) -> None:
    with pytest.raises(UnexpectedResponseError, match="limit_price is 20, but None was requested"):
        ask(changed(heard(ask), limit_price=20))


ONE, FOUR = ({"order_id": n, "symbol": "JPM", "side": "BUY", "amount": 1, "price": 1} for n in (1, 4))
PAGES: dict[str, dict[str, object]] = {
    "another symbol": {"orders": [ONE, {**FOUR, "symbol": "IBM"}]},
    "another side": {"orders": [ONE, {**FOUR, "side": "SELL"}]},
    "another order of ids": {"orders": [FOUR, ONE]},
    "the same again": {"orders": [ONE, ONE]},
    "a page that goes on elsewhere": {"next": 2},
    "a page that comes again": {"next": 4},
    "an empty page that goes on": {"orders": [], "next": -1},
    "another total": {"total": 1},
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_other_orders_than_those_asked_is_an_error_and_has_an_end(name: str) -> None:
    with pytest.raises(UnexpectedResponseError, match="GET /orders"):
        changed(heard(lambda om: om.orders("JPM", BUY)), **PAGES[name]).orders("JPM", BUY)
