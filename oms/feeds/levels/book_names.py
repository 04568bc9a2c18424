"""Unique names for an exchange's books."""

from __future__ import annotations

__all__ = ["BookNames"]


class BookNames:
    """Names for an exchange's markets and books.

    Markets of different kinds may share a symbol, and a market may have several channels. The first market,
    and the book of its first channel, are named after the symbol alone, for example "BTCUSDT". All other
    names end with the kind or the channel in parentheses.

    >>> names = BookNames()
    >>> names.book("BTCUSDT", "spot", "books"), names.book("BTCUSDT", "spot", "books5")
    ('BTCUSDT', 'BTCUSDT (books5)')
    >>> names.market("BTCUSDT", "futures"), names.book("BTCUSDT", "spot", "books")
    ('BTCUSDT (futures)', 'BTCUSDT')

    """

    def __init__(self) -> None:
        self._kinds: dict[str, str] = {}
        self._channels: dict[str, str] = {}

    def market(self, symbol: str, kind: str) -> str:
        """Return the market's name, which its trades use as their symbol."""
        return symbol if self._kinds.setdefault(symbol, kind) == kind else f"{symbol} ({kind})"

    def book(self, symbol: str, kind: str, channel: str) -> str:
        """Return the book's name, built from the market and the channel."""
        market = self.market(symbol, kind)
        return market if self._channels.setdefault(market, channel) == channel else f"{market} ({channel})"
