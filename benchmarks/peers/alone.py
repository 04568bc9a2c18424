"""Measurements of `oms` alone: bulk and single adds, many prices and one, a large book and a small one.

Calls that are compared take turns, and the fastest turn of each call counts.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from functools import partial

from oms import Order, OrderManagement, Side
from workloads import FRESH_ID, SYMBOL, crowd, fresh, ladder, like_a_crowd, timed

BULK = 100_000
SMALL, LARGE = 1_000, 1_000_000
TURNS = 5


def in_bulk() -> dict[str, float]:
    """Return nanoseconds per order for adding 100,000 orders to an empty book, at once and one by one."""
    orders = like_a_crowd(random.Random(2), FRESH_ID, BULK)
    best = {"bulk add": math.inf, "single add": math.inf}
    for _ in range(3):
        best["bulk add"] = min(best["bulk add"], timed(partial(OrderManagement().add_orders, orders)))
        best["single add"] = min(best["single add"], timed(partial(add_all, OrderManagement(), orders)))
    return {name: seconds * 1e9 / BULK for name, seconds in best.items()}


def many_prices() -> dict[str, float]:
    """Return nanoseconds for the prices of 100 amounts, and for the price of the largest amount alone.

    The largest amount is that of the 1,000 best orders. There are three cases: an unchanged book, a book
    whose best order was just removed and added again, and a book right after a bulk load. A bulk load clears
    the cached sums, so that one price reads as many levels as a hundred prices.
    """
    om = crowd(10_000)
    orders = om.orders(SYMBOL, Side.BUY)
    step = sum(order.amount for order in orders[:1_000]) // 100
    amounts = [step * n for n in range(1, 101)]

    def touch() -> None:
        om.remove_order(orders[0].order_id)
        om.add_order(*orders[0])

    def load() -> None:
        om.remove_order(orders[0].order_id)
        om.add_orders(orders[:1])

    one = partial(om.calculate_price, SYMBOL, Side.BUY, amounts[-1])
    hundred = partial(om.calculate_prices, SYMBOL, Side.BUY, amounts)
    unchanged = in_turns({"one price": one, "100 prices": hundred}, lambda: None, times=20)
    changed = in_turns({"one price, changed": one, "100 prices, changed": hundred}, touch)
    loaded = in_turns({"one price, loaded": one, "100 prices, loaded": hundred}, load)
    return unchanged | changed | loaded


def in_turns(
    calls: dict[str, Callable[[], object]], before: Callable[[], None], times: int = 1
) -> dict[str, float]:
    """Return nanoseconds per call. `before` runs before each measurement and is not timed."""
    best = dict.fromkeys(calls, math.inf)
    for _ in range(40):
        for name, call in calls.items():
            before()
            best[name] = min(best[name], timed(call, times) * 1e9)
    return best


def sizes() -> dict[str, float]:
    """Return nanoseconds for a price of 100 orders, an add, and a removal, in a small and a large book."""
    ladders = {size: ladder(size) for size in (SMALL, LARGE)}
    best: dict[str, float] = {}
    for _ in range(TURNS):
        for size, om in ladders.items():
            query = partial(om.calculate_price, SYMBOL, Side.BUY, 1_000)
            update_best(best, f"price at {size}", timed(query, times=200))
    ladders.clear()
    orders = fresh(random.Random(2), 500)
    ids = random.Random(3).sample([order.order_id for order in orders], len(orders))
    crowds = {size: crowd(size) for size in (SMALL, LARGE)}
    for _ in range(TURNS):
        for size, om in crowds.items():
            update_best(best, f"add at {size}", timed(partial(add_all, om, orders)) / len(orders))
            update_best(best, f"remove at {size}", timed(partial(remove_all, om, ids)) / len(ids))
    return best


def update_best(best: dict[str, float], name: str, seconds: float) -> None:
    best[name] = min(best.get(name, math.inf), seconds * 1e9)


def add_all(om: OrderManagement, orders: list[Order]) -> None:
    for order in orders:
        om.add_order(*order)


def remove_all(om: OrderManagement, ids: list[int]) -> None:
    for order_id in ids:
        om.remove_order(order_id)
