"""How do the verbs grow, with what they consume and with the size of the book? Ratios within one run."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from functools import partial

from oms import Order, OrderManagement, Side
from workloads import SYMBOL, crowd, fastest, ladder, near, timed

SMALL, LARGE = 1_000, 1_000_000


def slope(points: dict[int, float]) -> float:
    """The exponent of growth: least squares on log time over log k."""
    xs, ys = [math.log(x) for x in points], [math.log(y) for y in points.values()]
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    up = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True))
    return up / sum((x - mean_x) ** 2 for x in xs)


def test_the_time_of_a_first_question_grows_at_most_linearly_in_the_orders_consumed() -> None:
    om = ladder(10_000)
    asks = {k: partial(ask_after_a_change, om, 10 * k) for k in (1, 3, 10, 30, 100, 300, 1000, 3000, 10_000)}
    times = fastest(asks, times=5)
    print({k: f"{time * 1e6:.1f} us" for k, time in times.items()}, f"slope {slope(times):.2f}")
    assert slope(times) <= 1.1


def test_the_time_of_a_question_asked_again_is_flat() -> None:
    om = ladder(10_000)
    times = fastest({k: pricing(om, 10 * k) for k in (1, 1000)}, times=200, turns=15)
    ratio = times[1000] / times[1]
    print(f"k=1,000 / k=1: {ratio:.2f}")
    assert ratio < 1.5


def test_the_time_of_a_price_does_not_depend_on_the_size_of_the_book() -> None:
    books = {size: ladder(size) for size in (SMALL, LARGE)}
    asks = {size: partial(ask_after_a_change, om, 1000) for size, om in books.items()}
    times = fastest(asks, times=50, turns=15)
    ratio = times[LARGE] / times[SMALL]
    print(f"1,000,000 / 1,000 resting: {ratio:.2f}")
    assert ratio < 1.5


def test_adding_and_removing_near_the_market_grow_as_the_logarithm_of_the_book() -> None:
    ratios = growth(near(random.Random(2), 500))
    print({verb: f"1,000,000 / 1,000 resting: {ratio:.2f}" for verb, ratio in ratios.items()})
    assert all(ratio < 3 for ratio in ratios.values())


def growth(orders: list[Order]) -> dict[str, float]:
    """Time in a large book over time in a small one, of adding the orders and of removing them."""
    books = {size: crowd(size) for size in (SMALL, LARGE)}
    shuffled = random.Random(3).sample(orders, len(orders))
    added, removed = dict.fromkeys(books, math.inf), dict.fromkeys(books, math.inf)
    for _ in range(15):
        for size, om in books.items():
            added[size] = min(added[size], timed(partial(add_all, om, orders)))
            removed[size] = min(removed[size], timed(partial(remove_all, om, shuffled)))
    return {"add_order": added[LARGE] / added[SMALL], "remove_order": removed[LARGE] / removed[SMALL]}


def ask_after_a_change(om: OrderManagement, amount: int) -> int:
    """What is known is forgotten: the best order changes, and changes back."""
    om.amend_order(1, amount=11)
    om.amend_order(1, amount=10)
    return om.calculate_price(SYMBOL, Side.BUY, amount)


def pricing(om: OrderManagement, amount: int) -> Callable[[], object]:
    return lambda: om.calculate_price(SYMBOL, Side.BUY, amount)


def add_all(om: OrderManagement, orders: list[Order]) -> None:
    for order in orders:
        om.add_order(*order)


def remove_all(om: OrderManagement, orders: list[Order]) -> None:
    for order in orders:
        om.remove_order(order.order_id)
