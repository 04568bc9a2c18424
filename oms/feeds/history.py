"""One symbol's book and trades over time, as columns for plots."""

from __future__ import annotations

from dataclasses import dataclass

from oms.instrument import Instrument
from oms.models import Side

__all__ = ["BookHistory", "TradeColumns"]


@dataclass(frozen=True, slots=True)
class TradeColumns:
    """Trades as columns of equal length: time (s), price (ticks), amount (lots), and side.

    A BUY trade fills BUY orders (asks).
    """

    time: list[float]
    price: list[int]
    amount: list[int]
    side: list[Side]


@dataclass(frozen=True, slots=True)
class BookHistory:
    """Samples of a book over time, and the trades in the same period.

    These five columns have one entry per sample:

    - `times`: the time in seconds since midnight (LOBSTER) or since 1970 (other feeds), ascending.
    - `best_buy` and `best_sell`: the best ask and the best bid in ticks, or None if that side is empty or the
      book is stale.
    - `buy_levels` and `sell_levels`: the ask levels and the bid levels, best first. Each level is a pair:
      price in ticks, amount in lots.

    `instrument` contains the tick size and the lot size. To plot a price, use
    `float(price * instrument.tick)`. `trades_seen` is the total number of trades. If there were more trades
    than the Recorder's limit, `trades` contains only the largest ones.

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
