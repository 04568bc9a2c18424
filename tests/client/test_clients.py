"""One test suite for the library and for every client. Each test runs with each of them."""

from __future__ import annotations

import inspect
import pydoc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from threading import Barrier
from types import GenericAlias, NoneType, UnionType
from typing import Any, get_type_hints

import pytest

from oms import (
    DuplicateOrderError,
    Instrument,
    InsufficientLiquidityError,
    InvalidOrderError,
    JournalError,
    OmsError,
    Order,
    OrderFill,
    OrderManagement,
    OrderNotFoundError,
    PriceBoundError,
    PriceLevel,
    Quote,
    Side,
    Trade,
)
from oms.client import AsyncClient, Client
from support import strategies as our
from support.clients import BACKENDS, THREE_SHARDS, Backend, new_books
from support.clusters import MemoryCluster
from support.memory_journal import MemoryJournal

BUY, SELL = Side.BUY, Side.SELL


@pytest.fixture
def books(request: pytest.FixtureRequest) -> OrderManagement:
    """Return the OrderManagement that the backend uses."""
    backend = getattr(request.node, "callspec", None)
    return new_books(None if backend is None else backend.params.get("om"))


ORDERS = [
    Order(1, "JPM", BUY, 20, 20),
    Order(2, "JPM", SELL, 20, 19),
    Order(3, "AAPL", SELL, 5, 30),
    Order(4, "JPM", BUY, 10, 21),
]
NOT_IN_THREE_SHARDS = {
    "test_orders_of_several_pages_are_complete_and_sorted": "the test adds orders to `books`",
    "test_the_instruments_are_those_of_the_books": "the test adds instruments to `books`",
    "test_integers_of_any_size_stay_exact": "the test adds orders to `books`",
    "test_the_state_hash_equals_that_of_the_library": "each shard has a state hash of its own",
    "test_threads_can_share_a_backend": "the test checks `books`",
}
"""The tests that need one OrderManagement. tests/cluster/gateway has similar tests of a cluster.

The three shards have the symbols JPM, AAPL, and IBM. Then `books` is not used, but has the same four orders.
"""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test with each backend, and also with three shards if it does not need one OrderManagement."""
    marks = metafunc.definition.iter_markers("parametrize")
    if "om" in metafunc.fixturenames and not any(mark.args[0] == "om" for mark in marks):
        also = () if metafunc.function.__name__ in NOT_IN_THREE_SHARDS else THREE_SHARDS
        metafunc.parametrize("om", [*BACKENDS, *also], indirect=True)


@pytest.fixture
def om(request: pytest.FixtureRequest, books: OrderManagement) -> Iterator[Backend]:
    """Yield a backend that has added four orders to the books."""
    is_cluster = request.param in THREE_SHARDS
    with THREE_SHARDS[request.param](MemoryCluster()) if is_cluster else BACKENDS[request.param](books) as om:
        for order in ORDERS:
            om.add_order(*order)
        if is_cluster:
            books.add_orders(ORDERS)
        yield om


def outcome(call: Callable[[], object]) -> tuple[object, ...]:
    """Return the result of a call, or the type, message, and attributes of its error."""
    try:
        return (call(),)
    except OmsError as error:
        return type(error), str(error), vars(error)


# ---------------------------------------------------------------------- results


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_every_method_of_a_client_has_the_signature_of_the_library_s_method(client: type) -> None:
    shared = vars(client).keys() & set(dir(OrderManagement))
    names = {name for name in shared if not name.startswith("_")} - {"close", "instruments"}
    names -= {"transaction", "what_if"}  # these take verbs and questions, and are one request
    assert len(names) == 19, names
    for name in names:
        expected = inspect.signature(getattr(OrderManagement, name), eval_str=True)
        signature = inspect.signature(getattr(client, name))
        parameters = dict(signature.parameters)
        for further in ("idempotency_key", "shard"):
            option = parameters.pop(further, None)
            assert option is None or (option.kind, option.default) == (option.KEYWORD_ONLY, None)
        assert list(parameters.values()) == list(expected.parameters.values()), name
        assert signature.return_annotation == (expected.return_annotation or NoneType), name


def methods_of(client: type) -> dict[str, Callable[..., object]]:
    """Return the methods of a client by name, including the methods behind operators."""
    operators = {"__contains__", "__len__"}
    return {
        name: method
        for name, method in vars(client).items()
        if inspect.isfunction(method) and (not name.startswith("_") or name in operators)
    }


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_every_method_of_a_client_shows_its_argument_and_result_types(client: type) -> None:
    methods = methods_of(client)
    assert len(methods) == (27 if client is AsyncClient else 26)
    for name, method in methods.items():
        hints = get_type_hints(method)
        signature = inspect.signature(method, eval_str=True)
        first, *parameters = signature.parameters.values()
        assert first.name == "self", name
        assert {parameter.name: parameter.annotation for parameter in parameters} | {
            "return": hints["return"]
        } == hints
        assert signature.return_annotation in (hints["return"], None), name
        assert isinstance(hints["return"], type | UnionType | GenericAlias), name
        assert "Generator" not in str(signature), name
        assert (method.__name__, method.__qualname__) == (name, f"{client.__name__}.{name}")
        assert method.__module__ == client.__module__ == "oms.client.clients"
        is_coroutine = client is AsyncClient and name != "orders_by_id"  # for `async for`
        assert inspect.iscoroutinefunction(method) is is_coroutine, name
        assert method.__doc__, name
    page = pydoc.plain(pydoc.render_doc(client))
    assert "Generator[" not in page
    one_line = " ".join(page.replace("|", " ").split()).replace("( ", "(").replace(" )", ")")
    assert "quote(self, symbol: str, side: oms.models.Side, amount: int, *, " in one_line
    assert "allow_partial: bool = False) -> oms.models.Quote " in one_line


def test_the_example_of_the_readme_has_the_documented_prices(om: Backend) -> None:
    assert [om.calculate_price("JPM", BUY, amount) for amount in (20, 10, 22)] == [400, 200, 442]
    trade = om.place_trade("JPM", BUY, 22)
    assert trade == Trade(1, "JPM", BUY, 22, 442, (OrderFill(1, 20, 20), OrderFill(4, 2, 21)))
    assert type(trade) is Trade
    assert type(trade.fills[0]) is OrderFill
    assert type(trade.side) is Side
    assert om.get_order(4).amount == 8
    assert 1 not in om


def test_an_order_can_be_looked_up_amended_and_removed(om: Backend) -> None:
    assert om.get_order(4) == Order(4, "JPM", BUY, 10, 21)
    assert om.amend_order(4, amount=5) == Order(4, "JPM", BUY, 5, 21)
    assert om.amend_order(4, price=7) == Order(4, "JPM", BUY, 5, 7)
    assert om.amend_order(4, amount=5, price=7) == om.get_order(4)
    assert type(om.get_order(4)) is Order
    om.remove_order(4)
    assert 4 not in om


def test_orders_are_sorted_by_symbol_then_buy_first_then_best_first(om: Backend) -> None:
    assert [order.order_id for order in om] == [3, 1, 4, 2]
    assert om.orders() == tuple(om)
    assert [order.order_id for order in om.orders("JPM")] == [1, 4, 2]
    assert [order.order_id for order in om.orders(side=SELL)] == [3, 2]
    assert [order.order_id for order in om.orders("JPM", SELL)] == [2]
    assert om.orders("IBM") == ()
    assert om.symbols() == ("AAPL", "JPM")
    assert len(om) == 4


def test_orders_of_several_pages_are_complete_and_sorted(om: Backend, books: OrderManagement) -> None:
    books.add_orders(Order(10 + n, "JPM", SELL, 1 + n % 9, 1 + n * 7 % 100) for n in range(2_500))
    assert om.orders() == books.orders()
    assert len(om) == len(books)


def test_orders_can_be_removed_during_iteration(om: Backend) -> None:
    for order in om:
        om.remove_order(order.order_id)
    assert len(om) == 0
    assert om.symbols() == ()


def test_in_is_false_for_every_value_that_is_not_the_id_of_a_resting_order(om: Backend) -> None:
    assert [value for value in [*our.NOT_INTS, "x", -1, 0, 5, 2**63, 10**5000] if value in om] == []


def test_a_quote_describes_a_trade_and_changes_nothing(om: Backend) -> None:
    quote = om.quote("JPM", BUY, 22)
    fills = (OrderFill(1, 20, 20), OrderFill(4, 2, 21))
    assert quote == Quote("JPM", BUY, 22, 22, 0, 442, 20, 21, 2, fills)
    assert (type(quote), quote.slippage) == (Quote, 2)
    assert om.quote("JPM", BUY, 22, limit_price=20, allow_partial=True).shortfall == 2
    assert om.calculate_price("JPM", BUY, 30) == 610


def test_every_query_returns_the_library_s_result(om: Backend) -> None:
    assert om.calculate_prices("JPM", BUY, iter([22, 10, 22])) == [442, 200, 442]
    assert om.calculate_prices("IBM", BUY, []) == []
    assert om.price_curve("JPM", BUY) == {
        "price": [20, 21],
        "amount": [20, 10],
        "cumulative_amount": [20, 30],
        "cumulative_price": [400, 610],
    }
    assert om.price_curve("JPM", BUY, 1)["price"] == [20]
    assert om.calculate_amount("JPM", BUY, 450) == 22
    assert om.calculate_amount("JPM", BUY, 450, limit_price=20) == 20
    assert om.available_amount("JPM", BUY) == 30
    assert om.available_amount("JPM", BUY, limit_price=20) == 20
    assert om.amount_within("JPM", BUY, 50) == 22
    assert om.best_price("JPM", BUY) == 20
    assert om.best_price("IBM", BUY) is None
    assert om.depth("JPM", BUY) == (PriceLevel(20, 20, 1), PriceLevel(21, 10, 1))
    assert om.depth("JPM", BUY, 1) == (PriceLevel(20, 20, 1),)
    assert om.depth("IBM", BUY) == ()


def test_the_instruments_are_those_of_the_books(om: Backend, books: OrderManagement) -> None:
    assert dict(om.instruments) == {}
    share = Instrument("0.010", "5", name="J. P. Morgan", currency="USD", price_decimals=4)
    books.set_instrument("JPM", share)
    books.set_instrument("AAPL", Instrument("0.01"))
    assert list(om.instruments.items()) == [("AAPL", Instrument("0.01")), ("JPM", share)]
    assert om.instrument("JPM") == share
    assert om.instrument("JPM").show_money(om.calculate_price("JPM", BUY, 22)) == "22.1000 USD"
    assert om.instrument("IBM") == Instrument()
    assert type(om.instrument("JPM")) is Instrument
    with pytest.raises(TypeError, match="does not support item assignment"):
        om.instruments["JPM"] = Instrument()  # type: ignore[index]  # the test is about this error


@pytest.mark.parametrize("symbol", ["", 1, None, "\ud800"])
def test_an_instrument_belongs_to_a_symbol(om: Backend, symbol: Any) -> None:
    with pytest.raises(InvalidOrderError, match="symbol must be"):
        om.instrument(symbol)


def test_a_trade_can_have_a_price_bound_a_limit_price_and_a_partial_amount(om: Backend) -> None:
    assert om.place_trade("JPM", BUY, 2, max_total_price=40).total_price == 40
    assert om.place_trade("JPM", SELL, 2, min_total_price=38).total_price == 38
    assert om.place_trade("JPM", BUY, 99, limit_price=20, allow_partial=True).amount == 18


def test_any_text_can_be_a_symbol(om: Backend) -> None:
    for order_id, symbol in enumerate(
        (" ", "a b", "a+b&c=d", "50%", "\x00\n", "/..", "\u00c5\u00d6", "\U0001f4b6", "?#"), 100
    ):
        om.add_order(order_id, symbol, BUY, 1, 1)
        assert om.best_price(symbol, BUY) == 1
        assert [order.symbol for order in om.orders(symbol)] == [symbol]
        assert om.place_trade(symbol, BUY, 1).symbol == symbol


def test_integers_of_any_size_stay_exact(om: Backend, books: OrderManagement) -> None:
    books.add_orders(Order(2**63 - 1 - n, "BIG", BUY, 2**63 - 1 - n, 2**63 - 1 - n) for n in range(3))
    total_amount = sum(order.amount for order in books.orders("BIG"))
    assert om.available_amount("BIG", BUY) == total_amount > 2**64
    assert (
        om.calculate_price("BIG", BUY, total_amount)
        == books.calculate_price("BIG", BUY, total_amount)
        > 2**127
    )
    assert om.quote("BIG", BUY, total_amount) == books.quote("BIG", BUY, total_amount)
    assert om.price_curve("BIG", BUY) == books.price_curve("BIG", BUY)
    assert om.orders("BIG") == books.orders("BIG")
    assert om.calculate_amount("BIG", BUY, 10**99) == total_amount
    assert om.depth("BIG", BUY, 2**70) == books.depth("BIG", BUY)
    assert 2**63 - 1 in om
    om.remove_order(2**63 - 1)
    assert 2**63 - 1 not in om


def test_the_state_hash_equals_that_of_the_library(om: Backend, books: OrderManagement) -> None:
    assert om.state_hash() == books.state_hash()


# ---------------------------------------------------------------------- errors

ERRORS: dict[str, tuple[type[OmsError], Callable[[Backend], object]]] = {
    "same id": (DuplicateOrderError, lambda om: om.add_order(1, "JPM", BUY, 1, 1)),
    "same order": (DuplicateOrderError, lambda om: om.add_order(1, "JPM", BUY, 20, 20)),
    "remove": (OrderNotFoundError, lambda om: om.remove_order(7)),
    "amend": (OrderNotFoundError, lambda om: om.amend_order(7, amount=1)),
    "get": (OrderNotFoundError, lambda om: om.get_order(2**63 - 1)),
    "price": (InsufficientLiquidityError, lambda om: om.calculate_price("JPM", BUY, 31)),
    "unknown symbol": (InsufficientLiquidityError, lambda om: om.calculate_price("IBM", BUY, 2**70)),
    "prices": (InsufficientLiquidityError, lambda om: om.calculate_prices("JPM", BUY, [1, 99, 31])),
    "quote": (InsufficientLiquidityError, lambda om: om.quote("JPM", SELL, 21)),
    "limit": (InsufficientLiquidityError, lambda om: om.quote("JPM", BUY, 21, limit_price=20)),
    "budget": (InsufficientLiquidityError, lambda om: om.calculate_amount("JPM", SELL, 2**80)),
    "trade": (InsufficientLiquidityError, lambda om: om.place_trade("JPM", BUY, 31)),
    "partial": (
        InsufficientLiquidityError,
        lambda om: om.place_trade("JPM", BUY, 1, limit_price=1, allow_partial=True),
    ),
    "expensive": (PriceBoundError, lambda om: om.place_trade("JPM", BUY, 22, max_total_price=441)),
    "cheap": (PriceBoundError, lambda om: om.place_trade("JPM", SELL, 20, min_total_price=381)),
}


def test_an_error_has_the_type_message_and_attributes_of_the_library_s_error(
    om: Backend, books: OrderManagement
) -> None:
    state = books.state_hash()
    for name, (kind, call) in ERRORS.items():
        remote = outcome(partial(call, om))
        assert remote == outcome(partial(call, books)), name
        assert remote[0] is kind, name
        assert books.state_hash() == state, name


FIELDS: dict[str, Callable[[Backend, Any], object]] = {
    "order_id": lambda om, x: om.add_order(x, "JPM", BUY, 1, 1),
    "order_id to remove": lambda om, x: om.remove_order(x),
    "order_id to amend": lambda om, x: om.amend_order(x, amount=1),
    "order_id to get": lambda om, x: om.get_order(x),
    "amount": lambda om, x: om.add_order(9, "JPM", BUY, x, 1),
    "price": lambda om, x: om.add_order(9, "JPM", BUY, 1, x),
    "new amount": lambda om, x: om.amend_order(1, amount=x),
    "new price": lambda om, x: om.amend_order(1, price=x),
    "amount to price": lambda om, x: om.calculate_price("JPM", BUY, x),
    "one of amounts": lambda om, x: om.calculate_prices("JPM", BUY, [1, x]),
    "amounts": lambda om, x: om.calculate_prices("JPM", BUY, x),
    "quoted amount": lambda om, x: om.quote("JPM", BUY, x),
    "limit_price": lambda om, x: om.quote("JPM", BUY, 1, limit_price=x),
    "traded amount": lambda om, x: om.place_trade("JPM", BUY, x),
    "traded limit": lambda om, x: om.place_trade("JPM", BUY, 1, limit_price=x),
    "max_total_price": lambda om, x: om.place_trade("JPM", BUY, 1, max_total_price=x),
    "min_total_price": lambda om, x: om.place_trade("JPM", SELL, 1, min_total_price=x),
    "bound of the other side": lambda om, x: om.place_trade("JPM", SELL, 1, max_total_price=x),
    "budget": lambda om, x: om.calculate_amount("JPM", BUY, x),
    "limit of a budget": lambda om, x: om.calculate_amount("JPM", BUY, 1, limit_price=x),
    "available limit": lambda om, x: om.available_amount("JPM", BUY, limit_price=x),
    "max_slippage_bps": lambda om, x: om.amount_within("JPM", BUY, x),
    "levels": lambda om, x: om.depth("JPM", BUY, x),
    "levels of a curve": lambda om, x: om.price_curve("JPM", BUY, x),
    "symbol": lambda om, x: om.add_order(9, x, BUY, 1, 1),
    "symbol to price": lambda om, x: om.calculate_price(x, BUY, 1),
    "symbol quoted": lambda om, x: om.quote(x, BUY, 1),
    "symbol selected": lambda om, x: om.orders(x),
    "side": lambda om, x: om.add_order(9, "JPM", x, 1, 1),
    "side of a best price": lambda om, x: om.best_price("JPM", x),
    "side traded": lambda om, x: om.place_trade("JPM", x, 1, max_total_price=1),
    "side selected": lambda om, x: om.orders(side=x),
    "allow_partial": lambda om, x: om.quote("JPM", BUY, 1, allow_partial=x),
    "allow_partial traded": lambda om, x: om.place_trade("JPM", BUY, 1, allow_partial=x),
}


def rejected_values(field: str, books: OrderManagement) -> Iterator[Any]:
    """Yield values that the library rejects for a field."""
    for value in [*our.NOT_INTS, *our.NOT_SYMBOLS, *our.NOT_SIDES, 0, -1, 2**63, 1, 0.0]:
        trial = books.copy()
        if outcome(partial(FIELDS[field], trial, value))[0] is InvalidOrderError:
            yield value


def test_a_client_rejects_what_the_library_rejects_with_the_same_message(
    om: Backend, books: OrderManagement
) -> None:
    for field, call in FIELDS.items():
        rejected = list(rejected_values(field, books))
        assert len(rejected) > 5, field
        for value in rejected:
            remote, local = outcome(partial(call, om, value)), outcome(partial(call, books, value))
            assert remote[:2] == local[:2], (field, value)


def test_an_amendment_needs_an_amount_or_a_price(om: Backend) -> None:
    with pytest.raises(InvalidOrderError, match=r"^amount or price must be an int, not None"):
        om.amend_order(1)


UNBOUNDED = {
    "traded amount": "amount",
    "traded limit": "limit_price",
    "max_total_price": "max_total_price",
    "amount to price": "amount",
    "one of amounts": "amounts",
    "budget": "budget",
    "max_slippage_bps": "max_slippage_bps",
    "levels": "levels",
}
"""Calls with an integer that may have up to 100 digits, and the name of this argument."""
CLIENTS = [*THREE_SHARDS, *(name for name in BACKENDS if name != "library")]
clients_only = pytest.mark.parametrize("om", CLIENTS, indirect=True)


@clients_only
def test_an_integer_that_a_request_cannot_carry_raises_an_error_with_its_field_name(
    om: Backend, books: OrderManagement
) -> None:
    state = books.state_hash()
    for field, name in UNBOUNDED.items():
        with pytest.raises(InvalidOrderError, match="must be an int of at most 100 digits") as caught:
            FIELDS[field](om, 10**100)
        assert (caught.value.field, caught.value.value) == (name, 10**100)
    assert books.state_hash() == state


@clients_only
def test_the_largest_integer_that_a_request_can_carry_is_accepted(om: Backend) -> None:
    for field in UNBOUNDED:
        assert InvalidOrderError not in outcome(partial(FIELDS[field], om, 10**100 - 1)), field
    for field in ("order_id", "amount", "price", "new price"):
        assert InvalidOrderError not in outcome(partial(FIELDS[field], om, 2**63 - 1)), field


@clients_only
def test_a_request_carries_five_thousand_amounts_but_not_seven_thousand(om: Backend) -> None:
    assert om.calculate_prices("JPM", BUY, [1 + n % 9 for n in range(5_000)])[:3] == [20, 40, 60]
    with pytest.raises(InvalidOrderError, match=r"^amounts must be short enough"):
        om.calculate_prices("JPM", BUY, [1] * 7_000)


@pytest.mark.parametrize("om", ["library", "in process", "loopback"], indirect=True)
def test_threads_can_share_a_backend(om: Backend, books: OrderManagement) -> None:
    start = Barrier(4)

    def work(first: int) -> list[int]:
        start.wait()
        for order_id in range(first, first + 10):
            om.add_order(order_id, "IBM", BUY, 1, 1)
        return [om.place_trade("IBM", BUY, 1).trade_id for _ in range(10)]

    with ThreadPoolExecutor(4) as pool:
        trade_ids = list(chain.from_iterable(pool.map(work, (100, 200, 300, 400))))
    assert sorted(trade_ids) == list(range(1, 41))
    assert om.symbols() == ("AAPL", "JPM")
    books._check()


@pytest.mark.parametrize("name", BACKENDS)
def test_a_change_that_the_journal_cannot_store_raises_journal_error(name: str) -> None:
    journal = MemoryJournal()
    with BACKENDS[name](OrderManagement(journal)) as om:
        om.add_order(1, "JPM", BUY, 1, 1)
        journal.close()
        with pytest.raises(JournalError) as caught:
            om.remove_order(1)
        assert (caught.value.place, caught.value.problem) == ("memory", "it is closed")
        assert 1 in om
