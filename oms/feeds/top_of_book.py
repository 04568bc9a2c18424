"""A book's sides and best levels, under their usual market data names."""

from __future__ import annotations

from typing import NamedTuple

from oms.direct_books import BestLevel
from oms.models import Side

__all__ = ["ASK", "BID", "Best", "Level", "Top", "top_of"]

# In `oms`, a book's side is the side of the trades that fill its orders. A BUY trade fills asks, and a SELL
# trade fills bids. Only these two constants translate between the terms.
ASK = Side.BUY
BID = Side.SELL


class Level(NamedTuple):
    """A price (ticks), and the total amount (lots) of the orders at that price."""

    price: int
    amount: int


class Top(NamedTuple):
    """The best ask (`buy`) and the best bid (`sell`), or None for an empty side."""

    buy: Level | None
    sell: Level | None


Best = tuple[BestLevel, BestLevel]
"""The fields of a Top as plain tuples, which are faster to create."""


def top_of(best: Best) -> Top:
    """Return the Top with these fields."""
    buy, sell = best
    return Top(buy and Level(*buy), sell and Level(*sell))
