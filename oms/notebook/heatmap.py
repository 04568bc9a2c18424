"""The heat map: an image of resting volume by price over time, overlaid with trades."""

# pyright: reportUnknownMemberType=false
# Reason: matplotlib does not type its keyword arguments.

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.ticker import StrMethodFormatter

from oms.feeds.history import BookHistory
from oms.instrument import TICKS_AND_LOTS
from oms.models import Side
from oms.notebook.canvas import (
    add_legend,
    axes_or_new,
    ends_of,
    label_axes,
    palette_for,
    show_message,
    small_font,
    time_axis,
)
from oms.notebook.units import Units

__all__ = ["heatmap"]

_ROWS = 120
_COLUMNS = 400
_TRADES = 300
_OUTLIERS = 50  # the image may leave out 1/50 of the levels at the top, and 1/50 at the bottom

Levels = tuple[tuple[int, int], ...]


def heatmap(history: BookHistory, *, ticks: bool = False, ax: Axes | None = None) -> Axes:
    """Draw a heat map of resting volume by price over time, overlaid with trades.

    The color scale is logarithmic. The image has at most 120 rows and 400 columns. Each column shows the book
    at one recorded time. The color scale's label shows the number of ticks per row. Outlying prices are cut
    off, but the best prices and the trade prices are always visible. If there are more than 300 trades, only
    the 300 largest are drawn, and the legend says so. With `ticks`, prices and amounts are in ticks and lots.
    O(p log p) for p recorded levels.

    >>> from matplotlib.figure import Figure
    >>> from oms.instrument import Instrument
    >>> from oms.feeds.history import TradeColumns
    >>> book = [((101, 5), (102, 9))] * 3, [((99, 4),)] * 3
    >>> none = TradeColumns(time=[], price=[], amount=[], side=[])
    >>> session = BookHistory("XYZ", Instrument(), [0.0, 1.0, 2.0], [101] * 3, [99] * 3, *book, none)
    >>> heatmap(session, ax=Figure().add_subplot()).get_title()
    'XYZ: depth and trades over time'

    """
    ax = axes_or_new(ax)
    units = Units(TICKS_AND_LOTS if ticks else history.instrument)
    label_axes(ax, f"{history.symbol}: depth and trades over time", "time", f"price ({units.price})")
    columns = _columns(history) if history.times else []
    if not any(column.levels for column in columns):
        return show_message(ax, f"no depth was recorded for {history.symbol}")
    rows = _rows(history, columns)
    _draw_depth(ax, columns, rows, units)
    _draw_best(ax, history, units)
    _draw_trades(ax, history, columns[0].start, columns[-1].end, units)
    time_axis(ax, columns[0].start, columns[-1].end)
    ax.grid(visible=False)
    return ax


class _Column(NamedTuple):
    """Both books' levels from `start` to `end` (seconds)."""

    start: float
    end: float
    levels: Levels


class _Rows(NamedTuple):
    """The image rows: `number` rows of `height` ticks each, starting at price `first`."""

    first: int
    height: int
    number: int


def _columns(history: BookHistory) -> list[_Column]:
    times = history.times
    indexes = range(0, len(times), max(1, math.ceil(len(times) / _COLUMNS)))
    starts = [times[index] for index in indexes]
    books = (history.buy_levels[index] + history.sell_levels[index] for index in indexes)
    return [_Column(*column) for column in zip(starts, ends_of(starts), books, strict=True)]


def _rows(history: BookHistory, columns: Sequence[_Column]) -> _Rows:
    prices = sorted(price for column in columns for price, _ in column.levels)
    cut = len(prices) // _OUTLIERS
    visible = [price for price in (*history.best_buy, *history.best_sell) if price is not None]
    visible += history.trades.price
    low = min(prices[cut], *visible)
    high = max(prices[-1 - cut], *visible)
    # Some markets use only every nth tick. For these markets, the row height must be a multiple of n ticks.
    # Otherwise, some rows would always be empty.
    grid = math.gcd(*(price - low for price in prices), high - low) or 1
    height = grid * math.ceil((high - low + grid) / grid / _ROWS)
    return _Rows(low, height, (high - low) // height + 1)


def _draw_depth(ax: Axes, columns: Sequence[_Column], rows: _Rows, units: Units) -> None:
    image = [[math.nan] * len(columns) for _ in range(rows.number)]
    for x, column in enumerate(columns):
        for y, amount in _by_row(column.levels, rows).items():
            image[y][x] = units.amounts([amount])[0]
    positive = [amount for line in image for amount in line if amount > 0]
    edges = [
        2 * (rows.first + n * rows.height) - 1 for n in range(rows.number + 1)
    ]  # each tick is in the middle of its row
    mesh = ax.pcolormesh(
        [column.start for column in columns] + [columns[-1].end],
        [price / 2 for price in units.prices(edges)],
        image,
        norm=LogNorm(min(positive), max(*positive, 10 * min(positive))),
        cmap=palette_for(ax).amounts,
        rasterized=True,
    )
    per = "price" if rows.height == 1 else f"{rows.height:,} ticks"
    bar = ax.figure.colorbar(mesh, ax=ax, pad=0.02)
    bar.set_label(f"amount per {per} ({units.amount})", fontproperties=ax.yaxis.label.get_fontproperties())
    bar.ax.yaxis.set_major_formatter(StrMethodFormatter("{x:,.10g}"))
    bar.ax.tick_params(labelsize=small_font(ax))


def _by_row(levels: Levels, rows: _Rows) -> dict[int, int]:
    """Return the exact amount in each row."""
    amounts: dict[int, int] = {}
    for price, amount in levels:
        row = (price - rows.first) // rows.height
        if 0 <= row < rows.number:
            amounts[row] = amounts.get(row, 0) + amount
    return amounts


def _draw_best(ax: Axes, history: BookHistory, units: Units) -> None:
    """Draw the best ask and the best bid, with a gap wherever a side is empty."""
    for best in (history.best_buy, history.best_sell):
        prices = [math.nan if price is None else units.prices([price])[0] for price in best]
        ax.step(history.times, prices, where="post", color=palette_for(ax).ink, linewidth=0.5, alpha=0.7)


def _draw_trades(ax: Axes, history: BookHistory, start: float, end: float, units: Units) -> None:
    trades = history.trades
    in_range = [index for index, time in enumerate(trades.time) if start <= time <= end]
    largest = sorted(in_range, key=lambda index: trades.amount[index], reverse=True)[:_TRADES]
    for side, marker, face, edge in ((Side.BUY, "^", "white", "black"), (Side.SELL, "v", "black", "white")):
        indexes = [index for index in largest if trades.side[index] is side]
        if indexes:
            ax.scatter(
                [trades.time[index] for index in indexes],
                units.prices(trades.price[index] for index in indexes),
                s=[10 + 60 * trades.amount[index] / trades.amount[largest[0]] for index in indexes],
                marker=marker,
                facecolor=face,
                edgecolor=edge,
                linewidth=0.5,
                zorder=3,  # above the lines
                label=f"{side} trades",
            )
    if largest:
        # If there are too many trades to store, the recorder drops the smallest.
        dropped = max(0, history.trades_seen - len(trades.time))
        total = len(in_range) + dropped
        add_legend(ax, title=f"the largest {len(largest):,} of {total:,}" if len(largest) < total else None)
