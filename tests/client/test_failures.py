"""Lost requests, lost responses, and responses of other servers: no change is ever made twice."""

from __future__ import annotations

import asyncio
import pickle
import socket
from collections.abc import Callable
from functools import partial
from itertools import chain, cycle, repeat
from pathlib import Path
from time import sleep
from typing import Any

import httpx
import pytest

from oms import InvalidArgumentError, OmsError, OrderManagement, Side, journal
from oms.api import Settings, create_app
from oms.client import (
    ApiError,
    AsyncClient,
    Client,
    InProcess,
    RequestRejectedError,
    ServiceUnavailableError,
    UnexpectedResponseError,
)
from support.clients import FAILURES, NOT_SENT, URL, Backend, Flaky, never_sleep

BUY, SELL = Side.BUY, Side.SELL
KEY = "an-api-key-of-32-letters-or-more"


def over(transport: httpx.BaseTransport, **options: Any) -> Client:
    return Client(URL, transport=transport, **{"sleep": lambda _: None, **options})


def responding(*responses: httpx.Response) -> httpx.MockTransport:
    """Return a service that sends these responses, and then repeats the last response."""
    remaining = chain(responses, repeat(responses[-1]))
    return httpx.MockTransport(lambda _: next(remaining))


def outcome(call: Callable[[], object]) -> object:
    try:
        return call()
    except OmsError as error:
        return type(error), str(error), vars(error)


# ---------------------------------------------------------------------- changes are made once


def session(base: int) -> list[Callable[[Backend], object]]:
    """Return a step of each kind, with order ids from `base` on. A step returns its result or raises."""
    return [
        lambda om: om.add_order(base, "JPM", BUY, 20, 20),
        lambda om: om.add_order(base, "JPM", BUY, 20, 20),  # a duplicate
        lambda om: om.add_order(base, "JPM", BUY, 20, 21),
        lambda om: om.add_order(base + 1, "JPM", BUY, 10, 21),
        lambda om: om.quote("JPM", BUY, 22),
        lambda om: om.place_trade("JPM", BUY, 22),
        lambda om: om.place_trade("JPM", BUY, 22),
        lambda om: om.amend_order(base + 1, amount=5, price=22),
        lambda om: om.amend_order(base + 1, amount=5),
        lambda om: om.place_trade("JPM", BUY, 9, allow_partial=True, limit_price=22, max_total_price=1000),
        lambda om: om.add_order(base + 2, "JPM", SELL, 1, 1),
        lambda om: om.remove_order(base + 2),
        lambda om: om.remove_order(base + 2),
        lambda om: (len(om), om.symbols(), om.orders(), base in om),
    ]


@pytest.mark.long
def test_a_failure_at_any_point_of_a_session_changes_neither_its_results_nor_its_final_state() -> None:
    books, expected = OrderManagement(), OrderManagement()
    plan: list[str] = []
    flaky = Flaky(InProcess(create_app(books, Settings())), iter(lambda: plan.pop() if plan else None, ""))
    with over(flaky) as om:
        steps = range(len(session(0)))
        for round_, (failing_step, failure) in enumerate((s, f) for s in steps for f in FAILURES):
            for number, step in enumerate(session(round_ * 10)):
                if number == failing_step:
                    plan.append(failure)
                assert outcome(partial(step, om)) == outcome(partial(step, expected)), (number, failure)
            assert books.state_hash() == expected.state_hash(), (failing_step, failure)
    assert not plan


class Crashing(httpx.BaseTransport):
    """A service that crashes after every third request, before it responds, and is restarted."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._requests = 0
        self._start()

    def _start(self) -> None:
        self.books = journal.open(self._file)
        self._process = InProcess(create_app(self.books, Settings()))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self._process.handle_request(request)
        self._requests += 1
        if self._requests % 3:
            return response
        self.close()
        self._start()
        raise httpx.ReadError("crashed", request=request)

    def close(self) -> None:
        self._process.close()
        self.books.close()


@pytest.mark.slow
def test_a_service_that_crashes_and_restarts_makes_every_change_once(tmp_path: Path) -> None:
    service, expected = Crashing(tmp_path / "book.db"), OrderManagement()
    with over(service) as om:
        for step in session(0):
            assert outcome(partial(step, om)) == outcome(partial(step, expected))
        assert service.books.state_hash() == expected.state_hash()


def test_all_attempts_of_a_change_have_the_same_new_idempotency_key_and_queries_have_none() -> None:
    flaky = Flaky(InProcess(create_app(settings=Settings())), cycle(["lost", "late", None]))
    with over(flaky) as om:
        om.add_order(1, "JPM", BUY, 20, 20)
        om.place_trade("JPM", BUY, 1)
        om.place_trade("JPM", BUY, 1)
        om.amend_order(1, amount=7)
        om.remove_order(1)
        om.symbols()
    keys = [request.headers.get("idempotency-key") for request in flaky.requests]
    keys_of_calls = [set(keys[n : n + 3]) for n in range(0, len(keys), 3)]
    assert keys_of_calls.pop() == {None}
    assert [len(call) for call in keys_of_calls] == [1] * 5
    assert len(set.union(*keys_of_calls)) == 5
    assert all(len(key or "") == 32 for call in keys_of_calls for key in call)


def test_pauses_between_attempts_double_up_to_two_seconds_and_attempts_are_limited() -> None:
    pauses: list[float] = []
    flaky = Flaky(responding(httpx.Response(500)), repeat("lost"))
    with over(flaky, sleep=pauses.append, attempts=7) as om, pytest.raises(ServiceUnavailableError):
        om.symbols()
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0]
    assert len(flaky.requests) == 7
    with over(Flaky(flaky, repeat("lost")), sleep=never_sleep, attempts=1) as om, pytest.raises(ApiError):
        om.symbols()


def too_many(seconds: object) -> httpx.Response:
    """Return the 429 of a service, with this Retry-After header."""
    problem = {"code": "too_many_requests", "detail": "the key has sent more requests than 1/second"}
    headers = {"content-type": "application/problem+json", "retry-after": str(seconds)}
    return httpx.Response(429, json=problem, headers=headers)


SYMBOLS = httpx.Response(200, json={"symbols": []})


def test_a_client_beyond_the_rate_limit_waits_as_long_as_the_service_says() -> None:
    pauses: list[float] = []
    service = responding(too_many(3), too_many(60), httpx.Response(429, text="of a proxy"), SYMBOLS)
    with over(service, sleep=pauses.append) as om:
        assert om.symbols() == ()
    assert pauses == [3.0, 60.0, 0.4]


@pytest.mark.parametrize("seconds", ["", "x", "-1", "1.5", "Fri, 27 Nov 2026 09:00:00 GMT"])
def test_without_a_number_of_seconds_the_client_waits_as_before_other_attempts(seconds: str) -> None:
    pauses: list[float] = []
    with over(responding(too_many(seconds), SYMBOLS), sleep=pauses.append) as om:
        om.symbols()
    assert pauses == [0.1]


@pytest.mark.parametrize(("seconds", "attempts"), [(1, 4), (61, 1)])
def test_a_client_that_stays_beyond_the_rate_limit_raises_an_error_after_its_attempts(
    seconds: int, attempts: int
) -> None:
    pauses: list[float] = []
    with (
        over(responding(too_many(seconds)), sleep=pauses.append) as om,
        pytest.raises(RequestRejectedError, match="more requests than 1/second") as caught,
    ):
        om.place_trade("JPM", BUY, 1)
    assert caught.value.code == "too_many_requests"
    assert not caught.value.outcome_unknown
    assert pauses == [1.0] * (attempts - 1)


def test_a_lost_response_before_a_429_leaves_the_outcome_unknown() -> None:
    flaky = Flaky(responding(too_many(1)), chain(["late"], repeat(None)))
    with over(flaky) as om, pytest.raises(RequestRejectedError) as caught:
        om.place_trade("JPM", BUY, 1)
    assert caught.value.outcome_unknown


def not_ready(seconds: object) -> httpx.Response:
    """Return the 503 of a worker that may have lost the shard, with this Retry-After header."""
    problem = {"code": "not_ready", "detail": "shard s1: the worker cannot renew its lease"}
    headers = {"content-type": "application/problem+json", "retry-after": str(seconds)}
    return httpx.Response(503, json=problem, headers=headers)


def test_a_client_waits_for_a_service_that_will_be_ready_soon() -> None:
    pauses: list[float] = []
    with over(responding(not_ready(1), not_ready(2), SYMBOLS), sleep=pauses.append) as om:
        assert om.symbols() == ()
    assert pauses == [1.0, 2.0]


@pytest.mark.parametrize("failure", [None, "late"])
def test_a_service_that_is_not_ready_in_any_attempt_is_unavailable(failure: str | None) -> None:
    flaky = Flaky(responding(not_ready(1)), chain([failure], repeat(None)))
    with over(flaky) as om, pytest.raises(ServiceUnavailableError, match="is not ready") as caught:
        om.place_trade("JPM", BUY, 1)
    assert caught.value.outcome_unknown is (failure == "late")
    assert len(flaky.requests) == 4


def unavailable(**fields: object) -> httpx.Response:
    """Return the response of a cluster's gateway that has reached no worker."""
    problem = {"code": "shard_unavailable", "status": 503, "title": "", "detail": "", **fields}
    return httpx.Response(503, json=problem, headers={"content-type": "application/problem+json"})


@pytest.mark.parametrize(
    ("responses", "is_unknown"),
    [
        ([{"may_have_changed": False}], False),
        ([{"may_have_changed": True}, {"may_have_changed": False}], True),
        ([{"may_have_changed": False}, {"may_have_changed": True}, {"may_have_changed": False}], True),
        ([{}], True),
        ([{"may_have_changed": 0}], True),
    ],
)
def test_the_outcome_of_a_change_is_known_if_a_gateway_says_each_time_that_nothing_has_changed(
    responses: list[dict[str, object]], is_unknown: bool
) -> None:
    service = responding(*(unavailable(**fields) for fields in responses))
    with over(service) as om, pytest.raises(ServiceUnavailableError) as caught:
        om.place_trade("JPM", BUY, 1)
    assert caught.value.outcome_unknown is is_unknown


def test_a_gateway_that_says_that_nothing_has_changed_does_not_know_of_a_lost_response() -> None:
    flaky = Flaky(responding(unavailable(may_have_changed=False)), chain(["late"], repeat(None)))
    with over(flaky) as om, pytest.raises(ServiceUnavailableError) as caught:
        om.place_trade("JPM", BUY, 1)
    assert caught.value.outcome_unknown


@pytest.mark.parametrize("seconds", ["61", "", "x"])
def test_a_service_that_does_not_say_when_it_will_be_ready_has_rejected_the_request(seconds: str) -> None:
    with over(responding(not_ready(seconds))) as om, pytest.raises(RequestRejectedError, match="renew"):
        om.symbols()


def test_a_client_makes_all_changes_of_a_service_with_a_rate_limit() -> None:
    books = OrderManagement()
    service = InProcess(create_app(books, Settings(rate_limit="20/second burst 1")))
    with Client(URL, transport=service, sleep=lambda seconds: sleep(seconds / 10)) as om:
        for order_id in range(5):
            om.add_order(order_id, "JPM", BUY, 1, 1)
    assert len(books) == 5


@pytest.mark.parametrize("failure", FAILURES)
def test_without_a_response_the_error_says_if_the_change_may_have_been_made(failure: str) -> None:
    books = OrderManagement()
    books.add_order(1, "JPM", BUY, 20, 20)
    plan = chain(repeat(failure, 4), repeat(None))
    with over(Flaky(InProcess(create_app(books, Settings())), plan)) as om:
        with pytest.raises(
            ServiceUnavailableError, match=r"^POST /trades: no response in 4 attempts"
        ) as caught:
            om.place_trade("JPM", BUY, 5)
        error = caught.value
        assert error.outcome_unknown is (failure not in ("refused", "stuck"))
        assert error.outcome_unknown is (error.idempotency_key is not None)
        assert ("retry with idempotency_key" in str(error)) is error.outcome_unknown
        assert len(books) == 1
        assert books.get_order(1).amount == (20 if failure in NOT_SENT else 15)
        trade = om.place_trade("JPM", BUY, 5, idempotency_key=error.idempotency_key)
        assert (trade.trade_id, books.get_order(1).amount) == (1, 15)


def test_a_query_without_a_response_has_no_unknown_outcome() -> None:
    with over(Flaky(responding(httpx.Response(500)), repeat("late"))) as om:
        with pytest.raises(ServiceUnavailableError, match=r"ReadTimeout: late$") as caught:
            om.calculate_price("JPM", BUY, 1)
        assert not caught.value.outcome_unknown
        assert isinstance(caught.value, ConnectionError)
        assert isinstance(caught.value.__cause__, httpx.ReadTimeout)


def test_an_async_client_makes_the_same_attempts_and_pauses() -> None:
    pauses: list[float] = []
    keys: list[str] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    def fail(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["idempotency-key"])
        raise httpx.ReadTimeout("late")

    async def main() -> None:
        async with AsyncClient(URL, transport=httpx.MockTransport(fail), sleep=sleep) as om:
            await om.remove_order(1)

    with pytest.raises(ServiceUnavailableError) as caught:
        asyncio.run(main())
    assert pauses == [0.1, 0.2, 0.4]
    assert keys == [caught.value.idempotency_key] * 4


def test_a_change_with_the_caller_s_idempotency_key_is_made_once() -> None:
    with over(InProcess(create_app(settings=Settings()))) as om:
        for _ in range(2):
            om.add_order(1, "JPM", BUY, 20, 20, idempotency_key="add")
            assert om.place_trade("JPM", BUY, 5, idempotency_key="trade").trade_id == 1
            assert om.amend_order(1, amount=7, idempotency_key="amend").amount == 7
        assert om.get_order(1).amount == 7
        for _ in range(2):
            om.remove_order(1, idempotency_key="remove")
        with pytest.raises(
            RequestRejectedError, match="another request has used this Idempotency-Key"
        ) as caught:
            om.place_trade("JPM", BUY, 6, idempotency_key="trade")
        assert (caught.value.code, caught.value.outcome_unknown) == ("idempotency_key_reused", False)


@pytest.mark.parametrize("key", ["", "a b", "é", "x" * 256, 1, b"k"])
def test_a_malformed_idempotency_key_is_rejected(key: Any) -> None:
    with (
        over(responding(httpx.Response(500))) as om,
        pytest.raises(InvalidArgumentError, match=r"^idempotency_key"),
    ):
        om.remove_order(1, idempotency_key=key)


# ---------------------------------------------------------------------- responses of other servers

FOREIGN_RESPONSES = {
    "a page": httpx.Response(200, html="<h1>Welcome</h1>"),
    "a page of an error": httpx.Response(403, html="<h1>Forbidden</h1>"),
    "an error of another server": httpx.Response(500, text="Internal Server Error"),
    "a redirect": httpx.Response(307, headers={"location": "http://elsewhere/"}),
    "no content": httpx.Response(204),
    "a list": httpx.Response(200, json=[1]),
    "a missing field": httpx.Response(200, json={"symbol": "JPM"}),
    "a float": httpx.Response(200, json={"total_price": 442.0, "trade_id": 1.0}),
    "a bool": httpx.Response(200, json={"total_price": True, "trade_id": True}),
    "a text": httpx.Response(200, json={"total_price": "442", "trade_id": "1"}),
    "half of the JSON": httpx.Response(
        200, content=b'{"total_pr', headers={"content-type": "application/json"}
    ),
    "endless nesting": httpx.Response(
        200, content=b"[" * 10**5, headers={"content-type": "application/json"}
    ),
    "an int of too many digits": httpx.Response(
        200, content=b'{"total_price": ' + b"9" * 5000 + b"}", headers={"content-type": "application/json"}
    ),
    "invalid UTF-8": httpx.Response(200, content=b"\xff", headers={"content-type": "application/json"}),
    "JSON of another server's error": httpx.Response(404, json={"detail": "Not Found"}),
    "a problem of another server": httpx.Response(
        403, json={"code": "quota"}, headers={"content-type": "application/problem+json"}
    ),
    "a problem without its fields": httpx.Response(
        404, json={"code": "order_not_found"}, headers={"content-type": "application/problem+json"}
    ),
    "a problem with a wrong field": httpx.Response(
        409,
        json={
            "code": "insufficient_liquidity",
            "symbol": "JPM",
            "side": "BUY",
            "requested": 1,
            "available": 0,
            "unit": "lots",
        },
        headers={"content-type": "application/problem+json; charset=utf-8"},
    ),
}


@pytest.mark.parametrize("name", FOREIGN_RESPONSES)
def test_a_response_of_another_server_is_always_an_error(name: str) -> None:
    requests: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return FOREIGN_RESPONSES[name]

    with over(httpx.MockTransport(respond), api_key=KEY) as om:
        with pytest.raises(
            UnexpectedResponseError, match=r"^GET /price: unexpected response \(status \d+\): "
        ) as query:
            om.calculate_price("JPM", BUY, 1)
        assert not query.value.outcome_unknown
        with pytest.raises(
            UnexpectedResponseError, match=r"^POST /trades: unexpected response \(status \d+\): "
        ) as change:
            om.place_trade("JPM", BUY, 1)
        assert change.value.idempotency_key == requests[-1].headers["idempotency-key"]
    assert len(requests) == 2  # no retry, and no request to another server
    for error in (query.value, change.value):
        assert len(str(error)) < 300
        assert KEY not in str(error)


def test_every_method_rejects_a_malformed_response() -> None:
    malformed: dict[str, object] = {
        "order_id": None,
        "price": [],
        "orders": {},
        "levels": None,
        "symbols": [1],
        "state_hash": 1,
        "count": "1",
    }
    calls: list[Callable[[Client], object]] = [
        lambda om: om.get_order(1),
        lambda om: om.best_price("JPM", BUY),
        lambda om: om.orders(),
        lambda om: om.depth("JPM", BUY),
        lambda om: om.symbols(),
        lambda om: om.state_hash(),
        lambda om: om.price_curve("JPM", BUY),
        lambda om: om.calculate_prices("JPM", BUY, [1]),
        lambda om: om.quote("JPM", BUY, 1),
        lambda om: om.add_order(1, "JPM", BUY, 1, 1),
        lambda om: om.remove_order(1),
        lambda om: om.amend_order(1, amount=1),
        len,
        lambda om: 1 in om,
    ]
    with over(responding(httpx.Response(200, json=malformed))) as om:
        for call in calls:
            with pytest.raises(UnexpectedResponseError):
                call(om)


def test_a_response_with_invalid_orders_is_an_error() -> None:
    order = {"order_id": 1, "symbol": "JPM", "side": "BUY", "amount": 0, "price": 1}
    page = {"sequence": 1, "total": 1, "orders": [order], "next": None}
    with (
        over(responding(httpx.Response(200, json=page))) as om,
        pytest.raises(UnexpectedResponseError, match="amount must be"),
    ):
        om.orders()


def test_an_internal_error_of_the_service_leaves_the_outcome_of_a_change_unknown() -> None:
    books = OrderManagement()
    books.add_order(1, "JPM", BUY, 20, 20)

    def fail(_event: object) -> None:
        raise RuntimeError("a subscriber fails after the change")

    books.subscribe(fail)
    with over(InProcess(create_app(books, Settings()))) as om:
        with pytest.raises(RequestRejectedError) as caught:
            om.place_trade("JPM", BUY, 5)
        assert (caught.value.code, caught.value.outcome_unknown) == ("internal_error", True)
        assert om.place_trade("JPM", BUY, 5, idempotency_key=caught.value.idempotency_key).trade_id == 1
    assert books.get_order(1).amount == 15


@pytest.mark.parametrize("failure", FAILURES)
def test_a_retry_that_is_unauthorized_leaves_the_outcome_of_the_earlier_attempt_unknown(failure: str) -> None:
    problem = {"code": "unauthorized", "detail": "the key is wrong"}
    unauthorized = httpx.Response(401, json=problem, headers={"content-type": "application/problem+json"})
    with (
        over(Flaky(responding(unauthorized), iter([failure]))) as om,
        pytest.raises(RequestRejectedError) as caught,
    ):
        om.remove_order(1)
    assert caught.value.outcome_unknown is (failure not in ("refused", "stuck"))


# ---------------------------------------------------------------------- API key and settings


def test_the_api_key_authorizes_requests_and_is_never_shown() -> None:
    app = create_app(settings=Settings(api_key=KEY))
    with over(InProcess(app), api_key=KEY) as om:
        assert om.symbols() == ()
        assert KEY not in repr(om)
        assert repr(om) == "<Client of http://localhost>"
    assert KEY not in repr(AsyncClient(URL, api_key=KEY, transport=httpx.ASGITransport(app)))
    for wrong_key in (None, KEY + "x"):
        with over(InProcess(app), api_key=wrong_key) as om, pytest.raises(RequestRejectedError) as caught:
            om.add_order(1, "JPM", BUY, 1, 1)
        assert (caught.value.code, caught.value.outcome_unknown) == ("unauthorized", False)
        assert isinstance(caught.value, PermissionError)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("base_url", ["localhost:8080", "ftp://localhost", "http://", "", "http://a b\x00", None]),
        ("timeout", [0, -1.0, float("inf"), float("nan"), None, True, "1"]),
        ("attempts", [0, -1, 1.0, True]),
        ("api_key", ["", "a b", "é", "a\nb", b"key", 1]),
        ("base_url", ["http://me:secret@localhost"]),
    ],
)
@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_a_client_rejects_settings_that_cannot_work(client: Any, field: str, values: list[object]) -> None:
    for value in values:
        with pytest.raises(InvalidArgumentError, match=f"^{field} must be") as caught:
            client(**{"base_url": URL, field: value})
        assert "secret" not in str(caught.value)
        assert field != "api_key" or repr(value) not in str(caught.value)


def test_a_base_url_can_have_a_path() -> None:
    urls: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        urls.append(str(request.url))
        return httpx.Response(200, json={"symbols": []})

    for url in ("http://host/books", "http://host/books/"):
        with Client(url, transport=httpx.MockTransport(respond)) as om:
            om.symbols()
    assert urls == ["http://host/books/symbols"] * 2


def test_an_error_survives_pickling() -> None:
    for error in (
        ServiceUnavailableError("GET /x", "no response"),
        UnexpectedResponseError("POST /x", "a page", "key"),
        RequestRejectedError("GET /x", "no", None, "unauthorized"),
    ):
        copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own data
        assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))


# ---------------------------------------------------------------------- on a real network


def test_a_change_has_a_known_outcome_if_no_server_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with Client(url, sleep=lambda _: None) as om, pytest.raises(ServiceUnavailableError) as caught:
            om.remove_order(1)
    assert not caught.value.outcome_unknown


def test_a_change_has_an_unknown_outcome_if_the_server_never_responds() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        client = Client(url, timeout=0.05, attempts=2, sleep=lambda _: None)
        with client as om, pytest.raises(ServiceUnavailableError, match="ReadTimeout") as caught:
            om.remove_order(1)
    assert caught.value.outcome_unknown


# ---------------------------------------------------------------------- in process


def test_an_in_process_service_works_inside_a_running_event_loop() -> None:
    async def main() -> int:
        with over(InProcess(create_app(settings=Settings()))) as om:
            om.add_order(1, "JPM", BUY, 20, 20)
            return om.calculate_price("JPM", BUY, 2)

    assert asyncio.run(main()) == 40
