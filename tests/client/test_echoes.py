"""A response echoes the fields of its request. A response with other values is always an error."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from oms import OmsError, OrderManagement, Side
from oms.api import Settings, create_app
from oms.api.integers import json_text
from oms.client import Client, InProcess, UnexpectedResponseError
from support.clients import URL

BUY = Side.BUY


def over(transport: httpx.BaseTransport) -> Client:
    return Client(URL, transport=transport)


class Recording(InProcess):
    """An in-process service that stores its last response."""

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
ECHOED: dict[str, tuple[Callable[[Client], object], list[str]]] = {
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
    "an extra price": (lambda om: om.calculate_prices("JPM", BUY, [2, 1]), ["total_prices"]),
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
    "get: not found": (lambda om: om.get_order(99), ["order_id"]),
    "remove: not found": (lambda om: om.remove_order(99), ["order_id"]),
    "amend: not found": (lambda om: om.amend_order(99, price=1), ["order_id"]),
    "contains: not found": (lambda om: 99 in om, ["order_id"]),
    "duplicate order": (lambda om: om.add_order(1, "JPM", BUY, 1, 1), ["order_id"]),
    "not enough to trade": (lambda om: om.place_trade("JPM", BUY, 99), BOOK),
    "not enough to quote": (lambda om: om.quote("JPM", BUY, 99), BOOK),
}


def other_values(value: Any) -> list[Any]:
    """Return values that the field could have in the response to another request."""
    match value:
        case "BUY":
            return ["SELL", None]
        case str():
            return ["IBM", "", None]
        case list():
            return [[*value, 1], [], None]
        case _:
            return [value + 1, float(value), str(value), None]


def service_response(call: Callable[[Client], object]) -> httpx.Response:
    """Return the unaltered response of the service."""
    service = Recording(create_app(example(), Settings()))
    with over(service) as om:
        assert not isinstance(outcome(call, om), UnexpectedResponseError)
    return service.last


def altered(response: httpx.Response, **fields: object) -> Client:
    """Return a client that receives this response to each request, with these fields replaced."""
    content = json.dumps({**response.json(), **fields})
    media_type = {"content-type": response.headers["content-type"]}
    return over(
        httpx.MockTransport(
            lambda _: httpx.Response(response.status_code, content=content, headers=media_type)
        )
    )


def outcome(call: Callable[[Client], object], om: Client) -> object:
    try:
        return call(om)
    except OmsError as error:
        return error


@pytest.mark.parametrize("name", ECHOED)
def test_a_response_to_another_request_is_an_error_and_never_a_result(name: str) -> None:
    call, fields = ECHOED[name]
    response = service_response(call)
    for field in fields:
        for value in other_values(response.json()[field]):
            error = outcome(call, altered(response, **{field: value}))
            assert isinstance(error, UnexpectedResponseError), (field, value)
            assert field in error.reason


LARGE = 2**60
LARGE_CALLS: dict[str, tuple[Callable[[Client], object], dict[str, object]]] = {
    "an order": (
        lambda om: om.get_order(LARGE),
        {"order_id": LARGE, "symbol": "9007199254740993", "side": "BUY", "amount": LARGE, "price": 1},
    ),
    "prices": (
        lambda om: om.calculate_prices("JPM", BUY, [LARGE, 1]),
        {"symbol": "JPM", "side": "BUY", "amounts": [LARGE, 1], "total_prices": [LARGE, LARGE]},
    ),
    "a best price": (
        lambda om: om.best_price("JPM", BUY),
        {"symbol": "JPM", "side": "BUY", "price": LARGE},
    ),
}


@pytest.mark.parametrize("name", LARGE_CALLS)
def test_a_large_integer_may_be_text_or_a_json_integer_as_in_earlier_versions(name: str) -> None:
    call, fields = LARGE_CALLS[name]
    as_integers, as_text = json.dumps(fields), json_text(fields)
    assert as_integers != as_text
    results = [call(responding(content)) for content in (as_integers, as_text)]
    assert results[0] == results[1]
    assert str(LARGE) in str(results[0])


@pytest.mark.parametrize("text", ["20", "9007199254740991", "09007199254740993", "1e20", "-9007199254740993"])
def test_other_text_is_not_an_integer(text: str) -> None:
    order = {"order_id": 1, "symbol": "JPM", "side": "BUY", "amount": text, "price": 1}
    with pytest.raises(UnexpectedResponseError, match=r"amount is '.*', not int"):
        responding(json.dumps(order)).get_order(1)


@pytest.mark.parametrize("amounts", [[LARGE, 1.0], [str(LARGE), "1"], [LARGE], [LARGE, 1, 1], [LARGE + 1, 1]])
def test_other_amounts_are_not_an_echo(amounts: list[object]) -> None:
    fields = {"symbol": "JPM", "side": "BUY", "amounts": amounts, "total_prices": [2, 1]}
    with pytest.raises(UnexpectedResponseError, match="amounts is"):
        responding(json.dumps(fields)).calculate_prices("JPM", BUY, [LARGE, 1])


def responding(content: str) -> Client:
    """Return a client that receives this JSON in response to each request."""
    media_type = {"content-type": "application/json"}
    return over(httpx.MockTransport(lambda _: httpx.Response(200, content=content, headers=media_type)))


def test_a_change_whose_response_is_about_another_symbol_has_an_unknown_outcome() -> None:
    response = service_response(lambda om: om.place_trade("JPM", BUY, 2))
    with pytest.raises(UnexpectedResponseError, match="symbol is 'IBM', but 'JPM' was requested") as caught:
        altered(response, symbol="IBM").place_trade("JPM", BUY, 2)
    assert caught.value.outcome_unknown


@pytest.mark.parametrize(
    "call", [lambda om: om.available_amount("JPM", BUY), lambda om: om.calculate_amount("JPM", BUY, 99)]
)
def test_a_limit_price_that_was_not_requested_is_rejected_in_a_response(
    call: Callable[[Client], object],
) -> None:
    with pytest.raises(UnexpectedResponseError, match="limit_price is 20, but None was requested"):
        call(altered(service_response(call), limit_price=20))


SHARE = {
    "symbol": "JPM",
    "tick_size": "0.01",
    "lot_size": "1",
    "name": None,
    "currency": "USD",
    "price_decimals": 2,
}
NO_INSTRUMENTS: dict[str, tuple[object, str]] = {
    "not a list": (SHARE, "instruments is {.*}, not list"),
    "not an object": (["JPM"], "'JPM' is not a JSON object"),
    "a size that is not text": ([{**SHARE, "tick_size": 1}], "tick_size is 1, not str"),
    "a size that is not a number": ([{**SHARE, "lot_size": "x"}], "lot_size must be decimal text above 0"),
    "a name that is not text": ([{**SHARE, "name": 1}], "name is 1, not str"),
    "no currency": ([{name: SHARE[name] for name in SHARE if name != "currency"}], "currency is None"),
    "too few decimals": ([{**SHARE, "price_decimals": 1}], r"price_decimals must be an int in 2\.\."),
    "a repeated symbol": ([SHARE, SHARE], "the symbols of the instruments do not increase"),
    "descending symbols": ([SHARE, {**SHARE, "symbol": "IBM"}], "the symbols of the instruments"),
}


@pytest.mark.parametrize("name", NO_INSTRUMENTS)
def test_a_response_without_valid_instruments_is_an_error(name: str) -> None:
    instruments, reason = NO_INSTRUMENTS[name]
    with pytest.raises(UnexpectedResponseError, match=reason):
        _ = responding(json.dumps({"instruments": instruments})).instruments


def test_a_response_with_the_instrument_of_another_symbol_is_an_error() -> None:
    client = responding(json.dumps({"instruments": [SHARE]}))
    assert client.instrument("JPM").currency == "USD"
    with pytest.raises(UnexpectedResponseError, match="symbol is 'JPM', but 'IBM' was requested"):
        client.instrument("IBM")


ONE, FOUR = ({"order_id": n, "symbol": "JPM", "side": "BUY", "amount": 1, "price": 1} for n in (1, 4))
PAGES: dict[str, dict[str, object]] = {
    "another symbol": {"orders": [ONE, {**FOUR, "symbol": "IBM"}]},
    "another side": {"orders": [ONE, {**FOUR, "side": "SELL"}]},
    "descending ids": {"orders": [FOUR, ONE]},
    "a repeated order": {"orders": [ONE, ONE]},
    "a next that is not the last id": {"next": 2},
    "an endless page": {"next": 4},
    "an empty page with a next": {"orders": [], "next": -1},
    "another total": {"total": 1},
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_that_does_not_match_the_request_is_an_error_and_reading_ends(name: str) -> None:
    with pytest.raises(UnexpectedResponseError, match="GET /orders"):
        altered(service_response(lambda om: om.orders("JPM", BUY)), **PAGES[name]).orders("JPM", BUY)
