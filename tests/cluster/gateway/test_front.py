"""Each request reaches its shard, and the response is that of the shard's service."""

from __future__ import annotations

import httpx
import pytest

from oms import MatchingEngine, OrderManagement
from oms.api import Settings, create_app
from oms.cluster.gateway import Addresses, create_gateway
from oms.cluster.gateway.routes import BOOKS, ENGINE, Rule
from oms.cluster.ownership.shards import Shards
from oms.contract import PROBLEM_MEDIA_TYPE
from support.api_books import problem
from support.clusters import NAMES, SYMBOLS, MemoryCluster, MemoryDirectory
from support.gateway_requests import client_for, n, order


def routes_of(books: OrderManagement | MatchingEngine) -> set[tuple[str, str]]:
    """Return the methods and paths of a service, without HEAD."""
    app = create_app(books, Settings())
    routes: set[tuple[str, str]] = set()
    for each in app.routes:
        router = getattr(each, "original_router", None)
        for route in [each] if router is None else router.routes:
            methods = getattr(route, "methods", None) or {"GET"}
            routes |= {(method, getattr(route, "path", "")) for method in methods - {"HEAD"}}
    return routes


@pytest.mark.parametrize(("books", "rows"), [(OrderManagement, BOOKS), (MatchingEngine, ENGINE)])
def test_the_gateway_has_a_rule_for_every_endpoint_of_the_service_and_no_others(
    books: type[OrderManagement] | type[MatchingEngine], rows: dict[tuple[str, str], Rule]
) -> None:
    assert routes_of(books()) == set(rows)


# ---------------------------------------------------------------------- one shard


@pytest.mark.parametrize("shard", NAMES)
def test_a_new_order_reaches_the_shard_of_its_symbol_and_the_response_names_it(
    cluster: MemoryCluster, http: httpx.Client, shard: str
) -> None:
    response = http.post("/orders", json=order(n(1), shard))
    assert (response.status_code, response.headers["oms-shard"]) == (201, shard)
    assert response.headers["location"] == f"/orders/{n(1)}"
    assert "idempotency-key" not in response.headers
    assert {name: len(books) for name, books in cluster.books.items()} == {
        name: int(name == shard) for name in NAMES
    }
    assert cluster.directory.shards == {n(1): shard}


def test_an_order_is_found_changed_and_removed_by_its_id_alone(
    cluster: MemoryCluster, http: httpx.Client
) -> None:
    for order_id, shard in enumerate(NAMES):
        http.post("/orders", json=order(n(order_id), shard))
    cluster.network.sent.clear()
    for order_id, shard in enumerate(NAMES):
        path = f"/orders/{n(order_id)}"
        for response in (
            http.get(path),
            http.head(path),
            http.patch(path, json={"amount": 4}),
            http.delete(path),
        ):
            assert (response.status_code, response.headers["oms-shard"]) == (200, shard)
    assert len(cluster.network.sent) == 12  # no shard was asked in vain


def test_an_order_that_nobody_has_added_is_not_found(http: httpx.Client) -> None:
    for response in (
        http.get(f"/orders/{n(7)}"),
        http.patch(f"/orders/{n(7)}", json={"amount": 1}),
        http.delete(f"/orders/{n(7)}"),
    ):
        assert problem(response)["code"] == "order_not_found"


def test_an_order_is_also_found_through_another_gateway(cluster: MemoryCluster, http: httpx.Client) -> None:
    http.post("/orders", json=order(n(1), "s2"))
    other = create_gateway(cluster.shards, cluster.directory, cluster.addresses, transport=cluster.network)
    with client_for(other) as client:
        assert client.delete(f"/orders/{n(1)}").json()["symbol"] == "AAPL"


QUERIES: dict[str, dict[str, str | list[str]]] = {
    "/price": {"amount": "5"},
    "/quote": {"amount": "5"},
    "/prices": {"amounts": ["1", "5"]},
    "/curve": {},
    "/amount": {"budget": "100"},
    "/available": {},
    "/within": {"max_slippage_bps": "5"},
    "/best-price": {},
    "/depth": {},
}


def test_a_question_about_a_book_has_the_answer_of_its_shard(
    cluster: MemoryCluster, http: httpx.Client
) -> None:
    for order_id, shard in enumerate(NAMES):
        http.post("/orders", json=order(n(order_id), shard, price=10 + order_id))
    for shard in NAMES:
        with client_for(cluster.workers[shard]) as direct:
            for path, options in QUERIES.items():
                parameters = {"symbol": SYMBOLS[shard], "side": "BUY", **options}
                response = http.get(path, params=parameters)
                assert (response.status_code, response.headers["oms-shard"]) == (200, shard)
                assert response.content == direct.get(path, params=parameters).content


INVALID_QUERIES = [
    "/best-price",
    "/best-price?symbol=&side=BUY",
    "/best-price?symbol=JPM&symbol=IBM&side=BUY",
    "/best-price?symbol=%FF&side=BUY",
    "/orders?symbol=JPM&x=1",
    "/orders?limit=0",
    "/orders?after=-1",
    "/orders?side=BOTH",
    "/orders?symbol=",
    "/instruments?symbol=",
    "/instruments?x=1",
    "/symbols?x=1",
    "/count?symbol=JPM",
]


def test_an_invalid_query_gets_the_usual_problem(cluster: MemoryCluster, http: httpx.Client) -> None:
    with client_for(cluster.workers["s1"]) as direct:
        for url in INVALID_QUERIES:
            response = http.get(url)
            assert response.status_code == 422
            assert response.content == direct.get(url).content


def test_a_trade_reaches_the_shard_of_its_symbol(http: httpx.Client) -> None:
    http.post("/orders", json=order(n(1), "s3"))
    response = http.post("/trades", json={"symbol": "IBM", "side": "BUY", "amount": 5})
    assert (response.status_code, response.headers["oms-shard"]) == (201, "s3")
    assert response.json()["total_price"] == 45


def test_each_shard_has_its_own_sequence_numbers_and_trade_ids(
    cluster: MemoryCluster, http: httpx.Client
) -> None:
    before = {name: books.last_sequence for name, books in cluster.books.items()}
    for order_id, shard in enumerate(NAMES):
        response = http.post("/orders", json=order(n(order_id), shard)).json()
        assert response["sequence"] == before[shard] + 1
        next_trade_id = cluster.books[shard]._books.next_trade_id
        body = {"symbol": SYMBOLS[shard], "side": "BUY", "amount": 1}
        assert http.post("/trades", json=body).json()["trade_id"] == next_trade_id


class MovingShard(httpx.AsyncBaseTransport):
    """A worker that is not the owner at its first response. A response to HEAD has no body."""

    def __init__(self) -> None:
        self.statuses = [421, 200]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        status = self.statuses.pop(0)
        content = {421: b'{"code":"not_owner","detail":"moved"}', 200: b'{"count":7}'}[status]
        kind = PROBLEM_MEDIA_TYPE if status == 421 else "application/json"
        body = b"" if request.method == "HEAD" else content
        return httpx.Response(status, headers={"content-type": kind}, content=body)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("names", [["main"], ["s1", "s2"]])
def test_a_request_without_a_body_in_its_response_is_also_repeated_when_the_shard_has_moved(
    method: str, names: list[str]
) -> None:
    addresses = Addresses()
    for name in names:
        addresses.set(name, f"http://{name}")
    worker = MovingShard()
    gateway = create_gateway(Shards(names), MemoryDirectory(), addresses, patience=5, transport=worker)
    with client_for(gateway) as http:
        response = http.request(method, "/best-price?symbol=JPM&side=BUY")
    assert (response.status_code, worker.statuses) == (200, [])
    assert response.headers["content-length"] == "11"
