"""Each request reaches its shard, and the response is that of the shard's service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from oms import MatchingEngine, OrderManagement, Side
from oms.api import Settings, create_app
from oms.client import InProcess
from oms.client.in_process import AsgiApplication
from oms.cluster.gateway import create_gateway
from oms.cluster.gateway.routes import BOOKS, ENGINE, Rule
from oms.contract import id_as_path
from support.api_books import problem
from support.clusters import NAMES, SYMBOLS, MemoryCluster

BUY, SELL = Side.BUY, Side.SELL
Json = dict[str, Any]


class Ids:
    """The ids of one test. The clusters are shared, because starting one takes longer than most tests."""

    first = 0


def n(number: int) -> int:
    """Return an id that no other test uses."""
    return Ids.first + number


def order(order_id: int | str, shard: str, **fields: object) -> Json:
    """Return a new order of a symbol of a shard."""
    return {"order_id": order_id, "symbol": SYMBOLS[shard], "side": "BUY", "amount": 5, "price": 9, **fields}


@pytest.fixture(autouse=True)
def ids() -> None:
    Ids.first += 1_000


@pytest.fixture(scope="module")
def books_cluster() -> MemoryCluster:
    return MemoryCluster()


@pytest.fixture(scope="module")
def engine_cluster() -> MemoryCluster:
    return MemoryCluster(engine=True)


@pytest.fixture
def cluster(books_cluster: MemoryCluster) -> MemoryCluster:
    books_cluster.reset()
    return books_cluster


@pytest.fixture
def engines(engine_cluster: MemoryCluster) -> MemoryCluster:
    engine_cluster.reset()
    return engine_cluster


@pytest.fixture
def http(cluster: MemoryCluster) -> Iterator[httpx.Client]:
    with client_for(cluster.gateway) as client:
        yield client


@pytest.fixture
def engine_http(engines: MemoryCluster) -> Iterator[httpx.Client]:
    with client_for(engines.gateway) as client:
        yield client


def client_for(app: AsgiApplication) -> httpx.Client:
    return httpx.Client(base_url="http://oms", transport=InProcess(app))


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


# ---------------------------------------------------------------------- order ids


def test_an_id_that_another_shard_has_is_a_duplicate(cluster: MemoryCluster, http: httpx.Client) -> None:
    http.post("/orders", json=order(n(1), "s1"))
    rejected = problem(http.post("/orders", json=order(n(1), "s2")))
    assert (rejected["status"], rejected["code"], rejected["order_id"]) == (409, "duplicate_order", n(1))
    assert rejected["detail"] == (
        f"order id {n(1)} belongs to shard s1, because it was first sent with a symbol of that shard, but"
        " the symbol of this order is in shard s2; use a new order id"
    )
    assert len(cluster.books["s2"]) == 0


def test_an_id_stays_with_its_shard_after_its_order_was_removed(http: httpx.Client) -> None:
    http.post("/orders", json=order(n(1), "s1"))
    http.delete(f"/orders/{n(1)}")
    assert problem(http.post("/orders", json=order(n(1), "s2")))["code"] == "duplicate_order"


def test_a_rejected_order_keeps_its_id_in_the_shard_that_it_was_sent_to(
    engines: MemoryCluster, engine_http: httpx.Client
) -> None:
    fill_or_kill = order(f"x{n(0)}", "s1", time_in_force="FOK", post_only="REJECT")
    assert problem(engine_http.post("/submissions", json=fill_or_kill))["code"] == "invalid_order"
    assert engines.directory.shards == {}  # a worker would have rejected it too
    engine_http.post("/submissions", json=order(f"x{n(0)}", "s1"))
    assert (
        problem(engine_http.post("/submissions", json=order(f"x{n(0)}", "s2")))["code"] == "duplicate_order"
    )


def test_an_order_is_not_sent_to_its_shard_unless_its_id_was_claimed(
    cluster: MemoryCluster, http: httpx.Client
) -> None:
    for fault in ("lost", "unanswered"):
        cluster.directory.plan = [fault]
        response = http.post("/orders", json=order(n(1), "s1"))
        rejected = problem(response)
        assert (rejected["status"], rejected["code"]) == (503, "shard_unavailable")
        assert rejected["may_have_changed"] is False
        assert response.headers["retry-after"] == "1"
    assert cluster.network.sent == []
    assert http.post("/orders", json=order(n(1), "s1")).status_code == 201


def test_a_directory_that_does_not_respond_stops_only_requests_with_unknown_ids(
    cluster: MemoryCluster, http: httpx.Client
) -> None:
    http.post("/orders", json=order(n(1), "s1"))
    cluster.directory.plan = ["lost"] * 9
    assert problem(http.get(f"/orders/{n(2)}"))["code"] == "shard_unavailable"
    assert http.get(f"/orders/{n(1)}").status_code == 200
    assert http.get("/best-price", params={"symbol": "JPM", "side": "BUY"}).json()["price"] == 9


def test_the_ids_of_engines_are_integers_or_text_and_can_contain_any_characters(
    engines: MemoryCluster, engine_http: httpx.Client
) -> None:
    ids: list[int | str] = [n(7), str(n(7)), "a/b c", "\u00e4\n", 2**200, "x" * 300]
    for number, order_id in enumerate(ids):
        body = order(str(order_id) if order_id == 2**200 else order_id, NAMES[number % 3])
        assert engine_http.post("/submissions", json=body).status_code == 201
    assert set(engines.directory.shards) == set(ids)
    for number, order_id in enumerate(ids):
        response = engine_http.get(f"/queue-ahead/{id_as_path(order_id)}")
        assert (response.status_code, response.headers["oms-shard"]) == (200, NAMES[number % 3])
        assert engine_http.delete(f"/orders/{id_as_path(order_id)}").status_code == 200


def test_an_engine_may_use_an_id_again_in_the_same_shard_but_not_in_another(
    engine_http: httpx.Client,
) -> None:
    engine_http.post("/submissions", json=order(f"x{n(0)}", "s1"))
    engine_http.delete(f"/orders/x{n(0)}")
    assert (
        problem(engine_http.post("/submissions", json=order(f"x{n(0)}", "s2")))["code"] == "duplicate_order"
    )
    assert engine_http.post("/submissions", json=order(f"x{n(0)}", "s1")).status_code == 201


def test_a_reduction_reaches_the_shard_of_its_order(engine_http: httpx.Client) -> None:
    engine_http.post("/submissions", json=order(f"x{n(0)}", "s3"))
    response = engine_http.post("/reductions", json={"order_id": f"x{n(0)}", "amount": 2})
    assert (response.json()["remaining"], response.headers["oms-shard"]) == (3, "s3")


# ---------------------------------------------------------------------- several symbols


def add(order_id: int, shard: str) -> Json:
    return {"verb": "add_order", **order(order_id, shard)}


def remove(order_id: int) -> Json:
    return {"verb": "remove_order", "order_id": order_id}


def trade(shard: str) -> Json:
    return {"verb": "place_trade", "symbol": SYMBOLS[shard], "side": "BUY", "amount": 1}


def test_a_list_of_orders_of_one_shard_is_added_as_a_whole(
    cluster: MemoryCluster, http: httpx.Client
) -> None:
    orders = [order(n(1), "s1"), {**order(n(2), "s1"), "symbol": "TSLA"}]
    response = http.post("/orders", json=orders)
    assert (response.status_code, response.json()["count"]) == (201, 2)
    assert cluster.books["s1"].symbols() == ("JPM", "TSLA")


def test_a_list_of_orders_of_two_shards_is_rejected_and_claims_nothing(
    cluster: MemoryCluster, http: httpx.Client
) -> None:
    rejected = problem(http.post("/orders", json=[order(n(1), "s1"), order(n(2), "s2")]))
    assert (rejected["status"], rejected["code"]) == (422, "across_shards")
    assert rejected["subjects"] == ["symbol 'JPM'", "symbol 'AAPL'"]
    assert rejected["shards"] == ["s1", "s2"]
    assert rejected["detail"] == (
        "all symbols and orders of a request must be in one shard, but symbol 'JPM' is in shard s1, and"
        " symbol 'AAPL' is in shard s2; send one request for each shard"
    )
    assert cluster.network.sent == []
    assert cluster.directory.shards == {}


def test_a_list_with_an_id_of_another_shard_claims_no_other_id(
    cluster: MemoryCluster, http: httpx.Client
) -> None:
    http.post("/orders", json=order(n(2), "s2"))
    rejected = problem(http.post("/orders", json=[order(n(1), "s1"), order(n(2), "s1")]))
    assert (rejected["code"], rejected["order_id"]) == ("duplicate_order", n(2))
    assert cluster.directory.shards == {n(2): "s2"}


def test_a_transaction_within_a_shard_is_made_as_a_whole(cluster: MemoryCluster, http: httpx.Client) -> None:
    http.post("/orders", json=order(n(1), "s2"))
    verbs = [add(n(2), "s2"), trade("s2"), remove(n(1)), remove(n(99))]
    rejected = problem(http.post("/transactions", json={"verbs": verbs}))
    assert (rejected["code"], rejected["index"]) == ("order_not_found", 3)
    assert [each.order_id for each in cluster.books["s2"].orders()] == [n(1)]
    response = http.post("/transactions", json={"verbs": verbs[:3]})
    assert (response.status_code, response.headers["oms-shard"]) == (201, "s2")
    assert [each.order_id for each in cluster.books["s2"].orders()] == [n(2)]


ACROSS: dict[str, Callable[[], tuple[list[Json], list[str]]]] = {
    "two new orders": lambda: ([add(n(3), "s1"), add(n(4), "s2")], ["symbol 'JPM'", "symbol 'AAPL'"]),
    "a new order and a trade": lambda: ([add(n(3), "s1"), trade("s3")], ["symbol 'JPM'", "symbol 'IBM'"]),
    "two known orders": lambda: ([remove(n(1)), remove(n(2))], [f"order {n(1)}", f"order {n(2)}"]),
    "a trade and a known order": lambda: (
        [remove(n(1)), trade("s2")],
        ["symbol 'AAPL'", f"order {n(1)}"],
    ),
    "an amendment": lambda: (
        [{"verb": "amend_order", "order_id": n(2), "amount": 1}, trade("s1")],
        ["symbol 'JPM'", f"order {n(2)}"],
    ),
}


@pytest.mark.parametrize("name", ACROSS)
@pytest.mark.parametrize("path", ["/transactions", "/what-if"])
def test_a_transaction_or_a_what_if_across_shards_is_rejected_and_changes_nothing(
    cluster: MemoryCluster, http: httpx.Client, path: str, name: str
) -> None:
    http.post("/orders", json=order(n(1), "s1"))
    http.post("/orders", json=order(n(2), "s2"))
    before = len(cluster.network.sent)
    verbs, subjects = ACROSS[name]()
    rejected = problem(http.post(path, json={"verbs": verbs}))
    assert (rejected["code"], rejected["subjects"]) == ("across_shards", subjects)
    assert len(cluster.network.sent) == before
    assert cluster.directory.shards == {n(1): "s1", n(2): "s2"}


def test_a_transaction_may_name_an_order_that_it_adds_itself(http: httpx.Client) -> None:
    response = http.post("/transactions", json={"verbs": [add(n(1), "s3"), remove(n(1))]})
    assert (response.status_code, response.headers["oms-shard"]) == (201, "s3")


def test_a_what_if_claims_nothing(cluster: MemoryCluster, http: httpx.Client) -> None:
    question = {"question": "price", "symbol": "JPM", "side": "BUY", "amount": 5}
    response = http.post("/what-if", json={"verbs": [add(n(1), "s1")], "questions": [question]})
    assert (response.json()["answers"][0]["total_price"], response.headers["oms-shard"]) == (45, "s1")
    assert cluster.directory.shards == {}


def test_a_what_if_with_an_id_of_another_shard_has_a_duplicate(http: httpx.Client) -> None:
    http.post("/orders", json=order(n(1), "s2"))
    rejected = problem(http.post("/what-if", json={"verbs": [add(n(1), "s1")]}))
    assert (rejected["code"], rejected["order_id"]) == ("duplicate_order", n(1))


@pytest.mark.parametrize("question", ["symbols", "count"])
def test_a_what_if_cannot_ask_about_all_shards(http: httpx.Client, question: str) -> None:
    rejected = problem(http.post("/what-if", json={"questions": [{"question": question}]}))
    assert (rejected["code"], rejected["shards"]) == ("across_shards", list(NAMES))
    assert rejected["detail"] == (
        f"all symbols and orders of a request must be in one shard, but the question {question} concerns all"
        " 3 shards; send one request for each shard"
    )


def test_a_transaction_of_engines_reaches_the_shard_of_its_symbols_and_orders(
    engines: MemoryCluster, engine_http: httpx.Client
) -> None:
    engine_http.post("/submissions", json=order(f"x{n(0)}", "s1"))
    verbs: list[Json] = [
        {"verb": "submit", **order(f"y{n(0)}", "s1")},
        {"verb": "replace", "order_id": f"x{n(0)}", "price": 3},
        {"verb": "reduce", "order_id": f"x{n(0)}", "amount": 1},
        {"verb": "cancel", "order_id": f"y{n(0)}"},
        {"verb": "cancel_all", "symbol": "JPM"},
    ]
    response = engine_http.post("/transactions", json={"verbs": verbs})
    assert (response.status_code, response.headers["oms-shard"]) == (201, "s1")
    for other in ({"verb": "submit", **order(f"z{n(0)}", "s2")}, {"verb": "cancel_all", "symbol": "IBM"}):
        rejected = problem(engine_http.post("/transactions", json={"verbs": [*verbs, other]}))
        assert rejected["code"] == "across_shards"
    rejected = problem(engine_http.post("/transactions", json={"verbs": [{"verb": "cancel_all"}]}))
    assert rejected["subjects"] == ["cancel_all without a symbol"]
    assert set(engines.directory.shards) == {f"x{n(0)}", f"y{n(0)}"}


# ---------------------------------------------------------------------- the choice of a shard

CHOSEN = [("GET", "/events"), ("GET", "/trades"), ("GET", "/state-hash"), ("GET", "/metrics")]


@pytest.mark.parametrize(("method", "path"), CHOSEN)
def test_a_request_about_one_shard_names_it_or_a_symbol(http: httpx.Client, method: str, path: str) -> None:
    for shard in NAMES:
        for query in (f"shard={shard}", f"symbol={SYMBOLS[shard]}"):
            response = http.request(method, f"{path}?{query}")
            assert (response.status_code, response.headers["oms-shard"]) == (200, shard)
    rejected = problem(http.request(method, path))
    assert (rejected["status"], rejected["code"], rejected["shards"]) == (422, "shard_required", list(NAMES))
    assert rejected["detail"] == (
        f"{method} {path} concerns one shard; add ?shard=NAME with one of s1, s2, s3, or ?symbol=SYMBOL for"
        " the shard of a symbol"
    )
    rejected = problem(http.request(method, f"{path}?shard=s4"))
    assert (rejected["code"], rejected["field"], rejected["allowed"]) == (
        "invalid_order",
        "shard",
        "one of s1, s2, s3",
    )


def test_the_other_parameters_of_a_request_with_a_shard_reach_the_worker(
    cluster: MemoryCluster, http: httpx.Client
) -> None:
    for order_id in range(5):
        http.post("/orders", json=order(n(order_id), "s1"))
    after = cluster.books["s1"].last_sequence - 4
    page = http.get(f"/events?after={after}&shard=s1&limit=2").json()
    assert [event["sequence"] for event in page["events"]] == [after + 1, after + 2]
    assert cluster.network.sent[-1].url.raw_path == f"/events?after={after}&limit=2".encode()


def test_all_orders_of_engines_are_canceled_for_one_symbol_or_one_shard(
    engines: MemoryCluster, engine_http: httpx.Client
) -> None:
    for number, shard in enumerate(NAMES):
        engine_http.post("/submissions", json=order(n(number), shard))
        engine_http.post("/submissions", json=order(f"t{n(number)}", shard, time_in_force="DAY"))
    assert problem(engine_http.delete("/orders"))["code"] == "shard_required"
    assert len(engine_http.delete("/orders?symbol=JPM").json()["orders"]) == 2
    assert len(engine_http.delete("/orders?shard=s2&side=BUY").json()["orders"]) == 2
    assert problem(engine_http.post("/day-ends", json={}))["code"] == "shard_required"
    assert len(engine_http.post("/day-ends", json={"symbol": "IBM"}).json()["orders"]) == 1
    assert engine_http.post("/day-ends?shard=s3", json={}).json()["orders"] == []
    for query, body in (("symbol=IBM", {}), ("shard=s1", {"symbol": "IBM"}), ("shard=s4", {})):
        rejected = problem(engine_http.post(f"/day-ends?{query}", json=body))
        assert (rejected["code"], rejected["field"]) == ("invalid_order", query.partition("=")[0])
    assert problem(engine_http.post("/expirations?symbol=IBM", json={"now": 9}))["detail"] == (
        "POST /expirations concerns one shard; add ?shard=NAME with one of s1, s2, s3"
    )
    assert problem(engine_http.post("/expirations", json={"now": 9}))["code"] == "shard_required"
    assert engine_http.post("/expirations?shard=s3", json={"now": 9}).json()["orders"] == []
    assert [len(engines.books[name]) for name in NAMES] == [0, 0, 1]


# ---------------------------------------------------------------------- one shard alone


def test_a_cluster_of_one_shard_needs_no_choice_and_no_claims() -> None:
    cluster = MemoryCluster(["main"])
    with client_for(cluster.gateway) as http:
        orders = [order(n(1), "s1"), order(n(2), "s2")]
        assert http.post("/orders", json=orders).status_code == 201
        for path in ("/events", "/trades", "/state-hash", "/metrics", "/symbols", "/count", "/orders"):
            response = http.get(path)
            assert (response.status_code, response.headers["oms-shard"]) == (200, "main")
            assert http.get(f"{path}?shard=main").status_code in (200, 422)
    assert cluster.directory.calls == []


# ---------------------------------------------------------------------- paths


def test_the_page_and_the_documentation_come_from_any_shard(http: httpx.Client) -> None:
    for path in ("/", "/page/main.js", "/docs", "/openapi.json"):
        assert http.get(path).status_code == 200


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
    cluster = MemoryCluster()
    key = "correct-horse-battery"
    for name in NAMES:
        address = f"http://{name}-guarded"
        cluster.network.add(address, create_app(cluster.books[name], Settings(api_key=key)))
        cluster.addresses.set(name, address)
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
