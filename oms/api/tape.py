"""The tape: the last trades of each symbol."""

from __future__ import annotations

from collections import deque
from typing import Any

from oms.api.request_models import as_fields
from oms.events import Event, TradePlaced
from oms.models import Trade

__all__ = ["Tape"]

_LENGTH = 20


class Tape:
    """Keeps the last 20 trades of each symbol; it is told of every event, under the lock."""

    def __init__(self) -> None:
        self._trades: dict[str, deque[tuple[int, Trade]]] = {}

    def __call__(self, event: Event) -> None:
        """Take note of a trade, in O(1)."""
        if isinstance(event, TradePlaced):
            trades = self._trades.setdefault(event.trade.symbol, deque(maxlen=_LENGTH))
            trades.append((event.sequence, event.trade))

    def last(self, symbol: str | None) -> list[dict[str, Any]]:
        """The last 20 trades of a symbol, or of all, oldest first."""
        if symbol is None:
            trades = sorted(pair for each in self._trades.values() for pair in each)[-_LENGTH:]
        else:
            trades = list(self._trades.get(symbol, ()))
        return [{"sequence": sequence, **as_fields(trade)} for sequence, trade in trades]
