"""One test suite for a matching engine in the process and for every client of a served engine.

The modules oms.client.engine_clients, oms.client.engine_operations, and oms.client.engine_responses are
tested here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from random import Random
from types import NoneType
from typing import Any

import pytest

from oms import (
    DuplicateOrderError,
    InvalidOrderError,
    KillSwitchError,
    LimitError,
    Limits,
    MatchingEngine,
    OmsError,
    OrderFill,
    OrderNotFoundError,
    RateLimitError,
    Side,
)
from oms.api import create_app
from oms.client import (
    AsyncEngineClient,
    EngineClient,
    InProcess,
    RequestRejectedError,
    engine_operations,
)
from oms.submission import CancelReason, OrderId, PostOnly, QueueAhead, SelfTradePrevention, TimeInForce
from support.clients import URL
from support.clusters import MemoryCluster
from support.engine_api import ANN, BOB, KEYS, OPERATOR
from support.engine_clients import ENGINE_BACKENDS, THREE_ENGINES, EngineBackend, Served, new_engine
from support.engine_machine import EngineMachine, random_step

BUY, SELL = Side.BUY, Side.SELL


NOT_IN_THREE_SHARDS = {
    "test_orders_are_replaced_reduced_and_canceled": "the test cancels the orders of all symbols",
    "test_orders_of_several_pages_are_complete": "the test submits orders to `served`",
    "test_the_state_hash_is_that_of_the_library": "each shard has a state hash",
    "test_a_kill_switch_raises_the_error_of_the_library": "the test kills `served`",
}
"""The tests that need one MatchingEngine. tests/cluster/gateway has similar tests of a cluster."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test with each backend, and also with three shards if it does not need one MatchingEngine."""
    if "engine" in metafunc.fixturenames:
        also = () if metafunc.function.__name__ in NOT_IN_THREE_SHARDS else THREE_ENGINES
        metafunc.parametrize("engine", [*ENGINE_BACKENDS, *also], indirect=True)


@pytest.fixture
def served(request: pytest.FixtureRequest) -> MatchingEngine:
    """Return the engine that the backend uses. With three shards, it only has the same two orders."""
    backend = getattr(request.node, "callspec", None)
    return new_engine(None if backend is None else backend.params.get("engine"))


@pytest.fixture
def engine(request: pytest.FixtureRequest, served: MatchingEngine) -> Iterator[EngineBackend]:
    is_cluster = request.param in THREE_ENGINES
    cluster = THREE_ENGINES[request.param](MemoryCluster(engine=True)) if is_cluster else None
    with cluster or ENGINE_BACKENDS[request.param](served) as engine:
        for venue in [engine, served] if is_cluster else [engine]:
            venue.submit("ask-1", "JPM", SELL, 20, 101, owner="Ann", display=5)
            venue.submit(2, "JPM", BUY, 10, 99, owner="Bob")
        yield engine


def outcome(call: Callable[[], object]) -> tuple[object, ...]:
    """Return the result of a call, or the type, message, and attributes of its error."""
    try:
        return (call(),)
    except OmsError as error:
        return type(error), str(error), vars(error)


# ---------------------------------------------------------------------- a random walk


class ServedMachine(EngineMachine):
    """The state machine of the engine, whose calls are requests. A client has no transactions or copies."""

    def __init__(self, backend: Callable[[MatchingEngine], EngineBackend]) -> None:
        self._backend = backend
        super().__init__()

    def start(self, prevention: SelfTradePrevention) -> None:
        super().start(prevention)
        self.engine: Any = Served(self.engine, self._backend(self.engine))

    def open(self, commits: bool) -> None:
        """Do nothing."""

    def continue_with_a_copy(self, copy: object) -> None:
        """Do nothing."""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["in process", pytest.param("coroutines", marks=pytest.mark.long)])
@pytest.mark.parametrize(
    "policy",
    [
        each if each is SelfTradePrevention.DECREMENT else pytest.param(each, marks=pytest.mark.long)
        for each in SelfTradePrevention
    ],
)
def test_a_random_walk_over_http_agrees_with_the_naive_engine(name: str, policy: SelfTradePrevention) -> None:
    contexts: list[Any] = []

    def backend(engine: MatchingEngine) -> EngineBackend:
        contexts.append(ENGINE_BACKENDS[name](engine))
        backend: EngineBackend = contexts[-1].__enter__()
        return backend

    machine, random = ServedMachine(backend), Random(7)
    machine.start(policy)
    for _ in range(150):
        random_step(machine, random)
        machine.the_open_orders_agree()
        machine.the_queues_agree()
    machine.the_engine_is_consistent()
    machine.the_events_rebuild_the_same_books()
    for context in contexts:
        context.__exit__(None, None, None)


# ---------------------------------------------------------------------- results


@pytest.mark.parametrize("client", [EngineClient, AsyncEngineClient])
def test_every_method_has_the_signature_of_the_engine_s_method(client: type) -> None:
    names = {name for name in vars(client) if not name.startswith("_")} & set(dir(MatchingEngine))
    names -= {"instruments", "transaction", "what_if"}
    assert len(names) == 23, names
    for name in names:
        expected = inspect.signature(getattr(MatchingEngine, name), eval_str=True)
        method = getattr(client, name)
        signature = inspect.signature(method)
        parameters = dict(signature.parameters)
        for further in ("idempotency_key", "shard"):
            option = parameters.pop(further, None)
            assert option is None or (option.kind, option.default) == (option.KEYWORD_ONLY, None)
        assert list(parameters.values()) == list(expected.parameters.values()), name
        assert signature.return_annotation == (expected.return_annotation or NoneType), name
        assert (method.__module__, method.__qualname__) == (client.__module__, f"{client.__name__}.{name}")
        assert inspect.iscoroutinefunction(method) is (client is AsyncEngineClient), name


def test_an_execution_and_an_open_order_are_those_of_the_library(
    engine: EngineBackend, served: MatchingEngine
) -> None:
    execution = engine.submit(3, "JPM", BUY, 25, 101, time_in_force=TimeInForce.IOC)
    assert execution.fills == tuple(OrderFill("ask-1", 5, 101) for _ in range(4))
    assert (execution.amount, execution.canceled, execution.reason) == (20, 5, CancelReason.NO_LIQUIDITY)
    assert type(execution.side) is Side
    assert engine.order(2) == served.order(2)
    assert type(engine.order(2).order.time_in_force) is TimeInForce
    assert engine.last_price("JPM") == 101
    assert engine.last_price("IBM") is None


def test_orders_are_replaced_reduced_and_canceled(engine: EngineBackend, served: MatchingEngine) -> None:
    assert engine.submit(7, "JPM", BUY, 10, 99, post_only=PostOnly.SLIDE).resting == 10
    assert engine.queue_ahead(7) == QueueAhead(1, 10)
    assert engine.reduce(7, 4) == served.order(7)
    assert engine.replace(7, amount=3).resting == 3
    before = served.order(7)
    assert engine.cancel(7) == before
    engine.submit("day", "JPM", BUY, 1, 1, time_in_force=TimeInForce.DAY)
    engine.submit("gtd", "JPM", BUY, 1, 1, time_in_force=TimeInForce.GTD, expires=2**62)
    assert [each.order.order_id for each in engine.expire(2**62)] == ["gtd"]
    assert [each.order.order_id for each in engine.end_day("JPM")] == ["day"]
    assert [each.order.order_id for each in engine.cancel_all("JPM", BUY, "Bob")] == [2]
    assert [each.order.order_id for each in engine.cancel_all()] == ["ask-1"]
    assert len(engine) == 0


def test_ids_of_every_kind_can_be_used(engine: EngineBackend, served: MatchingEngine) -> None:
    ids: list[OrderId] = [0, -1, 2**60, -(2**255), "7", "1152921504606846976", '"', "a/b", "..", "é\n"]
    for order_id in ids:
        engine.submit(order_id, "JPM", BUY, 1, 1)
        assert engine.order(order_id).order.order_id == order_id
        assert order_id in engine
    assert [each.order.order_id for each in engine] == ["ask-1", 2, *ids]
    assert [each for each in ("never", 7, "", 2**300, None, 1.0, True) if each in engine] == []
    for order_id in ids:
        engine.cancel(order_id)
    assert len(engine) == len(served) == 2


def test_orders_of_several_pages_are_complete(
    engine: EngineBackend, served: MatchingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_operations, "PAGE_SIZE", 3)
    for number in range(10):
        served.submit(f"o{number}", "IBM", (BUY, SELL)[number % 2], 1, 50 + number % 2, owner="Ann")
    assert engine.orders() == tuple(engine) == served.orders()
    assert engine.orders("IBM", SELL, "Ann") == served.orders("IBM", SELL, "Ann")
    assert engine.orders("IBM", owner="Bob") == ()


def test_queries_have_the_results_of_the_library(engine: EngineBackend, served: MatchingEngine) -> None:
    assert engine.calculate_price("JPM", BUY, 5) == 505
    assert engine.quote("JPM", SELL, 4) == served.quote("JPM", SELL, 4)
    assert engine.depth("JPM", BUY) == served.depth("JPM", BUY)
    assert engine.best_price("JPM", BUY) == 101
    assert engine.symbols() == ("JPM",)
    assert engine.instruments == {}


def test_the_state_hash_is_that_of_the_library(engine: EngineBackend, served: MatchingEngine) -> None:
    assert engine.state_hash() == served.state_hash()


@pytest.mark.parametrize(
    "call",
    [
        lambda engine: engine.submit("ask-1", "JPM", SELL, 1, 200),
        lambda engine: engine.submit(9, "JPM", SELL, 0, 200),
        lambda engine: engine.submit(9, "JPM", SELL, 1, 200, time_in_force="GTC"),
        lambda engine: engine.submit(9, "JPM", SELL, 1, None, post_only=PostOnly.REJECT),
        lambda engine: engine.submit("", "JPM", SELL, 1, 200),
        lambda engine: engine.order("never"),
        lambda engine: engine.cancel(10**30),
        lambda engine: engine.replace("never", amount=1),
        lambda engine: engine.replace(2),
        lambda engine: engine.reduce("never", 1),
        lambda engine: engine.queue_ahead("never"),
        lambda engine: engine.cancel_all("JPM", "BUY"),
        lambda engine: engine.cancel_all(owner=""),
        lambda engine: engine.expire(-1),
        lambda engine: engine.calculate_price("JPM", BUY, 10**6),
    ],
)
def test_a_client_raises_the_errors_of_the_library(
    engine: EngineBackend, served: MatchingEngine, call: Callable[[Any], object]
) -> None:
    before = served.state_hash()
    expected = outcome(lambda: call(served))
    assert issubclass(expected[0], OmsError)  # type: ignore[arg-type]  # a type
    assert outcome(lambda: call(engine)) == expected
    assert served.state_hash() == before


def test_an_error_that_only_the_service_can_detect_has_the_same_attributes(engine: EngineBackend) -> None:
    with pytest.raises(InvalidOrderError, match="less than the open amount 10") as caught:
        engine.reduce(2, 10)
    assert (caught.value.field, caught.value.value) == ("amount", 10)
    with pytest.raises(DuplicateOrderError):
        engine.submit(2, "JPM", SELL, 1, 200)


@pytest.mark.parametrize(
    "limits",
    [
        Limits(max_amount=5),
        Limits(max_notional=5),
        Limits(collar=1),
        Limits(max_open_orders=1),
        Limits(max_open_amount=5),
        Limits(max_submissions=1, interval=100),
    ],
)
@pytest.mark.parametrize("name", ["in process", "coroutines"])
def test_the_errors_of_limits_are_those_of_the_library(name: str, limits: Limits) -> None:
    def venue() -> MatchingEngine:
        engine = MatchingEngine(clock=lambda: 10**18)
        engine.submit("ask", "JPM", SELL, 1, 100, owner="Bob")
        engine.submit("one", "JPM", BUY, 4, 90, owner="Ann")
        engine.set_limits(limits)
        return engine

    def break_limit(engine: Any) -> object:
        engine.submit("two", "JPM", BUY, 3, 99, owner="Ann") if limits.max_submissions else None
        return engine.submit("x", "JPM", BUY, 7, 105, owner="Ann")

    expected = outcome(lambda: break_limit(venue()))
    with ENGINE_BACKENDS[name](venue()) as client:
        assert outcome(lambda: break_limit(client)) == expected
    assert issubclass(expected[0], LimitError)  # type: ignore[arg-type]  # a type
    assert (expected[0] is RateLimitError) is (limits.max_submissions is not None)


def test_a_kill_switch_raises_the_error_of_the_library(engine: EngineBackend, served: MatchingEngine) -> None:
    served.kill(owner="Ann")
    with pytest.raises(KillSwitchError) as caught:
        engine.submit(9, "JPM", BUY, 5, 9, owner="Ann")
    assert (caught.value.owner, caught.value.symbol, caught.value.value) == ("Ann", "JPM", 5)


# ---------------------------------------------------------------------- owners


def test_a_client_with_an_owner_s_key_sees_only_the_owner_s_orders(served: MatchingEngine) -> None:
    app = create_app(served, KEYS)
    ann, bob, operator = (
        EngineClient(URL, api_key=key, transport=InProcess(app)) for key in (ANN, BOB, OPERATOR)
    )
    with ann, bob, operator:
        ann.submit("a", "JPM", SELL, 5, 100)
        execution = bob.submit("b", "JPM", BUY, 7, 100)
        assert execution.fills == (OrderFill("", 5, 100),)
        assert [each.order.owner for each in operator] == ["Bob"]
        assert (len(ann), len(bob)) == (0, 1)
        with pytest.raises(OrderNotFoundError, match="no order with id 'b' is resting"):
            ann.cancel("b")
        with pytest.raises(RequestRejectedError) as caught:
            ann.expire(1)
        assert (caught.value.code, caught.value.outcome_unknown) == ("forbidden", False)
        with pytest.raises(RequestRejectedError, match="owner must be left out or 'Ann'"):
            ann.submit("c", "JPM", SELL, 5, 100, owner="Bob")
        assert operator.expire(1) == ()


def test_a_retry_with_the_same_key_returns_the_first_execution(engine: EngineBackend) -> None:
    if isinstance(engine, MatchingEngine):
        return
    first = engine.submit(9, "JPM", BUY, 5, 101, idempotency_key="k")
    assert engine.submit(9, "JPM", BUY, 5, 101, idempotency_key="k") == first
    assert first.amount == 5
    with pytest.raises(RequestRejectedError) as caught:
        engine.submit(9, "JPM", BUY, 6, 101, idempotency_key="k")
    assert caught.value.code == "idempotency_key_reused"
