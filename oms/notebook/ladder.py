"""The ladder: a bar chart of the best price levels of both books, with the spread in the middle."""

# pyright: reportUnknownMemberType=false
# Reason: matplotlib does not type its keyword arguments.

from __future__ import annotations

from matplotlib.axes import Axes

from oms.instrument import Instrument
from oms.management import OrderManagement
from oms.models import PriceLevel, Side
from oms.notebook.canvas import (
    BOOKS,
    add_legend,
    axes_or_new,
    label_axes,
    palette_for,
    show_message,
    small_font,
)
from oms.notebook.units import Units, units_of

__all__ = ["ladder"]


def ladder(
    om: OrderManagement,
    symbol: str,
    *,
    levels: int = 10,
    instrument: Instrument | None = None,
    ticks: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw a price ladder: the best `levels` price levels of both books, with the asks above the bids.

    Each bar is labeled with its amount. If a level has several orders, the label also shows how many. Prices
    and amounts are in the decimals of `instrument`, by default the symbol's instrument. With `ticks`, they
    are in ticks and lots. Raises InvalidOrderError if an argument is invalid. O(k) for k drawn levels.

    >>> from matplotlib.figure import Figure
    >>> om = OrderManagement()
    >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
    >>> om.add_order(2, "JPM", Side.SELL, 15, 18)
    >>> ax = ladder(om, "JPM", ax=Figure().add_subplot())
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['20', 'spread 2', '18']

    """
    with om.locked():  # so that both sides describe the same moment
        units = units_of(om, symbol, instrument, ticks=ticks)
        depth = {side: om.depth(symbol, side, levels) for side in Side}
    ax = axes_or_new(ax)
    label_axes(ax, f"{symbol}: ladder", f"amount ({units.amount})", f"price ({units.price})")
    asks, bids = depth[Side.BUY], depth[Side.SELL]
    if not asks and not bids:
        return show_message(ax, f"the books of {symbol} are empty")
    # The spread is at height 0, with asks above it and bids below.
    size = small_font(ax, len(asks) + 1 + len(bids))
    _draw(ax, Side.BUY, asks, range(1, len(asks) + 1), units, size)
    _draw(ax, Side.SELL, bids, range(-1, -len(bids) - 1, -1), units, size)
    _name_rows(ax, asks, bids, units)
    ax.grid(visible=False, axis="y")
    add_legend(ax)
    return ax


def _draw(
    ax: Axes, side: Side, levels: tuple[PriceLevel, ...], heights: range, units: Units, size: float
) -> None:
    if not levels:
        return
    amounts = units.amounts(level.amount for level in levels)
    bars = ax.barh(heights, amounts, height=0.8, color=palette_for(ax).of(side), label=BOOKS[side])
    labels = [_label(level, units) for level in levels]
    ax.bar_label(bars, labels, padding=3, fontsize=size)
    ax.margins(x=0.3)  # room for the labels and the legend


def _name_rows(ax: Axes, asks: tuple[PriceLevel, ...], bids: tuple[PriceLevel, ...], units: Units) -> None:
    prices = [level.price for level in (*reversed(asks), *bids)]
    if asks and bids:
        *names, spread = units.show_prices([*prices, asks[0].price - bids[0].price])
    else:
        names, spread = units.show_prices(prices), "none"
    names.insert(len(asks), f"spread {spread}")
    ax.set_yticks(range(len(asks), -len(bids) - 1, -1), names, fontsize=small_font(ax, len(names)))


def _label(level: PriceLevel, units: Units) -> str:
    amount = units.show_amount(level.amount)
    return amount if level.orders == 1 else f"{amount} ({level.orders:,} orders)"
