"""Output style: book colors, tables, and headings."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from oms.palette import SHADES_OF

__all__ = ["STYLE_OF", "heading", "new_console", "new_table"]

# The terminal's background color is unknown, so these shades work on both light and dark backgrounds.
STYLE_OF = {side: shades.on_any for side, shades in SHADES_OF.items()}


def new_console(*, stderr: bool = False) -> Console:
    """Return a console that prints text unchanged, without markup or automatic highlighting."""
    return Console(stderr=stderr, markup=False, highlight=False, emoji=False)


def new_table() -> Table:
    """Return an empty table."""
    return Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")


def heading(text: str) -> Text:
    """Return a section heading."""
    return Text(text, style="bold cyan")
