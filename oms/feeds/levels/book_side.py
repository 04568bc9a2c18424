"""One side of a book in a level feed: the exchange's levels, in ticks and lots."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from itertools import chain
from operator import neg
from typing import TypeAlias, cast

from oms.errors import InvalidArgumentError
from oms.feeds.levels.checksums import ChecksumRule
from oms.feeds.levels.messages import Levels
from oms.feeds.levels.report import LevelTally
from oms.feeds.levels.text_cache import CachedConversion
from oms.feeds.top_of_book import Level
from oms.instrument import Instrument
from oms.models import Side

__all__ = ["BookSide", "Columns", "Units"]

Columns: TypeAlias = tuple[Sequence[int], Sequence[int]]
"""The prices (ticks) and the amounts (lots) of levels."""


class Units:
    """A converter of prices to ticks and amounts to lots, with a cache."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self._ticks = CachedConversion(instrument.to_ticks, instrument.tick_size)
        self._lots = CachedConversion(instrument.to_lots, instrument.lot_size)

    def convert(self, levels: Levels) -> Columns:
        """Convert the levels in a message. Raise InvalidArgumentError for the first invalid number."""
        ticks, lots = self._ticks, self._lots
        try:
            return [ticks[price] for price, _ in levels], [lots[amount] for _, amount in levels]
        except (InvalidArgumentError, TypeError):  # TypeError: a list or a dict is not hashable
            to_ticks, to_lots = self.instrument.to_ticks, self.instrument.to_lots
            first_error_by_level = [(to_ticks(price), to_lots(amount)) for price, amount in levels]
            return cast("Columns", tuple(zip(*first_error_by_level, strict=True)))


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
        self._levels: dict[int, tuple[int, tuple[str, str]]] = {}  # by key, the amount (lots) and the strings
        self.changed: dict[int, int] = {}  # the new amounts of changed levels (0 if deleted), by key

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
        self.changed = dict.fromkeys(chain(self.changed, self._ladder), 0)
        self._ladder.clear()
        self._levels.clear()

    def change(self, columns: Columns, texts: Levels, tally: LevelTally) -> None:
        """Set the amounts of levels, and count unusual changes. An amount of 0 deletes a level.

        `texts` contains the original strings.
        """
        ladder, levels = self._ladder, self._levels
        prices, amounts = columns
        keys = prices if self._sign == 1 else list(map(neg, prices))
        self.changed.update(zip(keys, amounts, strict=True))
        for key, amount, text in zip(keys, amounts, texts, strict=True):
            if amount:
                if key not in levels:
                    insort(ladder, key)
                levels[key] = amount, text
                if not key:
                    tally.unholdable += 1
            elif levels.pop(key, None) is not None:
                del ladder[bisect_left(ladder, key)]
            else:
                tally.unknown_deletes += 1

    def truncate(self, depth: int) -> None:
        """Remove the levels beyond the given depth. The exchange does not publish changes to them."""
        while len(self._ladder) > depth:
            key = self._ladder.pop()
            del self._levels[key]
            self.changed[key] = 0

    def best_texts(self, instrument: Instrument | None) -> list[tuple[str, str]]:
        """Return the price and amount of each level that the checksum covers, best first, as strings. O(d).

        If `instrument` is None, the numbers are written as received. Otherwise, they are written with the
        decimals of the instrument's tick and lot sizes.
        """
        best = self._ladder[: self._rule.levels]
        levels = self._levels
        if instrument is None:
            return [levels[key][1] for key in best]
        return [
            (instrument.price_text(self._sign * key), instrument.amount_text(levels[key][0])) for key in best
        ]
