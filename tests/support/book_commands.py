"""Random changes of a book, for tests of code that follows those changes."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from hypothesis import strategies as st

from oms import OmsError, Order, OrderManagement, Side
from support.strategies import amounts, order_ids, prices, sides, symbols

commands = st.one_of(
    st.tuples(st.just("add_order"), order_ids, symbols, sides, amounts, prices),
    st.tuples(st.just("remove_order"), order_ids),
    st.tuples(st.just("place_trade"), symbols, sides, amounts),
    st.tuples(st.just("remove_orders"), symbols, sides),
    st.builds(
        lambda first, symbol, count: (
            "add_orders",
            [Order(first + n, ("AAPL", symbol)[n % 2], Side.BUY, 5, 7) for n in range(count)],
        ),
        st.integers(100, 110),
        symbols,
        st.integers(1, 4),
    ),
)


def run(om: OrderManagement, commands: list[Any]) -> None:
    for name, *arguments in commands:
        with suppress(OmsError):
            getattr(om, name)(*arguments)
