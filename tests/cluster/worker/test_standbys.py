"""Reads from standbys, through a gateway or directly: the response says how far it lags."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest
from fastapi import FastAPI

from oms import OrderManagement, Side
from oms.api import create_app
from oms.client import Client, EngineClient, InProcess, Lag, RequestRejectedError
from oms.cluster.gateway import create_gateway
from oms.cluster.gateway.registry_members import RegistryMembers
from oms.cluster.ownership.shards import Shards
from oms.cluster.worker import create_worker_app
from support.api_books import problem
from support.api_server import next_message, serving, stream
from support.clusters import SYMBOLS, MemoryDirectory, MemoryNetwork
from support.memory_bucket import BucketConnection
from support.worker_cluster import WorkerCluster

BUY = Side.BUY
DEPTH = {"symbol": "JPM", "side": "BUY"}
TWO = ("s1", "s2")
"""The shards of JPM and AAPL. Most tests have only the first one, because each copy of a shard is slow."""


class Served:
    """A worker `a`, a standby `z`, and gateways to both, in one process. Time passes only in `run`."""

    def __init__(self, stack: ExitStack, shards: tuple[str, ...] = ("s1",), *, engine: bool = False) -> None:
        self.shards = shards
        self.cluster = WorkerCluster(shards, engine=engine, create=create_app)
        self.workers = {"a": self.cluster.start("a"), "z": self.cluster.start("z", standby=True)}
        self.network = MemoryNetwork()
        for name, worker in self.workers.items():
            self.network.add(f"http://{name}:8080", create_worker_app(worker))
        self.cluster.run(4)
        self.members = RegistryMembers(
            BucketConnection(self.cluster.bucket), shards, seconds=3_600, clock=self.cluster.clock
        )
        stack.callback(self.members.close)
        self.directory = MemoryDirectory()
        self.gateway = self.app("standby", engine=engine)
        self.http = stack.enter_context(
            httpx.Client(base_url="http://oms", transport=InProcess(self.gateway))
        )

    def app(self, reads_from: str, *, engine: bool = False) -> FastAPI:
        return create_gateway(
            Shards(self.shards),
            self.directory,
            self.members,
            engine=engine,
            reads_from=reads_from,  # type: ignore[arg-type]  # one of the two literals
            patience=0.2,
            transport=self.network,
        )

    def run(self, *names: str) -> None:
        """Let a second pass, in which these workers, or all, renew their leases and follow."""
        self.cluster.run(1, *names)
        self.members.refresh()

    def add(self, order_id: int, shard: str = "s1") -> None:
        """Add an order through the gateway."""
        order = {"order_id": order_id, "symbol": SYMBOLS[shard], "side": "BUY", "amount": 5, "price": 9}
        response = self.http.post("/orders", json=order)
        assert (response.status_code, "oms-role" in response.headers) == (201, False)

    def hosts(self) -> list[str]:
        """Return the workers that were asked since the last call."""
        hosts = [request.url.host for request in self.network.sent]
        self.network.sent.clear()
        return hosts


@pytest.fixture
def served() -> Iterator[Served]:
    with ExitStack() as stack:
        yield Served(stack)


@pytest.fixture
def two() -> Iterator[Served]:
    with ExitStack() as stack:
        yield Served(stack, TWO)


def lag(client: Client) -> Lag | None:
    """Return the lag of a client's latest call. Type checkers do not know that each call can change it."""
    return client.lag


def lag_in(response: httpx.Response) -> tuple[str | None, ...]:
    names = ("oms-role", "oms-lag-messages", "oms-lag-events", "oms-lag-seconds")
    return tuple(response.headers.get(name) for name in names)


def test_reads_come_from_the_standby_and_changes_go_to_the_owner(served: Served) -> None:
    served.add(1)
    assert served.hosts() == ["a"]
    served.run()
    question = {"verbs": [], "questions": [{"question": "best_price", **DEPTH}]}
    for response in (
        served.http.get("/depth", params=DEPTH),
        served.http.get("/orders/1"),
        served.http.get("/events?shard=s1"),
        served.http.post("/what-if", json=question),
    ):
        assert (response.status_code, response.headers["oms-shard"]) == (200, "s1")
        assert lag_in(response) == ("standby", "0", "0", "0.000")
    assert served.hosts() == ["z"] * 4
    assert served.http.get("/metrics?shard=s1").status_code == 200
    assert served.http.get("/ready").status_code == 200
    assert served.hosts() == ["a"] * 2


def test_a_response_of_a_standby_that_lags_has_the_old_state_and_says_so(served: Served) -> None:
    served.add(1)
    served.run()
    served.add(2)
    served.workers["a"].step()
    served.cluster.clock.pause(1.0)
    served.workers["z"].step()  # it knows the report of the owner, but has not followed yet
    response = served.http.get("/depth", params=DEPTH)
    assert [level["amount"] for level in response.json()["levels"]] == [5]
    assert lag_in(response) == ("standby", "1", "1", "1.000")
    served.run()
    response = served.http.get("/depth", params=DEPTH)
    assert [level["amount"] for level in response.json()["levels"]] == [10]
    assert lag_in(response)[:3] == ("standby", "0", "0")


def test_a_merged_response_lags_as_far_as_the_shard_that_lags_most(two: Served) -> None:
    for number, shard in enumerate(TWO):
        two.add(number, shard)
    two.run()
    for order_id in (7, 8):
        two.add(order_id, "s2")
    two.workers["a"].step()
    two.workers["z"].step()
    for path, expected in (("/count", {"count": 2}), ("/symbols", {"symbols": ["AAPL", "JPM"]})):
        response = two.http.get(path)
        assert response.json() == expected
        assert lag_in(response) == ("standby", "2", "2", "0.000")
    assert [order["order_id"] for order in two.http.get("/orders").json()["orders"]] == [0, 1]
    assert lag_in(two.http.get("/orders?limit=1"))[:2] == ("standby", "2")
    assert lag_in(two.http.get("/instruments"))[:2] == ("standby", "2")


def test_a_standby_that_does_not_respond_is_not_asked_again_for_some_time(served: Served) -> None:
    served.add(1)
    served.run()
    served.network.remove("http://z:8080")
    served.hosts()
    for _ in range(3):
        response = served.http.get("/depth", params=DEPTH)
        assert (response.json()["levels"][0]["amount"], lag_in(response)[0]) == (5, None)
    assert served.hosts() == ["z", "a", "a", "a"]


def test_a_standby_whose_heartbeat_does_not_change_is_not_asked(served: Served) -> None:
    served.add(1)
    served.run()
    for _ in range(6):
        served.run("a")
    served.hosts()
    assert lag_in(served.http.get("/depth", params=DEPTH))[0] is None
    assert served.hosts() == ["a"]
    served.run()
    assert lag_in(served.http.get("/depth", params=DEPTH))[0] == "standby"


def test_a_standby_whose_copy_is_wrong_is_not_asked(two: Served) -> None:
    two.add(1)
    two.run()
    two.workers["z"].replicas["s1"]._refuse("its state differs")
    assert lag_in(two.http.get("/depth", params=DEPTH))[0] is None  # the standby has rejected the request
    two.run()
    two.hosts()
    assert lag_in(two.http.get("/depth", params=DEPTH))[0] is None
    assert two.hosts() == ["a"]
    two.http.get("/best-price", params={"symbol": SYMBOLS["s2"], "side": "BUY"})
    assert two.members.standby("s2") == "http://z:8080/shards/s2"


def test_a_standby_that_has_become_the_owner_does_not_lag(served: Served) -> None:
    served.add(1)
    served.run()
    served.cluster.kill("a")
    served.cluster.run(8)  # the gateway has not read the registry meanwhile
    response = served.http.get("/depth", params=DEPTH)
    assert (response.json()["levels"][0]["amount"], lag_in(response)[0]) == (5, None)
    served.members.refresh()
    assert served.members.standby("s1") is None
    served.add(2)


def test_by_default_only_owners_are_asked(served: Served) -> None:
    served.add(1)
    served.run()
    served.hosts()
    with httpx.Client(base_url="http://oms", transport=InProcess(served.app("owner"))) as http:
        for path in ("/depth?symbol=JPM&side=BUY", "/orders", "/orders/1", "/symbols"):
            assert lag_in(http.get(path))[0] is None
    assert set(served.hosts()) == {"a"}


@pytest.mark.parametrize("reads_from", ["owner", "standby"])
def test_a_standby_never_answers_in_the_place_of_the_owner(served: Served, reads_from: str) -> None:
    served.add(1)
    served.run()
    served.members.set("s1", "http://z:8080/shards/s1")  # it has just lost the shard
    served.members.set_standby("s1", None)
    with httpx.Client(base_url="http://oms", transport=InProcess(served.app(reads_from))) as http:
        rejected = problem(http.get("/depth", params=DEPTH))
        assert rejected["code"] == "shard_unavailable"
        assert "only follows the shard" in rejected["detail"]
        served.members.set("s1", "http://a:8080/shards/s1")
        assert http.get("/depth", params=DEPTH).json()["levels"][0]["amount"] == 5


# ---------------------------------------------------------------------- clients


def test_a_client_of_the_gateway_knows_how_far_the_answer_to_its_latest_call_lags(two: Served) -> None:
    with Client("http://oms", transport=InProcess(two.gateway)) as om:
        assert lag(om) is None
        om.add_order(1, "JPM", BUY, 5, 9)
        assert lag(om) is None  # the owner has made the change
        two.run()
        assert (om.calculate_price("JPM", BUY, 5), lag(om)) == (45, Lag(0, 0, 0.0))
        om.add_order(2, SYMBOLS["s2"], BUY, 5, 9)
        two.workers["a"].step()
        two.workers["z"].step()
        assert ([order.order_id for order in om.orders()], lag(om)) == ([1], Lag(1, 1, 0.0))
        two.run()
        assert len(om.orders()) == 2
        assert om.symbols() == ("AAPL", "JPM")
        assert lag(om) == Lag(0, 0, 0.0)


def test_a_client_can_be_pointed_at_a_shard_of_the_standby(served: Served) -> None:
    served.add(1)
    served.run()
    standby = InProcess(create_worker_app(served.workers["z"]))
    with Client("http://z:8080/shards/s1", transport=standby, attempts=1) as om:
        assert isinstance(om, Client)
        assert (om.calculate_price("JPM", BUY, 5), lag(om)) == (45, Lag(0, 0, 0.0))
        with pytest.raises(RequestRejectedError, match="only follows shard s1"):
            om.add_order(2, "JPM", BUY, 5, 9)


def test_the_orders_of_engines_are_read_from_a_standby_too() -> None:
    with ExitStack() as stack:
        served = Served(stack, engine=True)
        with EngineClient("http://oms", transport=InProcess(served.gateway)) as engine:
            engine.submit("x", "JPM", BUY, 5, 9)
            served.run()
            assert [open_order.order.order_id for open_order in engine.orders()] == ["x"]
            assert engine.lag == Lag(0, 0, 0.0)


# ---------------------------------------------------------------------- streams


def test_a_stream_comes_from_the_standby_and_says_how_far_it_lags() -> None:
    with ExitStack() as stack:
        served = Served(stack, TWO)
        served.add(1)
        served.run()
        owner, standby = (
            stack.enter_context(serving(create_worker_app(served.workers[name]))) for name in "az"
        )
        for shard in TWO:
            served.members.set(shard, f"{owner.http}/shards/{shard}")
            served.members.set_standby(shard, f"{standby.http}/shards/{shard}")
        gateway = stack.enter_context(serving(served.app("standby")))
        connection = stack.enter_context(stream(gateway, "?symbol=JPM"))
        assert connection.response is not None
        assert connection.response.headers["oms-role"] == "standby"
        assert connection.response.headers["oms-lag-events"] == "0"
        assert [order["order_id"] for order in next_message(connection)["orders"]] == [1]
        books = served.cluster.books("s1")
        assert isinstance(books, OrderManagement)
        books.add_order(2, "JPM", BUY, 5, 9)
        served.workers["z"].follow()
        assert next_message(connection)["sequence"] == 2
        served.members.set("s1", f"{standby.http}/shards/s1")  # the owner does not matter
        books.add_order(3, "JPM", BUY, 5, 9)
        served.workers["z"].follow()
        assert next_message(connection)["sequence"] == 3
        served.members.set_standby("s2", "http://127.0.0.1:9")
        served.members.set("s2", f"{owner.http}/shards/s2")
        other = stack.enter_context(stream(gateway, "?shard=s2"))
        assert other.response is not None
        assert "oms-role" not in other.response.headers  # the standby does not respond
        assert next_message(other)["type"] == "snapshot"
