"""Random requests to a gateway with takeovers and lost messages, compared with one naive model.

The model has a naive service for each shard, and the shard of each id. After each step, every acknowledged
change is in the log of its shard exactly once, and nothing else is.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from itertools import count
from typing import Any

import httpx
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from oms import DuplicateOrderError, OmsError, Order, Side
from oms.client import InProcess
from oms.cluster.log.log_journal import LogJournal
from support import strategies as our
from support.clusters import NAMES, MemoryCluster
from support.naive_service import FailedError, Json, NaiveService, json_of
from support.replicated_log import Connection

SYMBOLS = ("JPM", "TSLA", "AAPL", "IBM")
MOST_IDS = 100
CODES = {
    "DuplicateOrderError": "duplicate_order",
    "OrderNotFoundError": "order_not_found",
    "InsufficientLiquidityError": "insufficient_liquidity",
    "PriceBoundError": "price_bound",
}
NETWORK = ["ConnectError", "WriteError", "ReadError", "RemoteProtocolError", "ReadTimeout", None]

choices = st.integers(0, 2 * MOST_IDS - 1)
orders = st.builds(Order, our.order_ids, st.sampled_from(SYMBOLS), our.sides, our.amounts, our.prices)
faults = st.fixed_dictionaries(
    {
        "network": st.lists(st.sampled_from(NETWORK), max_size=3),
        "directory": st.lists(st.sampled_from(["lost", "half", "unanswered", None]), max_size=2),
        "takeover": st.sampled_from([None] * 6 + ["after", "silent"]),
    }
)


class AcrossShardsError(OmsError):
    """A request of the model that concerns several shards."""


class Model:
    """A naive service for each shard, the shard of each id, and the first response for each new order."""

    def __init__(self, cluster: MemoryCluster) -> None:
        self._shard_of = cluster.shards.of
        self.services = {name: NaiveService() for name in NAMES}
        self.shards: dict[int, str] = {}
        self.added: dict[int, tuple[Order, Json]] = {}
        for name, service in self.services.items():
            service.sequence = cluster.books[name].last_sequence
            service.books.next_trade_id = cluster.books[name]._books.next_trade_id

    def add(self, order: Order) -> Json:
        """Add an order, or return the first response for the same order."""
        if order.order_id in self.added and self.added[order.order_id][0] == order:
            return self.added[order.order_id][1]
        response = self.change([{"verb": "add_order", **json_of(order)}])[0]
        self.added[order.order_id] = order, response
        return response

    def add_list(self, new: list[Order]) -> Json:
        verbs = [{"verb": "add_order", **json_of(order)} for order in new]
        return self._service(verbs).add_list(new)

    def change(self, verbs: list[Json]) -> list[Json]:
        """Make changes in one shard, and return their results."""
        results: list[Json] = self._service(verbs).transact(verbs)["results"]
        return results

    def _service(self, verbs: list[Json]) -> NaiveService:
        """Return the service of all symbols and orders, and claim the new ids for it."""
        new = [verb["order_id"] for verb in verbs if verb["verb"] == "add_order"]
        named = [self._shard_of(verb["symbol"]) for verb in verbs if "symbol" in verb]
        known = [verb["order_id"] for verb in verbs if "symbol" not in verb]
        named += [self.shards[each] for each in known if each in self.shards and each not in new]
        if len(set(named)) > 1:
            raise AcrossShardsError
        shard = named[0] if named else NAMES[0]
        for order_id in new:
            if self.shards.get(order_id, shard) != shard:
                raise DuplicateOrderError(order_id)
        self.shards.update(dict.fromkeys(new, shard))
        return self.services[shard]


class Served:
    """One cluster for all runs of the machine, because starting one takes longer than a run."""

    def __init__(self) -> None:
        self.cluster = MemoryCluster(patience=60)
        self.http = httpx.Client(base_url="http://oms", transport=InProcess(self.cluster.gateway))
        self.readers = {
            name: LogJournal(Connection(log), read_only=True) for name, log in self.cluster.logs.items()
        }
        self.runs = count(1)
        self.keys = count(1)


class Machine(RuleBasedStateMachine):
    """A state machine that sends requests to the gateway and makes the same changes in the model."""

    def __init__(self, served: Served) -> None:
        super().__init__()
        self.served, self.cluster = served, served.cluster
        self.cluster.reset()
        self.first_id = next(served.runs) * MOST_IDS
        self.model = Model(self.cluster)

    # ------------------------------------------------------------------ requests

    def send(self, method: str, path: str, body: Any, faults: Json, *, key: bool) -> httpx.Response:
        """Send a request, and repeat it while a shard or the directory is unavailable, as a client does."""
        cluster = self.cluster
        cluster.network.plan, cluster.directory.plan = list(faults["network"]), list(faults["directory"])
        shard = NAMES[next(self.served.keys) % 3]
        if faults["takeover"] == "after":
            cluster.network.before_response = lambda: cluster.take_over(shard)
        elif faults["takeover"] == "silent":
            address = cluster.take_over(shard, silently=True)
            cluster.network.before_response = lambda: cluster.addresses.set(shard, address)
        headers = {"Idempotency-Key": f"key-{next(self.served.keys)}"} if key else {}
        try:
            while True:
                response = self.served.http.request(method, path, json=body, headers=headers)
                if response.status_code != 503:
                    return response
                assert response.json()["code"] == "shard_unavailable"
                assert key or response.json()["may_have_changed"] is False
        finally:
            cluster.network.plan, cluster.directory.plan = [], []
            cluster.network.before_response()  # if no request has reached a worker
            cluster.network.before_response = bool

    def check(self, response: httpx.Response, expected: Callable[[], Any]) -> None:
        """Compare a response with that of the model. If the model rejects the request, it stays as it was."""
        before = deepcopy((self.model.services, self.model.added))
        try:
            content = expected()
        except (OmsError, FailedError) as error:
            self.model.services, self.model.added = before
            cause = error.error if isinstance(error, FailedError) else error
            code = CODES.get(type(cause).__name__, "across_shards")
            assert response.json()["code"] == code, response.content
        else:
            actual = response.json()
            assert response.status_code in (200, 201), actual
            assert actual == as_body(content)

    def id(self, choice: int) -> int:
        """Return the id of a resting order for a choice below MOST_IDS, and otherwise any id."""
        resting = [order.order_id for each in self.model.services.values() for order in each.books.orders()]
        if choice < MOST_IDS and resting:
            return resting[choice % len(resting)]
        return self.first_id + choice % MOST_IDS

    def own(self, order: Order) -> Order:
        return order._replace(order_id=self.first_id + order.order_id)

    # ------------------------------------------------------------------ rules

    @rule(order=orders, faults=faults, key=st.booleans())
    def add_order(self, order: Order, faults: Json, key: bool) -> None:
        order = self.own(order)
        response = self.send("POST", "/orders", as_body(json_of(order)), faults, key=key)
        self.check(response, lambda: without_verb(self.model.add(order)))

    @rule(
        chosen=st.lists(orders, min_size=1, max_size=4, unique_by=lambda order: order.order_id),
        faults=faults,
        key=st.booleans(),
    )
    def add_list(self, chosen: list[Order], faults: Json, key: bool) -> None:
        new = list(map(self.own, chosen))
        response = self.send("POST", "/orders", as_body(list(map(json_of, new))), faults, key=key)
        self.check(response, lambda: self.model.add_list(new))

    @rule(choice=choices, faults=faults, key=st.booleans())
    def remove_order(self, choice: int, faults: Json, key: bool) -> None:
        order_id = self.id(choice)
        verb = {"verb": "remove_order", "order_id": order_id}
        response = self.send("DELETE", f"/orders/{order_id}", None, faults, key=key)
        self.check(response, lambda: without_verb(self.model.change([verb])[0]))

    @rule(choice=choices, amount=our.amounts, faults=faults, key=st.booleans())
    def amend_order(self, choice: int, amount: int, faults: Json, key: bool) -> None:
        order_id = self.id(choice)
        verb = {"verb": "amend_order", "order_id": order_id, "amount": amount}
        path = f"/orders/{order_id}"
        response = self.send("PATCH", path, as_body({"amount": amount}), faults, key=key)
        self.check(response, lambda: without_verb(self.model.change([verb])[0]))

    @rule(
        symbol=st.sampled_from(SYMBOLS),
        side=our.sides,
        amount=st.integers(1, 9) | our.requested_amounts,
        allow_partial=st.sampled_from([True, True, False]),
        faults=faults,
        key=st.booleans(),
    )
    def place_trade(
        self, symbol: str, side: Side, amount: int, allow_partial: bool, faults: Json, key: bool
    ) -> None:
        fields = {"symbol": symbol, "side": side.value, "amount": amount, "allow_partial": allow_partial}
        response = self.send("POST", "/trades", as_body(fields), faults, key=key)
        verb = {"verb": "place_trade", **fields}
        self.check(response, lambda: without_verb(self.model.change([verb])[0]))

    @rule(
        order=orders,
        removed=st.lists(choices, max_size=2),
        amount=our.requested_amounts,
        symbol=st.none() | st.sampled_from(SYMBOLS),
        faults=faults,
    )
    def transaction(
        self, order: Order, removed: list[int], amount: int, symbol: str | None, faults: Json
    ) -> None:
        order = self.own(order)
        verbs: list[Json] = [{"verb": "add_order", **json_of(order)}]
        verbs += [{"verb": "remove_order", "order_id": self.id(each)} for each in removed]
        if symbol is not None:
            verbs.append({"verb": "place_trade", "symbol": symbol, "side": "BUY", "amount": amount})
        response = self.send("POST", "/transactions", as_body({"verbs": verbs}), faults, key=True)

        def expected() -> Json:
            results = self.model.change(verbs)
            return {"sequence": results[-1]["sequence"], "time": None, "results": results}

        self.check(response, expected)

    @rule(choice=choices, faults=faults)
    def get_order(self, choice: int, faults: Json) -> None:
        order_id = self.id(choice)
        response = self.send("GET", f"/orders/{order_id}", None, faults, key=True)
        shard = self.model.shards.get(order_id, NAMES[0])
        self.check(response, lambda: json_of(self.model.services[shard].books.get_order(order_id)))

    @rule(limit=st.integers(1, 9))
    def list_orders(self, limit: int) -> None:
        found: list[Json] = []
        after = ""
        while True:
            page = self.served.http.get(f"/orders?limit={limit}{after}").json()
            found += page["orders"]
            if page["next"] is None:
                break
            after = f"&after={page['next']}"
        resting = [order for each in self.model.services.values() for order in each.books.orders()]
        assert found == [as_body(json_of(order)) for order in sorted(resting)]

    # ------------------------------------------------------------------ invariants

    @invariant()
    def each_change_is_in_its_shard_exactly_once(self) -> None:
        for name, service in self.model.services.items():
            books = self.cluster.books[name]
            assert books.orders() == service.books.orders()
            assert books._books.next_trade_id == service.books.next_trade_id
            assert books.last_sequence == service.sequence
            assert self.served.readers[name].refresh() == service.sequence

    @invariant()
    def an_id_has_one_shard(self) -> None:
        directory = self.cluster.directory.shards
        assert all(directory[order_id] == shard for order_id, shard in self.model.shards.items())


def as_body(value: Any) -> Any:
    """Return a value as a body contains it: integers above 2^53-1 are strings."""
    if isinstance(value, dict):
        return {name: as_body(each) for name, each in value.items()}
    if isinstance(value, list):
        return list(map(as_body, value))
    return str(value) if type(value) is int and value > 2**53 - 1 else value


def without_verb(result: Json) -> Json:
    return {name: value for name, value in result.items() if name != "verb"}


@pytest.mark.slow
@pytest.mark.parametrize("examples", [5, pytest.param(60, marks=pytest.mark.long)])
def test_random_requests_with_takeovers_and_lost_messages_agree_with_the_model(examples: int) -> None:
    served = Served()
    with served.http:
        run_state_machine_as_test(
            lambda: Machine(served),  # type: ignore[arg-type]  # any callable that returns a machine works
            settings=settings(max_examples=examples, stateful_step_count=20),
        )
