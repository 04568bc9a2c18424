"""Slices of the price levels, read while the book changes, show the levels at one moment."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from oms import MatchingEngine, Order, OrderManagement, PriceLevel, Side
from oms.api.level_slices import PriceLevels
from support.book_commands import commands, run
from support.engine_commands import run_verbs, verbs
from support.strategies import amounts, distinct_orders, order_ids, prices, symbols

removals = st.tuples(st.just("remove_order"), order_ids)
clearings = st.tuples(st.just("remove_orders"), st.none() | symbols)
changes = st.lists(commands | removals | clearings, max_size=6)
amendments = st.lists(st.tuples(order_ids, amounts, prices), max_size=3)
steps = st.lists(changes | amendments | st.integers(1, 3), max_size=30)


def change(om: OrderManagement, step: list[Any]) -> None:
    for verb in step:
        if isinstance(verb[0], str):
            run(om, [verb])
        elif verb[0] in om:
            om.amend_order(verb[0], amount=verb[1], price=verb[2])


@given(distinct_orders(), steps, st.sampled_from(Side), st.integers(1, 3))
@settings(max_examples=200)
def test_slices_together_are_the_levels_at_the_beginning_whatever_changes_between_them(
    first: list[Order], steps: list[Any], side: Side, last: int
) -> None:
    om = OrderManagement()
    om.add_orders(first)
    expected = om.depth("JPM", side)
    reader = PriceLevels(om, "JPM", side)
    om.subscribe(reader)
    levels: list[PriceLevel] = []
    for step in steps:
        if isinstance(step, int):
            levels += reader.next(step)
        else:
            change(om, step)
    while part := reader.next(last):
        levels += part
    assert tuple(levels) == expected
    assert reader.is_complete


@given(
    st.lists(verbs, max_size=15), st.lists(st.lists(verbs, max_size=5), max_size=10), st.sampled_from(Side)
)
@settings(max_examples=200)
def test_slices_of_an_engine_show_the_visible_lots_at_the_beginning(
    before: list[Any], steps: list[Any], side: Side
) -> None:
    engine = MatchingEngine()
    run_verbs(engine, before)
    expected = engine.depth("JPM", side)
    reader = PriceLevels(engine, "JPM", side)
    engine.subscribe(reader)
    levels: list[PriceLevel] = []
    for step in steps:
        run_verbs(engine, step)
        levels += reader.next(1)
    while part := reader.next(1):
        levels += part
    assert tuple(levels) == expected


def test_a_slice_is_empty_only_after_the_last_level() -> None:
    om = OrderManagement()
    om.add_orders(Order(n, "JPM", Side.SELL, 1, n) for n in range(1, 4))
    reader = PriceLevels(om, "JPM", Side.SELL)
    om.subscribe(reader)
    om.remove_orders("JPM")
    om.add_orders(Order(n, "JPM", Side.SELL, 5, n) for n in range(10, 20))
    assert [level.price for level in reader.next(1)] == [3, 2, 1]
    assert reader.next(1) == []


def test_a_trade_that_fills_its_last_order_completely_removes_it() -> None:
    for amount in (5, 6, 10):
        om = OrderManagement()
        om.add_orders(Order(n, "JPM", Side.BUY, 5, 20) for n in range(4))
        expected = om.depth("JPM", Side.BUY)
        reader = PriceLevels(om, "JPM", Side.BUY)
        om.subscribe(reader)
        om.place_trade("JPM", Side.BUY, amount)
        assert tuple(reader.next(9)) == expected
