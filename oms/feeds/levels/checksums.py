"""The exchanges' checksum rules: a CRC32 of the best levels, exactly as the exchange wrote them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, zip_longest
from typing import NamedTuple
from zlib import crc32

__all__ = ["ALTERNATING", "ASKS_THEN_BIDS", "ChecksumRule"]


class ChecksumRule(NamedTuple):
    """A rule for building the string whose CRC32 an exchange publishes with its book.

    `levels` is the number of levels per side that the checksum covers. `part` builds the string for one level
    from its price and amount. `join` combines the parts of the asks and the bids into the whole string.
    `fixed_decimals` is True if the exchange writes every price with the tick size's decimals, and every
    amount with the lot size's decimals. If a recorder dropped trailing zeros, they can then be restored.

    >>> asks = [ALTERNATING.part("100.5", "2"), ALTERNATING.part("101.0", "7")]
    >>> ALTERNATING.crc32(asks, [ALTERNATING.part("99.0", "3")]) == crc32(b"99.0:3:100.5:2:101.0:7")
    True
    >>> asks = [ASKS_THEN_BIDS.part("0.05005", "0.00000500")]
    >>> ASKS_THEN_BIDS.crc32(asks, [ASKS_THEN_BIDS.part("0.05000", "1.0")]) == crc32(b"5005500500010")
    True

    """

    levels: int
    part: Callable[[str, str], str]
    join: Callable[[Sequence[str], Sequence[str]], str]
    fixed_decimals: bool = False

    def crc32(self, asks: Sequence[str], bids: Sequence[str]) -> int:
        """Return the CRC32 of the best levels, as an unsigned integer. Pass the parts of both sides."""
        return crc32(self.join(asks, bids).encode())


def _price_and_amount(price: str, amount: str) -> str:
    return f"{price}:{amount}"


def _alternating(asks: Sequence[str], bids: Sequence[str]) -> str:
    return ":".join(filter(None, chain.from_iterable(zip_longest(bids, asks))))


def _digits(price: str, amount: str) -> str:
    return price.replace(".", "").lstrip("0") + amount.replace(".", "").lstrip("0")


def _asks_then_bids(asks: Sequence[str], bids: Sequence[str]) -> str:
    return "".join(chain(asks, bids))


ALTERNATING = ChecksumRule(25, _price_and_amount, _alternating)
"""The rule for OKX and Bitget: 25 levels per side, alternating bids and asks, joined by colons."""

ASKS_THEN_BIDS = ChecksumRule(10, _digits, _asks_then_bids, fixed_decimals=True)
"""The rule for Kraken: 10 asks, then 10 bids, as digits without decimal points or leading zeros."""
