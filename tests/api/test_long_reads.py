"""The levels of a large book are read in slices, and show the state at the beginning."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oms import InvalidOrderError, MatchingEngine, Order, OrderManagement, Side
from oms.api import long_reads
from oms.api.slices import RestingOrders
from support.api_books import client_of
from support.book_commands import commands, run
from support.strategies import distinct_orders, order_ids

BUY, SELL = Side.BUY, Side.SELL

removals = st.tuples(st.just("remove_order"), order_ids)


class Interleaved:
    """Makes the next change of a list before each slice."""

    def __init__(self, om: OrderManagement, changes: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
        self.slices = 0
        original = RestingOrders.next

        def next_slice(orders: RestingOrders, limit: int) -> list[Any]:
            self.slices += 1
            run(om, changes[:1])
            del changes[:1]
            return original(orders, limit)

        monkeypatch.setattr(RestingOrders, "next", next_slice)


@settings(max_examples=200)
@given(
    distinct_orders(),
    st.lists(commands | removals, max_size=20),
    st.sampled_from(Side),
    st.none() | st.integers(1, 9),
    st.integers(0, 3),
)
def test_the_depth_is_that_of_the_beginning_whatever_changes_between_slices(
    orders: list[Order], changes: list[Any], side: Side, levels: int | None, slice_: int
) -> None:
    om = OrderManagement()
    om.add_orders(order._replace(symbol="JPM") for order in orders)
    expected = om.depth("JPM", side, levels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(long_reads, "SLICE", slice_ or 1)
        Interleaved(om, list(changes), patch)
        assert long_reads.depth(om, "JPM", side, levels) == expected
    assert not om._ledger.subscribers.callbacks


def test_a_large_book_is_read_in_slices_and_a_part_of_it_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    om = OrderManagement()
    om.add_orders([Order(n, "JPM", BUY, n + 1, n + 1) for n in range(3_000)])
    reading = Interleaved(om, [], monkeypatch)
    assert long_reads.depth(om, "JPM", BUY, 1_000) == om.depth("JPM", BUY, 1_000)
    assert reading.slices == 0
    assert long_reads.depth(om, "JPM", BUY) == om.depth("JPM", BUY)
    assert reading.slices == 4
    assert long_reads.depth(om, "JPM", BUY, 2**70) == om.depth("JPM", BUY)


def test_the_depth_of_an_engine_counts_visible_lots() -> None:
    engine = MatchingEngine()
    for n in range(1_500):
        engine.submit(n, "JPM", SELL, 20, 100 + n, display=5)
    levels = long_reads.depth(engine, "JPM", BUY)
    assert levels == engine.depth("JPM", BUY)
    assert levels[0].amount == 5


def test_an_invalid_number_of_levels_is_rejected() -> None:
    with pytest.raises(InvalidOrderError, match="levels"):
        long_reads.depth(OrderManagement(), "JPM", BUY, 0)


def test_the_endpoints_return_all_levels_of_a_large_book() -> None:
    om = OrderManagement()
    om.add_orders([Order(n, "JPM", BUY, 2, n + 1) for n in range(2_500)])
    client, book = client_of(om), {"symbol": "JPM", "side": "BUY"}
    levels = client.get("/depth", params={**book, "decimals": "true"}).json()["levels"]
    assert [int(level["price"]) for level in levels] == [level.price for level in om.depth("JPM", BUY)]
    curve = client.get("/curve", params=book).json()
    expected = om.price_curve("JPM", BUY)
    assert {name: list(map(int, curve[name])) for name in expected} == expected
