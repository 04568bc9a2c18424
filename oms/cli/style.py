"""How the command looks: the names of the two books, their colours, and the look of a table."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from oms import Side

__all__ = ["BOOK_OF", "STYLE_OF", "heading", "new_console", "new_table"]

# A BUY trade consumes BUY orders, which a feed calls asks; a SELL trade consumes its bids.
BOOK_OF = {Side.BUY: "asks", Side.SELL: "bids"}
STYLE_OF = {Side.BUY: "red", Side.SELL: "green"}


def new_console(*, stderr: bool = False) -> Console:
    """A console that prints what it is given: no text is taken for markup, nothing is coloured by guess."""
    return Console(stderr=stderr, markup=False, highlight=False, emoji=False)


def new_table() -> Table:
    """An empty table."""
    return Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")


def heading(text: str) -> Text:
    """The title of a section."""
    return Text(text, style="bold cyan")
