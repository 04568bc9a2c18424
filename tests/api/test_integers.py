"""Integers above 2^53-1 are text in requests, responses, problems, and stream messages."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from oms import Order, OrderManagement, Side, journal
from oms.api import Settings, answer_models, create_app, response_models
from oms.api.integers import Integer, body_integer, body_integer_schema, json_text
from oms.contract import IDEMPOTENCY_KEY_HEADER, LARGEST_JSON_INTEGER, MOST_DIGITS, REPLAYED_HEADER

VENUE_ID = 8389765612825190229
LARGEST_ID = 2**63 - 1
JPM = {"symbol": "JPM", "side": "BUY"}


def books() -> OrderManagement:
    om = OrderManagement()
    om.add_orders(Order(VENUE_ID + n, "JPM", Side.BUY, LARGEST_ID - n, LARGEST_ID) for n in range(3))
    return om


@pytest.fixture
def om() -> OrderManagement:
    return books()


@pytest.fixture
def client(om: OrderManagement) -> TestClient:
    return TestClient(create_app(om, Settings()))


def json_integers(text: str) -> list[int]:
    """Return every JSON integer in a text."""
    integers: list[int] = []
    json.loads(text, parse_int=lambda digits: integers.append(int(digits)))
    return integers


def is_readable(text: str) -> bool:
    """Return True if a parser that uses floats reads every integer in the text exactly."""
    return all(abs(integer) <= LARGEST_JSON_INTEGER for integer in json_integers(text))


# ---------------------------------------------------------------------- responses

GETS = [
    f"/orders/{VENUE_ID}",
    "/orders",
    "/orders?limit=1",
    f"/orders?after={VENUE_ID}",
    "/price?symbol=JPM&side=BUY&amount=9223372036854775809",
    "/quote?symbol=JPM&side=BUY&amount=9223372036854775809",
    "/prices?symbol=JPM&side=BUY&amounts=9223372036854775809&amounts=3",
    "/curve?symbol=JPM&side=BUY",
    f"/amount?symbol=JPM&side=BUY&budget={10**60}&limit_price={10**99}",
    f"/available?symbol=JPM&side=BUY&limit_price={10**99}",
    f"/within?symbol=JPM&side=BUY&max_slippage_bps={10**99}",
    "/best-price?symbol=JPM&side=BUY",
    "/depth?symbol=JPM&side=BUY",
]
MODELS: dict[str, type[BaseModel]] = {
    "orders": response_models.OrdersPage,
    "price": answer_models.PriceResponse,
    "quote": answer_models.QuoteResponse,
    "prices": answer_models.PricesResponse,
    "curve": answer_models.CurveResponse,
    "amount": answer_models.BudgetResponse,
    "available": answer_models.AvailableResponse,
    "within": answer_models.WithinResponse,
    "best-price": answer_models.BestPriceResponse,
    "depth": answer_models.DepthResponse,
}


@pytest.mark.parametrize("path", GETS, ids=lambda path: re.findall(r"[\w-]+", path)[0])
def test_every_response_contains_large_integers_as_text(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert response.is_success
    assert re.search(r'"[0-9]{16,}"', response.text)
    assert is_readable(response.text)
    name = re.findall(r"[\w-]+", path)[0]
    model: type[BaseModel] = response_models.OrderResponse if f"/{name}/" in path else MODELS[name]
    model.model_validate(response.json())


def test_small_integers_are_json_integers(client: TestClient, om: OrderManagement) -> None:
    om.add_order(LARGEST_JSON_INTEGER, "IBM", Side.SELL, LARGEST_JSON_INTEGER, 1)
    om.add_order(LARGEST_JSON_INTEGER + 1, "IBM", Side.SELL, 1, 1)
    orders = client.get("/orders?symbol=IBM").json()["orders"]
    assert [order["order_id"] for order in orders] == [9007199254740991, "9007199254740992"]
    assert [order["amount"] for order in orders] == [9007199254740991, 1]


def test_pages_of_large_ids_can_be_read_to_the_end(client: TestClient) -> None:
    after, ids = "0", []
    while after is not None:
        page = client.get("/orders", params={"limit": 1, "after": after}).json()
        ids += [order["order_id"] for order in page["orders"]]
        after = page["next"]
    assert ids == [str(VENUE_ID + n) for n in range(3)]


PROBLEMS: list[tuple[str, str, Any, str, dict[str, object]]] = [
    ("GET", f"/orders/{LARGEST_ID}", None, "order_not_found", {"order_id": str(LARGEST_ID)}),
    (
        "POST",
        "/orders",
        {**JPM, "order_id": str(VENUE_ID), "amount": 1, "price": 1},
        "duplicate_order",
        {"order_id": str(VENUE_ID)},
    ),
    (
        "POST",
        "/trades",
        {**JPM, "amount": "1" * MOST_DIGITS},
        "insufficient_liquidity",
        {"requested": "1" * MOST_DIGITS, "available": str(3 * LARGEST_ID - 3)},
    ),
    (
        "POST",
        "/trades",
        {**JPM, "amount": 2, "max_total_price": str(LARGEST_ID)},
        "price_bound",
        {"bound": str(LARGEST_ID), "total_price": str(2 * LARGEST_ID)},
    ),
    ("PATCH", f"/orders/{VENUE_ID}", {"amount": 2**60}, "invalid_order", {"value": str(2**60)}),
    ("PATCH", f"/orders/{VENUE_ID}", {"amount": [[2**60]]}, "invalid_order", {"value": [[str(2**60)]]}),
    ("GET", f"/orders/{10**28}", None, "invalid_order", {"value": str(10**28)}),
    ("GET", f"/orders/{2**63}", None, "invalid_order", {"value": str(2**63)}),
]


@pytest.mark.parametrize(("method", "path", "body", "code", "fields"), PROBLEMS)
def test_a_problem_contains_large_integers_as_text(
    client: TestClient, method: str, path: str, body: Any, code: str, fields: dict[str, object]
) -> None:
    response = client.request(method, path, json=body)
    assert response.json()["code"] == code
    assert fields.items() <= response.json().items()
    assert is_readable(response.text)
    response_models.Problem.model_validate(response.json())


def test_the_stream_contains_large_integers_as_text(client: TestClient, om: OrderManagement) -> None:
    om.place_trade("JPM", Side.BUY, 5)
    with client.websocket_connect("/stream") as stream:
        texts = [stream.receive_text()]
        om.add_orders([Order(LARGEST_ID, "JPM", Side.SELL, LARGEST_ID, LARGEST_ID)])
        om.amend_order(LARGEST_ID, amount=2**53)
        om.place_trade("JPM", Side.SELL, 2**53 - 1)
        om.remove_order(LARGEST_ID)
        om.add_order(LARGEST_ID, "JPM", Side.SELL, 1, 2**60)
        om.remove_orders("JPM")
        texts += [stream.receive_text() for _ in range(6)]
    snapshot, added, amended, trade, removed, *_ = map(json.loads, texts)
    assert snapshot["orders"][0]["order_id"] == str(VENUE_ID)
    assert snapshot["trades"][0]["fills"][0]["order_id"] == str(VENUE_ID)
    assert snapshot["trades"][0]["total_price"] == str(5 * LARGEST_ID)
    assert added["orders"][0]["order_id"] == str(LARGEST_ID)
    assert amended["before"]["amount"] == str(LARGEST_ID)
    assert amended["after"]["amount"] == "9007199254740992"
    assert trade["trade"]["fills"][0]["order_id"] == str(LARGEST_ID)
    assert removed["order"] == {
        **{"order_id": str(LARGEST_ID), "symbol": "JPM", "side": "SELL"},
        **{"amount": 1, "price": str(LARGEST_ID)},
    }
    assert all(map(is_readable, texts))


# ---------------------------------------------------------------------- requests


def test_an_order_with_a_19_digit_id_can_be_added_amended_traded_and_removed(
    client: TestClient, om: OrderManagement
) -> None:
    path = f"/orders/{LARGEST_ID}"
    body = {"symbol": "IBM", "side": "SELL", "order_id": str(LARGEST_ID), "amount": str(2**60), "price": "9"}
    added = client.post("/orders", json=body)
    assert added.status_code == 201
    assert added.headers["location"] == path
    assert added.json() == {**body, "price": 9, "sequence": 2, "time": None}
    assert om.get_order(LARGEST_ID) == Order(LARGEST_ID, "IBM", Side.SELL, 2**60, 9)
    amended = client.patch(path, json={"amount": "2", "price": str(LARGEST_ID)})
    assert (amended.json()["amount"], amended.json()["price"]) == (2, str(LARGEST_ID))
    trade = {"symbol": "IBM", "side": "SELL", "amount": "1", "limit_price": str(LARGEST_ID)}
    bounded = client.post("/trades", json={**trade, "min_total_price": str(LARGEST_ID)})
    assert bounded.json()["fills"] == [
        {"order_id": str(LARGEST_ID), "amount": 1, "price": str(LARGEST_ID)},
    ]
    assert client.delete(path).json()["order_id"] == str(LARGEST_ID)
    assert client.get(path).json()["code"] == "order_not_found"


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("order_id", 2**53, f'a string, such as "{2**53}", if it is above {2**53 - 1}'),
        ("amount", LARGEST_ID, f'a string, such as "{LARGEST_ID}", if it is above {2**53 - 1}'),
        ("order_id", 2**63, f"an int in 0..{LARGEST_ID}"),
        ("order_id", str(2**63), f"an int in 0..{LARGEST_ID}"),
        ("order_id", -1, f"an int in 0..{LARGEST_ID}"),
        ("price", "0", f"an int in 1..{LARGEST_ID}"),
    ],
)
def test_a_rejected_integer_is_shown_with_the_rule_that_it_violates(
    client: TestClient, field: str, value: object, allowed: str
) -> None:
    body = {**JPM, "order_id": 9, "amount": 1, "price": 1, field: value}
    rejection = client.post("/orders", json=body).json()
    assert (rejection["code"], rejection["field"], rejection["allowed"]) == ("invalid_order", field, allowed)


@pytest.mark.parametrize(
    "value",
    ["", " 1", "1 ", "1\n", "+1", "-1", "01", "00", "1.0", "1e3", "1_000", "٣", "²", "0x1", "1" * 101],
)
@pytest.mark.parametrize("read", [body_integer(0), body_integer(1, None)])
def test_text_that_is_not_a_plain_integer_is_rejected(read: Any, value: str) -> None:
    with pytest.raises(ValueError, match=r"^an int .*, as a JSON integer or a string of at most \d+ digits$"):
        read(value)


@given(st.integers(0, LARGEST_ID))
def test_every_order_id_can_be_sent_as_text(order_id: int) -> None:
    assert body_integer(0)(str(order_id)) == order_id


@given(st.integers(1, 10**MOST_DIGITS - 1))
def test_an_amount_to_trade_may_have_a_hundred_digits(amount: int) -> None:
    assert body_integer(1, None)(str(amount)) == amount


def test_an_amount_to_trade_with_101_digits_is_rejected() -> None:
    with pytest.raises(ValueError, match=r"^an int >= 1 with at most 100 digits$"):
        body_integer(1, None)(10**MOST_DIGITS)


@given(st.from_regex(r"\A[0-9]{0,22}\Z") | st.integers(0, 2**64).map(str))
def test_the_schema_of_text_agrees_with_the_reader_up_to_the_largest_id(text: str) -> None:
    for least in (0, 1):
        matches = re.search(body_integer_schema(least)["anyOf"][1]["pattern"], text) is not None
        try:
            accepted = body_integer(least)(text) == int(text)
        except ValueError:
            accepted = False
        assert accepted is (matches and int(text) <= LARGEST_ID)


# ---------------------------------------------------------------------- idempotency


def test_an_id_as_text_and_as_an_integer_is_the_same_request(client: TestClient, om: OrderManagement) -> None:
    key = {IDEMPOTENCY_KEY_HEADER: "k"}
    order = {"symbol": "IBM", "side": "SELL", "amount": 5, "price": 7}
    changes: list[tuple[str, str, dict[str, object]]] = [
        ("POST", "/orders", {**order, "order_id": 12}),
        ("PATCH", "/orders/12", {"amount": 4}),
        ("POST", "/trades", {"symbol": "IBM", "side": "SELL", "amount": 2, "limit_price": 7}),
    ]
    for number, (method, path, body) in enumerate(changes):
        headers = {IDEMPOTENCY_KEY_HEADER: f"k{number}"}
        first = client.request(method, path, json=body, headers=headers)
        assert first.is_success
        as_text = {name: str(value) for name, value in body.items()}
        retry = client.request(method, path, json=as_text, headers=headers)
        assert retry.headers[REPLAYED_HEADER] == "true"
        assert retry.json() == first.json()
        other = client.request(method, path, json={**as_text, "amount": "1"}, headers=headers)
        assert other.json()["code"] == "idempotency_key_reused"
    assert om.get_order(12).amount == 2
    assert client.delete("/orders/12", headers=key).is_success


def test_a_replayed_response_contains_large_integers_as_text_after_a_restart(tmp_path: Path) -> None:
    body = {**JPM, "order_id": str(LARGEST_ID), "amount": str(LARGEST_ID), "price": 1}
    requests: list[tuple[str, str, Any]] = [
        ("POST", "/orders", body),
        ("PATCH", f"/orders/{LARGEST_ID}", {"amount": str(LARGEST_ID)}),  # changes nothing, so it is a reply
        ("POST", "/trades", {**JPM, "amount": str(2**60)}),
        ("DELETE", f"/orders/{LARGEST_ID}", None),
    ]
    responses: list[list[str]] = []
    for _ in range(2):
        with journal.open(tmp_path / "book.db") as om:
            client = TestClient(create_app(om, Settings()))
            responses.append(
                [
                    client.request(method, path, json=body, headers={IDEMPOTENCY_KEY_HEADER: f"k{n}"}).text
                    for n, (method, path, body) in enumerate(requests)
                ]
            )
    assert responses[0] == responses[1]
    assert all(f'"{LARGEST_ID}"' in text and is_readable(text) for text in responses[0])


# ---------------------------------------------------------------------- JSON

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.integers(2**50, 2**70).map(str),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def as_text(value: Any) -> Any:
    """Return the value with each integer above 2^53-1 as text."""
    match value:
        case bool() | None | str() | float():
            return value
        case int():
            return value if abs(value) < 2**53 else str(value)
        case list():
            return [as_text(each) for each in value]
        case _:
            return {name: as_text(each) for name, each in value.items()}


@given(values)
def test_json_text_changes_only_large_integers(value: Any) -> None:
    text = json_text(value)
    assert repr(json.loads(text)) == repr(as_text(value))
    assert is_readable(text)


@given(st.integers(0, 2**70))
def test_a_response_integer_has_exactly_one_form(value: int) -> None:
    adapter = TypeAdapter[int](Integer)
    assert adapter.validate_python(as_text(value)) == value
    with pytest.raises(ValidationError):
        adapter.validate_python(value if value >= 2**53 else str(value))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=40,
)


@given(json_values)
def test_the_text_of_any_content_is_the_same_in_pieces_as_in_one_piece(content: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("oms.api.integers._PIECE", 2)
        in_pieces = json_text(content)
    whole = json.dumps(content, separators=(",", ":"))
    strings = json.loads(
        whole, parse_int=lambda digits: int(digits) if abs(int(digits)) <= LARGEST_JSON_INTEGER else digits
    )
    assert in_pieces == json.dumps(strings, separators=(",", ":"))
