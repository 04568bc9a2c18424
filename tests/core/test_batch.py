"""change_orders: many changes of resting orders at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import Context
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms import (
    DuplicateOrderError,
    Event,
    InvalidOrderError,
    OmsError,
    OpenTransactionError,
    Order,
    OrderAdded,
    OrderAmended,
    OrderManagement,
    OrderNotFoundError,
    OrderRemoved,
    OrdersAdded,
    Side,
)
from oms.batch import change_orders, unused_ids
from oms.books import BULK, ORDERS_BEFORE
from support.memory_journal import MemoryJournal

BUY, SELL = Side.BUY, Side.SELL


def book(journal: MemoryJournal | None = None) -> OrderManagement:
    """Return books with four asks of "JPM" at the prices 21 to 24, and one bid of "IBM"."""
    om = OrderManagement(journal)
    om.add_orders([*(Order(n, "JPM", BUY, 10, 20 + n) for n in range(1, 5)), Order(5, "IBM", SELL, 10, 90)])
    return om


def added(*ids: int) -> list[Order]:
    return [Order(order_id, "JPM", BUY, 7, 20 + order_id) for order_id in ids]


def with_public_methods(om: OrderManagement, amounts: Mapping[int, int], new_orders: Sequence[Order]) -> None:
    """Make the same changes with the public methods."""
    with om.transaction():
        for order_id, amount in amounts.items():
            if amount:
                om.amend_order(order_id, amount=amount)
            else:
                om.remove_order(order_id)
        if len(new_orders) > BULK:
            om.add_orders(new_orders)
        else:
            for order in new_orders:
                om.add_order(*order)


amounts_of_changes = st.dictionaries(st.integers(1, 5), st.integers(0, 12))
ids_of_new_orders = st.one_of(st.sets(st.integers(10, 14)), st.just(range(10, 11 + BULK)))


@given(amounts=amounts_of_changes, new_ids=ids_of_new_orders, asked=st.integers(1, 30))
def test_the_state_and_the_prices_are_those_of_the_public_methods_in_a_transaction(
    amounts: dict[int, int], new_ids: Sequence[int], asked: int
) -> None:
    om, expected = book(), book()
    om.calculate_price("JPM", BUY, asked)
    change_orders(om, amounts, added(*new_ids))
    with_public_methods(expected, amounts, added(*new_ids))
    om._check()
    assert om.state_hash() == expected.state_hash()
    assert om.depth("JPM", BUY) == expected.depth("JPM", BUY)
    available = om.available_amount("JPM", BUY)
    if available:
        assert om.calculate_price("JPM", BUY, available) == expected.calculate_price("JPM", BUY, available)


@given(amounts=amounts_of_changes, new_ids=ids_of_new_orders)
def test_a_subscriber_and_a_journal_get_the_events_of_the_public_methods(
    amounts: dict[int, int], new_ids: Sequence[int]
) -> None:
    journal = MemoryJournal()
    om, expected = book(journal), book()
    events: list[Event] = []
    expected_events: list[Event] = []
    om.subscribe(events.append)
    expected.subscribe(expected_events.append)
    change_orders(om, amounts, added(*new_ids))
    with_public_methods(expected, amounts, added(*new_ids))
    assert events == expected_events
    assert list(journal.read(2)) == events
    assert om.state_hash() == expected.state_hash()


def test_each_change_is_one_event_but_many_new_orders_are_one_event_together() -> None:
    om = book()
    events: list[Event] = []
    om.subscribe(events.append)
    change_orders(om, {1: 0, 2: 5, 3: 10}, added(10, 11))
    assert [type(event) for event in events] == [OrderRemoved, OrderAmended, OrderAdded, OrderAdded]
    change_orders(om, {2: 6}, added(*range(20, 21 + BULK)))
    assert [type(event) for event in events[4:]] == [OrderAmended, OrdersAdded]


def test_new_orders_may_be_plain_tuples_but_events_contain_orders() -> None:
    om, expected = book(), book()
    events: list[Event] = []
    om.subscribe(events.append)
    for number in (1, BULK + 1):
        orders = added(*range(10 * number, 11 * number))
        rows = [tuple(order) for order in orders]
        change_orders(expected, {}, orders)
        change_orders(om, {}, rows)  # type: ignore[arg-type] # the length of the tuples is not known
    assert om.state_hash() == expected.state_hash()
    assert [
        {type(order) for order, _ in ORDERS_BEFORE[type(event)](event.subject())} for event in events
    ] == [
        {Order},
        {Order},
    ]


def test_a_symbol_of_a_new_order_may_have_letters_outside_ascii() -> None:
    om = book()
    change_orders(om, {}, [Order(10, "\u00d1U", BUY, 7, 20)])
    assert om.get_order(10).symbol == "\u00d1U"


def test_unused_ids_skip_the_ids_of_resting_orders() -> None:
    om, ids = book(), count(3)
    assert unused_ids(om, ids, 0) == []
    assert unused_ids(om, ids, 2) == [6, 7]
    assert next(ids) == 8


def test_unused_ids_wait_for_the_transaction_of_another_context() -> None:
    om = book()
    with om.transaction():
        assert unused_ids(om, count(4), 2) == [6, 7]
        with pytest.raises(OpenTransactionError):
            Context().run(unused_ids, om, count(4), 2)


def test_no_change_creates_no_event() -> None:
    om = book()
    before = om.state_hash()
    change_orders(om, {}, [])
    change_orders(om, {1: 10}, [])
    assert om.state_hash() == before


@pytest.mark.parametrize(
    ("amounts", "new_orders", "error"),
    [
        ({1: 0, 9: 1}, added(10), OrderNotFoundError),
        ({1: 0, 2: -1}, added(10), InvalidOrderError),
        ({1: 0, 2: 2**63}, added(10), InvalidOrderError),
        ({1: 0, 2: True}, added(10), InvalidOrderError),
        ({1: 0, 2: 1.0}, added(10), InvalidOrderError),
        ({1: 0}, added(10, 4), DuplicateOrderError),
        ({1: 0}, added(10, 10), DuplicateOrderError),
        ({1: 0}, [*added(10), Order(11, "JPM", BUY, 0, 5)], InvalidOrderError),
        ({1: 0}, added(4, *range(10, 10 + BULK)), DuplicateOrderError),
        ({1: 0}, [*added(*range(10, 10 + BULK)), Order(40, "", BUY, 1, 5)], InvalidOrderError),
    ],
)
@pytest.mark.parametrize("journaled", [False, True])
def test_an_invalid_change_raises_an_error_and_changes_nothing(
    amounts: dict[int, int], new_orders: list[Order], error: type[OmsError], *, journaled: bool
) -> None:
    om = book(MemoryJournal() if journaled else None)
    before = om.state_hash()
    with pytest.raises(error):
        change_orders(om, amounts, new_orders)
    om._check()
    assert om.state_hash() == before


def test_the_changes_belong_to_the_open_transaction() -> None:
    om = book()
    before = om.state_hash()
    with om.what_if():
        change_orders(om, {1: 0, 2: 5}, added(10))
        assert om.depth("JPM", BUY)[0] == (22, 5, 1)
    assert om.state_hash() == before
