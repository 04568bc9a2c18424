"""How the time of a call grows with the number of consumed orders and with the size of the book."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from functools import partial

from oms import Order, OrderManagement, Side
from workloads import SYMBOL, Bare, crowd, fastest, fresh, ladder, near, short_collections, timed

SMALL, LARGE = 1_000, 1_000_000
Book = OrderManagement | Bare


def slope(points: dict[int, float]) -> float:
    """Return the exponent of growth, which is the least-squares slope of log(time) over log(k)."""
    xs, ys = [math.log(x) for x in points], [math.log(y) for y in points.values()]
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    up = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True))
    return up / sum((x - mean_x) ** 2 for x in xs)


def test_the_time_of_a_first_price_grows_at_most_linearly_with_the_number_of_consumed_orders() -> None:
    om = ladder(10_000)
    queries = {
        k: partial(price_after_a_change, om, 10 * k) for k in (1, 3, 10, 30, 100, 300, 1000, 3000, 10_000)
    }
    times = fastest(queries, times=5)
    print({k: f"{time * 1e6:.1f} us" for k, time in times.items()}, f"slope {slope(times):.2f}")
    assert slope(times) <= 1.1


def test_the_time_of_a_repeated_price_does_not_depend_on_the_amount() -> None:
    om = ladder(10_000)
    times = fastest({k: pricing(om, 10 * k) for k in (1, 1000)}, times=200, turns=15)
    ratio = times[1000] / times[1]
    print(f"k=1,000 / k=1: {ratio:.2f}")
    assert ratio < 1.5


def test_the_time_of_a_price_does_not_depend_on_the_size_of_the_book() -> None:
    books = {size: ladder(size) for size in (SMALL, LARGE)}
    queries = {size: partial(price_after_a_change, om, 1000) for size, om in books.items()}
    times = fastest(queries, times=50, turns=15)
    ratio = times[LARGE] / times[SMALL]
    print(f"1,000,000 / 1,000 resting: {ratio:.2f}")
    assert ratio < 1.5


def test_adding_and_removing_near_the_best_price_are_less_than_three_times_slower_in_a_large_book() -> None:
    """Print two more workloads, whose times depend on the memory (see docs/explanation/performance.md)."""
    books: dict[str, dict[int, Book]] = {"oms": {}, "bare": {}}
    for size in (SMALL, LARGE):
        om = crowd(size)
        books["oms"][size], books["bare"][size] = om, Bare(om.orders())
    workloads = {"near": near(random.Random(2), 500), "anywhere": fresh(random.Random(2), 500)}
    with short_collections():
        ratios = {
            (where, who): growth(books[who], orders) for where, orders in workloads.items() for who in books
        }
    print("1,000,000 / 1,000 resting, (add, remove):")
    for (where, who), (adding, removing) in ratios.items():
        print(f"  {where}, {who}: {adding:.2f} {removing:.2f}")
    assert max(ratios["near", "oms"]) < 3


def growth(books: Mapping[int, Book], orders: list[Order]) -> tuple[float, float]:
    """Return the time in the large book divided by that in the small one, for adding and for removing."""
    removals = random.Random(3).sample(orders, len(orders))
    adding, removing = dict.fromkeys(books, math.inf), dict.fromkeys(books, math.inf)
    for _ in range(9):
        for size, book in books.items():
            adding[size] = min(adding[size], timed(partial(add_all, book, orders)))
            removing[size] = min(removing[size], timed(partial(remove_all, book, removals)))
    return adding[LARGE] / adding[SMALL], removing[LARGE] / removing[SMALL]


def price_after_a_change(om: OrderManagement, amount: int) -> int:
    """Return the price of an amount right after two amendments of the best order that cancel each other."""
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
