"""The time of a what-if in a large book, compared with a small book."""

from __future__ import annotations

from functools import partial

from oms import OrderManagement, Side
from workloads import FRESH_ID, SYMBOL, crowd, fastest

SMALL, LARGE = 1_000, 1_000_000


def price_after_changes(om: OrderManagement) -> int:
    """Return a price inside a what-if that removes the best order, adds an order, and places a trade."""
    price = om.best_price(SYMBOL, Side.BUY)
    assert price is not None
    best = next(iter(om.quote(SYMBOL, Side.BUY, 1).fills)).order_id
    with om.what_if():
        om.remove_order(best)
        om.add_order(FRESH_ID, SYMBOL, Side.BUY, 10, price)
        om.place_trade(SYMBOL, Side.BUY, 500)
        return om.calculate_price(SYMBOL, Side.BUY, 500)


def test_the_time_of_a_what_if_hardly_depends_on_the_size_of_the_book() -> None:
    books = {size: crowd(size) for size in (SMALL, LARGE)}
    before = {size: om.orders()[:100] for size, om in books.items()}
    times = fastest(
        {size: partial(price_after_changes, om) for size, om in books.items()}, turns=15, times=20
    )
    ratio = times[LARGE] / times[SMALL]
    print({size: f"{time * 1e6:.0f} us" for size, time in times.items()}, f"ratio {ratio:.2f}")
    assert {size: om.orders()[:100] for size, om in books.items()} == before
    assert ratio < 3
