"""A book's sides and best levels, under their usual market data names."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from oms.models import Side

__all__ = ["ASK", "BID", "Level", "Top", "new_level", "new_top"]

# In `oms`, a book's side is the side of the trades that fill its orders. A BUY trade fills asks, and a SELL
# trade fills bids. Only these two constants translate between the terms.
ASK = Side.BUY
BID = Side.SELL


class Level(NamedTuple):
    """A price (ticks), and the total amount (lots) of the orders at that price."""

    price: int
    amount: int


new_level: Callable[[tuple[int, int]], Level] = partial(
    tuple.__new__,  # pyright: ignore[reportUnknownMemberType]  # the type in its stub is partly unknown
    Level,
)
"""Return the Level with these fields. It is created in C, twice as fast as by calling `Level`."""


class Top(NamedTuple):
    """The best ask (`buy`) and the best bid (`sell`), or None for an empty side."""

    buy: Level | None
    sell: Level | None


new_top: Callable[[tuple[Level | None, Level | None]], Top] = partial(
    tuple.__new__,  # pyright: ignore[reportUnknownMemberType]  # see new_level
    Top,
)
"""Return the Top with these fields, created in C."""
