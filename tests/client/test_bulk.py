"""Lists of orders, transactions, and what-ifs of the clients, compared with the library."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from types import ModuleType
from typing import Any
from unittest.mock import call

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oms import (
    DuplicateOrderError,
    InsufficientLiquidityError,
    InvalidArgumentError,
    InvalidOrderError,
    MatchingEngine,
    OmsError,
    Order,
    OrderManagement,
    OrderNotFoundError,
    PostOnly,
    Side,
    TimeInForce,
)
from oms.api import ApiKey, Settings, create_app
from oms.client import (
    Client,
    EngineClient,
    InProcess,
    Question,
    RequestRejectedError,
    ServiceUnavailableError,
    UnexpectedResponseError,
    questions,
    verbs,
)
from oms.contract import MOST_ORDERS
from support import strategies as our
from support.clients import BACKENDS, FAILURES, URL, Flaky

BUY, SELL = Side.BUY, Side.SELL
CLIENTS = [name for name in BACKENDS if name != "library"]
HUGE = 2**63 - 1


@pytest.fixture
def books() -> OrderManagement:
    om = OrderManagement()
    om.add_order(1, "JPM", BUY, 20, 20)
    om.add_order(4, "JPM", BUY, 10, 21)
    return om


@pytest.fixture(params=CLIENTS)
def om(request: pytest.FixtureRequest, books: OrderManagement) -> Iterator[Any]:
    with BACKENDS[request.param](books) as client:
        yield client


def numbered(first: int, count: int) -> list[Order]:
    return [Order(first + n, "JPM", BUY, 10, 20 + n % 50) for n in range(count)]


# ---------------------------------------------------------------------- lists of orders


def test_a_client_adds_ten_thousand_orders_with_one_event(books: OrderManagement, om: Any) -> None:
    before = books.last_sequence
    om.add_orders(numbered(HUGE - MOST_ORDERS + 1, MOST_ORDERS))
    assert books.last_sequence == before + 1
    assert len(books) == MOST_ORDERS + 2
    assert books.get_order(HUGE).price == 20 + (MOST_ORDERS - 1) % 50


@pytest.mark.parametrize("number", range(3))
def test_an_invalid_list_raises_the_error_of_the_library_before_sending(number: int) -> None:
    orders: Any = [3, [(1, 2)], [Order(1, "JPM", BUY, 0, 1)]][number]
    transport = Flaky(InProcess(create_app()), repeat(None))
    with Client(URL, transport=transport) as client:
        with pytest.raises(InvalidOrderError) as actual:
            client.add_orders(orders)
        with pytest.raises(InvalidOrderError) as expected:
            OrderManagement().add_orders(orders)
    assert str(actual.value) == str(expected.value)
    assert transport.requests == []


def test_an_empty_list_sends_nothing() -> None:
    transport = Flaky(InProcess(create_app()), repeat(None))
    with Client(URL, transport=transport) as client:
        client.add_orders([])
        client.add_orders(iter(()))
    assert transport.requests == []


def test_more_than_ten_thousand_orders_are_rejected_with_the_remedy() -> None:
    with Client(URL, transport=InProcess(create_app())) as client, pytest.raises(InvalidOrderError) as error:
        client.add_orders(numbered(1, MOST_ORDERS + 1))
    assert str(error.value) == (
        "orders must be at most 10,000 orders, not '10,001 orders' (str); split them over several calls"
    )


def test_columns_and_generators_are_lists_of_orders_too(om: Any, books: OrderManagement) -> None:
    om.add_orders({"order_id": [11, 12], "amount": [5, 7], "price": [19, 18], "symbol": "IBM", "side": SELL})
    om.add_orders(order for order in numbered(13, 2))
    om.transaction([verbs.add_orders(order for order in numbered(15, 2))])
    assert sorted(order.order_id for order in books) == [1, 4, 11, 12, 13, 14, 15, 16]


@pytest.mark.parametrize("order_id", [4, 11])
def test_a_list_with_a_used_id_raises_the_error_of_the_library(om: Any, order_id: int) -> None:
    om.add_orders(numbered(10, 3))
    for orders in (numbered(10, 3), [*numbered(20, 2), *numbered(order_id, 1)]):
        with pytest.raises(DuplicateOrderError):
            om.add_orders(orders)
    om.add_orders(numbered(20, 2))


# ---------------------------------------------------------------------- transactions


def test_a_transaction_returns_what_the_methods_return(om: Any, books: OrderManagement) -> None:
    results = om.transaction(
        [
            verbs.add_order(7, "JPM", BUY, 5, 19),
            verbs.add_orders([Order(HUGE, "IBM", SELL, 3, 90), Order(9, "IBM", SELL, 3, 91)]),
            verbs.amend_order(7, amount=4, price=20),
            verbs.place_trade("JPM", BUY, 22, limit_price=HUGE, max_total_price=10**30),
            verbs.remove_order(HUGE),
        ]
    )
    assert results[:3] == (None, None, Order(7, "JPM", BUY, 4, 20))
    assert results[3].total_price == 440
    assert results[4] is None
    assert sorted(order.order_id for order in books) == [4, 7, 9]


@pytest.mark.parametrize(
    ("failing", "error"),
    [
        (lambda: verbs.remove_order(99), OrderNotFoundError(99)),
        (lambda: verbs.add_order(4, "JPM", BUY, 1, 1), DuplicateOrderError(4)),
        (lambda: verbs.place_trade("JPM", BUY, 99), InsufficientLiquidityError("JPM", BUY, 99, 35)),
    ],
)
def test_a_verb_that_fails_raises_its_error_with_a_note_and_changes_nothing(
    om: Any, books: OrderManagement, failing: Callable[[], Any], error: OmsError
) -> None:
    state = books.state_hash()
    with pytest.raises(type(error)) as raised:
        om.transaction([verbs.add_order(7, "JPM", BUY, 5, 19), failing()])
    assert str(raised.value) == str(error)
    assert raised.value.__notes__ == ["raised by verb 1 (counted from 0)"]
    assert books.state_hash() == state


def test_a_verb_can_be_used_again(om: Any, books: OrderManagement) -> None:
    trade = verbs.place_trade("JPM", BUY, 1)
    trades = om.transaction([trade, trade]) + om.transaction([trade])
    assert [each.trade_id for each in trades] == [1, 2, 3]
    assert books.get_order(1).amount == 17


@pytest.mark.parametrize("failures", [[name] * 2 for name in FAILURES])
def test_a_transaction_and_a_list_are_made_once_although_requests_fail(
    failures: list[str], books: OrderManagement
) -> None:
    plan: list[str | None] = []
    transport = Flaky(InProcess(create_app(books)), iter(lambda: plan.pop() if plan else None, ""))
    with Client(URL, transport=transport, sleep=lambda _: None) as client:
        plan[:] = failures
        (trade,) = client.transaction([verbs.place_trade("JPM", BUY, 5)])
        plan[:] = failures
        client.add_orders(numbered(10, 3))
        plan[:] = failures
        answers = client.what_if([verbs.remove_order(1)], [questions.count()]).answers
    assert (trade.trade_id, books.get_order(1).amount, len(books)) == (1, 15, 5)
    assert answers == (4,)
    assert books.last_sequence == 4
    keys = [request.headers.get("idempotency-key") for request in transport.requests]
    assert [len(set(keys[n : n + 3])) for n in (0, 3, 6)] == [1, 1, 1]
    assert keys[6] is None


def test_a_transaction_whose_outcome_is_unknown_can_be_retried_with_its_key(books: OrderManagement) -> None:
    trade = [verbs.place_trade("JPM", BUY, 5)]
    transport = Flaky(InProcess(create_app(books)), iter(["late"]))
    with Client(URL, transport=transport, attempts=1) as client:
        with pytest.raises(ServiceUnavailableError) as error:
            client.transaction(trade)
        key = error.value.idempotency_key
        assert client.transaction(trade, idempotency_key=key)[0].trade_id == 1
        assert books.get_order(1).amount == 15


@pytest.mark.parametrize("module", [verbs, questions])
def test_the_signature_of_a_verb_or_question_has_no_option_that_it_rejects(module: ModuleType) -> None:
    for name in module.__all__:
        step = getattr(module, name)
        assert not {"idempotency_key", "shard"} & inspect.signature(step).parameters.keys(), name
        assert not {"idempotency_key", "shard"} & step.__annotations__.keys(), name


INVALID: list[tuple[Callable[[], object], type[Exception], str]] = [
    (lambda: verbs.add_order(1, "JPM", BUY, 0, 1), InvalidOrderError, "amount"),
    (lambda: verbs.add_orders([]), InvalidOrderError, "at least one order"),
    (lambda: verbs.place_trade("JPM", SELL, 1, max_total_price=3), InvalidOrderError, "max_total_price"),
    (lambda: verbs.remove_order(1, idempotency_key="k"), InvalidArgumentError, "one key"),
    (lambda: verbs.cancel_all(shard="s1"), InvalidArgumentError, "in one shard"),
    (lambda: questions.quote("JPM", BUY, 0), InvalidOrderError, "amount"),
]


@pytest.mark.parametrize(("create", "error", "text"), INVALID)
def test_an_invalid_verb_or_question_is_rejected_where_it_is_created(
    create: Callable[[], object], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        create()


@pytest.mark.parametrize(
    "given_verbs", [[], 3, [3], [questions.count()], [verbs.remove_order(1)] * 1_001, [lambda: None]]
)
def test_anything_but_one_to_a_thousand_verbs_is_rejected_before_sending(given_verbs: Any) -> None:
    transport = Flaky(InProcess(create_app()), repeat(None))
    with Client(URL, transport=transport) as client:
        with pytest.raises(InvalidArgumentError):
            client.transaction(given_verbs)
        if given_verbs != []:
            with pytest.raises(InvalidArgumentError):
                client.what_if(given_verbs, [])
        with pytest.raises(InvalidArgumentError):
            client.what_if([], [verbs.remove_order(1)])  # type: ignore[list-item]  # the wrong type
        with pytest.raises(InvalidArgumentError):
            client.what_if([], [questions.count()] * 201)
    assert transport.requests == []


# ---------------------------------------------------------------------- what-ifs

BOOK = ("JPM", BUY)
ASKED: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("calculate_price", (*BOOK, 9), {}),
    ("calculate_prices", (*BOOK, [1, 2, 9]), {}),
    ("calculate_prices", (*BOOK, []), {}),
    ("quote", (*BOOK, 40), {"limit_price": 2**60, "allow_partial": True}),
    ("price_curve", BOOK, {}),
    ("price_curve", (*BOOK, 1), {}),
    ("calculate_amount", (*BOOK, 10**20), {"limit_price": 20}),
    ("available_amount", BOOK, {"limit_price": 2**60}),
    ("amount_within", (*BOOK, 0), {}),
    ("best_price", BOOK, {}),
    ("best_price", ("nothing rests", SELL), {}),
    ("depth", BOOK, {"levels": 1}),
    ("symbols", (), {}),
    ("count", (), {}),
]


def test_answers_are_those_of_the_library_inside_a_what_if(om: Any, books: OrderManagement) -> None:
    state = books.state_hash()
    changes = [verbs.place_trade("JPM", BUY, 5), verbs.add_order(7, "IBM", SELL, HUGE, HUGE)]
    results, answers = om.what_if(
        changes, (getattr(questions, name)(*args, **options) for name, args, options in ASKED)
    )
    assert books.state_hash() == state
    with books.what_if():
        trade = books.place_trade("JPM", BUY, 5)
        books.add_order(7, "IBM", SELL, HUGE, HUGE)
        expected = [
            len(books) if name == "count" else getattr(books, name)(*args, **options)
            for name, args, options in ASKED
        ]
    assert results == (trade, None)
    assert list(answers) == expected


def test_the_verbs_and_the_questions_of_a_what_if_can_be_left_out(om: Any) -> None:
    assert om.what_if(questions=[questions.count()]) == om.what_if([], [questions.count()])
    assert om.what_if([verbs.remove_order(1)]) == om.what_if([verbs.remove_order(1)], [])
    assert om.what_if() == ((), ())


def test_a_question_that_fails_raises_its_error_with_a_note(om: Any) -> None:
    with pytest.raises(InsufficientLiquidityError) as error:
        om.what_if([verbs.remove_order(1)], [questions.count(), questions.calculate_price("JPM", BUY, 11)])
    assert (error.value.requested, error.value.available) == (11, 10)
    assert error.value.__notes__ == ["raised by question 1 (counted from 0)"]


@given(st.lists(our.orders, min_size=1, max_size=8, unique_by=lambda order: order.order_id), st.data())
@settings(max_examples=15, deadline=None)
def test_answers_about_random_orders_are_those_of_the_library(
    orders: list[Order], data: st.DataObject
) -> None:
    books = OrderManagement()
    with Client(URL, transport=InProcess(create_app(books, Settings()))) as client:
        client.add_orders(orders)
        removed = data.draw(st.sampled_from(orders)).order_id
        book = data.draw(st.tuples(our.symbols, our.sides))
        asked: list[Question[Any]] = [
            questions.depth(*book),
            questions.price_curve(*book),
            questions.available_amount(*book),
        ]
        answers = client.what_if([verbs.remove_order(removed)], asked).answers
        twin = books.copy()
        twin.remove_order(removed)
        assert answers == (twin.depth(*book), twin.price_curve(*book), twin.available_amount(*book))


# ---------------------------------------------------------------------- responses of other programs


class Altering(InProcess):
    """A transport that changes the content of each successful response."""

    def __init__(self, books: OrderManagement, alter: Callable[[Any], Any]) -> None:
        super().__init__(create_app(books))
        self._alter = alter

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = super().handle_request(request)
        return httpx.Response(response.status_code, json=self._alter(json.loads(response.content)))


def altered(**parts: Any) -> Callable[[Any], Any]:
    """Return a function that changes fields of the first result or answer."""

    def alter(content: Any) -> Any:
        for name in ("results", "answers"):
            for part in content.get(name, [])[:1]:
                part.update({field: value for field, value in parts.items() if field in part})
        return content

    return alter


ALTERATIONS: Sequence[Callable[[Any], Any]] = [
    altered(order_id=5),
    altered(amount="x"),
    lambda content: {**content, "results": []},
    lambda content: {**content, "results": [*content["results"], {}]},
    lambda content: {**content, "results": 3},
    lambda content: {**content, "results": [3]},
    lambda _: [],
]


@pytest.mark.parametrize("number", range(len(ALTERATIONS)))
def test_a_result_that_does_not_match_its_verb_raises_an_error_with_the_key_of_the_transaction(
    number: int, books: OrderManagement
) -> None:
    with Client(URL, transport=Altering(books, ALTERATIONS[number])) as client:
        with pytest.raises(UnexpectedResponseError) as error:
            client.transaction([verbs.amend_order(4, amount=3)], idempotency_key="mine")
        assert error.value.idempotency_key == "mine"
        assert error.value.request == "POST /transactions"


def test_a_count_or_an_answer_that_does_not_match_raises_an_error(books: OrderManagement) -> None:
    def alter(content: Any) -> Any:
        return altered(symbol="IBM")({**content, "count": 7} if "count" in content else content)

    with Client(URL, transport=Altering(books, alter)) as client:
        with pytest.raises(UnexpectedResponseError, match="count is 7, but 3 orders were sent"):
            client.add_orders(numbered(10, 3))
        with pytest.raises(UnexpectedResponseError, match="'IBM', but 'JPM' was requested"):
            client.what_if([], [questions.best_price("JPM", BUY)])


# ---------------------------------------------------------------------- engines


@pytest.fixture
def engine() -> MatchingEngine:
    engine = MatchingEngine()
    engine.submit("ask-1", "JPM", SELL, 20, 101, owner="Bob")
    return engine


CALLS = [
    call.submit(2**60, "JPM", BUY, 25, 101, owner="Ann"),
    call.replace(2**60, price=100),
    call.reduce(2**60, 2),
    call.submit("7", "JPM", SELL, 5, 90, post_only=PostOnly.REJECT),
    call.submit(7, "IBM", SELL, 5, time_in_force=TimeInForce.IOC),
    call.submit("a/b", "JPM", SELL, 9, 120, display=2),
    call.cancel("a/b"),
    call.cancel_all("JPM", BUY, "Ann"),
    call.cancel_all(),
]


def test_a_transaction_of_an_engine_returns_what_the_methods_return(engine: MatchingEngine) -> None:
    twin = engine.copy()
    made = [getattr(verbs, name)(*arguments, **options) for name, arguments, options in CALLS]
    with EngineClient(URL, transport=InProcess(create_app(engine, Settings()))) as client:
        actual = client.transaction(made)
    assert actual == tuple(getattr(twin, name)(*arguments, **options) for name, arguments, options in CALLS)
    assert engine.state_hash() == twin.state_hash()


def test_a_what_if_of_an_engine_changes_nothing(engine: MatchingEngine) -> None:
    state = engine.state_hash()
    with EngineClient(URL, transport=InProcess(create_app(engine, Settings()))) as client:
        results, answers = client.what_if(
            [verbs.submit("bid-1", "JPM", BUY, 5, 101)], [questions.available_amount("JPM", BUY)]
        )
    assert (results[0].amount, answers) == (5, (15,))
    assert engine.state_hash() == state


def test_a_verb_of_the_other_kind_of_service_is_rejected_by_the_service(engine: MatchingEngine) -> None:
    with (
        EngineClient(URL, transport=InProcess(create_app(engine, Settings()))) as client,
        pytest.raises(InvalidOrderError, match="verb must be one of 'submit', 'replace'"),
    ):
        client.transaction([verbs.remove_order(1)])


def test_the_what_if_of_an_owner_is_rejected(engine: MatchingEngine) -> None:
    keys = Settings(keys=(ApiKey.of("ann-key-12345678", name="ann", owner="Ann"),))
    service = InProcess(create_app(engine, keys))
    with (
        EngineClient(URL, api_key="ann-key-12345678", transport=service) as client,
        pytest.raises(RequestRejectedError, match="only the operator"),
    ):
        client.what_if([], [questions.count()])
