"""The exchanges' checksum rules: a CRC32 of the best levels, exactly as the exchange wrote them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import chain, starmap, zip_longest
from typing import NamedTuple, TypeAlias
from zlib import crc32

__all__ = ["ALTERNATING", "ASKS_THEN_BIDS", "ChecksumRule"]

Texts: TypeAlias = Sequence[tuple[str, str]]
"""The (price, amount) of each level, best first, as the exact strings that the exchange sent."""


class ChecksumRule(NamedTuple):
    """A rule for building the string whose CRC32 an exchange publishes with its book.

    `levels` is the number of levels per side that the checksum covers. `join` builds the string from the
    (price, amount) pairs of the asks and the bids. `fixed_decimals` is True if the exchange writes every
    price with the tick size's decimals, and every amount with the lot size's decimals. If a recorder dropped
    trailing zeros, they can then be restored.

    >>> asks = [("100.5", "2"), ("101.0", "7")]
    >>> ALTERNATING.crc32(asks, [("99.0", "3")]) == crc32(b"99.0:3:100.5:2:101.0:7")
    True
    >>> asks = [("0.05005", "0.00000500")]
    >>> ASKS_THEN_BIDS.crc32(asks, [("0.05000", "1.0")]) == crc32(b"5005500500010")
    True

    """

    levels: int
    join: Callable[[Texts, Texts], str]
    fixed_decimals: bool = False

    def crc32(self, asks: Texts, bids: Texts) -> int:
        """Return the CRC32 of the best levels, as an unsigned integer."""
        return crc32(self.join(asks, bids).encode())


def _alternating(asks: Texts, bids: Texts) -> str:
    pairs = zip_longest(bids, asks, fillvalue=())
    return ":".join(chain.from_iterable(chain.from_iterable(pairs)))


def _asks_then_bids(asks: Texts, bids: Texts) -> str:
    return "".join(starmap(_digits, chain(asks, bids)))


@lru_cache(maxsize=4096)  # a message changes few of the levels that the checksum covers
def _digits(price: str, amount: str) -> str:
    """Return the digits of a level, without decimal points and without leading zeros of both numbers."""
    return price.replace(".", "").lstrip("0") + amount.replace(".", "").lstrip("0")


ALTERNATING = ChecksumRule(25, _alternating)
"""The rule for OKX and Bitget: 25 levels per side, alternating bids and asks, joined by colons."""

ASKS_THEN_BIDS = ChecksumRule(10, _asks_then_bids, fixed_decimals=True)
"""The rule for Kraken: 10 asks, then 10 bids, as digits without decimal points or leading zeros."""
