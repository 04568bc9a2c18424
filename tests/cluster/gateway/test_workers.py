"""Requests whose workers fail: each change is made exactly once, by whichever worker owns the shard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from time import sleep
from typing import Any

import httpx
import pytest

from oms import OrderAdded, Side, TradePlaced
from oms.api.problems import ProblemError, problem_response
from oms.client import Client, InProcess
from oms.cluster.gateway.workers import end_to_end
from support.api_books import problem
from support.clusters import MemoryCluster

ORDER = {"order_id": 1, "symbol": "JPM", "side": "BUY", "amount": 20, "price": 20}
TRADE = {"symbol": "JPM", "side": "BUY", "amount": 3}
LOST = ["ConnectError", "ConnectTimeout", "WriteError", "ReadError", "RemoteProtocolError", "ReadTimeout"]


@contextmanager
def client_of(cluster: MemoryCluster) -> Iterator[httpx.Client]:
    with httpx.Client(base_url="http://oms", transport=InProcess(cluster.gateway)) as client:
        yield client


def trades(cluster: MemoryCluster) -> list[TradePlaced]:
    return [event for _, event in cluster.events() if isinstance(event, TradePlaced)]


@contextmanager
def started(call: Callable[[], httpx.Response]) -> Iterator[Future[httpx.Response]]:
    """Run a request in another thread during the block."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(call)


# ---------------------------------------------------------------------- lost requests and responses


def test_a_lost_request_or_response_never_makes_a_change_twice() -> None:
    cluster = MemoryCluster(patience=30)
    with client_of(cluster) as http:
        http.post("/orders", json=ORDER)
        for number, fault in enumerate(LOST, 1):
            cluster.network.plan = [fault, None]
            cluster.network.sent.clear()
            response = http.post("/trades", json=TRADE)
            assert (response.status_code, response.json()["trade_id"]) == (201, number)
            assert "idempotent-replayed" not in response.headers
            first, second = cluster.network.sent
            assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
            assert (first.content, first.headers.raw) == (second.content, second.headers.raw)
    assert [event.trade.trade_id for event in trades(cluster)] == [1, 2, 3, 4, 5, 6]


def test_a_worker_that_dies_after_it_has_stored_a_change_is_replaced_and_the_change_is_made_once() -> None:
    cluster = MemoryCluster(patience=30)
    with client_of(cluster) as http:
        http.post("/orders", json=ORDER)

        def die_and_take_over() -> None:
            cluster.kill("s1")
            cluster.take_over("s1")

        cluster.network.before_response = die_and_take_over
        cluster.network.plan = ["ReadError"]
        response = http.post("/trades", json=TRADE)
        assert (response.status_code, response.json()["trade_id"]) == (201, 1)
        assert http.get("/orders/1").json()["amount"] == 17
    assert len(trades(cluster)) == 1
    first, second, _ = [each.url.host for each in cluster.network.sent[-3:]]
    assert first != second


def test_the_key_of_the_client_is_sent_in_all_attempts_and_a_replayed_response_says_so() -> None:
    cluster = MemoryCluster(patience=30)
    with client_of(cluster) as http:
        http.post("/orders", json=ORDER)
        cluster.network.plan = ["ReadError"]
        response = http.post("/trades", json=TRADE, headers={"Idempotency-Key": "mine"})
        assert (response.status_code, response.headers["idempotent-replayed"]) == (201, "true")
        assert [each.headers["idempotency-key"] for each in cluster.network.sent[-2:]] == ["mine", "mine"]


def test_a_new_order_needs_no_key_because_its_id_identifies_the_request() -> None:
    cluster = MemoryCluster(patience=30)
    with client_of(cluster) as http:
        cluster.network.plan = ["ReadError"]
        response = http.post("/orders", json=ORDER)
        assert (response.status_code, response.json()["order_id"]) == (200, 1)
        assert all("idempotency-key" not in each.headers for each in cluster.network.sent)
    assert [type(event) for _, event in cluster.events()] == [OrderAdded]


def test_a_read_is_repeated_without_a_key() -> None:
    cluster = MemoryCluster(patience=30)
    with client_of(cluster) as http:
        cluster.network.plan = ["ReadError", "ConnectError"]
        assert http.get("/best-price?symbol=JPM&side=BUY").json()["price"] is None
        assert len(cluster.network.sent) == 3
        assert all("idempotency-key" not in each.headers for each in cluster.network.sent)


# ---------------------------------------------------------------------- takeovers


def test_a_request_waits_for_a_worker_and_continues_as_soon_as_there_is_one() -> None:
    cluster = MemoryCluster(patience=60)
    cluster.kill("s1")
    with client_of(cluster) as http, started(lambda: http.post("/orders", json=ORDER)) as future:
        while not cluster.addresses._waiting.get("s1"):
            sleep(0.001)
        cluster.take_over("s1")
        assert future.result().status_code == 201
    assert len(cluster.network.sent) == 1


def test_without_a_worker_the_response_is_503_and_says_when_to_retry() -> None:
    cluster = MemoryCluster(patience=0.01)
    cluster.kill("s1")
    with client_of(cluster) as http:
        response = http.post("/trades", json=TRADE)
        rejected = problem(response)
        assert (rejected["status"], rejected["code"], rejected["shard"]) == (503, "shard_unavailable", "s1")
        assert rejected["may_have_changed"] is False
        assert "idempotency_key" not in rejected
        assert response.headers["retry-after"] == "1"
        assert rejected["detail"] == (
            "shard s1 does not respond: it has no worker; nothing has changed: repeat the request"
        )
        assert http.get("/best-price?symbol=AAPL&side=BUY").status_code == 200  # another shard


def test_if_every_response_is_lost_the_problem_contains_the_key_of_the_change() -> None:
    cluster = MemoryCluster(patience=0.1)
    with client_of(cluster) as http:
        http.post("/orders", json=ORDER)
        cluster.network.plan = ["ReadError"] * 1_000
        rejected = problem(http.post("/trades", json=TRADE))
        assert (rejected["code"], rejected["may_have_changed"]) == ("shard_unavailable", True)
        key = rejected["idempotency_key"]
        assert rejected["detail"].endswith(
            f"the change may have been made: repeat the request with Idempotency-Key: {key}"
        )
        cluster.network.plan.clear()
        response = http.post("/trades", json=TRADE, headers={"Idempotency-Key": key})
        assert (response.json()["trade_id"], response.headers["idempotent-replayed"]) == (1, "true")
        cluster.network.plan = ["ReadError"] * 1_000
        rejected = problem(http.post("/orders", json={**ORDER, "order_id": 2}))
        assert rejected["detail"].endswith("the change may have been made: repeat the same request")
    assert len(trades(cluster)) == 1


def test_a_deposed_worker_cannot_store_a_change_and_the_request_goes_to_its_successor() -> None:
    cluster = MemoryCluster(patience=60)
    with client_of(cluster) as http:
        http.post("/orders", json=ORDER)
        former = cluster.books["s1"]
        address = cluster.take_over("s1", silently=True)
        cluster.network.before_response = lambda: cluster.addresses.set("s1", address)
        response = http.post("/trades", json=TRADE)
        assert (response.status_code, response.json()["trade_id"]) == (201, 1)
        assert former.get_order(1).amount == 20
    assert len(trades(cluster)) == 1


def test_the_response_of_a_worker_whose_journal_fails_is_passed_on_if_no_other_worker_takes_over() -> None:
    cluster = MemoryCluster(patience=0.1)
    with client_of(cluster) as http:
        http.post("/orders", json=ORDER)
        cluster.take_over("s1", silently=True)
        rejected = problem(http.post("/trades", json=TRADE))
        assert (rejected["status"], rejected["code"]) == (503, "journal_failed")
        assert len(cluster.network.sent) > 2


def test_a_client_repeats_a_request_while_a_shard_is_unavailable_and_makes_the_change_once() -> None:
    cluster = MemoryCluster(patience=0.01)
    pauses: list[float] = []

    def sleep_and_take_over(seconds: float) -> None:
        pauses.append(seconds)
        cluster.network.plan.clear()
        cluster.take_over("s1")

    with Client("http://oms", transport=InProcess(cluster.gateway), sleep=sleep_and_take_over) as client:
        cluster.kill("s1")
        client.add_order(1, "JPM", Side.BUY, 20, 20)
        cluster.network.plan = ["ReadError"] * 1_000
        assert client.place_trade("JPM", Side.BUY, 3).trade_id == 1
        assert client.get_order(1).amount == 17
    assert len(pauses) == 2
    assert len(trades(cluster)) == 1


class Stub:
    """A worker that gives the same response to each request, or none."""

    def __init__(self, code: str | None = None) -> None:
        self._code = code
        self.requests = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.requests += 1
        if self._code is None:
            await asyncio.Event().wait()
        else:
            await problem_response(ProblemError(self._code, "a test"))(scope, receive, send)


def with_stub(cluster: MemoryCluster, stub: Stub) -> None:
    cluster.network.add("http://stub", stub)
    cluster.addresses.set("s1", "http://stub")


@pytest.mark.parametrize("code", [None, "not_owner", "not_ready", "journal_failed"])
def test_a_request_leaves_a_worker_that_does_not_respond_or_does_not_own_the_shard(code: str | None) -> None:
    cluster, stub = MemoryCluster(patience=60, attempt_seconds=60), Stub(code)
    address = cluster.addresses.address("s1")
    with_stub(cluster, stub)
    with client_of(cluster) as http, started(lambda: http.post("/orders", json=ORDER)) as future:
        while not stub.requests:
            sleep(0.001)
        cluster.addresses.set("s1", address)
        assert future.result().status_code == 201


@pytest.mark.parametrize("code", ["too_many_requests", "internal_error", "forbidden", "rate_limited"])
def test_any_other_problem_of_a_worker_is_passed_on_at_once(code: str) -> None:
    cluster, stub = MemoryCluster(patience=60), Stub(code)
    with_stub(cluster, stub)
    with client_of(cluster) as http:
        assert problem(http.post("/orders", json=ORDER))["code"] == code
    assert stub.requests == 1


def test_a_read_is_never_answered_by_a_worker_that_only_follows_the_shard() -> None:
    cluster = MemoryCluster(patience=0.1)
    owner = cluster.addresses.address("s1")
    follower = cluster.workers["s1"]

    async def follow(scope: Any, receive: Any, send: Any) -> None:
        async def with_role(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"oms-role", b"standby")]
            await send(message)

        await follower(scope, receive, with_role)

    cluster.network.add("http://follower", follow)
    cluster.addresses.set("s1", "http://follower")
    with client_of(cluster) as http:
        path = "/best-price?symbol=JPM&side=BUY"
        rejected = problem(http.get(path))
        assert (rejected["code"], rejected["may_have_changed"]) == ("shard_unavailable", False)
        assert "http://follower only follows the shard" in rejected["detail"]
        cluster.addresses.set("s1", owner)
        assert http.get(path).status_code == 200


def test_a_request_that_takes_too_long_is_not_repeated_at_the_same_worker() -> None:
    cluster, stub = MemoryCluster(patience=60, attempt_seconds=0.01), Stub()
    with_stub(cluster, stub)
    with client_of(cluster) as http:
        rejected = problem(http.post("/trades", json=TRADE))
    assert (rejected["code"], rejected["may_have_changed"]) == ("shard_unavailable", True)
    assert "http://stub took more than 0.01 s" in rejected["detail"]
    assert stub.requests == 1


# ---------------------------------------------------------------------- headers


def test_only_headers_for_the_other_end_are_passed_on() -> None:
    headers = [
        (b"Connection", b"close, X-Hop"),
        (b"X-Hop", b"1"),
        (b"Keep-Alive", b"5"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Set-Cookie", b"a=1"),
        (b"Set-Cookie", b"b=2"),
    ]
    assert end_to_end(headers) == [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
