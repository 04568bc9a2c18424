"""The chart of a simulation: price, volume, spread, depth, and volatility over time."""

# pyright: reportUnknownMemberType=false
# Reason: matplotlib does not type its keyword arguments.

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from oms.models import Side
from oms.notebook.canvas import add_legend, label_axes, palette_for
from oms.palette import BOOK_OF
from oms.simulation import Interval, SimulationReport

__all__ = ["simulation_chart"]

_INCHES = (8.0, 10.0)


def simulation_chart(report: SimulationReport, *, figure: Figure | None = None) -> Figure:
    """Draw the price, the volume, the spread, the depth, and the volatility over time, and return the figure.

    Prices are in ticks and amounts in lots. The x axis shows the simulated seconds. Without `figure`, the
    chart is a new figure, which does not belong to pyplot. O(1), because a report has at most 120 intervals.

    >>> from oms.simulation import FundamentalValue, Simulation, new_agents
    >>> value = FundamentalValue(seed=7)
    >>> simulation = Simulation(new_agents(7, "XYZ", value), value, symbol="XYZ", steps=200)
    >>> steps = list(simulation)
    >>> [ax.get_ylabel() for ax in simulation_chart(simulation.report()).axes]
    ['price (ticks)', 'volume (lots)', 'spread (ticks)', 'depth (lots)', 'volatility (bps)']

    """
    figure = Figure(figsize=_INCHES, layout="constrained") if figure is None else figure
    price, volume, spread, depth, volatility = figure.subplots(5, sharex=True, height_ratios=(2, 1, 1, 1, 1))
    intervals = report.intervals
    ends = [each.first_step + each.steps for each in intervals]
    ink = palette_for(price).ink
    label_axes(price, f"{report.symbol}: simulated market", "", "price (ticks)")
    price.plot(ends, _numbers([each.mid for each in intervals]), color=ink, linewidth=1.6, label="mid price")
    values = [each.value for each in intervals]
    price.plot(ends, values, color=ink, linewidth=1.2, linestyle=":", label="fundamental value")
    add_legend(price)
    label_axes(volume, "", "", "volume (lots)")
    widths = [each.steps for each in intervals]
    volume.bar(
        ends,
        [each.volume for each in intervals],
        [-width for width in widths],
        color=ink,
        alpha=0.6,
        align="edge",
    )
    label_axes(spread, "", "", "spread (ticks)")
    spread.plot(ends, _numbers([each.spread for each in intervals]), color=ink)
    _draw_depth(depth, ends, intervals)
    label_axes(volatility, "", "time (seconds)", "volatility (bps)")
    volatility.plot(ends, [each.volatility for each in intervals], color=ink)
    price.set_xlim(0, ends[-1] or 1)
    for ax in (volume, spread, depth, volatility):
        ax.set_ylim(bottom=0)
    return figure


def _draw_depth(ax: Axes, ends: Sequence[int], intervals: Sequence[Interval]) -> None:
    label_axes(ax, "", "", "depth (lots)")
    depths = {
        Side.BUY: [each.ask_depth for each in intervals],
        Side.SELL: [each.bid_depth for each in intervals],
    }
    for side, numbers in depths.items():
        ax.plot(ends, _numbers(numbers), color=palette_for(ax).of(side), label=BOOK_OF[side])
    add_legend(ax)


def _numbers(numbers: Sequence[Fraction | None]) -> list[float]:
    """Return floats, with NaN for None, so that the line has a gap."""
    return [math.nan if number is None else float(number) for number in numbers]
