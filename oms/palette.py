"""The names and colors of the asks and the bids, on the web page and in plots, terminals, and notebooks.

BUY trades fill the asks, and SELL trades fill the bids. Asks are orange and bids are blue, because
color-blind people can tell these two colors apart, unlike red and green. Color is never the only cue. A
word, a position, or a number always conveys the same information.
"""

from __future__ import annotations

from typing import NamedTuple

from oms.models import Side

__all__ = ["BOOK_OF", "SHADES_OF", "Shades", "name_of"]


class Shades(NamedTuple):
    """One color in three shades: for light backgrounds, for dark backgrounds, and for any background.

    Text in the right shade has a contrast ratio of at least 4.5.
    """

    on_light: str
    on_dark: str
    on_any: str


BOOK_OF = {Side.BUY: "asks", Side.SELL: "bids"}
SHADES_OF = {
    Side.BUY: Shades("#ad5000", "#ffc266", "#b26000"),
    Side.SELL: Shades("#00407f", "#4a9be3", "#2b77c9"),
}


def name_of(side: Side) -> str:
    """Return the name of a side's book, for display.

    >>> name_of(Side.BUY), name_of(Side.SELL)
    ('BUY (asks)', 'SELL (bids)')

    """
    return f"{side} ({BOOK_OF[side]})"
