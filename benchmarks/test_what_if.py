"""Does a what-if cost what it touches, or what rests? A ratio within one run."""

from __future__ import annotations

from functools import partial

from oms import OrderManagement, Side
from workloads import FRESH_ID, SYMBOL, crowd, fastest

SMALL, LARGE = 1_000, 1_000_000


def wonder(om: OrderManagement) -> int:
    """Price it as if the best order were gone, another were there, and somebody had traded first."""
    price = om.best_price(SYMBOL, Side.BUY)
    assert price is not None
    best = next(iter(om.quote(SYMBOL, Side.BUY, 1).fills)).order_id
    with om.what_if():
        om.remove_order(best)
        om.add_order(FRESH_ID, SYMBOL, Side.BUY, 10, price)
        om.place_trade(SYMBOL, Side.BUY, 500)
        return om.calculate_price(SYMBOL, Side.BUY, 500)


def test_a_what_if_costs_what_it_touches_whatever_rests() -> None:
    books = {size: crowd(size) for size in (SMALL, LARGE)}
    before = {size: om.orders()[:100] for size, om in books.items()}
    times = fastest({size: partial(wonder, om) for size, om in books.items()}, turns=15, times=20)
    ratio = times[LARGE] / times[SMALL]
    print({size: f"{time * 1e6:.0f} us" for size, time in times.items()}, f"ratio {ratio:.2f}")
    assert {size: om.orders()[:100] for size, om in books.items()} == before
    assert ratio < 3
