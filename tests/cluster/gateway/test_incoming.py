"""Paths, headers, and keys of requests, and the settings of a gateway."""

from __future__ import annotations

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any

import httpx
import pytest

from oms.api import Settings
from oms.client.in_process import AsgiApplication
from support.api_books import problem
from support.clusters import MemoryCluster
from support.gateway_requests import Json, client_for, n, order


@pytest.mark.parametrize("order_id", ["x/../y", "x/./y", "y/..", "x/../../orders/y", "y#", "#/../y"])
def test_a_path_with_dots_or_a_number_sign_reaches_the_worker_as_it_is(
    engines: MemoryCluster, engine_http: httpx.Client, order_id: str
) -> None:
    """A client that does not encode the id sends such a path."""
    for each in ("y", order_id):
        engine_http.post("/submissions", json=order(each, "s1"))
    sent = raw_request(engines.gateway, "DELETE", f"/orders/{order_id}")
    assert sent.get("order_id") == order_id, sent
    assert [each in engines.books["s1"] for each in ("y", order_id)] == [True, False]


def raw_request(app: AsgiApplication, method: str, path: str) -> Json:
    """Send a request whose path is not normalized, and return the content of the response."""
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"oms")],
        "client": ("127.0.0.1", 1),
        "server": ("oms", 80),
        "scheme": "http",
    }
    bodies: list[bytes] = []

    async def receive() -> Json:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        bodies.append(message.get("body", b""))

    async def run() -> None:
        await app(scope, receive, send)

    asyncio.run(run())
    content: Json = json.loads(b"".join(bodies))
    return content


def test_an_unknown_path_and_an_unsupported_method_have_the_usual_problem(
    cluster: MemoryCluster, http: httpx.Client
) -> None:
    with client_for(cluster.workers["s1"]) as direct:
        for method, path in (("GET", "/x"), ("PUT", "/orders"), ("POST", "/submissions"), ("POST", "/price")):
            response, expected = http.request(method, path), direct.request(method, path)
            assert response.content == expected.content
            assert response.headers.get("allow") == expected.headers.get("allow")


def test_the_headers_of_a_connection_and_the_host_are_not_passed_on(
    cluster: MemoryCluster, http: httpx.Client
) -> None:
    http.get("/symbols", headers={"Connection": "X-Hop", "X-Hop": "1", "X-End": "2", "TE": "trailers"})
    sent = cluster.network.sent[-1].headers
    assert "x-hop" not in sent
    assert "te" not in sent
    assert sent["x-end"] == "2"
    assert sent["host"].startswith("s3-")


def test_the_api_key_is_passed_on_and_the_response_of_the_worker_is_returned() -> None:
    key = "correct-horse-battery"
    cluster = MemoryCluster(worker_settings=Settings(api_key=key))
    with client_for(cluster.gateway) as http:
        for path in ("/symbols", "/orders", "/best-price?symbol=JPM&side=BUY"):
            response = http.get(path)
            assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
            assert http.get(path, headers={"Authorization": f"Bearer {key}"}).status_code == 200


def test_a_gateway_with_keys_claims_nothing_for_a_request_without_one() -> None:
    cluster = MemoryCluster(settings=Settings(api_key="correct-horse-battery"))
    with client_for(cluster.gateway) as http:
        assert problem(http.post("/orders", json=order(n(1), "s1")))["code"] == "unauthorized"
        http.headers["Authorization"] = "Bearer correct-horse-battery"
        assert http.post("/orders", json=order(n(1), "s2")).status_code == 201
    assert cluster.directory.shards == {n(1): "s2"}


def test_behind_a_proxy_that_strips_a_prefix_the_location_has_the_prefix(cluster: MemoryCluster) -> None:
    async def with_prefix(scope: Any, receive: Any, send: Any) -> None:
        path = f"/books{scope['path']}"
        scope = {**scope, "root_path": "/books", "path": path, "raw_path": path.encode()}
        await cluster.gateway(scope, receive, send)

    with client_for(with_prefix) as http:
        response = http.post("/orders", json=order(n(1), "s1"))
        assert (response.status_code, response.headers["location"]) == (201, f"/books/orders/{n(1)}")


def test_a_worker_may_serve_a_shard_under_a_prefix(cluster: MemoryCluster, http: httpx.Client) -> None:
    worker = cluster.workers["s2"]

    async def under_prefix(scope: Any, receive: Any, send: Any) -> None:
        assert scope["raw_path"].startswith(b"/shards/s2/")
        await worker({**scope, "root_path": "/shards/s2"}, receive, send)

    before = cluster.addresses.address("s2")
    cluster.network.add("http://prefixed", under_prefix)
    cluster.addresses.set("s2", "http://prefixed/shards/s2")
    response = http.post("/orders", json=order(n(1), "s2"))
    assert (response.status_code, response.headers["location"]) == (201, f"/orders/{n(1)}")
    assert http.get(f"/orders/{n(1)}").json()["order_id"] == n(1)
    cluster.addresses.set("s2", before)


def test_the_gateway_logs_requests_and_allows_other_sites_as_the_settings_say(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cluster = MemoryCluster(settings=Settings(cors_origins=("https://a.example",)))
    with caplog.at_level("INFO", "oms.api.access"), client_for(cluster.gateway) as http:
        response = http.get("/orders/1", headers={"Origin": "https://a.example"})
        assert response.headers["access-control-allow-origin"] == "https://a.example"
        assert "Oms-Shard" in response.headers["access-control-expose-headers"]
    lines = [record.getMessage() for record in caplog.records if record.name == "oms.api.access"]
    assert [line.partition(" 404 ")[0] for line in lines] == ["GET /orders/{order_id}"] * 2  # and a worker's


def test_the_gateway_logs_nothing_if_the_settings_say_so(caplog: pytest.LogCaptureFixture) -> None:
    cluster = MemoryCluster(settings=Settings(access_log=False))
    with caplog.at_level("INFO", "oms.api.access"), client_for(cluster.gateway) as http:
        http.get("/health")
    assert not caplog.records
