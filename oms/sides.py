"""The names that markets use for the two sides, and the books that they belong to.

In `oms`, the side of an order is the side of the trades that fill it: BUY trades fill the BUY book, the asks.
In market data, the side is the submitter's: "buy" or 1 is an order to buy. A resting buy order is a bid, and
bids are in the SELL book. So "buy", "B", "bid", and 1 all become Side.SELL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, cast

from oms.errors import InvalidArgumentError, InvalidOrderError
from oms.frames import check_present
from oms.models import Side

__all__ = ["SUBMITTER_SIDES", "as_sides"]


def _spellings(*words: str) -> list[str]:
    return [spelling for word in words for spelling in (word, word.upper(), word.capitalize())]


_BIDS: list[str | int] = [*_spellings("buy", "bid", "b"), 1]
_ASKS: list[str | int] = [*_spellings("sell", "ask", "s", "a"), -1]

SUBMITTER_SIDES: Final[Mapping[str | int, Side]] = MappingProxyType(
    dict.fromkeys(_BIDS, Side.SELL) | dict.fromkeys(_ASKS, Side.BUY)
)
"""The Side of a resting order for each name of its side in market data: bids are SELL, asks are BUY.

The keys are "buy", "bid", "b", and 1 for bids, and "sell", "ask", "s", "a", and -1 for asks. Each word may
also be capitalized or in upper case.

>>> SUBMITTER_SIDES["bid"], SUBMITTER_SIDES["Buy"], SUBMITTER_SIDES[-1]
(<Side.SELL: 'SELL'>, <Side.SELL: 'SELL'>, <Side.BUY: 'BUY'>)
"""


def as_sides(values: Sequence[object], sides: object) -> list[Side]:
    """Return the Side that a mapping assigns to each value in a column. A Side in the column is not changed.

    The type of a value must match too, because in Python, True equals 1, and Side.BUY equals "BUY".

    Raises InvalidArgumentError if `sides` is not a mapping to Side, and InvalidOrderError if the mapping does
    not contain a value. O(n).
    """
    of_type = _by_type(sides)
    if not of_type:
        raise InvalidArgumentError("sides", sides, "a mapping to Side.BUY and Side.SELL")
    of_type[Side] = {side: side for side in Side}
    try:
        return [of_type[type(value)][value] for value in values]
    except KeyError:
        check_present("side", values)
    is_known = [type(value) in of_type and value in of_type[type(value)] for value in values]
    row = is_known.index(False)
    names = ", ".join(repr(key) for kind, keys in of_type.items() if kind is not Side for key in keys)
    raise InvalidOrderError(f"side in row {row}", values[row], f"a Side or a key of sides ({names})")


def _by_type(sides: object) -> dict[type, dict[object, Side]]:
    """Split the mapping into one dict for each type of key. If it is invalid, return an empty dict."""
    of_type: dict[type, dict[object, Side]] = {}
    if isinstance(sides, Mapping):
        for key, side in cast("Mapping[object, object]", sides).items():
            if type(side) is not Side:
                return {}
            of_type.setdefault(type(key), {})[key] = side
    return of_type
