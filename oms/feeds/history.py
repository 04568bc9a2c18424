"""The book and trades of one symbol over time: the columns that plots need, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass

from oms.instrument import Instrument
from oms.models import Side

__all__ = ["BookHistory", "TradeColumns"]


@dataclass(frozen=True, slots=True)
class TradeColumns:
    """Trades as columns of one length: time (s), price (ticks), amount (lots), and the side of the trade.

    A BUY trade took BUY orders (what a feed calls asks).
    """

    time: list[float]
    price: list[int]
    amount: list[int]
    side: list[Side]


@dataclass(frozen=True, slots=True)
class BookHistory:
    """A book at chosen times, and the trades between them.

    `times`, `best_buy`, `best_sell`, `buy_levels` and `sell_levels` are columns of one length. Times are
    seconds, ascending, after midnight (LOBSTER) or since 1970 (the others). A best price is in ticks, None
    for a side on which nothing rests or while the book is stale. The levels of one time are (price in
    ticks, amount in lots), best first: BUY levels (asks) have ascending prices, SELL levels (bids)
    descending ones. `instrument` is the tick and lot size: `float(price * instrument.tick)` is a price
    to plot. Of `trades_seen` trades in all the largest are kept, if there were more than fit.

    >>> history = BookHistory(
    ...     symbol="XYZ",
    ...     instrument=Instrument(tick_size="0.01", lot_size="1"),
    ...     times=[0.0, 1.0],
    ...     best_buy=[101, 102],
    ...     best_sell=[99, None],
    ...     buy_levels=[((101, 5), (103, 7)), ((102, 5),)],
    ...     sell_levels=[((99, 4),), ()],
    ...     trades=TradeColumns(time=[0.5], price=[99], amount=[4], side=[Side.SELL]),
    ... )
    >>> history.buy_levels[0][1], history.best_sell[1], history.trades.price
    ((103, 7), None, [99])

    """

    symbol: str
    instrument: Instrument
    times: list[float]
    best_buy: list[int | None]
    best_sell: list[int | None]
    buy_levels: list[tuple[tuple[int, int], ...]]
    sell_levels: list[tuple[tuple[int, int], ...]]
    trades: TradeColumns
    trades_seen: int = 0
