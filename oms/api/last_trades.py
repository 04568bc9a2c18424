"""The last trades of each symbol, and of all symbols."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import chain
from typing import Generic, TypeVar

from oms.models import Trade

__all__ = ["LastTrades", "TAPE_LENGTH"]

T = TypeVar("T")

TAPE_LENGTH = 20
"""The number of trades in a snapshot."""


class LastTrades(Generic[T]):
    """The last 20 trades of each symbol, and of all symbols, without gaps.

    Trade ids have no gaps. So if a trade was missed, because an interrupt has prevented the publication of
    its event, the next trade shows it, and all trades before the gap are dropped.
    """

    def __init__(self) -> None:
        self._next_trade_id = 1
        self._latest: deque[T] = deque(maxlen=TAPE_LENGTH)
        self._by_symbol: dict[str, deque[T]] = {}

    def record(self, trade: Trade, content: T) -> None:
        """Record the content of a trade. O(1)."""
        if trade.trade_id != self._next_trade_id:
            self._latest.clear()
            self._by_symbol.clear()
        self._by_symbol.setdefault(trade.symbol, deque(maxlen=TAPE_LENGTH)).append(content)
        self._latest.append(content)
        self._next_trade_id = trade.trade_id + 1

    def expect(self, trade_id: int) -> None:
        """Accept the trade with this id as the next one. Earlier trades are not recorded."""
        self._next_trade_id = trade_id

    def all(self) -> Iterator[T]:
        """Yield the last trades of all s symbols together, and the last trades of each symbol. O(s)."""
        return chain(self._latest, *self._by_symbol.values())

    def last(self, symbol: str | None) -> tuple[T, ...]:
        """Return the last 20 trades of a symbol, or of all symbols, oldest first. O(1)."""
        return tuple(self._latest if symbol is None else self._by_symbol.get(symbol, ()))
