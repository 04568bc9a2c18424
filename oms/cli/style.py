"""How the command looks: the colors of the two books, and the look of a table."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from oms.palette import SHADES_OF

__all__ = ["STYLE_OF", "heading", "new_console", "new_table"]

# Nobody knows whether a terminal is light or dark.
STYLE_OF = {side: shades.on_any for side, shades in SHADES_OF.items()}


def new_console(*, stderr: bool = False) -> Console:
    """A console that prints what it is given: no text is taken for markup, nothing is colored by guess."""
    return Console(stderr=stderr, markup=False, highlight=False, emoji=False)


def new_table() -> Table:
    """An empty table."""
    return Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")


def heading(text: str) -> Text:
    """The title of a section."""
    return Text(text, style="bold cyan")
