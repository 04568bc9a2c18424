"""The levels and the open orders of an engine, read in slices while it changes, show one moment."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from oms import MatchingEngine, Side
from oms.api.engine.order_index import index_of_engine
from oms.api.engine.snapshot import EngineOrders, Level
from oms.api.slices import SymbolIndex
from oms.submission import OpenOrder, SelfTradePrevention
from support.engine_commands import run_verbs, verbs

changes = st.lists(verbs, max_size=5)
steps = st.lists(changes | st.integers(1, 3), max_size=20)
owners = st.sampled_from([None, "x", "y"])
symbols = st.sampled_from([None, "JPM", "AAPL"])


def begun(engine: MatchingEngine, symbol: str | None = None, owner: str | None = None) -> EngineOrders:
    """Return the levels and orders at this moment. All objects subscribe, as they do for a stream."""
    index = SymbolIndex(engine)
    engine.subscribe(index)
    orders = EngineOrders(engine, index, index_of_engine(engine), symbol, owner)
    engine.subscribe(orders)
    return orders


def levels_of(engine: MatchingEngine, symbol: str | None) -> list[Level]:
    return [
        (each, side, level.price, level.amount)
        for each in (engine.symbols() if symbol is None else [symbol])
        for side in Side
        for level in engine.depth(each, side)
    ]


@given(st.lists(verbs, max_size=15), steps, symbols, owners, st.sampled_from(SelfTradePrevention))
@settings(max_examples=300)
def test_slices_together_are_the_state_at_the_beginning_whatever_changes_between_them(
    before: list[Any],
    steps: list[Any],
    symbol: str | None,
    owner: str | None,
    prevention: SelfTradePrevention,
) -> None:
    engine = MatchingEngine(self_trade_prevention=prevention)
    run_verbs(engine, before)
    expected = levels_of(engine, symbol), engine.orders(symbol, owner=owner)
    state = begun(engine, symbol, owner)
    levels: list[Level] = []
    orders: list[OpenOrder] = []
    for step in [*steps, *[3] * 40]:
        if not isinstance(step, int):
            run_verbs(engine, step)
        elif not state.has_all_levels:
            part = state.next_levels(step)
            assert len(part) <= step + 1
            levels += part
        else:
            some = state.next_orders(step)
            assert len(some) <= step
            orders += some
    assert state.has_all_orders
    assert (levels, tuple(orders)) == expected


def test_an_owner_s_slices_do_not_read_the_orders_of_others() -> None:
    engine = MatchingEngine()
    for number in range(100):
        engine.submit(number, "JPM", Side.BUY, 1, 5, owner="Bob" if number % 50 else "Ann")
    state = begun(engine, None, "Ann")
    assert [order.order.order_id for order in state.next_orders(10)] == [0, 50]
    assert state.has_all_orders


@given(changes, changes)
def test_the_index_contains_the_arrivals_of_each_owner(before: list[Any], after: list[Any]) -> None:
    engine = MatchingEngine()
    run_verbs(engine, before)
    index = index_of_engine(engine)
    run_verbs(engine, after)
    entries = sorted(engine._books.register.entries.items())
    assert list(index.after(-1, None)) == [arrival for arrival, _ in entries]
    for owner in ("x", "y", "nobody"):
        own = [arrival for arrival, entry in entries if entry.order.owner == owner]
        assert list(index.after(-1, owner)) == own
        assert list(index.after(2, owner)) == [arrival for arrival in own if arrival > 2]
