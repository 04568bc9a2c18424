"""The instruments and the decimals in responses are exact, and the integers stay as they are."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from threading import Thread
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from oms import Instrument, Order, OrderManagement, Side
from oms.api import Settings, answer_models, create_app, response_models
from oms.api.decimals import CONVERSIONS, responding, with_decimals
from oms.api.engine import response_models as engine_models
from oms.api.query_models import DecimalsQuery
from oms.instrument import TICKS_AND_LOTS
from support.api_books import JPM, client_of, problem

SHARE = Instrument("0.01", "10", name="J. P. Morgan", currency="USD")
HUGE = 2**63 - 1

PRICES = {"price", "limit_price", "best_price", "worst_price", "stop_price", "resting_price"}
AMOUNTS = {"amount", "amounts", "requested", "shortfall", "cumulative_amount"}
AMOUNTS |= {"display", "filled", "remaining", "displayed"}
TOTALS = {"total_price", "total_prices", "budget", "slippage", "cumulative_price"}
COUNTS = {"count", "levels", "max_slippage_bps", "next", "order_id", "orders", "price_decimals", "sequence"}
COUNTS |= {"first", "previous", "time", "total", "trade_id", "expires"}
IN_EXECUTIONS = {"resting", "canceled"}
IN_PROBLEMS = {"available", "bound", "limit", "retry_at"}

REQUESTS: list[tuple[str, dict[str, Any]]] = [
    ("/price", {**JPM, "amount": 22}),
    ("/quote", {**JPM, "amount": 99, "limit_price": 2100, "allow_partial": "true"}),
    ("/prices", {**JPM, "amounts": [22, 10]}),
    ("/prices", JPM),
    ("/curve", JPM),
    ("/amount", {**JPM, "budget": 4050, "limit_price": 2050}),
    ("/available", {**JPM, "limit_price": 2050}),
    ("/available", JPM),
    ("/within", {**JPM, "max_slippage_bps": 50}),
    ("/best-price", JPM),
    ("/best-price", {"symbol": "IBM", "side": "SELL"}),
    ("/depth", JPM),
    ("/orders", {}),
    ("/orders/1", {}),
]


@pytest.fixture
def om() -> OrderManagement:
    om = OrderManagement(instruments={"JPM": SHARE})
    om.add_order(1, "JPM", Side.BUY, 20, 2025)
    om.add_order(4, "JPM", Side.BUY, 10, 2100)
    om.add_order(5, "IBM", Side.BUY, 7, 90)
    return om


@pytest.fixture
def client(om: OrderManagement) -> TestClient:
    return client_of(om)


def check(content: Any, instruments: dict[str, Instrument], symbol: str | None = None) -> int:
    """Check the decimals of all objects in a response against fractions. Return how many there are."""
    if isinstance(content, list):
        return sum(check(each, instruments, symbol) for each in content)
    if not isinstance(content, dict):
        return 0
    symbol = content.get("symbol", symbol)
    instrument = TICKS_AND_LOTS if symbol is None else instruments.get(symbol, TICKS_AND_LOTS)
    tick, lot = Fraction(instrument.tick), Fraction(instrument.lot)
    sizes = {
        **dict.fromkeys(PRICES, tick),
        **dict.fromkeys(AMOUNTS, lot),
        **dict.fromkeys(TOTALS, tick * lot),
    }
    numbers = {name: value for name, value in content.items() if name in sizes}
    decimals = content.get("decimals", {})
    assert decimals.keys() == numbers.keys()
    for name, value in numbers.items():
        integers, texts = (each if isinstance(each, list) else [each] for each in (value, decimals[name]))
        assert len(integers) == len(texts)
        for integer, text in zip(integers, texts, strict=True):
            if integer is None:
                assert text is None
                continue
            assert re.fullmatch(r"\d+(\.\d+)?", text)
            assert Fraction(text) == int(integer) * sizes[name]
    nested = [each for name, each in content.items() if name != "decimals"]
    return bool(numbers) + sum(check(each, instruments, symbol) for each in nested)


def without_decimals(content: Any) -> Any:
    if isinstance(content, list):
        return [without_decimals(each) for each in content]
    if isinstance(content, dict):
        return {name: without_decimals(each) for name, each in content.items() if name != "decimals"}
    return content


# ---------------------------------------------------------------------- instruments


def test_the_instruments_are_returned_as_they_were_set_sorted_by_symbol(
    client: TestClient, om: OrderManagement
) -> None:
    om.set_instrument("AAPL", Instrument("0.010", price_decimals=4))
    aapl = {"symbol": "AAPL", "tick_size": "0.010", "lot_size": "1", "name": None, "currency": None}
    jpm = {"symbol": "JPM", "tick_size": "0.01", "lot_size": "10", "name": SHARE.name, "currency": "USD"}
    expected = [{**aapl, "price_decimals": 4}, {**jpm, "price_decimals": None}]
    assert client.get("/instruments").json() == {"instruments": expected}
    assert client.get("/instruments", params={"symbol": "JPM"}).json() == {"instruments": expected[1:]}
    assert client.get("/instruments", params={"symbol": "IBM"}).json() == {"instruments": []}


def test_no_instruments_were_set_in_new_books() -> None:
    assert client_of(OrderManagement()).get("/instruments").json() == {"instruments": []}


@pytest.mark.parametrize(
    ("query", "field"),
    [("symbol=", "symbol"), ("symbol=A&symbol=B", "symbol"), ("decimals=true", "decimals")],
)
def test_the_instruments_reject_other_parameters(client: TestClient, query: str, field: str) -> None:
    assert problem(client.get(f"/instruments?{query}"))["field"] == field


# ---------------------------------------------------------------------- decimals


@pytest.mark.parametrize(("path", "query"), REQUESTS)
def test_every_object_with_prices_or_amounts_has_exact_decimals_if_the_query_asks_for_them(
    client: TestClient, om: OrderManagement, path: str, query: dict[str, Any]
) -> None:
    plain = client.get(path, params=query)
    response = client.get(path, params={**query, "decimals": "true"})
    assert plain.status_code == response.status_code == 200
    assert check(response.json(), dict(om.instruments)) > 0
    assert without_decimals(response.json()) == plain.json()
    assert "decimals" not in plain.text
    assert client.get(path, params={**query, "decimals": "false"}).text == plain.text


def test_the_decimals_of_a_quote_have_the_decimal_places_of_the_instrument(client: TestClient) -> None:
    quote = client.get("/quote", params={**JPM, "amount": 22, "decimals": "true"}).json()
    assert quote["fills"][0] == {
        "order_id": 1,
        "amount": 20,
        "price": 2025,
        "decimals": {"amount": "200", "price": "20.25"},
    }
    assert quote["decimals"] == {
        "requested": "220",
        "amount": "220",
        "shortfall": "0",
        "total_price": "4470.00",
        "best_price": "20.25",
        "worst_price": "21.00",
        "slippage": "15.00",
    }


@pytest.mark.parametrize("path", ["/symbols", "/count", "/health", "/ready", "/state-hash"])
def test_a_response_without_prices_rejects_the_parameter(client: TestClient, path: str) -> None:
    assert problem(client.get(f"{path}?decimals=true"))["field"] == "decimals"


@pytest.mark.parametrize("value", ["1", "True", "yes", ""])
def test_the_parameter_must_be_true_or_false(client: TestClient, value: str) -> None:
    for path in ("/orders", "/orders/1", "/depth?symbol=JPM&side=BUY"):
        separator = "&" if "?" in path else "?"
        rejection = problem(client.get(f"{path}{separator}decimals={value}"))
        assert (rejection["field"], rejection["allowed"]) == ("decimals", "'true' or 'false'")


def test_every_integer_in_a_response_is_a_number_with_decimals_or_a_count_or_an_id() -> None:
    rooms = answer_models, response_models, engine_models
    models = [getattr(room, name) for room in rooms for name in room.__all__]
    names = {
        name
        for model in models
        if isinstance(model, type) and issubclass(model, BaseModel)
        for name, schema in model.model_json_schema()["properties"].items()
        if "/Integer" in str(schema)
    }
    assert names == PRICES | AMOUNTS | TOTALS | COUNTS | IN_PROBLEMS | IN_EXECUTIONS
    assert CONVERSIONS.keys() == PRICES | AMOUNTS | TOTALS


sizes = st.tuples(st.integers(1, 10**6), st.integers(0, 9)).map(
    lambda pair: (
        f"{pair[0] // 10 ** pair[1]}.{pair[0] % 10 ** pair[1]:0{pair[1]}}" if pair[1] else str(pair[0])
    )
)
orders = st.lists(
    st.tuples(st.sampled_from(["JPM", "IBM"]), st.integers(1, HUGE), st.integers(1, HUGE)), max_size=6
)


@given(sizes, sizes, orders)
@settings(max_examples=60, deadline=None)
def test_the_decimals_equal_the_integers_times_the_sizes(tick: str, lot: str, rows: Any) -> None:
    om = OrderManagement(instruments={"JPM": Instrument(tick, lot)})
    om.add_orders(
        Order(order_id, symbol, Side.BUY, amount, price)
        for order_id, (symbol, amount, price) in enumerate(rows)
    )
    pages = {"orders": [order._asdict() for order in om], "sequence": om.last_sequence}
    curve = {"symbol": "JPM", **om.price_curve("JPM", Side.BUY)}
    instruments = dict(om.instruments)
    assert check(with_decimals(pages, instruments), instruments) == len(rows)
    assert check(with_decimals(curve, instruments), instruments) == 1


def test_the_integers_and_the_decimals_come_from_the_same_state() -> None:
    om = OrderManagement(instruments={"JPM": Instrument("1")})
    om.add_order(1, "JPM", Side.BUY, 20, 20)
    app, is_done = create_app(om, Settings()), False

    def convert() -> None:
        while not is_done:
            for tick in ("0.1", "1"):
                om.convert_orders("JPM", Instrument(tick))

    thread = Thread(target=convert)
    thread.start()
    try:
        with TestClient(app) as client:
            for _ in range(20):
                for path in ("/orders/1", "/depth?symbol=JPM&side=BUY", "/orders"):
                    content = client.get(f"{path}{'&' if '?' in path else '?'}decimals=true").json()
                    (level,) = content.get("levels", content.get("orders", [content]))
                    assert Fraction(level["decimals"]["price"]) == 20
    finally:
        is_done = True
        thread.join()


def test_a_response_with_decimals_ends_even_if_instruments_change_during_each_attempt() -> None:
    om = OrderManagement(instruments={"JPM": Instrument("0.01", "1")})
    attempts: list[int] = []

    def read(query: DecimalsQuery) -> dict[str, Any]:
        del query
        assert len(attempts) < 20
        attempts.append(len(attempts))
        if not om._lock._is_owned():  # type: ignore[attr-defined]  # as another thread could at this moment
            om.set_instrument(f"S{len(attempts)}", Instrument("0.01", "1"))
        return {"symbol": "JPM", "price": 2025}

    response = responding(om, read)(query=DecimalsQuery.model_validate({"decimals": "true"}))
    assert json.loads(bytes(response.body))["decimals"] == {"price": "20.25"}
