"""A run of executions is one trade. If the exchange filled other orders, the book follows the exchange."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms import Order, OrderFill, OrderManagement, PriceLevel, Side
from oms.feeds import Kind, Level, Message
from oms.feeds.orders.sweep import best_levels_during, runs, sweep


def execution(row: int, time: int, side: Side = Side.BUY, kind: Kind = Kind.EXECUTED) -> Message:
    return Message(row, time, kind, row, side, 1, 100)


def test_consecutive_executions_with_the_same_time_and_side_are_one_run() -> None:
    messages = [
        execution(1, 5),
        execution(2, 5),
        execution(3, 5, Side.SELL),
        execution(4, 6, Side.SELL),
        execution(5, 6, Side.SELL, Kind.HIDDEN),
        execution(6, 6, Side.SELL),
    ]
    assert [[message[0] for message in run] for run in runs(messages)] == [[1, 2], [3], [4], [5], [6]]
    assert [message for run in runs(messages) for message in run] == messages


def three_orders() -> OrderManagement:
    om = OrderManagement()
    for order_id, amount, price in ((1, 10, 100), (2, 10, 100), (3, 10, 101)):
        om.add_order(order_id, "X", Side.BUY, amount, price)
    return om


@pytest.mark.parametrize(
    ("published", "equal", "remaining"),
    [
        ([(1, 10, 100), (2, 4, 100)], (True, True), {2: 6, 3: 10}),
        ([(1, 3, 100), (1, 7, 100), (2, 4, 100)], (True, True), {2: 6, 3: 10}),
        ([(2, 4, 100)], (True, False), {1: 10, 2: 6, 3: 10}),
        ([(2, 10, 100), (1, 10, 100)], (True, False), {3: 10}),
        ([(2, 10, 100), (1, 4, 100)], (True, False), {1: 6, 3: 10}),
        ([(3, 10, 101)], (False, False), {1: 10, 2: 10}),
        ([(3, 10, 101), (1, 5, 100)], (False, False), {1: 5, 2: 10}),
        ([(1, 10, 99)], (False, False), {2: 10, 3: 10}),
    ],
)
def test_the_book_has_the_published_amounts_after_a_sweep(
    published: list[tuple[int, int, int]], equal: tuple[bool, bool], remaining: dict[int, int]
) -> None:
    om = three_orders()
    assert sweep(om, "X", Side.BUY, [OrderFill(*fill) for fill in published])[:2] == equal
    assert {order.order_id: order.amount for order in om} == remaining
    om._check()


@pytest.mark.parametrize(
    ("published", "passed_over"),
    [
        ([(1, 10, 100), (2, 4, 100)], ()),
        ([(2, 10, 100), (1, 10, 100)], ()),
        ([(3, 10, 101)], (1,)),
        ([(3, 10, 101), (1, 5, 100)], (1, 2)),
    ],
)
def test_orders_filled_less_than_by_price_and_time_priority_were_passed_over(
    published: list[tuple[int, int, int]], passed_over: tuple[int, ...]
) -> None:
    swept = sweep(three_orders(), "X", Side.BUY, [OrderFill(*fill) for fill in published])
    assert swept.passed_over == passed_over


@given(st.data())
def test_a_sweep_removes_exactly_the_published_amounts(data: st.DataObject) -> None:
    side = data.draw(st.sampled_from(Side))
    amounts = st.integers(1, 9)
    resting = data.draw(st.lists(st.tuples(amounts, st.integers(1, 4)), min_size=1, max_size=8))
    orders = [Order(number, "X", side, amount, price) for number, (amount, price) in enumerate(resting)]
    om = OrderManagement()
    om.add_orders(orders)
    hit = data.draw(st.lists(st.sampled_from(orders), min_size=1, unique=True))
    fills = [OrderFill(o.order_id, data.draw(st.integers(1, o.amount)), o.price) for o in hit]
    sweep(om, "X", side, fills)
    om._check()
    filled = {fill.order_id: fill.amount for fill in fills}
    expected = {order.order_id: order.amount - filled.get(order.order_id, 0) for order in orders}
    assert {order.order_id: order.amount for order in om} == {
        order_id: amount for order_id, amount in expected.items() if amount
    }


def test_the_best_level_after_each_fill_except_the_last_is_computed() -> None:
    levels = [PriceLevel(100, 20, 2), PriceLevel(101, 10, 1)]
    fills = [OrderFill(1, 10, 100), OrderFill(2, 10, 100), OrderFill(3, 4, 101), OrderFill(3, 6, 101)]
    assert list(best_levels_during(levels, fills)) == [Level(100, 10), Level(101, 10), Level(101, 6)]
    assert list(best_levels_during(levels[:1], fills)) == [Level(100, 10), None, None]
