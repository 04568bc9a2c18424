"""The workloads of the benchmarks, and functions that measure time.

ladder(n)       n BUY orders of 10 lots, each at its own price: 1, 2, 3, ... ticks. This is the worst book for
                pricing, because k orders are k levels. A sweep of k orders costs 10 * (1 + ... + k).
crowd(n)        n orders of 1 to 100 random lots, half on each side, at 500 prices per side (9000-9499 and
                9500-9999, not crossed). There are about n / 1000 orders per level, as in a liquid book.
fresh(rng, n)   n more orders of the same kind, with ids above those of any crowd.
near(rng, n)    n more orders at the ten best prices of each side, where most orders of a live market are.

Compare times only within one run. Calls that are compared take turns, and the fastest turn of each call
counts, because noise on a shared machine can only add time.
"""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from time import perf_counter

from sortedcontainers import SortedList

from oms import Order, OrderManagement, Side

SYMBOL = "JPM"
FRESH_ID = 10_000_000


def ladder(n: int) -> OrderManagement:
    """Return a book of n levels with one order each."""
    om = OrderManagement()
    om.add_orders(Order(price, SYMBOL, Side.BUY, 10, price) for price in range(1, n + 1))
    return om


def crowd(n: int) -> OrderManagement:
    """Return a book of n orders on both sides, at 1,000 prices."""
    om = OrderManagement()
    om.add_orders(like_a_crowd(random.Random(1), 0, n))
    return om


class Bare:
    """The bare container: a SortedList of tuples per side, and a dict by id. Its time is a lower bound."""

    def __init__(self, orders: Iterable[Order]) -> None:
        self.keys: dict[Side, SortedList[tuple[int, int, int]]] = {side: SortedList() for side in Side}
        self.by_id: dict[int, tuple[Side, tuple[int, int, int]]] = {}
        for order in orders:
            self.add_order(*order)

    def add_order(self, order_id: int, symbol: str, side: Side, amount: int, price: int) -> None:
        key = (price if side is Side.BUY else -price, order_id, amount)
        self.by_id[order_id] = (side, key)
        self.keys[side].add(key)

    def remove_order(self, order_id: int) -> None:
        side, key = self.by_id.pop(order_id)
        self.keys[side].remove(key)


def fresh(rng: random.Random, n: int) -> list[Order]:
    """Return n orders to add to a crowd."""
    return like_a_crowd(rng, FRESH_ID, n)


def near(rng: random.Random, n: int) -> list[Order]:
    """Return n orders to add to a crowd near its best prices."""
    return [
        order._replace(price=9500 + order.price % 10 if order.side is Side.BUY else 9499 - order.price % 10)
        for order in fresh(rng, n)
    ]


def like_a_crowd(rng: random.Random, first_id: int, n: int) -> list[Order]:
    """Return orders of 1 to 100 lots, with BUY prices above SELL prices, so that the book is not crossed."""
    orders = []
    for order_id in range(first_id, first_id + n):
        side = rng.choice((Side.BUY, Side.SELL))
        price = rng.randint(9500, 9999) if side is Side.BUY else rng.randint(9000, 9499)
        orders.append(Order(order_id, SYMBOL, side, rng.randint(1, 100), price))
    return orders


def timed(call: Callable[[], object], times: int = 1, clock: Callable[[], float] = perf_counter) -> float:
    """Return the seconds per call, averaged over `times` calls."""
    gc.collect()
    gc.disable()
    try:
        start = clock()
        for _ in range(times):
            call()
        return (clock() - start) / times
    finally:
        gc.enable()


@contextmanager
def short_collections() -> Generator[None]:
    """Exclude what is alive now from garbage collection in the block, because `timed` collects each time."""
    is_outermost = gc.get_freeze_count() == 0
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        if is_outermost:
            gc.unfreeze()


def fastest(calls: Mapping[int, Callable[[], object]], turns: int = 7, times: int = 1) -> dict[int, float]:
    """Return the seconds per call for each call: the fastest of several turns, which are interleaved."""
    best = dict.fromkeys(calls, float("inf"))
    with short_collections():
        for _ in range(turns):
            for name, call in calls.items():
                best[name] = min(best[name], timed(call, times))
    return best
