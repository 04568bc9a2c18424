"""How an exchange sums up its book: CRC32 over the best levels, in the letters that it sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, zip_longest
from typing import NamedTuple
from zlib import crc32

__all__ = ["ALTERNATING", "ASKS_THEN_BIDS", "ChecksumRule"]


class ChecksumRule(NamedTuple):
    """How many levels a side are summed up, the part of one level, and how the parts are joined.

    `fixed_decimals` says that the exchange writes every price of a symbol with as many decimals as its tick,
    and every amount with as many as its lot, so that zeros which a recorder lost can be put back.

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
        """Sum up the parts of the best levels, best first: an unsigned number of 32 bits."""
        return crc32(self.join(asks, bids).encode())


def _price_and_amount(price: str, amount: str) -> str:
    return f"{price}:{amount}"


def _alternating(asks: Sequence[str], bids: Sequence[str]) -> str:
    return ":".join(part for part in chain.from_iterable(zip_longest(bids, asks)) if part is not None)


def _digits(price: str, amount: str) -> str:
    return price.replace(".", "").lstrip("0") + amount.replace(".", "").lstrip("0")


def _asks_then_bids(asks: Sequence[str], bids: Sequence[str]) -> str:
    return "".join(chain(asks, bids))


ALTERNATING = ChecksumRule(25, _price_and_amount, _alternating)
"""OKX and Bitget: the best bid, the best ask, the next bid, ... of 25 levels a side, all joined by colons."""

ASKS_THEN_BIDS = ChecksumRule(10, _digits, _asks_then_bids, fixed_decimals=True)
"""Kraken: 10 asks, then 10 bids, their digits without the point and without leading zeros."""
