"""Measure how the verbs scale with the consumed orders and with the size of the book."""

from __future__ import annotations

import gc
import math
import random
from collections.abc import Callable, Mapping
from functools import partial

from oms import Order, OrderManagement, Side
from workloads import SYMBOL, Bare, crowd, fastest, fresh, ladder, near, timed

SMALL, LARGE = 1_000, 1_000_000
Book = OrderManagement | Bare


def slope(points: dict[int, float]) -> float:
    """Return the exponent of growth: least squares on log time over log k."""
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


def test_the_time_of_a_repeated_question_does_not_depend_on_the_amount() -> None:
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
    """docs/explanation/performance.md says how memory affects the other rows that this test prints."""
    books: dict[str, dict[int, Book]] = {"oms": {}, "bare": {}}
    for size in (SMALL, LARGE):
        om = crowd(size)
        books["oms"][size], books["bare"][size] = om, Bare(om.orders())
    workloads = {"near": near(random.Random(2), 500), "anywhere": fresh(random.Random(2), 500)}
    gc.freeze()  # otherwise each garbage collection before a timing would walk all the books
    ratios = {
        (where, who): growth(books[who], orders) for where, orders in workloads.items() for who in books
    }
    gc.unfreeze()
    print("1,000,000 / 1,000 resting, (add, remove):")
    for (where, who), (added, removed) in ratios.items():
        print(f"  {where}, {who}: {added:.2f} {removed:.2f}")
    assert max(ratios["near", "oms"]) < 3


def growth(books: Mapping[int, Book], orders: list[Order]) -> tuple[float, float]:
    """Return the time in the large book divided by that in the small one, for adding and for removing."""
    shuffled = random.Random(3).sample(orders, len(orders))
    added, removed = dict.fromkeys(books, math.inf), dict.fromkeys(books, math.inf)
    for _ in range(9):
        for size, book in books.items():
            added[size] = min(added[size], timed(partial(add_all, book, orders)))
            removed[size] = min(removed[size], timed(partial(remove_all, book, shuffled)))
    return added[LARGE] / added[SMALL], removed[LARGE] / removed[SMALL]


def ask_after_a_change(om: OrderManagement, amount: int) -> int:
    """Price an amount right after the best order was amended twice, which ends in the same book."""
    om.amend_order(1, amount=11)
    om.amend_order(1, amount=10)
    return om.calculate_price(SYMBOL, Side.BUY, amount)


def pricing(om: OrderManagement, amount: int) -> Callable[[], object]:
    return lambda: om.calculate_price(SYMBOL, Side.BUY, amount)


def add_all(book: Book, orders: list[Order]) -> None:
    for order in orders:
        book.add_order(*order)


def remove_all(book: Book, orders: list[Order]) -> None:
    for order in orders:
        book.remove_order(order.order_id)
