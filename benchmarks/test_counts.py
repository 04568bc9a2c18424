"""Count the price levels that a question looks at. Counts never vary, so the test command runs this too."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from oms import InsufficientLiquidityError, OrderManagement, Side
from oms.level import Level
from oms.order_book import OrderBook
from oms.price_sums import MOST_SHIFTS
from workloads import SYMBOL, crowd, ladder


class Counted(dict[int, Level]):
    """A dict that counts its look-ups."""

    looks = 0

    def __getitem__(self, key: int) -> Level:
        self.looks += 1
        return super().__getitem__(key)


def looks_of(om: OrderManagement, ask: Callable[[], object]) -> int:
    """Return how many price levels of the BUY book a question looks at."""
    book = the_book(om)
    counted = book.levels = book._sums._levels = Counted(book.levels)
    ask()
    return counted.looks


def the_book(om: OrderManagement) -> OrderBook:
    return om._books.by_name[SYMBOL, Side.BUY]


@pytest.mark.parametrize("k", [1, 2, 10, 100, 1000, 9_999])
@pytest.mark.parametrize("size", [10_000, 40_000])
def test_a_price_looks_at_no_more_than_the_k_orders_it_would_consume(k: int, size: int) -> None:
    om = ladder(size)
    assert looks_of(om, partial(om.calculate_price, SYMBOL, Side.BUY, 10 * k)) == k
    amounts = [10 * k, 10 * k, 10 * k, 10 * k + 5, 10, 10 * k]
    for again in range(3):
        for amount in amounts:
            consumed = -(-amount // 10)
            assert looks_of(om, partial(om.calculate_price, SYMBOL, Side.BUY, amount)) <= consumed
        om.amend_order(max(1, k // 2), amount=10 + again)  # changes the cached sums in the middle
        om.amend_order(max(1, k // 2), amount=10)


@pytest.mark.parametrize("k", [1, 10, 1000])
@pytest.mark.parametrize("changes", [1, MOST_SHIFTS, MOST_SHIFTS + 1, 100])
def test_a_price_after_changes_looks_at_no_more_than_k(k: int, changes: int) -> None:
    om = ladder(10_000)
    ask = partial(om.calculate_price, SYMBOL, Side.BUY, 10 * k)
    ask()
    for best in range(1, changes + 1):  # the worst case: the cached sums contain levels that are now empty
        om.remove_order(best)
    assert looks_of(om, ask) <= k
    for order_id in range(changes + 1, 2 * changes + 1):  # and levels whose amount has changed
        om.amend_order(order_id, amount=11)
        assert looks_of(om, ask) <= k


def test_a_repeated_price_looks_at_no_level() -> None:
    om = ladder(10_000)
    ask = partial(om.calculate_price, SYMBOL, Side.BUY, 50_000)
    assert [looks_of(om, ask) for _ in range(3)] == [5000, 0, 0]


def test_a_price_looks_once_at_a_level_with_many_orders() -> None:
    om = crowd(100_000)
    best = om.depth(SYMBOL, Side.BUY, 1)[0]
    assert best.orders > 50
    assert looks_of(om, lambda: om.calculate_price(SYMBOL, Side.BUY, best.amount)) == 1


def test_a_shortage_looks_at_each_level_once() -> None:
    om = ladder(1000)

    def ask() -> None:
        with pytest.raises(InsufficientLiquidityError):
            om.calculate_price(SYMBOL, Side.BUY, 10_001)

    assert looks_of(om, ask) <= 1000
