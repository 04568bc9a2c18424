"""The best price level of each side, in the words of a market data feed."""

from __future__ import annotations

from typing import NamedTuple

from oms.models import Side

__all__ = ["ASK", "BID", "Level", "Top"]

# A feed's asks serve BUY trades and its bids SELL trades: nowhere else are the words translated.
ASK = Side.BUY
BID = Side.SELL


class Level(NamedTuple):
    """One price (ticks) and the total amount that rests at it (lots)."""

    price: int
    amount: int


class Top(NamedTuple):
    """The best level of each side; None for an empty side."""

    buy: Level | None
    sell: Level | None
