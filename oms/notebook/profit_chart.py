"""The profit chart: a plot of an owner's profit over time."""

# pyright: reportUnknownMemberType=false
# Reason: matplotlib does not type its keyword arguments.

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from matplotlib.axes import Axes

from oms.account import Account
from oms.instrument import TICKS_AND_LOTS, Instrument
from oms.notebook.canvas import (
    add_legend,
    axes_or_new,
    ends_of,
    label_axes,
    palette_for,
    show_message,
    time_axis,
)
from oms.notebook.units import Units
from oms.positions import ProfitPoint

__all__ = ["profit_chart"]

_SECOND = 1_000_000_000  # nanoseconds


def profit_chart(
    account: Account,
    symbol: str,
    owner: str | None = None,
    *,
    instrument: Instrument | None = None,
    ticks: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Plot the profit of an owner in a symbol over time, with its parts: realized, unrealized, and fees.

    Fees are drawn below 0, so that the three parts add up to the profit. The unrealized profit is at the
    price of the symbol's last fill. The account must record: `Account(source, record=True)`. If the source
    has a clock, the x axis shows the time of day, and otherwise the sequence number of the event. Profits are
    in the decimals of `instrument`, by default the symbol's instrument in the account's source. With `ticks`,
    they are in ticks times lots. Raises InvalidOrderError if the symbol or the owner is invalid, and
    InvalidArgumentError if the account does not record. O(m) for all m fills of the account.

    >>> from matplotlib.figure import Figure
    >>> from oms import MatchingEngine, Side
    >>> engine = MatchingEngine()
    >>> account = Account(engine, record=True)
    >>> _ = engine.submit(1, "XYZ", Side.SELL, 20, 101, owner="Ann")
    >>> _ = engine.submit(2, "XYZ", Side.BUY, 5, 101, owner="Bob")
    >>> ax = profit_chart(account, "XYZ", "Bob", ax=Figure().add_subplot())
    >>> ax.get_title(), ax.get_xlabel(), ax.get_ylabel()
    ('XYZ: profit of Bob', 'event', 'profit (ticks x lots)')

    """
    points = account.curve(symbol, owner)
    ax = axes_or_new(ax)
    units = _units(account, symbol, instrument, ticks=ticks)
    of_owner = "" if owner is None else f" of {owner}"
    label_axes(ax, f"{symbol}: profit{of_owner}", "event", f"profit ({units.money})")
    if not points:
        return show_message(ax, f"there is no fill{of_owner} in {symbol}")
    times = [point.time / _SECOND for point in points if point.time is not None]
    x = times if len(times) == len(points) else [float(point.sequence) for point in points]
    end = ends_of(x)[-1]
    _draw(ax, [*x, end], points, units)
    if x is times:
        time_axis(ax, x[0], end)
    else:
        ax.set_xlim(x[0], end)
    add_legend(ax)
    return ax


def _units(account: Account, symbol: str, instrument: Instrument | None, *, ticks: bool) -> Units:
    if instrument is None and account.source is not None:
        instrument = account.source.instrument(symbol)
    return Units(TICKS_AND_LOTS if ticks or instrument is None else instrument)


def _draw(ax: Axes, x: Sequence[float], points: Sequence[ProfitPoint], units: Units) -> None:
    """Draw a line for the profit and each part. Each line continues at its last value to the right end."""
    colors = palette_for(ax)

    def line(values: Sequence[int | Fraction], label: str, color: str, style: str, width: float) -> None:
        y = units.totals([*values, values[-1]])
        ax.step(x, y, where="post", label=label, color=color, linestyle=style, linewidth=width)

    ax.axhline(0, color=colors.ink, linewidth=0.8)
    line([point.realized for point in points], "realized", colors.bids, "-", 1.5)
    line([point.unrealized for point in points], "unrealized", colors.asks, "--", 1.2)
    line([-point.fees for point in points], "fees", colors.ink, ":", 1.5)
    line([point.profit for point in points], "profit", colors.ink, "-", 1.8)
