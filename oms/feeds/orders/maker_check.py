"""Check that no other recorded order had priority over the maker of a published trade."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable

from oms.feeds.orders import bitstamp
from oms.feeds.orders.messages import MessageRow
from oms.instrument import Instrument
from oms.models import OrderRow

__all__ = ["MakerCheck"]

_WINDOW = 5_000_000_000
"""The maximum time (ns) from a trade to its maker's row, as in obAnalytics. We have seen at most 35 ms."""


class MakerCheck:
    """A check that finds the maker of each published trade, and whether the maker was first in its book.

    Each trade has two rows in the recording, one for the maker and one for the taker. The trade's time is the
    time of the earlier row, and its amount is how much the maker's amount decreased. `trades` counts the
    trades read so far, and `found` counts those whose maker was found. `at_head` counts the makers that were
    first in their book, ignoring your own orders.
    """

    def __init__(self, path: str | os.PathLike[str], units: Instrument) -> None:
        """Open the file. Raise FeedError if the first rows cannot be read."""
        self.trades = 0
        self.found = 0
        self.at_head = 0
        self.first_behind: int | None = None
        self._published = bitstamp.trades(path, units)
        self._next = next(self._published, None)
        self._pending: deque[bitstamp.PublishedTrade] = deque()

    def before(
        self, heads_its_book: Callable[[OrderRow], bool], order: OrderRow, message: MessageRow
    ) -> None:
        """Check a resting order just before a message reduces it. Raise FeedError if a row is invalid."""
        row, time, _, _, _, remaining, _ = message
        if not self._pending and (self._next is None or self._next.time > time):
            return
        self._advance(time)
        order_id, _, _, amount, _ = order
        reduction = amount - remaining
        for trade in self._pending:
            if trade.maker == order_id and trade.amount == reduction:
                self._pending.remove(trade)
                self.found += 1
                if heads_its_book(order):
                    self.at_head += 1
                elif self.first_behind is None:
                    self.first_behind = row
                return

    def finish(self) -> None:
        """Count the trades after the end of the recording. Raise FeedError if a row is invalid."""
        while self._next is not None:
            self._shift()

    def _advance(self, time: int) -> None:
        while self._next is not None and self._next.time <= time:
            self._pending.append(self._next)
            self._shift()
        while self._pending and self._pending[0].time < time - _WINDOW:
            self._pending.popleft()

    def _shift(self) -> None:
        self.trades += 1
        self._next = next(self._published, None)
