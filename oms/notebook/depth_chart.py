"""The depth chart: a plot of the cumulative amount by price, on both sides of the spread."""

# pyright: reportUnknownMemberType=false
# Reason: matplotlib does not type its keyword arguments.

from __future__ import annotations

from fractions import Fraction

from matplotlib.axes import Axes

from oms.instrument import Instrument
from oms.management import OrderManagement
from oms.models import Side
from oms.notebook.canvas import BOOKS, add_legend, axes_or_new, label_axes, palette_for, show_message
from oms.notebook.units import Units, units_of

__all__ = ["depth_chart"]

Curve = dict[str, list[int]]


def depth_chart(
    om: OrderManagement,
    symbol: str,
    *,
    levels: int | None = 50,
    instrument: Instrument | None = None,
    ticks: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw a depth chart: the cumulative amount by price for both books, and the spread between them.

    The chart shows the best `levels` price levels of each book, or all levels if `levels` is None. The legend
    shows the spread as a price difference and in basis points of the mid price. If the book is crossed, the
    spread is negative. Prices and amounts are in the decimals of `instrument`, by default the symbol's
    instrument. With `ticks`, they are in ticks and lots. Raises InvalidOrderError if an argument is invalid.
    O(k) for k drawn levels.

    >>> from matplotlib.figure import Figure
    >>> om = OrderManagement()
    >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
    >>> om.add_order(2, "JPM", Side.SELL, 15, 18)
    >>> ax = depth_chart(om, "JPM", ax=Figure().add_subplot())
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['asks (BUY trades take these)', 'bids (SELL trades take these)', 'spread 2 (1,052.6 bps)']

    """
    with om.locked():  # so that both sides describe the same moment
        units = units_of(om, symbol, instrument, ticks=ticks)
        curves = {side: om.price_curve(symbol, side, levels) for side in Side}
    ax = axes_or_new(ax)
    label_axes(
        ax,
        f"{symbol}: depth",
        f"price ({units.price})",
        f"cumulative amount ({units.amount})",
    )
    filled = {side: curve for side, curve in curves.items() if curve["price"]}
    if not filled:
        return show_message(ax, f"the books of {symbol} are empty")
    margin = _margin(filled)
    for side, curve in filled.items():
        _draw(ax, side, curve, margin, units)
    if len(filled) == 2:
        _draw_spread(ax, filled[Side.BUY]["price"][0], filled[Side.SELL]["price"][0], units)
    ax.set_ylim(bottom=0)
    add_legend(ax)
    return ax


def _margin(curves: dict[Side, Curve]) -> Fraction:
    """Return how far (ticks) to extend a curve beyond its worst level, so that the level is visible."""
    prices = [price for curve in curves.values() for price in (curve["price"][0], curve["price"][-1])]
    return max(Fraction(1), Fraction(max(prices) - min(prices), 25))


def _draw(ax: Axes, side: Side, curve: Curve, margin: Fraction, units: Units) -> None:
    worst = curve["price"][-1]
    beyond = worst + margin if side is Side.BUY else worst - margin
    x = units.prices([curve["price"][0], *curve["price"], beyond])
    y = units.amounts([0, *curve["cumulative_amount"], curve["cumulative_amount"][-1]])
    color = palette_for(ax).of(side)
    ax.step(x, y, where="post", color=color, linewidth=1.8, label=BOOKS[side])
    ax.fill_between(x, y, step="post", color=color, alpha=0.3, linewidth=0)


def _draw_spread(ax: Axes, ask: int, bid: int, units: Units) -> None:
    bps = 20_000 * (ask - bid) / (ask + bid)
    label = f"spread {units.show_price(ask - bid)} ({round(bps, 1):,.10g} bps)"
    left, right = units.prices(sorted([bid, ask]))
    ax.axvspan(left, right, color=palette_for(ax).ink, alpha=0.12, linewidth=0, label=label)
