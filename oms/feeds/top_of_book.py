"""The sides and best levels of a book, in the terms of market data feeds."""

from __future__ import annotations

from typing import NamedTuple

from oms.models import Side

__all__ = ["ASK", "BID", "Level", "Top"]

# A BUY trade consumes asks and a SELL trade consumes bids. Only these two names translate the terms.
ASK = Side.BUY
BID = Side.SELL


class Level(NamedTuple):
    """A price (ticks) and the total amount of the orders at this price (lots)."""

    price: int
    amount: int


class Top(NamedTuple):
    """The best ask (`buy`) and the best bid (`sell`), each None if its side is empty."""

    buy: Level | None
    sell: Level | None
