"""The direct access of a replay changes the books in the same way as the methods of OrderManagement."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import ExitStack
from contextvars import Context

import pytest

from oms import (
    DuplicateOrderError,
    Event,
    InvalidOrderError,
    JournalError,
    OpenTransactionError,
    Order,
    OrderFill,
    OrderManagement,
    Side,
)
from oms.direct_books import DirectBooks
from support.interrupts import interrupted_at_line
from support.memory_journal import MemoryJournal

BUY, SELL = Side.BUY, Side.SELL
ORDERS = [
    Order(1, "JPM", BUY, 20, 20),
    Order(2, "JPM", BUY, 1, 20),
    Order(4, "JPM", BUY, 10, 21),
    Order(3, "JPM", SELL, 15, 19),
    Order(5, "IBM", BUY, 10, 90),
]


@pytest.fixture
def om() -> OrderManagement:
    return book()


def book(journal: MemoryJournal | None = None) -> OrderManagement:
    om = OrderManagement(journal)
    om.add_orders(ORDERS)
    return om


def test_the_best_levels_are_those_of_depth_after_every_change() -> None:
    om, rng = OrderManagement(), random.Random(7)
    books = DirectBooks(om, "JPM")
    assert books.best_levels() == (None, None)
    for order_id in range(300):
        side, price = rng.choice([BUY, SELL]), rng.randrange(1, 6)
        om.add_order(order_id, rng.choice(["JPM", "IBM"]), side, rng.randrange(1, 9), price)
        if rng.random() < 0.9:
            om.remove_order(rng.choice(om.orders()).order_id)
        expected = tuple(
            (levels[0].price, levels[0].amount) if (levels := om.depth("JPM", each, 1)) else None
            for each in Side
        )
        assert books.best_levels() == expected


@pytest.mark.parametrize("amount", [0, 1, 19, 20, 99])
def test_a_new_amount_has_the_same_effect_and_the_same_event_as_the_method(amount: int) -> None:
    ours, theirs = book(), book()
    events: dict[int, list[Event]] = {id(ours): [], id(theirs): []}
    for om in (ours, theirs):
        om.calculate_price("JPM", BUY, 31)
        om.subscribe(events[id(om)].append)
    assert DirectBooks(ours, "JPM").set_amount(ORDERS[0], amount)
    if amount:
        theirs.amend_order(1, amount=amount)
    else:
        theirs.remove_order(1)
    ours._check()
    assert ours.state_hash() == theirs.state_hash()
    assert events[id(ours)] == events[id(theirs)]
    assert ours.depth("JPM", BUY) == theirs.depth("JPM", BUY)


@pytest.mark.parametrize(
    "order",
    [
        ORDERS[0]._replace(amount=19),
        ORDERS[0]._replace(price=21),
        ORDERS[0]._replace(side=SELL),
        ORDERS[0]._replace(symbol="IBM"),
        ORDERS[0]._replace(order_id=9),
    ],
)
@pytest.mark.parametrize("amount", [0, 5])
def test_an_order_that_has_changed_meanwhile_is_left_as_it_is(
    om: OrderManagement, order: Order, amount: int
) -> None:
    books, before, events = DirectBooks(om, "JPM"), om.state_hash(), list[Event]()
    version = books.version
    om.subscribe(events.append)
    assert not books.set_amount(order, amount)
    assert (om.state_hash(), books.version, events) == (before, version, [])


@pytest.mark.parametrize("amount", [-1, 2**63, True])
def test_an_invalid_amount_raises_and_changes_nothing(om: OrderManagement, amount: int) -> None:
    before = om.state_hash()
    with pytest.raises(InvalidOrderError):
        DirectBooks(om, "JPM").set_amount(ORDERS[0], amount)
    assert om.state_hash() == before


@pytest.mark.parametrize("amount", [0, 5])
def test_a_new_amount_is_stored_in_the_journal_first(amount: int) -> None:
    journal = MemoryJournal()
    om = book(journal)
    books = DirectBooks(om, "JPM")
    books.set_amount(ORDERS[0], amount)
    assert OrderManagement(journal).state_hash() == om.state_hash()
    before = om.state_hash()
    journal.close()
    with pytest.raises(JournalError):
        books.set_amount(ORDERS[2], amount)
    assert om.state_hash() == before


@pytest.mark.parametrize("amount", [0, 5])
def test_a_new_amount_inside_a_what_if_is_rolled_back(om: OrderManagement, amount: int) -> None:
    before, books = om.state_hash(), DirectBooks(om, "JPM")
    with om.what_if():
        assert books.set_amount(ORDERS[0], amount)
        assert om.state_hash() != before
    assert om.state_hash() == before


@pytest.mark.parametrize(
    "call",
    [
        lambda books: books.best_levels(),
        lambda books: books.best_order(BUY),
        lambda books: books.set_amount(ORDERS[0], 0),
    ],
)
def test_the_transaction_of_another_context_is_never_seen_or_joined(
    om: OrderManagement, call: Callable[[DirectBooks], object]
) -> None:
    books = DirectBooks(om, "JPM")
    with om.transaction():
        om.amend_order(1, amount=7)
        with pytest.raises(OpenTransactionError):
            Context().run(call, books)
    assert om.get_order(1).amount == 7


@pytest.mark.parametrize("amount", [0, 5])
def test_a_new_amount_interrupted_at_any_line_is_set_or_not_at_all(amount: int) -> None:
    after = book()
    DirectBooks(after, "JPM").set_amount(ORDERS[0], amount)
    line = 1
    while True:
        om = book()
        books, before = DirectBooks(om, "JPM"), om.state_hash()
        if not interrupted_at_line(line, lambda: books.set_amount(ORDERS[0], amount)):  # noqa: B023 - called at once
            break
        om._check()
        assert om.state_hash() in (before, after.state_hash())
        assert books.best_levels()[0] == ((20, 21) if om.state_hash() == before else (20, 1 + amount))
        line += 1
    assert line > 10


def test_the_version_grows_by_two_with_each_change_transaction_and_rollback(om: OrderManagement) -> None:
    books = DirectBooks(om, "JPM")
    version = books.version
    assert version % 2 == 0
    om.remove_order(5)
    assert books.version == version + 2
    books.set_amount(ORDERS[0], 3)
    assert books.version == version + 4
    with om.transaction():
        om.remove_order(1)
        assert books.version == version + 5
        om.remove_order(2)
        assert books.version == version + 5
    assert books.version == version + 6
    with om.what_if():
        om.remove_order(3)
    assert books.version == version + 8
    om.quote("JPM", BUY, 1)
    assert books.version == version + 8


@pytest.mark.parametrize("side", [BUY, SELL])
def test_the_best_order_is_the_one_that_a_trade_fills_first(om: OrderManagement, side: Side) -> None:
    books = DirectBooks(om, "JPM")
    for _ in range(sum(level.orders for level in om.depth("JPM", side))):
        order = om.orders("JPM", side)[0]
        assert books.best_order(side) == order
        assert om.place_trade("JPM", side, order.amount).fills[0].order_id == order.order_id
    assert books.best_order(side) is None


def best_levels_of(om: OrderManagement) -> tuple[tuple[int, int] | None, ...]:
    depths = [om.depth("JPM", side, 1) for side in Side]
    return tuple((levels[0].price, levels[0].amount) if levels else None for levels in depths)


def change(om: OrderManagement, books: DirectBooks, order: Order, rng: random.Random) -> None:
    """Add the order, or change another one, with a method of `om` or of `books`."""
    resting = om.orders("JPM")
    kind = rng.randrange(6) if resting else 0
    if kind <= 1:
        books.add((order.order_id, order.symbol, order.side, order.amount, order.price))
    elif kind == 2:
        books.set_amount(rng.choice(resting), rng.randrange(4))
    elif kind == 3:
        om.remove_order(rng.choice(resting).order_id)
    elif kind == 4:
        best = om.orders("JPM", resting[0].side)[0]
        assert books.fill_best_order(best.side, OrderFill(best.order_id, 1, best.price))
    else:
        om.add_order(*order)


@pytest.mark.parametrize("seed", range(20))
def test_the_best_levels_stay_right_after_own_changes_other_changes_and_rollbacks(seed: int) -> None:
    om, rng = OrderManagement(), random.Random(seed)
    books, block = DirectBooks(om, "JPM"), ExitStack()
    for order_id in range(400):
        if rng.random() < 0.1:
            block.close()
        elif rng.random() < 0.1:
            block.enter_context(rng.choice([om.transaction, om.what_if])())
        change(
            om,
            books,
            Order(order_id, "JPM", rng.choice([BUY, SELL]), rng.randrange(1, 5), rng.randrange(1, 6)),
            rng,
        )
        if rng.random() < 0.7:
            assert books.best_levels() == best_levels_of(om)
            assert books.best_levels() is books.best_levels()
    block.close()
    assert books.best_levels() == best_levels_of(om)


def test_the_expected_version_differs_from_the_version_after_any_other_change(om: OrderManagement) -> None:
    books = DirectBooks(om, "JPM")
    books.add((7, "JPM", BUY, 5, 20))
    books.set_amount((7, "JPM", BUY, 5, 20), 4)
    books.set_amount((7, "JPM", BUY, 4, 20), 4)  # changes nothing
    assert books.fill_best_order(BUY, OrderFill(1, 3, 20))
    assert books.version == books.expected_version
    om.remove_order(5)
    assert books.version == books.expected_version + 2
    books.set_amount((7, "JPM", BUY, 4, 20), 0)
    assert books.version == books.expected_version + 2


def test_an_order_is_added_with_the_same_event_and_errors_as_by_the_method() -> None:
    ours, theirs = book(), book()
    events: dict[int, list[Event]] = {id(ours): [], id(theirs): []}
    for om in (ours, theirs):
        om.subscribe(events[id(om)].append)
    DirectBooks(ours, "JPM").add((9, "JPM", BUY, 5, 20))
    theirs.add_order(9, "JPM", BUY, 5, 20)
    assert events[id(ours)] == events[id(theirs)]
    before = ours.state_hash()
    with pytest.raises(DuplicateOrderError):
        DirectBooks(ours, "JPM").add((9, "JPM", BUY, 5, 20))
    with pytest.raises(InvalidOrderError):
        DirectBooks(ours, "JPM").add((10, "JPM", BUY, 0, 20))
    assert ours.state_hash() == before == theirs.state_hash()


@pytest.mark.parametrize("amount", [5, 20])
def test_a_fill_of_the_best_order_is_the_same_trade_as_by_the_method(amount: int) -> None:
    ours, theirs = book(), book()
    events: dict[int, list[Event]] = {id(ours): [], id(theirs): []}
    for om in (ours, theirs):
        om.subscribe(events[id(om)].append)
    assert DirectBooks(ours, "JPM").fill_best_order(BUY, OrderFill(1, amount, 20))
    theirs.place_trade("JPM", BUY, amount)
    ours._check()
    assert events[id(ours)] == events[id(theirs)]
    assert ours.state_hash() == theirs.state_hash()


@pytest.mark.parametrize(
    ("side", "fill"),
    [(BUY, (2, 1, 20)), (BUY, (1, 1, 21)), (BUY, (1, 21, 20)), (SELL, (1, 1, 20))],
)
def test_a_fill_that_is_not_part_of_the_best_order_changes_nothing(
    om: OrderManagement, side: Side, fill: tuple[int, int, int]
) -> None:
    before = om.state_hash()
    assert not DirectBooks(om, "JPM").fill_best_order(side, OrderFill(*fill))
    assert not DirectBooks(om, "XYZ").fill_best_order(side, OrderFill(*fill))
    with pytest.raises(InvalidOrderError):
        DirectBooks(om, "JPM").fill_best_order(side, OrderFill(1, 0, 20))
    assert om.state_hash() == before


def test_the_best_levels_are_read_again_after_a_transaction_with_a_change_far_from_them(
    om: OrderManagement,
) -> None:
    books = DirectBooks(om, "JPM")
    assert books.best_levels()[0] == (20, 21)
    with om.transaction():
        books.add((7, "JPM", BUY, 5, 30))
        om.add_order(8, "JPM", BUY, 5, 10)
    assert books.best_levels()[0] == (10, 5)
