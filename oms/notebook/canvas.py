"""Shared plot styling: axes, legends, and colors for light and dark backgrounds."""

# pyright: reportUnknownMemberType=false
# Reason: matplotlib does not type its keyword arguments.

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator, ScalarFormatter
from matplotlib.typing import ColorType

from oms.models import Side
from oms.palette import BOOK_OF, SHADES_OF

__all__ = [
    "BOOKS",
    "Numbers",
    "Palette",
    "add_legend",
    "axes_or_new",
    "ends_of",
    "label_axes",
    "luminance",
    "palette_for",
    "show_message",
    "small_font",
    "time_axis",
]

BOOKS = {side: f"{name} ({side} trades take these)" for side, name in BOOK_OF.items()}
"""Maps each trade side to the legend entry of the book that fills it."""

_TOO_LONG = 1e9  # numbers from here on are shown in scientific notation


class Numbers(ScalarFormatter):
    """An axis number formatter with thousands separators.

    All numbers on an axis have the same number of decimals. Huge numbers use scientific notation.
    """

    def __init__(self) -> None:
        super().__init__(useOffset=False)
        self.set_scientific(False)

    def __call__(self, x: float, pos: int | None = None) -> str:
        """Return one number as a string."""
        _, point, digits = super().__call__(x, pos).partition(".")
        return f"{x:,.{len(digits)}f}" if point else f"{x:,.0f}"

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        """Return all numbers on an axis as strings."""
        short = [f"{value:.4g}" for value in values]
        if max(map(abs, values), default=0) >= _TOO_LONG and len(set(short)) == len(short):
            return short
        return super().format_ticks(list(values))


class Palette(NamedTuple):
    """The colors for one background. The two books also differ in lightness, so they work in grayscale."""

    asks: str
    bids: str
    ink: str
    amounts: str

    def of(self, side: Side) -> str:
        """Return the color of the book that fills trades on this side."""
        return self.asks if side is Side.BUY else self.bids


# On a light background, the color map is reversed, so that larger amounts always stand out more.
_ASKS, _BIDS = SHADES_OF[Side.BUY], SHADES_OF[Side.SELL]
_ON_LIGHT = Palette(_ASKS.on_light, _BIDS.on_light, ink="#000000", amounts="viridis_r")
_ON_DARK = Palette(_ASKS.on_dark, _BIDS.on_dark, ink="#ffffff", amounts="viridis")

_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)
_DAY = 86_400


def axes_or_new(ax: Axes | None) -> Axes:
    """Return `ax`, or the axes of a new figure if `ax` is None."""
    return plt.subplots(layout="constrained")[1] if ax is None else ax


def luminance(color: ColorType) -> float:
    """Return the relative luminance of a color, from 0 for black to 1 for white."""
    red, green, blue, _ = to_rgba(color)
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def palette_for(ax: Axes) -> Palette:
    """Return the palette that contrasts with the axes' background."""
    face = ax.get_facecolor()
    if to_rgba(face)[3] == 0:
        face = ax.figure.get_facecolor()
    return _ON_LIGHT if luminance(face) > 0.2 else _ON_DARK


def label_axes(ax: Axes, title: str, x: str, y: str) -> None:
    """Set the title, the axis labels, and the number format."""
    ax.set_title(title, parse_math=False)
    ax.set_xlabel(x, parse_math=False)
    ax.set_ylabel(y, parse_math=False)
    for text in (ax.title, ax.xaxis.label, ax.yaxis.label):
        text.set_fontsize(text.get_fontproperties().get_size_in_points() * _scale(ax))
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(Numbers())
        axis.set_tick_params(labelsize=small_font(ax))
    ax.xaxis.set_major_locator(MaxNLocator(nbins=_ticks_across(ax), steps=[1, 2, 2.5, 5, 10]))
    ax.grid(visible=True, alpha=0.25)
    ax.set_axisbelow(True)


def small_font(ax: Axes, rows: int = 1) -> float:
    """Return a font size (points) for small text, at which `rows` lines fit into the axes."""
    return min(9 * _scale(ax), 0.75 * 72 * _inches(ax)[1] / rows)


def add_legend(ax: Axes, handles: Sequence[Artist] | None = None, *, title: str | None = None) -> None:
    """Add a legend where it hides as little of the plot as possible."""
    entries = ax.get_legend_handles_labels()[0] if handles is None else handles
    size = small_font(ax)
    ax.legend(handles=entries, title=title, loc="best", framealpha=0.8, fontsize=size, title_fontsize=size)


def show_message(ax: Axes, message: str) -> Axes:
    """Show a message in empty axes, and return the axes."""
    ax.set_xticks([])
    ax.set_yticks([])
    ax.text(0.5, 0.5, message, transform=ax.transAxes, ha="center", va="center", parse_math=False)
    return ax


def ends_of(times: Sequence[float]) -> list[float]:
    """Return the end of each time span. Each span ends where the next one starts.

    The last span gets the average length.
    """
    average = (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 1.0
    return [*times[1:], times[-1] + average]


def time_axis(ax: Axes, first: float, last: float) -> None:
    """Label the x axis with times of day. The values are seconds since midnight or since 1970 (UTC)."""
    ax.set_xlim(first, last)
    ax.set_xlabel("time of day (UTC)" if last > 2 * _DAY else "time of day")
    span, most_ticks = last - first, _ticks_across(ax)
    step = next((step for step in _STEPS if span / step <= most_ticks), None)
    if span >= most_ticks and step is not None:
        ax.xaxis.set_major_locator(MultipleLocator(step))
    ax.xaxis.set_major_formatter(FuncFormatter(_clock))


def _clock(seconds: float, _: object) -> str:
    """Return a time of day as HH:MM, HH:MM:SS, or HH:MM:SS.mmm, whichever is the shortest exact form."""
    milliseconds = round(seconds * 1000) % (_DAY * 1000)
    whole, rest = divmod(milliseconds, 1000)
    minute = f"{whole // 3600:02}:{whole // 60 % 60:02}"
    second = f"{minute}:{whole % 60:02}"
    if rest:
        return f"{second}.{rest:03}"
    return second if whole % 60 else minute


def _inches(ax: Axes) -> tuple[float, float]:
    """Return the width and the height of the axes in inches."""
    box, dpi = ax.get_window_extent(), ax.figure.dpi
    return box.width / dpi, box.height / dpi


def _ticks_across(ax: Axes) -> int:
    """Return how many tick labels fit below the axes."""
    return max(3, int(1.5 * _inches(ax)[0]))


def _scale(ax: Axes) -> float:
    """Return the text scale factor, from 0.6 (small axes) to 1."""
    return min(1.0, max(0.6, _inches(ax)[0] / 4.5))
