"""The number of price levels that a query reads. Counts never vary, so this file is part of the tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

import pytest
from sortedcontainers import SortedList

from oms import InsufficientLiquidityError, Order, OrderManagement, Side
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


class CountingList(SortedList[int]):
    """A SortedList that counts the items that its iterators return."""

    returned = 0

    def _counted(self, items: Iterable[int]) -> Iterator[int]:
        for item in items:
            self.returned += 1
            yield item

    def __iter__(self) -> Iterator[int]:
        return self._counted(super().__iter__())

    def irange(self, *arguments: Any, **options: Any) -> Iterator[int]:
        return self._counted(super().irange(*arguments, **options))

    def islice(self, *arguments: Any, **options: Any) -> Iterator[int]:
        return self._counted(super().islice(*arguments, **options))


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


def ladders(n: int) -> OrderManagement:
    """Return n levels of one order on each side. Each order has 10 lots."""
    om = ladder(n)
    om.add_orders(Order(n + rank, SYMBOL, Side.SELL, 10, 2 * n + 1 - rank) for rank in range(1, n + 1))
    return om


class Sweep(NamedTuple):
    """A trade that takes the k best levels: its amount, its best and its worst price, and its total price."""

    k: int
    amount: int
    best: int
    price: int
    cost: int

    @property
    def slippage(self) -> int:
        """The slippage against the best price, rounded down to basis points."""
        return 10_000 * abs(self.cost - self.amount * self.best) // (self.amount * self.best)


QUERIES: dict[str, Callable[[OrderManagement, Side, Sweep], object]] = {
    "best_price": lambda om, side, _: om.best_price(SYMBOL, side),
    "depth": lambda om, side, sweep: om.depth(SYMBOL, side, sweep.k),
    "price_curve": lambda om, side, sweep: om.price_curve(SYMBOL, side, sweep.k),
    "calculate_price": lambda om, side, sweep: om.calculate_price(SYMBOL, side, sweep.amount),
    "calculate_prices": lambda om, side, sweep: om.calculate_prices(SYMBOL, side, [1, sweep.amount]),
    "quote": lambda om, side, sweep: om.quote(SYMBOL, side, sweep.amount),
    "calculate_amount": lambda om, side, sweep: om.calculate_amount(SYMBOL, side, sweep.cost),
    "calculate_amount with a limit": lambda om, side, sweep: om.calculate_amount(
        SYMBOL, side, sweep.cost, limit_price=sweep.price
    ),
    "available_amount": lambda om, side, sweep: om.available_amount(SYMBOL, side, limit_price=sweep.price),
    "amount_within": lambda om, side, sweep: om.amount_within(SYMBOL, side, sweep.slippage),
    "place_trade": lambda om, side, sweep: om.place_trade(SYMBOL, side, sweep.amount),
}


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("name", QUERIES)
@pytest.mark.parametrize("k", [1, 10, 1000])
def test_a_query_reads_no_more_prices_than_levels_that_the_trade_would_take(
    name: str, side: Side, k: int
) -> None:
    om = ladders(10_000)
    prices = [level.price for level in om.depth(SYMBOL, side, k)]
    sweep = Sweep(k, 10 * k, prices[0], prices[-1], 10 * sum(prices))
    book = om._books.by_name[SYMBOL, side]
    counting = book._ladder = CountingList(book._ladder)
    before = counting.returned
    QUERIES[name](om, side, sweep)
    assert counting.returned - before <= k + 2  # the levels behind the last one, where the query stops
