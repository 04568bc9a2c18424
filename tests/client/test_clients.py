"""One suite over every way to an OrderManagement: what is written for one runs over the others."""

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
from oms.contract import LARGEST_IN_BODY
from support import strategies as our
from support.clients import DOORS, Door
from support.memory_journal import MemoryJournal

BUY, SELL = Side.BUY, Side.SELL


@pytest.fixture
def books() -> OrderManagement:
    """The books themselves."""
    return OrderManagement()


@pytest.fixture(params=DOORS)
def om(request: pytest.FixtureRequest, books: OrderManagement) -> Iterator[Door]:
    """A way to the books, filled through it."""
    with DOORS[request.param](books) as om:
        om.add_order(1, "JPM", BUY, 20, 20)
        om.add_order(2, "JPM", SELL, 20, 19)
        om.add_order(3, "AAPL", SELL, 5, 30)
        om.add_order(4, "JPM", BUY, 10, 21)
        yield om


def told(call: Callable[[], object]) -> tuple[object, ...]:
    """What a call answers, or all that its refusal says."""
    try:
        return (call(),)
    except OmsError as error:
        return type(error), str(error), vars(error)


# ---------------------------------------------------------------------- answers


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_every_verb_takes_and_returns_what_that_of_the_library_does(client: type) -> None:
    both = vars(client).keys() & vars(OrderManagement).keys()
    names = {name for name in both if not name.startswith("_") and name != "close"}
    assert len(names) == 17, names
    for name in names:
        ours = inspect.signature(getattr(OrderManagement, name), eval_str=True)
        theirs = inspect.signature(getattr(client, name))
        parameters = dict(theirs.parameters)
        key = parameters.pop("idempotency_key", None)
        assert key is None or (key.kind, key.default) == (key.KEYWORD_ONLY, None)
        assert list(parameters.values()) == list(ours.parameters.values()), name
        assert theirs.return_annotation == (ours.return_annotation or NoneType), name


def methods_of(client: type) -> dict[str, Callable[..., object]]:
    """The verbs and questions of a client, also those that Python has operators for."""
    operators = {"__contains__", "__len__"}
    return {
        name: method
        for name, method in vars(client).items()
        if inspect.isfunction(method) and (not name.startswith("_") or name in operators)
    }


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_every_method_of_a_client_shows_the_types_that_it_takes_and_returns(client: type) -> None:
    methods = methods_of(client)
    assert len(methods) == 20
    for name, method in methods.items():
        hints = get_type_hints(method)
        signature = inspect.signature(method, eval_str=True)
        own, *parameters = signature.parameters.values()
        assert own.name == "self", name
        assert {each.name: each.annotation for each in parameters} | {"return": hints["return"]} == hints
        assert signature.return_annotation in (hints["return"], None), name
        assert isinstance(hints["return"], type | UnionType | GenericAlias), name
        assert "Generator" not in str(signature), name
        assert (method.__name__, method.__qualname__) == (name, f"{client.__name__}.{name}")
        assert method.__module__ == client.__module__ == "oms.client.clients"
        assert inspect.iscoroutinefunction(method) is (client is AsyncClient), name
        assert method.__doc__, name
    shown = pydoc.plain(pydoc.render_doc(client))
    assert "Generator[" not in shown
    assert "quote(self, symbol: str, side: oms.models.Side, amount: int, *, " in shown
    assert "allow_partial: bool = False) -> oms.models.Quote\n" in shown


def test_the_worked_example(om: Door) -> None:
    assert [om.calculate_price("JPM", BUY, amount) for amount in (20, 10, 22)] == [400, 200, 442]
    trade = om.place_trade("JPM", BUY, 22)
    assert trade == Trade(1, "JPM", BUY, 22, 442, (OrderFill(1, 20, 20), OrderFill(4, 2, 21)))
    assert type(trade) is Trade
    assert type(trade.fills[0]) is OrderFill
    assert type(trade.side) is Side
    assert om.get_order(4).amount == 8
    assert 1 not in om


def test_an_order_is_looked_up_amended_and_removed(om: Door) -> None:
    assert om.get_order(4) == Order(4, "JPM", BUY, 10, 21)
    assert om.amend_order(4, amount=5) == Order(4, "JPM", BUY, 5, 21)
    assert om.amend_order(4, price=7) == Order(4, "JPM", BUY, 5, 7)
    assert om.amend_order(4, amount=5, price=7) == om.get_order(4)
    assert type(om.get_order(4)) is Order
    om.remove_order(4)
    assert 4 not in om


def test_orders_come_by_symbol_then_buy_then_best_first(om: Door) -> None:
    assert [order.order_id for order in om] == [3, 1, 4, 2]
    assert om.orders() == tuple(om)
    assert [order.order_id for order in om.orders("JPM")] == [1, 4, 2]
    assert [order.order_id for order in om.orders(side=SELL)] == [3, 2]
    assert [order.order_id for order in om.orders("JPM", SELL)] == [2]
    assert om.orders("IBM") == ()
    assert om.symbols() == ("AAPL", "JPM")
    assert len(om) == 4


def test_more_orders_than_a_page_holds_come_all_and_in_order(om: Door, books: OrderManagement) -> None:
    books.add_orders(Order(10 + n, "JPM", SELL, 1 + n % 9, 1 + n * 7 % 100) for n in range(2_500))
    assert om.orders() == books.orders()
    assert len(om) == len(books)


def test_a_walk_over_the_orders_is_over_a_snapshot(om: Door) -> None:
    for order in om:
        om.remove_order(order.order_id)
    assert len(om) == 0
    assert om.symbols() == ()


def test_what_no_order_has_for_an_id_is_not_in_it(om: Door) -> None:
    assert [value for value in [*our.NOT_INTS, "x", -1, 0, 5, 2**63, 10**5000] if value in om] == []


def test_a_quote_says_everything_about_a_trade_and_trades_nothing(om: Door) -> None:
    quote = om.quote("JPM", BUY, 22)
    fills = (OrderFill(1, 20, 20), OrderFill(4, 2, 21))
    assert quote == Quote("JPM", BUY, 22, 22, 0, 442, 20, 21, 2, fills)
    assert (type(quote), quote.slippage) == (Quote, 2)
    assert om.quote("JPM", BUY, 22, limit_price=20, allow_partial=True).shortfall == 2
    assert om.calculate_price("JPM", BUY, 30) == 610


def test_every_question_is_answered(om: Door) -> None:
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


def test_a_trade_is_bounded_and_may_be_partial(om: Door) -> None:
    assert om.place_trade("JPM", BUY, 2, max_total_price=40).total_price == 40
    assert om.place_trade("JPM", SELL, 2, min_total_price=38).total_price == 38
    assert om.place_trade("JPM", BUY, 99, limit_price=20, allow_partial=True).amount == 18


def test_a_symbol_is_any_text(om: Door) -> None:
    for order_id, symbol in enumerate(
        (" ", "a b", "a+b&c=d", "50%", "\x00\n", "/..", "\u00c5\u00d6", "\U0001f4b6", "?#"), 100
    ):
        om.add_order(order_id, symbol, BUY, 1, 1)
        assert om.best_price(symbol, BUY) == 1
        assert [order.symbol for order in om.orders(symbol)] == [symbol]
        assert om.place_trade(symbol, BUY, 1).symbol == symbol


def test_numbers_of_any_size_arrive_exactly(om: Door, books: OrderManagement) -> None:
    books.add_orders(Order(2**63 - 1 - n, "BIG", BUY, 2**63 - 1 - n, 2**63 - 1 - n) for n in range(3))
    everything = sum(order.amount for order in books.orders("BIG"))
    assert om.available_amount("BIG", BUY) == everything > 2**64
    assert (
        om.calculate_price("BIG", BUY, everything) == books.calculate_price("BIG", BUY, everything) > 2**127
    )
    assert om.quote("BIG", BUY, everything) == books.quote("BIG", BUY, everything)
    assert om.price_curve("BIG", BUY) == books.price_curve("BIG", BUY)
    assert om.orders("BIG") == books.orders("BIG")
    assert om.calculate_amount("BIG", BUY, 10**99) == everything
    assert om.depth("BIG", BUY, 2**70) == books.depth("BIG", BUY)
    assert 2**63 - 1 in om
    om.remove_order(2**63 - 1)
    assert 2**63 - 1 not in om


def test_the_state_has_the_same_hash(om: Door, books: OrderManagement) -> None:
    assert om.state_hash() == books.state_hash()


# ---------------------------------------------------------------------- refusals

REFUSED: dict[str, tuple[type[OmsError], Callable[[Door], object]]] = {
    "same id": (DuplicateOrderError, lambda om: om.add_order(1, "JPM", BUY, 1, 1)),
    "same order": (DuplicateOrderError, lambda om: om.add_order(1, "JPM", BUY, 20, 20)),
    "remove": (OrderNotFoundError, lambda om: om.remove_order(7)),
    "amend": (OrderNotFoundError, lambda om: om.amend_order(7, amount=1)),
    "get": (OrderNotFoundError, lambda om: om.get_order(2**63 - 1)),
    "price": (InsufficientLiquidityError, lambda om: om.calculate_price("JPM", BUY, 31)),
    "unseen": (InsufficientLiquidityError, lambda om: om.calculate_price("IBM", BUY, 2**70)),
    "prices": (InsufficientLiquidityError, lambda om: om.calculate_prices("JPM", BUY, [1, 99, 31])),
    "quote": (InsufficientLiquidityError, lambda om: om.quote("JPM", SELL, 21)),
    "limit": (InsufficientLiquidityError, lambda om: om.quote("JPM", BUY, 21, limit_price=20)),
    "budget": (InsufficientLiquidityError, lambda om: om.calculate_amount("JPM", SELL, 2**80)),
    "trade": (InsufficientLiquidityError, lambda om: om.place_trade("JPM", BUY, 31)),
    "part": (
        InsufficientLiquidityError,
        lambda om: om.place_trade("JPM", BUY, 1, limit_price=1, allow_partial=True),
    ),
    "dear": (PriceBoundError, lambda om: om.place_trade("JPM", BUY, 22, max_total_price=441)),
    "cheap": (PriceBoundError, lambda om: om.place_trade("JPM", SELL, 20, min_total_price=381)),
}


def test_a_refusal_is_the_library_s_own_to_the_letter(om: Door, books: OrderManagement) -> None:
    state = books.state_hash()
    for name, (kind, call) in REFUSED.items():
        heard = told(partial(call, om))
        assert heard == told(partial(call, books)), name
        assert heard[0] is kind, name
        assert books.state_hash() == state, name


FIELDS: dict[str, Callable[[Door, Any], object]] = {
    "order_id": lambda om, x: om.add_order(x, "JPM", BUY, 1, 1),
    "order_id to remove": lambda om, x: om.remove_order(x),
    "order_id to amend": lambda om, x: om.amend_order(x, amount=1),
    "order_id to get": lambda om, x: om.get_order(x),
    "amount": lambda om, x: om.add_order(9, "JPM", BUY, x, 1),
    "price": lambda om, x: om.add_order(9, "JPM", BUY, 1, x),
    "new amount": lambda om, x: om.amend_order(1, amount=x),
    "new price": lambda om, x: om.amend_order(1, price=x),
    "asked amount": lambda om, x: om.calculate_price("JPM", BUY, x),
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
    "symbol asked": lambda om, x: om.calculate_price(x, BUY, 1),
    "symbol quoted": lambda om, x: om.quote(x, BUY, 1),
    "symbol selected": lambda om, x: om.orders(x),
    "side": lambda om, x: om.add_order(9, "JPM", x, 1, 1),
    "side asked": lambda om, x: om.best_price("JPM", x),
    "side traded": lambda om, x: om.place_trade("JPM", x, 1, max_total_price=1),
    "side selected": lambda om, x: om.orders(side=x),
    "allow_partial": lambda om, x: om.quote("JPM", BUY, 1, allow_partial=x),
    "allow_partial traded": lambda om, x: om.place_trade("JPM", BUY, 1, allow_partial=x),
}


def of_no_use(field: str, books: OrderManagement) -> Iterator[Any]:
    """Values that the library refuses in a field."""
    for value in [*our.NOT_INTS, *our.NOT_SYMBOLS, *our.NOT_SIDES, 0, -1, 2**63, 1, 0.0]:
        trial = books.copy()
        if told(partial(FIELDS[field], trial, value))[0] is InvalidOrderError:
            yield value


def test_what_the_library_refuses_is_refused_alike(om: Door, books: OrderManagement) -> None:
    for field, call in FIELDS.items():
        refused = list(of_no_use(field, books))
        assert len(refused) > 5, field
        for value in refused:
            heard, own = told(partial(call, om, value)), told(partial(call, books, value))
            assert heard[:2] == own[:2], (field, value)


def test_an_amendment_amends_something(om: Door) -> None:
    with pytest.raises(InvalidOrderError, match=r"^amount or price must be given"):
        om.amend_order(1)


NOT_IN_A_BODY = ["order_id", "amount", "price", "new price", "traded amount", "max_total_price"]
NOT_IN_A_QUERY = ["asked amount", "one of amounts", "budget", "max_slippage_bps", "levels"]
over_a_wire = pytest.mark.parametrize("om", [name for name in DOORS if name != "library"], indirect=True)


@over_a_wire
def test_what_no_request_carries_is_refused_by_its_name(om: Door, books: OrderManagement) -> None:
    state = books.state_hash()
    for field in NOT_IN_A_BODY:
        with pytest.raises(
            InvalidOrderError, match=rf"must be an int of at most {LARGEST_IN_BODY}"
        ) as caught:
            FIELDS[field](om, LARGEST_IN_BODY + 1)
        assert caught.value.value == LARGEST_IN_BODY + 1
        assert caught.value.field == field.removeprefix("new ").removeprefix("traded ")
    for field in NOT_IN_A_QUERY:
        with pytest.raises(InvalidOrderError, match="must be an int of at most 100 digits"):
            FIELDS[field](om, 10**100)
    assert books.state_hash() == state


@over_a_wire
def test_the_largest_that_a_request_carries_is_taken(om: Door) -> None:
    for field in NOT_IN_A_BODY:
        assert InvalidOrderError not in told(partial(FIELDS[field], om, LARGEST_IN_BODY)), field
    for field in NOT_IN_A_QUERY:
        assert InvalidOrderError not in told(partial(FIELDS[field], om, 10**100 - 1)), field


@over_a_wire
def test_as_many_amounts_as_one_question_carries_are_answered_and_more_are_refused(om: Door) -> None:
    assert om.calculate_prices("JPM", BUY, [1 + n % 9 for n in range(5_000)])[:3] == [20, 40, 60]
    with pytest.raises(InvalidOrderError, match=r"^amounts must be short enough"):
        om.calculate_prices("JPM", BUY, [1] * 7_000)


@pytest.mark.parametrize("om", ["library", "in process", "loopback"], indirect=True)
def test_threads_may_share_it(om: Door, books: OrderManagement) -> None:
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


@pytest.mark.parametrize("name", DOORS)
def test_a_change_that_the_journal_refuses_is_refused_alike(name: str) -> None:
    journal = MemoryJournal()
    with DOORS[name](OrderManagement(journal)) as om:
        om.add_order(1, "JPM", BUY, 1, 1)
        journal.close()
        with pytest.raises(JournalError) as caught:
            om.remove_order(1)
        assert (caught.value.place, caught.value.problem) == ("memory", "it is closed")
        assert 1 in om
