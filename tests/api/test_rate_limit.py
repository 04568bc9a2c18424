"""The rate limit for each key, and for each address that needs no key."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import HTTPConnection

from oms import InvalidArgumentError, MatchingEngine, OrderManagement
from oms.api import Access, ApiKey, Settings, auth, create_app
from oms.api.callers import Caller
from oms.api.page import PATHS
from oms.api.problems import ProblemError
from oms.api.rate_limit import RateLimit, check_rate
from support.api_books import ORDER, problem

SLACK = Fraction(1, 10)  # an interval between two requests is rounded up to microseconds
ANN, BOB = "the-long-key-of-ann", "the-long-key-of-bob"
KEYS = ApiKey.of(ANN, name="ann"), ApiKey.of(BOB, name="bob")


class Clock:
    """The clock of the rate limit, which the test sets in seconds."""

    now = 1_000.0

    def __call__(self) -> int:
        return round(self.now * 10**9)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(auth, "RateLimit", partial(RateLimit, clock=clock))
    return clock


def statuses(client: TestClient, number: int, **options: Any) -> list[int]:
    return [client.get("/symbols", **options).status_code for _ in range(number)]


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def from_address(app: FastAPI, address: str) -> TestClient:
    return TestClient(app, client=(address, 5000))


def app_with(rate: str | None, keys: tuple[ApiKey, ...] = ()) -> FastAPI:
    return create_app(OrderManagement(), Settings(rate_limit=rate, keys=keys))


def test_each_key_has_its_own_limit_whatever_address_it_is_used_from(clock: Clock) -> None:
    app = app_with("2/second", KEYS)
    assert statuses(from_address(app, "10.0.0.1"), 2, headers=bearer(ANN)) == [200, 200]
    assert statuses(from_address(app, "10.0.0.2"), 1, headers=bearer(ANN)) == [429]
    assert statuses(from_address(app, "10.0.0.1"), 3, headers=bearer(BOB)) == [200, 200, 429]
    clock.now += 0.5
    assert statuses(from_address(app, "10.0.0.1"), 2, headers=bearer(ANN)) == [200, 429]


def test_two_keys_of_the_same_name_share_a_limit() -> None:
    app = app_with("2/second", (ApiKey.of(ANN, name="ann"), ApiKey.of(BOB, name="ann")))
    assert statuses(TestClient(app), 1, headers=bearer(ANN)) == [200]
    assert statuses(TestClient(app), 2, headers=bearer(BOB)) == [200, 429]


def test_without_keys_each_address_has_its_own_limit() -> None:
    app = app_with("2/second")
    assert statuses(from_address(app, "10.0.0.1"), 3) == [200, 200, 429]
    assert statuses(from_address(app, "10.0.0.2"), 1) == [200]
    assert statuses(from_address(app, "2001:db8::1"), 2) == [200, 200]
    assert statuses(from_address(app, "2001:db8::ffff:1"), 1) == [429]  # the same subscriber
    assert statuses(from_address(app, "2001:db8:0:1::1"), 1) == [200]
    assert statuses(from_address(app, "::ffff:10.0.0.1"), 1) == [429]


def test_wrong_keys_are_limited_by_address_and_do_not_use_up_the_limit_of_a_right_key() -> None:
    client = TestClient(app_with("2/second", KEYS))
    assert statuses(client, 3, headers=bearer("wrong-key")) == [401, 401, 429]
    assert statuses(client, 1) == [429]
    assert client.post("/session", headers=bearer("wrong-key")).status_code == 429
    assert statuses(client, 3, headers=bearer(ANN)) == [200, 200, 429]


def test_a_rejected_request_does_not_count() -> None:
    client = TestClient(app_with("1/minute", KEYS))
    assert statuses(client, 3, headers=bearer(ANN)) == [200, 429, 429]
    assert client.get("/symbols", headers=bearer(ANN)).headers["retry-after"] == "60"


def test_a_change_beyond_the_limit_is_not_made() -> None:
    om = OrderManagement()
    client = TestClient(create_app(om, Settings(rate_limit="1/hour")))
    assert client.post("/orders", json=ORDER).status_code == 201
    before = om.state_hash()
    assert problem(client.post("/orders", json={**ORDER, "order_id": 2}))["code"] == "too_many_requests"
    assert om.state_hash() == before


@pytest.mark.parametrize("path", ["/health", "/ready", *sorted(PATHS)])
def test_the_status_and_the_files_of_the_page_have_no_limit(path: str) -> None:
    client = TestClient(app_with("1/hour"))
    assert statuses(client, 2) == [200, 429]
    assert [client.get(path).status_code for _ in range(5)] == [200] * 5


def test_by_default_there_is_no_limit() -> None:
    assert set(statuses(TestClient(app_with(None)), 200)) == {200}


@pytest.mark.parametrize(
    ("rate", "pause", "seconds"),
    [
        ("10/second", 0.0, 1),
        ("1/minute", 0.5, 60),
        ("1/minute", 58.9, 2),
        ("1/minute", 59.9, 1),
        ("2/hour", 0, 1800),
    ],
)
def test_the_response_says_when_to_try_again_in_whole_seconds(
    rate: str, pause: float, seconds: int, clock: Clock
) -> None:
    client = TestClient(app_with(rate, KEYS))
    count, _, unit = rate.partition("/")
    assert set(statuses(client, int(count), headers=bearer(ANN))) == {200}
    clock.now += pause
    response = client.get("/symbols", headers=bearer(ANN))
    rejection = problem(response)
    assert (rejection["status"], rejection["code"]) == (429, "too_many_requests")
    assert (rejection["rate_limit"], rejection["retry_after"]) == (rate, seconds)
    assert response.headers["retry-after"] == str(seconds)
    window = {"second": 1, "minute": 60, "hour": 3600}[unit]
    assert response.headers["ratelimit-policy"] == f'"default";q={count};w={window}'
    assert response.headers["ratelimit"] == f'"default";r=0;t={seconds}'
    clock.now += seconds
    assert statuses(client, 1, headers=bearer(ANN)) == [200]


@pytest.mark.parametrize(
    "text",
    ["", "5", "0/second", "-1/second", "1.5/second", "5/second burst 0", "5/second, 9/minute", "5/fortnight"],
)
def test_a_text_that_is_not_a_rate_is_rejected_with_an_example(text: str) -> None:
    with pytest.raises(InvalidArgumentError, match="such as '100/second' or '100/second burst 200'"):
        Settings(rate_limit=text)


@given(
    st.integers(1, 1_000),
    st.integers(1, 20),
    st.lists(st.tuples(st.sampled_from(["ann", "bob"]), st.integers(0, 2_000)), max_size=60),
)
def test_a_key_may_send_a_burst_at_once_and_then_its_rate_but_never_more(
    rate: int, burst: int, requests: list[tuple[str, int]]
) -> None:
    clock = Clock()
    limit = RateLimit(f"{rate}/second burst {burst}", clock)
    full = burst * Fraction(1)
    tokens = {"ann": full, "bob": full}
    before = dict.fromkeys(tokens, clock.now)
    for name, pause in requests:
        clock.now += pause / 1_000
        elapsed = Fraction(round((clock.now - before[name]) * 1_000), 1_000)
        tokens[name] = min(full, tokens[name] + rate * elapsed)
        before[name] = clock.now
        try:
            limit.check(HTTPConnection({"type": "http"}), Caller(name, None, Access.TRADING))
        except ProblemError:
            assert tokens[name] < 1 + SLACK
        else:
            assert tokens[name] >= 1 - SLACK
            tokens[name] -= 1


def test_the_memory_for_addresses_is_bounded_and_apart_from_that_for_keys() -> None:
    limit = RateLimit("1/hour")
    ann = Caller("ann", None, Access.TRADING)
    limit.check(HTTPConnection({"type": "http"}), ann)
    for number in range(20_000):
        address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        limit.check(HTTPConnection({"type": "http", "client": (address, 1)}), None)
    assert (len(limit._by_key), len(limit._by_address)) == (1, 10_000)
    with pytest.raises(ProblemError):
        limit.check(HTTPConnection({"type": "http"}), ann)


def test_a_rate_has_a_burst_of_its_own_number_unless_it_says_otherwise() -> None:
    assert (check_rate("3/second").burst, check_rate("3/second burst 9").burst) == (3, 9)


def test_the_limit_of_an_engine_for_submissions_is_another_problem() -> None:
    client = TestClient(create_app(MatchingEngine(), Settings(rate_limit="1/hour")))
    body = {"order_id": 1, "symbol": "JPM", "side": "BUY", "amount": 1, "price": 1}
    assert client.post("/submissions", json=body).status_code == 201
    assert problem(client.post("/submissions", json=body))["code"] == "too_many_requests"
