"""The clients of oms.client and a cluster of three shards: the number of requests, and baskets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from oms import DuplicateOrderError, InvalidOrderError, Order, OrderNotFoundError, Side, TimeInForce
from oms.client import Client, InProcess, RequestRejectedError, verbs
from oms.cluster.gateway import create_gateway
from support.clients import THREE_SHARDS, Backend
from support.clusters import NAMES, SYMBOLS, MemoryCluster
from support.engine_clients import THREE_ENGINES, EngineBackend

BUY = Side.BUY


@pytest.fixture
def cluster() -> MemoryCluster:
    return MemoryCluster()


@pytest.fixture(params=THREE_SHARDS)
def om(request: pytest.FixtureRequest, cluster: MemoryCluster) -> Iterator[Backend]:
    with THREE_SHARDS[request.param](cluster) as om:
        yield om


@pytest.fixture
def engines() -> MemoryCluster:
    return MemoryCluster(engine=True)


@pytest.fixture(params=THREE_ENGINES)
def engine(request: pytest.FixtureRequest, engines: MemoryCluster) -> Iterator[EngineBackend]:
    with THREE_ENGINES[request.param](engines) as engine:
        yield engine


class Counted:
    """The requests to workers and the look-ups of order ids that calls cause."""

    def __init__(self, cluster: MemoryCluster) -> None:
        self._cluster = cluster

    def of(self, call: Callable[[], Any]) -> tuple[list[str], int]:
        """Make a call. Return the shards that got a request, and the number of look-ups."""
        self._cluster.network.sent.clear()
        self._cluster.directory.calls.clear()
        call()
        hosts = [request.url.host.partition("-")[0] for request in self._cluster.network.sent]
        return hosts, len(self._cluster.directory.calls)


# ---------------------------------------------------------------------- the number of requests


def test_an_order_is_removed_with_one_request_to_its_shard(cluster: MemoryCluster, om: Backend) -> None:
    for order_id, shard in enumerate(NAMES * 2):
        om.add_order(order_id, SYMBOLS[shard], BUY, 20, 20)
    counted = Counted(cluster)
    for order_id, shard in enumerate(NAMES):
        assert counted.of(lambda: om.remove_order(order_id)) == ([shard], 0)  # noqa: B023  # called at once
    assert sorted(order.order_id for order in om) == [3, 4, 5]


def test_a_gateway_that_does_not_know_an_order_looks_its_shard_up_once(cluster: MemoryCluster) -> None:
    with Client("http://oms", transport=InProcess(cluster.gateway)) as om:
        for order_id, shard in enumerate(NAMES):
            om.add_order(order_id, SYMBOLS[shard], BUY, 20, 20)
    other = create_gateway(cluster.shards, cluster.directory, cluster.addresses, transport=cluster.network)
    counted = Counted(cluster)
    with Client("http://oms", transport=InProcess(other)) as om:
        for order_id, shard in enumerate(NAMES):
            assert counted.of(lambda: om.get_order(order_id)) == ([shard], 1)  # noqa: B023  # called at once
            assert counted.of(lambda: om.remove_order(order_id)) == ([shard], 0)  # noqa: B023  # see above


def test_an_id_that_nobody_has_used_is_not_searched_in_all_shards(
    cluster: MemoryCluster, om: Backend
) -> None:
    def remove() -> None:
        with pytest.raises(OrderNotFoundError):
            om.remove_order(7)

    hosts, lookups = Counted(cluster).of(remove)
    assert (len(hosts), lookups) == (1, 1)


def test_an_order_of_an_engine_is_canceled_with_one_request_to_its_shard(
    engines: MemoryCluster, engine: EngineBackend
) -> None:
    for shard in NAMES:
        engine.submit(f"at {shard}", SYMBOLS[shard], BUY, 20, 20)
    counted = Counted(engines)
    for shard in NAMES:
        assert counted.of(lambda: engine.cancel(f"at {shard}")) == ([shard], 0)  # noqa: B023  # called at once
    assert len(engine) == 0


# ---------------------------------------------------------------------- baskets


def check_across(call: Callable[[], object], *subjects: str) -> None:
    """Check that a call is rejected because it concerns two shards, and that its error says which."""
    with pytest.raises(RequestRejectedError) as caught:
        call()
    assert (caught.value.code, caught.value.outcome_unknown) == ("across_shards", False)
    assert "all symbols and orders of a request must be in one shard, but" in str(caught.value)
    assert "send one request for each shard" in str(caught.value)
    assert all(subject in str(caught.value) for subject in subjects)


def test_a_basket_across_shards_is_rejected_and_changes_nothing(cluster: MemoryCluster, om: Any) -> None:
    om.add_order(1, "JPM", BUY, 20, 20)
    basket = [Order(2, "JPM", BUY, 20, 20), Order(3, "AAPL", BUY, 20, 20)]
    jpm, aapl = "symbol 'JPM' is in shard s1", "symbol 'AAPL' is in shard s2"
    check_across(lambda: om.add_orders(basket), jpm, aapl)
    check_across(lambda: om.transaction([verbs.add_orders(basket)]), jpm, aapl)
    check_across(
        lambda: om.transaction([verbs.remove_order(1), verbs.place_trade("AAPL", BUY, 1)]),
        "order 1 is in shard s1",
        aapl,
    )
    assert [order.order_id for order in om] == [1]
    assert [event.sequence for _, event in cluster.events()] == [1]


def test_a_basket_within_a_shard_is_added_as_a_whole_or_not_at_all(om: Any) -> None:
    basket = [Order(1, "JPM", BUY, 20, 20), Order(2, "JPM", BUY, 10, 21)]
    om.add_orders(basket)
    with pytest.raises(DuplicateOrderError):
        om.transaction([verbs.place_trade("JPM", BUY, 22), verbs.add_order(2, "JPM", BUY, 1, 1)])
    assert om.orders() == tuple(basket)
    om.transaction([verbs.place_trade("JPM", BUY, 22), verbs.remove_order(2)])
    assert len(om) == 0


def test_a_transaction_of_engines_across_shards_is_rejected_and_one_within_a_shard_is_made(
    engine: Any,
) -> None:
    engine.submit("a", "JPM", BUY, 20, 20)
    check_across(
        lambda: engine.transaction([verbs.cancel("a"), verbs.submit("b", "IBM", BUY, 1, 1)]),
        "symbol 'IBM' is in shard s3",
        "order a is in shard s1",
    )
    engine.transaction([verbs.cancel("a"), verbs.submit("b", "JPM", BUY, 1, 1)])
    assert [each.order.order_id for each in engine] == ["b"]


def test_an_id_belongs_to_the_shard_of_its_first_order(om: Backend, engine: EngineBackend) -> None:
    om.add_order(1, "JPM", BUY, 20, 20)
    with pytest.raises(DuplicateOrderError):
        om.add_order(1, "AAPL", BUY, 20, 20)
    engine.submit("a", "JPM", BUY, 20, 20)
    with pytest.raises(DuplicateOrderError):
        engine.submit("a", "AAPL", BUY, 20, 20)


# ---------------------------------------------------------------------- requests that name a shard


def test_the_events_the_trades_and_the_state_hash_of_each_shard_can_be_read(
    cluster: MemoryCluster, om: Any
) -> None:
    for order_id, shard in enumerate(NAMES):
        om.add_order(order_id, SYMBOLS[shard], BUY, 20, 20 + order_id)
        om.place_trade(SYMBOLS[shard], BUY, 5)
    for order_id, shard in enumerate(NAMES):
        [trade] = om.trades(shard=shard)
        assert (trade.trade.symbol, trade.trade.total_price) == (SYMBOLS[shard], 5 * (20 + order_id))
        added, placed = om.events(shard=shard)
        assert (added.sequence, added.order.order_id, placed) == (1, order_id, trade)
        assert om.events(1, 1, shard=shard) == (placed,)
        assert om.state_hash(shard=shard) == cluster.books[shard].state_hash()


@pytest.mark.parametrize("name", ["events", "trades", "state_hash"])
def test_a_read_of_one_shard_must_name_a_shard_that_exists(om: Any, name: str) -> None:
    with pytest.raises(RequestRejectedError) as caught:
        getattr(om, name)()
    assert caught.value.code == "shard_required"
    with pytest.raises(InvalidOrderError, match="shard must be one of s1, s2, s3, not 's4'"):
        getattr(om, name)(shard="s4")


def ids_after(change: Callable[[Any, str], Any], engine: Any) -> list[list[Any]]:
    """Submit two orders to each shard, and make a change in each shard. Return the ids that it cancels."""
    for order_id, shard in enumerate(NAMES):
        engine.submit(order_id, SYMBOLS[shard], BUY, 20, 20, time_in_force=TimeInForce.GTD, expires=7)
        engine.submit(order_id + 10, SYMBOLS[shard], BUY, 20, 20, time_in_force=TimeInForce.DAY)
    return [[each.order.order_id for each in change(engine, shard)] for shard in NAMES]


def test_orders_of_one_shard_expire(engine: Any) -> None:
    assert ids_after(lambda engine, shard: engine.expire(7, shard=shard), engine) == [[0], [1], [2]]


def test_the_day_ends_in_one_shard(engine: Any) -> None:
    assert ids_after(lambda engine, shard: engine.end_day(shard=shard), engine) == [[10], [11], [12]]


def test_all_orders_of_one_shard_are_canceled(engine: Any) -> None:
    assert ids_after(lambda engine, shard: engine.cancel_all(shard=shard), engine) == [
        [0, 10],
        [1, 11],
        [2, 12],
    ]
    assert len(engine) == 0


@pytest.mark.parametrize(
    "change",
    [lambda engine: engine.expire(7), lambda engine: engine.end_day(), lambda engine: engine.cancel_all()],
    ids=["expire", "end_day", "cancel_all"],
)
def test_a_change_of_a_whole_shard_must_name_it(engine: Any, change: Callable[[Any], object]) -> None:
    with pytest.raises(RequestRejectedError) as caught:
        change(engine)
    assert (caught.value.code, caught.value.outcome_unknown) == ("shard_required", False)
