"""The API keys and sessions of a gateway: a session is valid in all shards, and no worker sees its cookie."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from oms import OrderManagement, Side
from oms.api import Access, ApiKey, Settings, create_app
from oms.api.credentials import COOKIE
from oms.client import InProcess
from oms.cluster.gateway import Addresses, create_gateway
from oms.cluster.ownership.shards import Shards
from support.api_books import problem
from support.api_server import Address, next_message, serving, stream
from support.clusters import NAMES, SYMBOLS, MemoryCluster, MemoryDirectory
from support.engine_api import ANN, BOB, KEYS

KEY, READER = "a-key-of-sixteen-letters-or-more", "another-key-of-sixteen-letters"
SETTINGS = Settings(
    keys=(
        ApiKey.of(KEY, name="desk"),
        ApiKey.of(READER, name="screen", access=Access.READ_ONLY),
    )
)
ORIGIN = {"Origin": "http://oms"}
"""What a browser sends with the requests of the gateway's own page."""


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def cluster() -> MemoryCluster:
    return MemoryCluster(settings=SETTINGS, worker_settings=SETTINGS)


def client_of(cluster: MemoryCluster) -> httpx.Client:
    return httpx.Client(base_url="http://oms", transport=InProcess(cluster.gateway))


def signed_in(http: httpx.Client, key: str = KEY) -> dict[str, str]:
    """Open a session, and return the headers with its cookie."""
    response = http.post("/session", headers={**bearer(key), **ORIGIN})
    http.cookies.clear()  # each test says itself what a request contains
    assert response.status_code == 204
    assert "httponly" in response.headers["set-cookie"].lower()
    assert "samesite=strict" in response.headers["set-cookie"].lower()
    return {"Cookie": response.headers["set-cookie"].partition(";")[0], **ORIGIN}


def order(order_id: int, shard: str) -> dict[str, Any]:
    return {"order_id": order_id, "symbol": SYMBOLS[shard], "side": "BUY", "amount": 5, "price": 9}


def test_a_session_is_valid_in_all_shards_for_reads_changes_and_merged_answers(
    cluster: MemoryCluster, http: httpx.Client
) -> None:
    session = signed_in(http)
    for order_id, shard in enumerate(NAMES):
        added = http.post("/orders", json=order(order_id, shard), headers=session)
        assert (added.status_code, added.headers["oms-shard"]) == (201, shard)
        price = http.get("/best-price", params={"symbol": SYMBOLS[shard], "side": "BUY"}, headers=session)
        assert price.json()["price"] == 9
    assert http.get("/symbols", headers=session).json() == {"symbols": ["AAPL", "IBM", "JPM"]}
    assert http.get("/ready", headers=session).json()["orders"] == 3
    assert http.get("/session", headers=session).json() == {"open": True, "name": "desk", "access": "trading"}


def test_a_session_stays_open_when_another_worker_takes_over(
    cluster: MemoryCluster, http: httpx.Client
) -> None:
    session = signed_in(http)
    cluster.take_over("s1")
    assert http.get("/symbols", headers=session).status_code == 200


def test_the_workers_get_the_key_and_neither_a_cookie_nor_an_origin(
    cluster: MemoryCluster, http: httpx.Client
) -> None:
    session = signed_in(http)
    session["Sec-Fetch-Site"] = "same-origin"
    for headers in (session, {**session, **bearer(KEY)}, {**session, **bearer("x" * 20)}):
        http.get("/symbols", headers=headers)
    assert len(cluster.network.sent) == 9
    for request in cluster.network.sent:
        assert not {"cookie", "origin", "sec-fetch-site"} & set(request.headers)
        assert request.headers.get_list("authorization") == [f"Bearer {KEY}"]


def test_a_key_in_the_request_has_precedence_over_that_of_the_session(
    cluster: MemoryCluster, http: httpx.Client
) -> None:
    http.get("/symbols", headers={**signed_in(http), **bearer(READER)})
    assert {request.headers["authorization"] for request in cluster.network.sent} == {f"Bearer {READER}"}


def test_a_session_ends_when_the_user_signs_out(http: httpx.Client) -> None:
    session = signed_in(http)
    assert http.delete("/session", headers=session).status_code == 204
    for path in ("/symbols", "/session"):
        assert problem(http.get(path, headers=session))["code"] == "unauthorized"


@pytest.mark.parametrize(
    "headers", [{}, {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "same-site"}]
)
def test_another_site_cannot_use_the_cookie_for_a_change(
    cluster: MemoryCluster, http: httpx.Client, headers: dict[str, str]
) -> None:
    cookie = {"Cookie": signed_in(http)["Cookie"]}
    for response in (
        http.post("/orders", json=order(1, "s1"), headers={**cookie, **headers}),
        http.delete("/session", headers={**cookie, **headers}),
    ):
        assert problem(response)["code"] == "origin_refused"
    assert cluster.network.sent == []
    assert cluster.directory.shards == {}


def test_a_cookie_or_a_wrong_key_cannot_open_a_session(http: httpx.Client) -> None:
    session = signed_in(http)
    for headers in (session, {**ORIGIN, **bearer(f"{KEY}x")}, ORIGIN):
        assert problem(http.post("/session", headers=headers))["code"] == "unauthorized"
    forged = {"Cookie": f"{COOKIE}={'x' * 43}", **ORIGIN}
    assert problem(http.get("/symbols", headers=forged))["code"] == "unauthorized"


def test_a_session_has_the_access_of_its_key(http: httpx.Client) -> None:
    session = signed_in(http, READER)
    assert http.get("/symbols", headers=session).status_code == 200
    assert problem(http.post("/orders", json=order(1, "s1"), headers=session))["code"] == "forbidden"


def test_the_gateway_stores_neither_a_key_nor_a_token(cluster: MemoryCluster, http: httpx.Client) -> None:
    token = signed_in(http)["Cookie"].partition("=")[2]
    sessions: Any = next(
        middleware.kwargs["sessions"]
        for middleware in cluster.gateway.user_middleware
        if "sessions" in middleware.kwargs
    )
    assert sessions.key_text_of(token) == KEY
    assert sessions.key_text_of(f"{token}x") is None
    stored = b"".join([hashed + session.sealed for hashed, session in sessions._open.items()])
    assert len(stored) == 32 + len(KEY)
    for secret in (KEY, token):
        assert not any(secret[n : n + 4].encode() in stored for n in range(len(secret) - 3))


def test_an_owner_sees_only_their_own_orders_through_a_session() -> None:
    cluster = MemoryCluster(engine=True, settings=KEYS, worker_settings=KEYS)
    with client_of(cluster) as http:
        ann, bob = signed_in(http, ANN), signed_in(http, BOB)
        submitted = http.post("/submissions", json=order(1, "s2"), headers=ann)
        assert submitted.status_code == 201
        assert http.get("/orders", headers=ann).json()["total"] == 1
        assert http.get("/orders", headers=bob).json()["total"] == 0
        assert problem(http.get("/metrics", headers=ann))["code"] == "forbidden"


def test_a_gateway_without_keys_says_that_it_cannot_open_a_session() -> None:
    cluster = MemoryCluster(worker_settings=SETTINGS)
    with client_of(cluster) as http:
        assert problem(http.get("/symbols"))["code"] == "unauthorized"
        rejected = problem(http.post("/session", headers={**bearer(KEY), **ORIGIN}))
        assert (rejected["code"], rejected["detail"]) == (
            "forbidden",
            "this gateway has no API keys, so it cannot open a session; start oms serve --cluster with the"
            " keys of the workers: --keys-file FILE",
        )
        assert http.post("/session", headers=ORIGIN).status_code == 204
        assert http.get("/symbols", headers=bearer(KEY)).status_code == 200


@pytest.fixture
def served() -> Iterator[Callable[..., Any]]:
    """A function that opens the stream of a gateway over two workers that need a key."""
    with ExitStack() as stack:
        addresses, om = Addresses(), OrderManagement()
        om.add_order(1, "AAPL", Side.BUY, 5, 9)
        addresses.set("s2", stack.enter_context(serving(create_app(om, SETTINGS))).http)
        gateway = create_gateway(Shards(NAMES), MemoryDirectory(), addresses, SETTINGS, patience=0.05)
        address: Address = stack.enter_context(serving(gateway))

        def opened(**headers: str) -> Any:
            return stack.enter_context(stream(address, "?symbol=AAPL", **headers))

        yield lambda: (address, opened)


def test_a_stream_is_opened_with_a_session(served: Callable[..., Any]) -> None:
    address, opened = served()
    own = {"Origin": address.http}
    response = httpx.post(f"{address.http}/session", headers={**bearer(KEY), **own})
    cookie = {"Cookie": response.headers["set-cookie"].partition(";")[0]}
    connection = opened(**cookie, **own)
    assert [each["order_id"] for each in next_message(connection)["orders"]] == [1]
    for headers in ({}, own, cookie, {**cookie, "Origin": "http://evil.example"}):
        with pytest.raises(InvalidStatus):
            opened(**headers)
