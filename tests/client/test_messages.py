"""Error messages of a client: what was given, what is allowed, and the call that fixes it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import repeat
from typing import Any

import httpx
import pytest

from oms import InvalidArgumentError, InvalidOrderError, Side
from oms.api import Settings, create_app
from oms.client import (
    AsyncClient,
    Client,
    EngineClient,
    InProcess,
    ServiceUnavailableError,
    UnexpectedResponseError,
)
from support.clients import URL, Flaky

BUY = Side.BUY

SETTINGS: list[tuple[str, object, str]] = [
    ("base_url", "localhost:8080", "an http:// or https:// URL with a host, not 'localhost:8080' (str)"),
    (
        "base_url",
        "http://me:secret@host",
        "a URL without user and password, not URL('http://host') (URL); pass api_key=...",
    ),
    ("api_key", "a b", "a str of visible ASCII characters, not '<hidden>' (str)"),
    ("timeout", 0, "a finite number of seconds > 0, not 0 (int)"),
    ("attempts", 0, "an int >= 1, not 0 (int)"),
    ("response_limit", 1.5, "an int >= 1, not 1.5 (float)"),
]


@pytest.mark.parametrize("client", [Client, AsyncClient])
@pytest.mark.parametrize(("field", "value", "rest"), SETTINGS)
def test_a_rejected_setting_is_shown_with_what_is_allowed(
    client: Any, field: str, value: object, rest: str
) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        client(**{"base_url": URL, field: value})
    assert type(caught.value) is InvalidArgumentError
    assert str(caught.value) == f"{field} must be {rest}"


def service() -> InProcess:
    return InProcess(create_app(settings=Settings()))


VALUES: list[tuple[Callable[[Client], object], type[InvalidArgumentError], str]] = [
    (
        lambda om: om.place_trade("JPM", BUY, 10**100),
        InvalidOrderError,
        "amount must be an int of at most 100 digits, not an int of 333 bits (int)",
    ),
    (
        lambda om: om.calculate_prices("JPM", BUY, [1] * 7_000),
        InvalidOrderError,
        "amounts must be short enough for a query string of 60,000 bytes, "
        "not [1, 1, 1, 1, 1, 1, ...] (list); split amounts over several calls",
    ),
    (
        lambda om: om.remove_order(1, idempotency_key="a b"),
        InvalidArgumentError,
        "idempotency_key must be a str of 1 to 255 visible ASCII characters, not 'a b' (str)",
    ),
    (
        lambda om: om.state_hash(shard="\ud800"),
        InvalidArgumentError,
        "shard must be the name of a shard (a str), or None, not '\\ud800' (str)",
    ),
]


@pytest.mark.parametrize(("call", "error", "message"), VALUES)
def test_a_value_that_no_request_can_carry_is_shown_with_what_is_allowed(
    call: Callable[[Client], object], error: type[InvalidArgumentError], message: str
) -> None:
    with Client(URL, transport=service()) as om, pytest.raises(error) as caught:
        call(om)
    assert type(caught.value) is error
    assert str(caught.value) == message


NO_SHARDS: list[Any] = [["s1"], b"s1", 1, True, "", "\ud800"]


@pytest.mark.parametrize("shard", NO_SHARDS)
def test_what_cannot_be_the_name_of_a_shard_is_rejected_before_a_request(shard: Any) -> None:
    with Client(URL, transport=service()) as om, EngineClient(URL, transport=service()) as engine:
        for call in (
            om.state_hash,
            om.events,
            om.trades,
            engine.cancel_all,
            engine.end_day,
            partial(engine.expire, 5),
        ):
            with pytest.raises(InvalidArgumentError, match=r"^shard must be the name of a shard"):
                call(shard=shard)


def test_an_error_after_the_last_attempt_counts_the_attempts_and_names_the_key_for_a_retry() -> None:
    for attempts, count in ((1, "1 attempt"), (2, "2 attempts, last failure")):
        transport = Flaky(service(), repeat("late"))
        with Client(URL, transport=transport, attempts=attempts, sleep=lambda _: None) as om:
            with pytest.raises(ServiceUnavailableError) as query:
                om.symbols()
            with pytest.raises(ServiceUnavailableError) as change:
                om.remove_order(1)
        assert str(query.value) == f"GET /symbols: no response in {count}: ReadTimeout: late"
        assert str(change.value) == (
            f"DELETE /orders/1: no response in {count}: ReadTimeout: late; the change may have been made: "
            f"retry with idempotency_key={change.value.idempotency_key!r}"
        )


RESPONSES: list[tuple[httpx.Response, str]] = [
    (
        httpx.Response(200, html="<p>"),
        "unexpected response (status 200): its content type is text/html, not application/json",
    ),
    (httpx.Response(204), "unexpected response (status 204): b'' is not an error response from the service"),
    (
        httpx.Response(200, json={"symbol": "IBM", "side": "BUY", "price": 1}),
        "unexpected response (status 200): symbol is 'IBM', but 'JPM' was requested",
    ),
    (
        httpx.Response(200, json={"symbol": "JPM", "side": "BUY", "price": "1"}),
        "unexpected response (status 200): price is '1', not int",
    ),
]


@pytest.mark.parametrize(("response", "reason"), RESPONSES)
def test_an_unexpected_response_is_shown_with_what_was_expected(
    response: httpx.Response, reason: str
) -> None:
    transport = httpx.MockTransport(lambda _: response)
    with Client(URL, transport=transport) as om, pytest.raises(UnexpectedResponseError) as caught:
        om.best_price("JPM", BUY)
    assert str(caught.value) == f"GET /best-price: {reason}"
