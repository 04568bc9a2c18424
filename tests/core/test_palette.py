"""Asks and bids have the same words and colors everywhere, and the colors suit every kind of color vision."""

from __future__ import annotations

import math
import re
from itertools import chain
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from matplotlib.figure import Figure
from rich.color import Color, ColorSystem
from rich.style import Style

from oms import Order, OrderManagement, Side
from oms.cli.style import STYLE_OF
from oms.notebook.canvas import BOOKS, palette_for
from oms.palette import BOOK_OF, SHADES_OF, Shades

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "oms" / "api" / "page"
ASKS, BIDS = SHADES_OF[Side.BUY], SHADES_OF[Side.SELL]
SHADES = Shades._fields

Triple = tuple[float, float, float]
Matrix = tuple[Triple, Triple, Triple]

# Matrices for linear red, green, and blue, from Machado, Oliveira, and Fernandes (2009), severity 1.0.
SIGHTS: dict[str, Matrix] = {
    "every color": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
FAR_APART = 60  # CIELAB distance, in which 2.3 is just noticeable
READABLE = 4.5  # the contrast that WCAG 2 requires for text


def linear(color: str) -> Triple:
    channels = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return red, green, blue


def times(matrix: Matrix, color: Triple) -> Triple:
    first, second, third = (sum(m * c for m, c in zip(row, color, strict=True)) for row in matrix)
    return first, second, third


def lab(color: Triple) -> Triple:
    to_xyz: Matrix = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    clipped = (min(1.0, max(0.0, color[0])), min(1.0, max(0.0, color[1])), min(1.0, max(0.0, color[2])))
    white = (0.9505, 1.0, 1.089)
    ratios = [c / w for c, w in zip(times(to_xyz, clipped), white, strict=True)]
    x, y, z = (r ** (1 / 3) if r > 0.008856 else 7.787 * r + 16 / 116 for r in ratios)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def distance(one: str, other: str, sight: str) -> float:
    points = [lab(times(SIGHTS[sight], linear(color))) for color in (one, other)]
    return math.dist(*points)


def luminance(color: str) -> float:
    return times(((0.2126, 0.7152, 0.0722),) * 3, linear(color))[0]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


# ---------------------------------------------------------------------- the two colors


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize("shade", SHADES)
def test_the_colors_of_asks_and_bids_are_easy_to_tell_apart_with_every_kind_of_color_vision(
    shade: str, sight: str
) -> None:
    assert distance(getattr(ASKS, shade), getattr(BIDS, shade), sight) > FAR_APART


def test_red_and_green_of_equal_lightness_are_hard_to_tell_apart_with_color_blindness() -> None:
    red, green = "#d05050", "#6f8f3a"
    assert distance(red, green, "every color") > FAR_APART
    assert distance(red, green, "deuteranopia") < FAR_APART / 6


@pytest.mark.parametrize("book", [ASKS, BIDS], ids=BOOK_OF.values())
def test_each_color_has_enough_contrast_on_its_backgrounds(book: Shades) -> None:
    assert contrast(book.on_light, "#ffffff") > READABLE
    assert contrast(book.on_dark, "#161c23") > READABLE
    assert contrast(book.on_any, "#ffffff") > READABLE
    assert contrast(book.on_any, "#000000") > READABLE


# ---------------------------------------------------------------------- where the colors are used


def page_colors() -> dict[str, tuple[str, str]]:
    theme = (PAGE / "theme.css").read_text()
    variables = re.findall(r"--([\w-]+): light-dark\((#\w+), (#\w+)\);", theme)
    return {name: (light, dark) for name, light, dark in variables}


def test_the_web_page_uses_the_two_colors() -> None:
    colors = page_colors()
    assert colors["asks"] == (ASKS.on_light, ASKS.on_dark)
    assert colors["bids"] == (BIDS.on_light, BIDS.on_dark)
    theme = (PAGE / "theme.css").read_text()
    for side, name in BOOK_OF.items():
        assert f'[data-side="{side}"] {{ --side: var(--{name});' in theme


def test_the_icon_uses_the_two_colors_with_bids_on_the_left() -> None:
    fills = re.findall(r'fill="(#\w+)"', (PAGE / "icon.svg").read_text())
    assert fills[1:] == [BIDS.on_dark, ASKS.on_dark]


@pytest.mark.parametrize(("theme", "shade"), [("default", "on_light"), ("dark_background", "on_dark")])
def test_plots_use_the_two_colors(theme: str, shade: str) -> None:
    with plt.style.context(theme):
        palette = palette_for(Figure().add_subplot())
    assert palette.of(Side.BUY) == getattr(ASKS, shade)
    assert palette.of(Side.SELL) == getattr(BIDS, shade)


def test_the_command_uses_the_colors_that_suit_any_terminal_background() -> None:
    assert {side: shades.on_any for side, shades in SHADES_OF.items()} == STYLE_OF


def test_a_terminal_with_sixteen_colors_displays_yellow_and_blue() -> None:
    colors = [Style.parse(STYLE_OF[side]).color or Color.default() for side in Side]
    assert [color.downgrade(ColorSystem.STANDARD).number for color in colors] == [3, 12]


def test_a_notebook_uses_the_two_colors_and_the_two_words() -> None:
    om = OrderManagement()
    om.add_orders([Order(1, "JPM", Side.BUY, 20, 20), Order(2, "JPM", Side.SELL, 15, 17)])
    html = om._repr_html_()
    assert re.findall('background:([^;"]+)', html) == [ASKS.on_any, BIDS.on_any]
    assert html.index("BUY (asks)") < html.index("spread") < html.index("SELL (bids)")


def test_no_other_file_defines_the_two_colors() -> None:
    """Each color is defined once, so that it cannot change in one place only."""
    ours = {color for book in (ASKS, BIDS) for color in book}
    for file in chain((ROOT / "oms").rglob("*.py"), (ROOT / "oms").rglob("*.js"), PAGE.glob("*.css")):
        if file.name not in ("palette.py", "theme.css"):
            assert not ours & set(re.findall(r"#[0-9a-f]{6}\b", file.read_text())), file.name


# ---------------------------------------------------------------------- the two words


def test_a_plot_calls_the_books_asks_and_bids() -> None:
    assert BOOKS == {Side.BUY: "asks (BUY trades take these)", Side.SELL: "bids (SELL trades take these)"}


USER_FACING_FILES = [
    *(ROOT / "oms" / "cli").rglob("*.py"),
    *(ROOT / "oms" / "notebook").rglob("*.py"),
    *PAGE.iterdir(),
    ROOT / "oms" / "ladder.py",
    ROOT / "oms" / "models.py",
    ROOT / "README.md",
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "docs").rglob("*.ipynb"),
    *(ROOT / "docs" / "examples").glob("*.py"),
]


@pytest.mark.parametrize(
    "file",
    [file for file in USER_FACING_FILES if file.is_file()],
    ids=lambda file: str(file.relative_to(ROOT)),
)
def test_no_user_facing_file_calls_asks_offers(file: Path) -> None:
    assert not re.findall(r"(?i)\boffers?\b", file.read_text())
