"""The number of price levels that a query reads. Counts never vary, so this file is part of the tests."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from oms import InsufficientLiquidityError, OrderManagement, Side
from oms.level import Level
from oms.order_book import OrderBook
from oms.price_sums import MOST_CORRECTIONS
from workloads import SYMBOL, crowd, ladder


class CountingDict(dict[int, Level]):
    """A dict that counts its lookups."""

    lookups = 0

    def __getitem__(self, key: int) -> Level:
        self.lookups += 1
        return super().__getitem__(key)


def levels_read(om: OrderManagement, query: Callable[[], object]) -> int:
    """Return how many price levels of the BUY book a query reads."""
    book = buy_book(om)
    counting = book.levels = book._sums._levels = CountingDict(book.levels)
    query()
    return counting.lookups


def buy_book(om: OrderManagement) -> OrderBook:
    return om._books.by_name[SYMBOL, Side.BUY]


@pytest.mark.parametrize("k", [1, 2, 10, 100, 1000, 9_999])
@pytest.mark.parametrize("size", [10_000, 40_000])
def test_a_price_reads_at_most_one_level_per_order_that_the_trade_would_consume(k: int, size: int) -> None:
    om = ladder(size)
    assert levels_read(om, partial(om.calculate_price, SYMBOL, Side.BUY, 10 * k)) == k
    amounts = [10 * k, 10 * k, 10 * k, 10 * k + 5, 10, 10 * k]
    for repetition in range(3):
        for amount in amounts:
            consumed = -(-amount // 10)
            assert levels_read(om, partial(om.calculate_price, SYMBOL, Side.BUY, amount)) <= consumed
        om.amend_order(max(1, k // 2), amount=10 + repetition)  # changes the cached sums in the middle
        om.amend_order(max(1, k // 2), amount=10)


@pytest.mark.parametrize("k", [1, 10, 1000])
@pytest.mark.parametrize("changes", [1, MOST_CORRECTIONS, MOST_CORRECTIONS + 1, 100])
def test_a_price_after_changes_reads_at_most_one_level_per_order_that_the_trade_would_consume(
    k: int, changes: int
) -> None:
    om = ladder(10_000)
    query = partial(om.calculate_price, SYMBOL, Side.BUY, 10 * k)
    query()
    for best in range(1, changes + 1):  # the worst case: the cached sums contain levels that are now empty
        om.remove_order(best)
    assert levels_read(om, query) <= k
    for order_id in range(
        changes + 1, 2 * changes + 1
    ):  # the cached sums also contain levels whose amount has changed
        om.amend_order(order_id, amount=11)
        assert levels_read(om, query) <= k


def test_a_repeated_price_reads_no_level() -> None:
    om = ladder(10_000)
    query = partial(om.calculate_price, SYMBOL, Side.BUY, 50_000)
    assert [levels_read(om, query) for _ in range(3)] == [5000, 0, 0]


def test_a_price_reads_a_level_with_many_orders_once() -> None:
    om = crowd(100_000)
    best = om.depth(SYMBOL, Side.BUY, 1)[0]
    assert best.orders > 50
    assert levels_read(om, lambda: om.calculate_price(SYMBOL, Side.BUY, best.amount)) == 1


def test_an_amount_above_the_available_liquidity_reads_each_level_once() -> None:
    om = ladder(1000)

    def query() -> None:
        with pytest.raises(InsufficientLiquidityError):
            om.calculate_price(SYMBOL, Side.BUY, 10_001)

    assert levels_read(om, query) <= 1000
