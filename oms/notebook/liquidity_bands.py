"""Liquidity bands: a plot of the depth near the mid price over time."""

# pyright: reportUnknownMemberType=false
# Reason: matplotlib does not type its keyword arguments.

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Patch

from oms.errors import InvalidOrderError
from oms.feeds.history import BookHistory
from oms.instrument import TICKS_AND_LOTS
from oms.models import Side, check_positive
from oms.notebook.canvas import (
    Numbers,
    add_legend,
    axes_or_new,
    ends_of,
    label_axes,
    palette_for,
    show_message,
    time_axis,
)
from oms.notebook.units import Units

__all__ = ["liquidity_bands"]

_BPS = 10_000
Levels = tuple[tuple[int, int], ...]


class _Amounts(Numbers):
    """A formatter that omits the minus sign, because bids are drawn below 0."""

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        """Return all amounts on the axis as strings."""
        return [text.lstrip("-") for text in super().format_ticks(values)]


def liquidity_bands(
    history: BookHistory,
    *,
    bps: Iterable[int] = (5, 10, 25, 50),
    ticks: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Plot the depth within `bps` basis points of the mid price over time. Asks are above 0, bids below.

    If a side is empty, there is no mid price, and the plot has a gap. A band may reach beyond the recorded
    levels. The real amount may then be larger, so the legend says "at least". Prices are compared exactly, as
    integers. With `ticks`, amounts are in lots. Raises InvalidOrderError unless all `bps` are ints >= 1. O(n)
    for each band, with n recorded levels.

    >>> from matplotlib.figure import Figure
    >>> from oms.instrument import Instrument
    >>> from oms.feeds.history import TradeColumns
    >>> book = [((1001, 5), (1002, 9))] * 3, [((999, 4), (995, 9))] * 3
    >>> none = TradeColumns(time=[], price=[], amount=[], side=[])
    >>> session = BookHistory("XYZ", Instrument(), [0.0, 1.0, 2.0], [1001] * 3, [999] * 3, *book, none)
    >>> ax = liquidity_bands(session, bps=[10, 20], ax=Figure().add_subplot())
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['within 10 bps', 'within 20 bps: at least']

    """
    widths = _widths(bps)
    ax = axes_or_new(ax)
    units = Units(TICKS_AND_LOTS if ticks else history.instrument)
    label_axes(
        ax,
        f"{history.symbol}: liquidity around the mid price",
        "time of day",
        f"bids ← amount ({units.amount}) → asks",
    )
    sums = [_sum_of(*best) for best in zip(history.best_buy, history.best_sell, strict=True)]
    if all(both is None for both in sums):
        return show_message(ax, f"the recording of {history.symbol} never has both asks and bids")
    incomplete: set[int] = set()
    for side, levels in ((Side.BUY, history.buy_levels), (Side.SELL, history.sell_levels)):
        incomplete |= _draw(ax, side, history.times, levels, sums, widths, units)
    ax.axhline(0, color=palette_for(ax).ink, linewidth=0.8)
    _add_band_legend(ax, widths, incomplete)
    time_axis(ax, history.times[0], ends_of(history.times)[-1])
    return ax


def _widths(bps: Iterable[int]) -> list[int]:
    """Validate the band widths (bps), and return them narrowest first."""
    if not isinstance(bps, Iterable):
        remedy = "write [bps]" if type(bps) is int else ""
        raise InvalidOrderError("bps", bps, "an iterable of int >= 1", remedy)
    widths = list(bps)
    if not widths:
        raise InvalidOrderError("bps", widths, "an iterable of at least one int >= 1")
    for width in widths:
        check_positive("bps", width)
    return sorted(set(widths))


def _sum_of(ask: int | None, bid: int | None) -> int | None:
    """Return twice the mid price, which is always an integer, or None if a side is empty."""
    return None if ask is None or bid is None else ask + bid


def _is_within(price: int, both: int, width: int) -> bool:
    return abs(2 * price - both) * _BPS <= both * width


def _draw(
    ax: Axes,
    side: Side,
    times: Sequence[float],
    levels: Sequence[Levels],
    sums: Sequence[int | None],
    widths: Sequence[int],
    units: Units,
) -> set[int]:
    """Draw one side's bands, widest first. Return the widths (bps) of the bands that may be incomplete."""
    up = side.sign
    deepest = max(map(len, levels))
    incomplete: set[int] = set()
    shades = _shades(len(widths))
    for n, width in reversed(list(enumerate(widths))):
        heights: list[float] = []
        for book, both in zip(levels, sums, strict=True):
            within = [] if both is None else [level for level in book if _is_within(level[0], both, width)]
            amount = units.amounts([sum(amount for _, amount in within)])[0]
            heights.append(math.nan if both is None else up * amount)
            if len(within) == deepest:
                incomplete.add(width)
        # A narrower band is drawn on top of the wider ones, so its layer adds only the missing opacity.
        below = shades[n + 1] if n + 1 < len(widths) else 0.0
        layer = 1 - (1 - shades[n]) / (1 - below)
        color = palette_for(ax).of(side)
        # Extend each height to the next time, so that even the last height before a gap is visible.
        spans = [time for span in zip(times, ends_of(times), strict=True) for time in span]
        ends = [height for height in heights for _ in range(2)]
        ax.fill_between(spans, ends, color=color, alpha=layer, linewidth=0)
    return incomplete


def _shades(number: int) -> list[float]:
    """Return the band opacities, narrowest band first. Narrower bands are more opaque."""
    return [0.95 - 0.6 * n / max(1, number - 1) for n in range(number)]


def _add_band_legend(ax: Axes, widths: Sequence[int], incomplete: set[int]) -> None:
    """Add the legend that explains the shades."""
    shades = [
        Patch(
            color=palette_for(ax).ink,
            alpha=shade,
            linewidth=0,
            label=f"within {width:,} bps{': at least' if width in incomplete else ''}",
        )
        for width, shade in zip(widths, _shades(len(widths)), strict=True)
    ]
    add_legend(ax, shades)
    ax.yaxis.set_major_formatter(_Amounts())
