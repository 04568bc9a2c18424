"""Questions about large books are answered in slices, and each answer shows one state of the book."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oms import InvalidOrderError, MatchingEngine, OmsError, Order, OrderManagement, Side
from oms.api import long_reads
from support import strategies as our
from support.api_books import client_of
from support.book_commands import commands, run
from support.counted_lock import CountedLock

BUY, SELL = Side.BUY, Side.SELL

removals = st.tuples(st.just("remove_order"), our.order_ids)

questions = st.one_of(
    st.builds(
        lambda amount, limit, less: ("quote", (amount,), {"limit_price": limit, "allow_partial": less}),
        our.requested_amounts,
        our.limits,
        st.booleans(),
    ),
    st.tuples(st.just("calculate_price"), st.tuples(our.requested_amounts), st.just({})),
    st.tuples(
        st.just("calculate_prices"), st.tuples(st.lists(our.requested_amounts, max_size=3)), st.just({})
    ),
    st.builds(
        lambda budget, limit: ("calculate_amount", (budget,), {"limit_price": limit}),
        our.budgets,
        our.limits,
    ),
    st.builds(lambda limit: ("available_amount", (), {"limit_price": limit}), our.limits),
    st.tuples(st.just("amount_within"), st.tuples(our.bps), st.just({})),
    st.tuples(st.just("depth"), st.tuples(st.none() | st.integers(1, 9)), st.just({})),
)


def answer(ask: Callable[[], object]) -> object:
    """Return the answer, or the kind and the text of the error."""
    try:
        return ask()
    except OmsError as error:
        return type(error), str(error)


@settings(max_examples=200)
@given(
    our.distinct_orders(),
    st.lists(commands | removals, max_size=20),
    st.sampled_from(Side),
    questions,
    st.integers(1, 3),
)
def test_each_answer_is_that_of_one_state_whatever_changes_between_slices(
    orders: list[Order],
    changes: list[Any],
    side: Side,
    question: tuple[str, tuple[Any, ...], dict[str, Any]],
    slice_: int,
) -> None:
    om = OrderManagement()
    om.add_orders(order._replace(symbol="JPM") for order in orders)
    name, arguments, options = question
    remaining = iter(changes)
    states = [om.copy()]

    def change() -> None:
        run(om, [each for each in [next(remaining, None)] if each])
        states.append(om.copy())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(long_reads, "SLICE", slice_)
        patch.setattr(long_reads, "MOST_SUMS", slice_)
        lock = CountedLock(om, patch)
        lock.change = change
        actual = answer(lambda: getattr(long_reads, name)(om, "JPM", side, *arguments, **options))
    if not name.startswith("calculate_price"):  # a price may be that of a later state
        del states[1:]
    methods = [getattr(state, name) for state in states]
    assert actual in [answer(partial(method, "JPM", side, *arguments, **options)) for method in methods]
    assert not om._ledger.subscribers.callbacks
    om._check()


def large_book(levels: int = 12_000, orders: int = 13_000) -> OrderManagement:
    om = OrderManagement()
    om.add_orders([Order(n, "JPM", BUY, n % 5 + 1, n % levels + 1) for n in range(orders)])
    return om


QUESTIONS: list[tuple[str, tuple[Any, ...]]] = [
    ("quote", (30_000,)),
    ("calculate_price", (30_000,)),
    ("calculate_prices", ([30_000, 7],)),
    ("calculate_amount", (10**12,)),
    ("available_amount", ()),
    ("amount_within", (10**9,)),
    ("depth", ()),
]


@pytest.mark.parametrize("levels", [12_000, 1], ids=["many_levels", "one_level"])
@pytest.mark.parametrize(("name", "arguments"), QUESTIONS, ids=[name for name, _ in QUESTIONS])
def test_no_question_reads_more_than_a_slice_while_the_lock_is_held(
    name: str, arguments: tuple[Any, ...], levels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    om = large_book(levels)
    expected = getattr(om.copy(), name)("JPM", BUY, *arguments)
    lock = CountedLock(om, monkeypatch)
    assert getattr(long_reads, name)(om, "JPM", BUY, *arguments) == expected
    assert max(lock.reads) <= long_reads.MOST_SUMS
    if "price" not in name:
        assert max(lock.reads) <= 2 * long_reads.SLICE + 1  # the levels, and then the first slice


@pytest.mark.parametrize("side", Side, ids=str)
@pytest.mark.parametrize("limit", [None, 1, 1_000, 1_001, 1_999, 2_000, 9_999])
def test_a_long_answer_ends_at_the_limit_price(limit: int | None, side: Side) -> None:
    om = OrderManagement()
    om.add_orders(Order(n, "JPM", side, 2, 1_000 + n % 1_500) for n in range(3_000))
    for name, arguments, options in (
        ("quote", (6_000,), {"allow_partial": True}),
        ("calculate_amount", (10**12,), {}),
        ("available_amount", (), {}),
    ):
        expected, actual = (
            answer(partial(method, "JPM", side, *arguments, limit_price=limit, **options))
            for method in (getattr(om, name), partial(getattr(long_reads, name), om))
        )
        assert actual == expected


def test_an_answer_that_needs_a_few_orders_of_a_large_book_holds_the_lock_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    om = large_book()
    lock = CountedLock(om, monkeypatch)
    assert long_reads.quote(om, "JPM", BUY, 20).amount == 20
    assert len(long_reads.depth(om, "JPM", BUY, 1_000)) == 1_000
    assert len(lock.reads) == 2


def test_a_price_is_answered_from_the_cached_sums_the_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    om = large_book()
    lock = CountedLock(om, monkeypatch)
    for _ in range(2):
        lock.reads.clear()
        long_reads.calculate_price(om, "JPM", BUY, 30_000)
    assert lock.reads == [0]


def test_prices_are_answered_although_each_change_discards_the_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    om = large_book()
    expected = om.copy().calculate_prices("JPM", BUY, [30_000, 7])
    lock, ids = CountedLock(om, monkeypatch), iter(range(100_000, 10**9))

    def discard() -> None:
        om.add_orders([Order(next(ids), "JPM", BUY, 5, 20_000 + n) for n in range(30)])

    lock.change = discard
    assert long_reads.calculate_prices(om, "JPM", BUY, [30_000, 7]) == expected
    assert max(lock.reads) <= long_reads.MOST_SUMS


def test_an_amount_that_a_large_book_lacks_is_not_available_although_the_sums_are_discarded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    om = large_book()
    expected = answer(lambda: om.copy().calculate_prices("JPM", BUY, [7, 10**6, 10**7]))
    lock = CountedLock(om, monkeypatch)
    lock.change = om._books.by_name["JPM", BUY]._sums.clear
    assert answer(lambda: long_reads.calculate_prices(om, "JPM", BUY, [7, 10**6, 10**7])) == expected


def test_the_answers_about_an_engine_count_visible_lots() -> None:
    engine = MatchingEngine()
    for n in range(1_500):
        engine.submit(n, "JPM", SELL, 20, 100 + n, display=5)
    levels = long_reads.depth(engine, "JPM", BUY)
    assert levels == engine.depth("JPM", BUY)
    assert levels[0].amount == 5
    assert long_reads.quote(engine, "JPM", BUY, 7_000) == engine.quote("JPM", BUY, 7_000)


INVALID: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("quote", (0,), {}),
    ("quote", (9,), {"limit_price": 0}),
    ("quote", (9,), {"allow_partial": 1}),
    ("calculate_price", (0,), {}),
    ("calculate_prices", ([9, 0],), {}),
    ("calculate_amount", (0,), {}),
    ("calculate_amount", (9,), {"limit_price": 0}),
    ("available_amount", (), {"limit_price": 0}),
    ("amount_within", (-1,), {}),
    ("depth", (0,), {}),
]


@pytest.mark.parametrize("om", [OrderManagement(), large_book()], ids=["empty", "large"])
@pytest.mark.parametrize(("name", "arguments", "options"), INVALID)
def test_an_invalid_argument_is_rejected_as_by_the_method(
    name: str, arguments: tuple[Any, ...], options: dict[str, Any], om: OrderManagement
) -> None:
    with pytest.raises(InvalidOrderError) as expected:
        getattr(om, name)("JPM", BUY, *arguments, **options)
    with pytest.raises(InvalidOrderError) as actual:
        getattr(long_reads, name)(om, "JPM", BUY, *arguments, **options)
    assert str(actual.value) == str(expected.value)


@pytest.fixture(scope="module")
def served() -> OrderManagement:
    return large_book()


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/quote", {"amount": 30_000}),
        ("/price", {"amount": 30_000}),
        ("/prices", {"amounts": [30_000, 7]}),
        ("/curve", {}),
        ("/amount", {"budget": 10**12}),
        ("/available", {}),
        ("/within", {"max_slippage_bps": 10**9}),
        ("/depth", {}),
        ("/best-price", {}),
        ("/symbols", None),
        ("/count", None),
        ("/orders", None),
        ("/state-hash", None),
    ],
)
def test_no_endpoint_reads_more_than_a_slice_while_the_lock_is_held(
    path: str, query: dict[str, Any] | None, served: OrderManagement, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(served)
    lock = CountedLock(served, monkeypatch)
    response = client.get(path, params=None if query is None else {"symbol": "JPM", "side": "BUY", **query})
    assert response.status_code == 200
    assert max(lock.reads) <= long_reads.MOST_SUMS


def test_the_endpoints_return_all_levels_of_a_large_book() -> None:
    om = OrderManagement()
    om.add_orders([Order(n, "JPM", BUY, 2, n + 1) for n in range(2_500)])
    client, book = client_of(om), {"symbol": "JPM", "side": "BUY"}
    levels = client.get("/depth", params={**book, "decimals": "true"}).json()["levels"]
    assert [int(level["price"]) for level in levels] == [level.price for level in om.depth("JPM", BUY)]
    curve = client.get("/curve", params=book).json()
    expected = om.price_curve("JPM", BUY)
    assert {name: list(map(int, curve[name])) for name in expected} == expected
