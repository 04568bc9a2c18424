"""Hypothesis strategies for orders and queries, and values that every method must reject."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
from hypothesis import strategies as st

from oms import Order, Side

# Few symbols, prices, and ids, so that orders share levels, ids repeat, and books become empty.
symbols = st.sampled_from(["AAPL", "JPM"])
sides = st.sampled_from(Side)
order_ids = st.integers(0, 30)
HUGE = 2**63 - 1


def mostly_small(largest: int, huge: int) -> st.SearchStrategy[int]:
    """Return a strategy that draws a number in 1..largest, or `huge` in one of 30 draws."""
    return st.integers(1, largest * 30).map(lambda n: huge if n % 30 == 29 else n % largest + 1)


amounts = mostly_small(40, HUGE)
prices = mostly_small(12, HUGE)
requested_amounts = mostly_small(120, 2**70)
budgets = mostly_small(1500, 2**140)
limits = st.none() | mostly_small(13, HUGE)
bps = st.integers(0, 40) | st.integers(0, 20_000) | st.just(2**70)

orders = st.builds(Order, order_ids, symbols, sides, amounts, prices)


def distinct_orders(max_size: int = 30) -> st.SearchStrategy[list[Order]]:
    """Return a strategy of lists of orders with distinct ids."""
    return st.lists(orders, max_size=max_size, unique_by=lambda order: order.order_id)


NOT_INTS = [
    True,
    1.0,
    float("nan"),
    Decimal(1),
    Fraction(1),
    np.int64(1),
    np.float64(1),
    np.bool_(True),
    "1",
    b"1",
    None,
    [1],
]
"""Values whose type is not int. Most of them equal 1."""

NOT_SYMBOLS = ["", None, 1, b"JPM", np.str_("JPM"), Side.BUY, ["JPM"], "\ud800"]
NOT_SIDES = ["BUY", "SELL", 0, 1, None, True, "buy", Side]

level_changes = st.lists(
    st.lists(
        st.tuples(
            st.integers(0, 1),
            st.integers(1, 40).map(lambda tick: f"{tick / 10:.1f}"),
            st.sampled_from(["0", "0.00000", "1.00000", "2.50000", "0.00007"]),
        ),
        max_size=6,
    ),
    max_size=25,
)
"""Messages of a level-2 feed: lists of (side, price, amount), where side 0 is asks and 1 is bids.

The books can be crossed.
"""
