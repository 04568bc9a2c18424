"""Reads of all shards at once."""

from __future__ import annotations

from itertools import count

import httpx
import pytest

from oms import Instrument, Order, OrderManagement, Side
from oms.client import Client, EngineClient, InProcess, UnsteadyBooksError
from support.api_books import problem
from support.clusters import NAMES, SYMBOLS, MemoryCluster

BUY, SELL = Side.BUY, Side.SELL


def fill(cluster: MemoryCluster, number_of_orders: int = 30) -> OrderManagement:
    """Add orders to all shards, and return one OrderManagement with all of them."""
    every = OrderManagement()
    for number in range(number_of_orders):
        name = NAMES[number % 3]
        order = Order(number, SYMBOLS[name], SELL if number % 2 else BUY, 1 + number % 7, 5 + number % 4)
        cluster.books[name].add_order(*order)
        every.add_order(*order)
    return every


def test_symbols_and_counts_are_those_of_all_shards(cluster: MemoryCluster, http: httpx.Client) -> None:
    assert http.get("/symbols").json() == {"symbols": []}
    fill(cluster)
    assert http.get("/symbols").json() == {"symbols": ["AAPL", "IBM", "JPM"]}
    assert http.get("/count").json() == {"count": 30}


def test_each_instrument_comes_from_the_shard_of_its_symbol(
    cluster: MemoryCluster, http: httpx.Client
) -> None:
    for name in NAMES:
        instruments = {symbol: Instrument("0.05", name=name) for symbol in ("JPM", SYMBOLS[name])}
        cluster.serve(name, OrderManagement(instruments=instruments))
    listed = http.get("/instruments").json()["instruments"]
    assert [(each["symbol"], each["name"]) for each in listed] == [
        ("AAPL", "s2"),
        ("IBM", "s3"),
        ("JPM", "s1"),
    ]
    assert http.get("/instruments?symbol=IBM").json()["instruments"][0]["name"] == "s3"


@pytest.mark.parametrize("limit", [1, 2, 7, 30, 1_000])
@pytest.mark.parametrize("query", ["", "&side=BUY", "&decimals=true"])
def test_the_pages_of_orders_are_those_of_one_service(
    cluster: MemoryCluster, http: httpx.Client, limit: int, query: str
) -> None:
    every = fill(cluster)
    orders: list[Order] = []
    after = ""
    while True:
        page = http.get(f"/orders?limit={limit}{after}{query}").json()
        side = BUY if "side" in query else None
        assert page["total"] == len(every.orders(side=side))
        orders += [Order(*(each[field] for field in Order._fields)) for each in page["orders"]]
        assert all(("decimals" in each) is ("decimals" in query) for each in page["orders"])
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert orders == sorted(every.orders(side=side))


def test_head_has_the_headers_of_get(cluster: MemoryCluster, http: httpx.Client) -> None:
    fill(cluster)
    for path in ("/symbols", "/count", "/instruments", "/orders", "/orders?symbol=JPM"):
        get, head = http.get(path), http.head(path)
        assert head.status_code == get.status_code == 200
        assert head.headers["content-length"] == get.headers["content-length"]


def test_the_orders_of_one_symbol_come_from_its_shard_alone(
    cluster: MemoryCluster, http: httpx.Client
) -> None:
    fill(cluster)
    cluster.kill("s2")
    try:
        page = http.get("/orders?symbol=JPM&limit=3").json()
        assert [each["order_id"] for each in page["orders"]] == [0, 3, 6]
        assert page["next"] == 6
        for path in ("/orders", "/symbols", "/count", "/instruments"):
            rejected = problem(http.get(path))
            assert (rejected["code"], rejected["shard"]) == ("shard_unavailable", "s2")
    finally:
        cluster.take_over("s2")


def test_a_client_reads_all_orders_as_one_snapshot(cluster: MemoryCluster) -> None:
    every = fill(cluster, 2_500)
    with Client("http://oms", transport=InProcess(cluster.gateway)) as client:
        assert client.orders() == every.orders()
        assert list(client.orders_by_id()) == sorted(every.orders())
        assert client.orders("AAPL", BUY) == every.orders("AAPL", BUY)


def test_a_client_reads_again_if_a_shard_changes_between_two_pages(cluster: MemoryCluster) -> None:
    fill(cluster, 1_500)
    changes = [5_000, 5_001]

    def change() -> None:
        if changes:
            cluster.books["s1"].add_order(changes.pop(), "JPM", BUY, 1, 1)
            cluster.network.before_response = change

    with Client("http://oms", transport=InProcess(cluster.gateway)) as client:
        cluster.network.before_response = change
        assert len(client.orders()) == 1_502


def test_a_client_reads_the_changes_of_one_shard_between_two_pages(cluster: MemoryCluster) -> None:
    fill(cluster, 6_000)
    before = cluster.books["s1"].orders("JPM")

    def change() -> None:
        cluster.books["s1"].remove_order(3)
        cluster.books["s1"].add_order(7_000, "JPM", BUY, 1, 1)

    with Client("http://oms", transport=InProcess(cluster.gateway)) as client:
        cluster.network.before_response = change
        assert client.orders("JPM") == before


def test_a_client_reports_shards_that_never_stop_changing(cluster: MemoryCluster) -> None:
    fill(cluster, 1_500)
    order_ids = count(10_000)

    def change() -> None:
        cluster.books["s1"].add_order(next(order_ids), "JPM", BUY, 1, 1)
        cluster.network.before_response = change

    with Client("http://oms", transport=InProcess(cluster.gateway)) as client:
        cluster.network.before_response = change
        with pytest.raises(
            UnsteadyBooksError,
            match=r"10 attempts .*; several shards",
        ):
            client.orders()
    cluster.network.before_response = bool


def test_a_client_reads_the_open_orders_of_all_engines() -> None:
    engines = MemoryCluster(engine=True)
    with EngineClient("http://oms", transport=InProcess(engines.gateway)) as client:
        assert client.orders() == ()
        for number in range(2_100):
            name = NAMES[number * number % 3]
            engines.books[name].submit(number, SYMBOLS[name], BUY, 1, 1, owner=f"o{number % 2}")
        expected = [order for name in NAMES for order in engines.books[name].orders()]
        assert client.orders() == tuple(expected)
        assert len(client) == 2_100
        assert client.orders("AAPL") == engines.books["s2"].orders("AAPL")
        assert len(client.orders(owner="o1")) == 1_050
