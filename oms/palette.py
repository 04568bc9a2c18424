"""The words and the colors of the two books: the same on the page, in plots, in a terminal, and in notebooks.

The BUY book holds the asks, the SELL book the bids. Asks are orange and bids are blue, because a person who
is color-blind takes red for green but never orange for blue. A color never stands alone: the word, the place,
or the sign beside it says the same.
"""

from __future__ import annotations

from typing import NamedTuple

from oms.models import Side

__all__ = ["BOOK_OF", "SHADES_OF", "Shades", "name_of"]


class Shades(NamedTuple):
    """One color, for each background: as text it has a contrast of 4.5 and more."""

    on_light: str
    on_dark: str
    on_any: str


BOOK_OF = {Side.BUY: "asks", Side.SELL: "bids"}
SHADES_OF = {
    Side.BUY: Shades("#ad5000", "#ffc266", "#b26000"),
    Side.SELL: Shades("#00407f", "#4a9be3", "#2b77c9"),
}


def name_of(side: Side) -> str:
    """Return the name of a side's book.

    >>> name_of(Side.BUY), name_of(Side.SELL)
    ('BUY (asks)', 'SELL (bids)')

    """
    return f"{side} ({BOOK_OF[side]})"
