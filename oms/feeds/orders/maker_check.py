"""A check that the maker of each published trade headed its book at the time of the trade."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable

from oms.feeds.orders import bitstamp
from oms.feeds.orders.messages import Message
from oms.instrument import Instrument
from oms.models import Order

__all__ = ["MakerCheck"]

_WINDOW = 5_000_000_000
"""How long (ns) after its trade a maker's row is looked for: what obAnalytics allows; seen are 35 ms."""


class MakerCheck:
    """A search for the row that reduces the maker of each trade, and for the maker's place in its book.

    A trade carries the time of the earlier one of its two rows, and its amount is by what the maker
    shrinks. `trades` counts those looked for, `found` those whose maker rested and shrank, `at_head`
    those of them that headed their book.
    """

    def __init__(self, path: str | os.PathLike[str], units: Instrument) -> None:
        """Open the file; raises FeedError if its first rows cannot be read."""
        self.trades = 0
        self.found = 0
        self.at_head = 0
        self.first_behind: int | None = None
        self._published = bitstamp.trades(path, units)
        self._next = next(self._published, None)
        self._pending: deque[bitstamp.PublishedTrade] = deque()

    def before(self, heads_its_book: Callable[[Order], bool], order: Order, message: Message) -> None:
        """Check a resting order just before a message reduces it; raises FeedError."""
        self._advance(message.time)
        taken = order.amount - message.amount
        for trade in self._pending:
            if trade.maker == order.order_id and trade.amount == taken:
                self._pending.remove(trade)
                self.found += 1
                if heads_its_book(order):
                    self.at_head += 1
                elif self.first_behind is None:
                    self.first_behind = message.row
                return

    def finish(self) -> None:
        """Count the trades after the end of the recording; raises FeedError."""
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
