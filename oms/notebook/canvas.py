"""What the plots share of their looks: axes to draw on, colors for their background, words for the sides."""

# pyright: reportUnknownMemberType=false
# because matplotlib does not say what its keyword arguments are.

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
    "letters",
    "luminance",
    "palette_for",
    "say_empty",
    "time_axis",
]

BOOKS = {side: f"{name} ({side} trades take these)" for side, name in BOOK_OF.items()}
"""The names of the two books in a legend."""

_TOO_LONG = 1e9  # to be written out beside an axis


class Numbers(ScalarFormatter):
    """Numbers with the same digits after the point and thousands apart; the longest as powers of ten."""

    def __init__(self) -> None:
        super().__init__(useOffset=False)
        self.set_scientific(False)

    def __call__(self, x: float, pos: int | None = None) -> str:
        """Write one number as all of them."""
        _, point, digits = super().__call__(x, pos).partition(".")
        return f"{x:,.{len(digits)}f}" if point else f"{x:,.0f}"

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        """Write the numbers beside an axis."""
        short = [f"{value:.4g}" for value in values]
        if max(map(abs, values), default=0) >= _TOO_LONG and len(set(short)) == len(short):
            return short
        return super().format_ticks(list(values))


class Palette(NamedTuple):
    """The colors for one background; the two books differ in lightness too, for a print in gray."""

    asks: str
    bids: str
    ink: str
    amounts: str

    def of(self, side: Side) -> str:
        """Return the color of a side's book."""
        return self.asks if side is Side.BUY else self.bids


# The further an amount is from the background the larger it is, so the map is turned round in the dark.
_ASKS, _BIDS = SHADES_OF[Side.BUY], SHADES_OF[Side.SELL]
_ON_LIGHT = Palette(_ASKS.on_light, _BIDS.on_light, ink="#000000", amounts="viridis_r")
_ON_DARK = Palette(_ASKS.on_dark, _BIDS.on_dark, ink="#ffffff", amounts="viridis")

_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)
_DAY = 86_400


def axes_or_new(ax: Axes | None) -> Axes:
    """The axes that were given, or those of a new figure that leaves room for its labels."""
    return plt.subplots(layout="constrained")[1] if ax is None else ax


def luminance(color: ColorType) -> float:
    """How light a color is, from 0 for black to 1 for white: what is left of it in gray."""
    red, green, blue, _ = to_rgba(color)
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def palette_for(ax: Axes) -> Palette:
    """The colors that stand out from the background of these axes."""
    face = ax.get_facecolor()
    if to_rgba(face)[3] == 0:
        face = ax.figure.get_facecolor()
    return _ON_LIGHT if luminance(face) > 0.2 else _ON_DARK


def label_axes(ax: Axes, title: str, x: str, y: str) -> None:
    """Write what is drawn, and in what units; numbers are written out, thousands apart."""
    ax.set_title(title, parse_math=False)
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    for text in (ax.title, ax.xaxis.label, ax.yaxis.label):
        text.set_fontsize(text.get_fontproperties().get_size_in_points() * _scale(ax))
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(Numbers())
        axis.set_tick_params(labelsize=letters(ax))
    ax.xaxis.set_major_locator(MaxNLocator(nbins=_words_across(ax), steps=[1, 2, 2.5, 5, 10]))
    ax.grid(visible=True, alpha=0.25)
    ax.set_axisbelow(True)


def letters(ax: Axes, rows: int = 1) -> float:
    """How large (points) the smaller words of a plot may be, with so many rows of them below each other."""
    return min(9 * _scale(ax), 0.75 * 72 * _inches(ax)[1] / rows)


def add_legend(ax: Axes, handles: Sequence[Artist] | None = None, *, title: str | None = None) -> None:
    """Explain what is drawn, where it hides the least."""
    found = ax.get_legend_handles_labels()[0] if handles is None else handles
    size = letters(ax)
    ax.legend(handles=found, title=title, loc="best", framealpha=0.8, fontsize=size, title_fontsize=size)


def say_empty(ax: Axes, words: str) -> Axes:
    """Write into axes without anything to draw why there is nothing."""
    ax.set_xticks([])
    ax.set_yticks([])
    ax.text(0.5, 0.5, words, transform=ax.transAxes, ha="center", va="center", parse_math=False)
    return ax


def ends_of(times: Sequence[float]) -> list[float]:
    """Until when each book of a recording is shown: the next, and the last for the average time."""
    average = (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 1.0
    return [*times[1:], times[-1] + average]


def time_axis(ax: Axes, first: float, last: float) -> None:
    """Let x be a time of day, from seconds after midnight or since 1970."""
    ax.set_xlim(first, last)
    ax.set_xlabel("time of day (UTC)" if last > 2 * _DAY else "time of day")
    span, room = last - first, _words_across(ax)
    step = next((step for step in _STEPS if span / step <= room), None)
    if span >= room and step is not None:
        ax.xaxis.set_major_locator(MultipleLocator(step))
    ax.xaxis.set_major_formatter(FuncFormatter(_clock))


def _clock(seconds: float, _: object) -> str:
    """The time of day, as far as its digits say something."""
    milliseconds = round(seconds * 1000) % (_DAY * 1000)
    whole, rest = divmod(milliseconds, 1000)
    minute = f"{whole // 3600:02}:{whole // 60 % 60:02}"
    second = f"{minute}:{whole % 60:02}"
    if rest:
        return f"{second}.{rest:03}"
    return second if whole % 60 else minute


def _inches(ax: Axes) -> tuple[float, float]:
    """Width and height of the axes."""
    box, dpi = ax.get_window_extent(), ax.figure.dpi
    return box.width / dpi, box.height / dpi


def _words_across(ax: Axes) -> int:
    """How many numbers stand beside each other below the axes."""
    return max(3, int(1.5 * _inches(ax)[0]))


def _scale(ax: Axes) -> float:
    """By how much letters shrink so that they fit into small axes."""
    return min(1.0, max(0.6, _inches(ax)[0] / 4.5))
