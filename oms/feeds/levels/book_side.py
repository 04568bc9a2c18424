"""One side of a book in a level feed: the exchange's levels, in ticks and lots."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import TypeAlias

from oms.feeds.levels.checksums import ChecksumRule
from oms.feeds.levels.messages import Levels
from oms.feeds.levels.report import LevelTally
from oms.feeds.levels.text_cache import CachedConversion
from oms.feeds.top_of_book import Level
from oms.instrument import Instrument
from oms.models import Side

__all__ = ["BookSide", "LevelChange", "Units"]

LevelChange: TypeAlias = tuple[int, int, str, str]
"""A changed level: its price (ticks), its new amount (lots), and the original string of each."""

_StoredLevel: TypeAlias = tuple[int, str]
"""A level's amount (lots), and its part of the checksum string."""


class Units:
    """Converts prices to ticks and amounts to lots, with a cache."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self._ticks = CachedConversion(instrument.to_ticks)
        self._lots = CachedConversion(instrument.to_lots)

    def convert(self, levels: Levels) -> list[LevelChange]:
        """Convert the levels in a message. Raise InvalidArgumentError if a price or amount is invalid."""
        ticks, lots = self._ticks, self._lots
        try:
            return [(ticks[price], lots[amount], price, amount) for price, amount in levels]
        except TypeError:  # a list or a dict is not hashable; the uncached conversion raises the right error
            to_ticks, to_lots = self.instrument.to_ticks, self.instrument.to_lots
            return [(to_ticks(price), to_lots(amount), price, amount) for price, amount in levels]


class BookSide:
    """The levels on one side, and a record of which levels have changed.

    A key is the price in ticks times the side's sign, so better prices have smaller keys. The keys are in a
    plain list, best first. Adding or deleting a level shifts all worse keys in memory. For up to about 10,000
    levels, this is faster than a SortedList. Exchanges publish about 1,000 levels.
    """

    def __init__(self, side: Side, rule: ChecksumRule) -> None:
        self.side = side
        self._rule = rule
        self._sign = side.sign
        self._ladder: list[int] = []  # the keys of all levels
        self._levels: dict[int, _StoredLevel] = {}  # by key
        self._changed: set[int] = set()  # keys of the levels changed since the last `forget_changes`

    def __len__(self) -> int:
        return len(self._levels)

    # ------------------------------------------------------------------ levels

    def best_price(self) -> int | None:
        """Return the best price in ticks, or None if there are no levels. O(1)."""
        return self._sign * self._ladder[0] if self._ladder else None

    def best(self) -> Level | None:
        """Return the best level, or None if there are no levels. O(1)."""
        if not self._ladder:
            return None
        key = self._ladder[0]
        return Level(self._sign * key, self._levels[key][0])

    def clear(self) -> None:
        """Remove all levels."""
        self._changed.update(self._levels)
        self._ladder.clear()
        self._levels.clear()

    def change(self, changes: Iterable[LevelChange], tally: LevelTally) -> None:
        """Set the amounts of levels, and count unusual changes. An amount of 0 deletes a level."""
        sign, ladder, levels, changed = self._sign, self._ladder, self._levels, self._changed
        checksum_part = self._rule.part
        for price, lots, price_text, amount_text in changes:
            key = sign * price
            if lots:
                if key not in levels:
                    insort(ladder, key)
                levels[key] = lots, checksum_part(price_text, amount_text)
                if not key:
                    tally.unholdable += 1
            elif levels.pop(key, None) is not None:
                del ladder[bisect_left(ladder, key)]
            else:
                tally.unknown_deletes += 1
            changed.add(key)

    def truncate(self, depth: int) -> None:
        """Remove the levels beyond the given depth. The exchange does not publish changes to them."""
        while len(self._ladder) > depth:
            key = self._ladder.pop()
            del self._levels[key]
            self._changed.add(key)

    def checksum_parts(self, instrument: Instrument | None) -> list[str]:
        """Return the parts of the checksum string, best level first. O(d) for the d levels that it covers.

        If `instrument` is None, the numbers are written as received. Otherwise, they are written with the
        decimals of the instrument's tick and lot sizes.
        """
        best = self._ladder[: self._rule.levels]
        if instrument is None:
            return [self._levels[key][1] for key in best]
        return [
            self._rule.part(
                instrument.price_text(self._sign * key), instrument.amount_text(self._levels[key][0])
            )
            for key in best
        ]

    # ------------------------------------------------------------------ changed levels

    def changed_amounts(self) -> list[tuple[int, int]]:
        """Return the price and amount that the order for each changed level should have, best first.

        The amount is 0 if the level should not have an order: it was removed, or its price is 0.
        """
        sign, levels = self._sign, self._levels
        return [(sign * key, levels[key][0] if key and key in levels else 0) for key in sorted(self._changed)]

    def forget_changes(self) -> None:
        """Start a new record of changes. Call this when the orders match the levels."""
        self._changed.clear()
