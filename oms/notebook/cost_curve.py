"""The cost curve: a plot of a trade's average and worst price against its amount."""

# pyright: reportUnknownMemberType=false
# Reason: matplotlib does not type its keyword arguments.

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from matplotlib.axes import Axes

from oms.instrument import Instrument
from oms.management import OrderManagement
from oms.models import Side
from oms.notebook.canvas import (
    Numbers,
    add_legend,
    axes_or_new,
    label_axes,
    palette_for,
    show_message,
    small_font,
)
from oms.notebook.units import Units, units_of

__all__ = ["cost_curve"]

_POINTS = 200
_BPS = 10_000


def cost_curve(
    om: OrderManagement,
    symbol: str,
    side: Side,
    *,
    levels: int | None = 50,
    instrument: Instrument | None = None,
    ticks: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Plot the average and worst price of a trade against its amount.

    The curve covers the best `levels` price levels, or all levels if `levels` is None. The right axis shows
    the slippage, in basis points of the best price. Every point is computed from an exact price. Prices and
    amounts are in the decimals of `instrument`, by default the symbol's instrument. With `ticks`, they are in
    ticks and lots. Raises InvalidOrderError if an argument is invalid. O(k) for k drawn levels.

    >>> from matplotlib.figure import Figure
    >>> om = OrderManagement()
    >>> om.add_order(1, "JPM", Side.BUY, 20, 20)
    >>> om.add_order(4, "JPM", Side.BUY, 10, 21)
    >>> ax = cost_curve(om, "JPM", Side.BUY, ax=Figure().add_subplot())
    >>> [(line.get_label(), f"{line.get_ydata()[-1]:.2f}") for line in ax.get_lines()]
    [('worst price', '21.00'), ('average price', '20.33'), ('best price 20', '20.00')]

    """
    with om.locked():  # so that the curve and the prices match
        units = units_of(om, symbol, instrument, ticks=ticks)
        curve = om.price_curve(symbol, side, levels)
        amounts = _amounts(curve["cumulative_amount"])
        totals = om.calculate_prices(symbol, side, amounts)
    ax = axes_or_new(ax)
    label_axes(ax, f"{symbol}: cost of a {side} trade", f"amount ({units.amount})", f"price ({units.price})")
    if not amounts:
        return show_message(ax, f"the {side} book of {symbol} is empty")
    best = units.prices(curve["price"][:1])[0]
    averages = [Fraction(total, amount) for total, amount in zip(totals, amounts, strict=True)]
    color = palette_for(ax).of(side)
    _draw_worst(ax, curve, color, units)
    x, y = units.amounts(amounts), units.prices(averages)
    ax.plot(x, y, color=color, linewidth=2.2, label="average price")
    ax.fill_between(x, y, best, color=color, alpha=0.2, linewidth=0, label="slippage")
    label = f"best price {units.show_price(curve['price'][0])}"
    ax.axhline(best, color=palette_for(ax).ink, linestyle=":", linewidth=1.2, label=label)
    ax.set_xlim(left=0)
    add_legend(ax)
    _add_slippage_axis(ax, best, side)
    return ax


def _draw_worst(ax: Axes, curve: dict[str, list[int]], color: str, units: Units) -> None:
    x = units.amounts([0, *curve["cumulative_amount"]])
    y = units.prices([curve["price"][0], *curve["price"]])
    ax.step(x, y, where="pre", color=color, linestyle="--", linewidth=1.5, label="worst price")


def _add_slippage_axis(ax: Axes, best: float, side: Side) -> None:
    """Add an axis on the right that shows slippage relative to the best price."""
    worse = side.sign * _BPS

    def slippage(price: Any) -> Any:  # a number or an array
        return (price / best - 1) * worse

    def price(slippage: Any) -> Any:
        return (slippage / worse + 1) * best

    scale = ax.secondary_yaxis("right", functions=(slippage, price))
    scale.set_ylabel("slippage (bps of the best price)", fontproperties=ax.yaxis.label.get_fontproperties())
    scale.yaxis.set_major_formatter(Numbers())
    scale.tick_params(labelsize=small_font(ax))


def _amounts(level_ends: Sequence[int]) -> list[int]:
    """Return the amounts to price: the end of each level, and amounts in between for a smooth line."""
    if not level_ends:
        return []
    last = level_ends[-1]
    return sorted({1, *level_ends, *(max(1, last * n // _POINTS) for n in range(1, _POINTS))})
