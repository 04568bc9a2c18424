"""Names for the books of one exchange: two books never share a name."""

from __future__ import annotations

__all__ = ["BookNames"]


class BookNames:
    """The names of books: the exchange's symbol, and what tells one book from another that has it too.

    Markets of different kinds may share a symbol, and so may two channels of one market. The first that is
    seen has the plain symbol; the others have their kind, or their channel, behind it.

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
        """Return the name of a market: its trades are published under it."""
        return symbol if self._kinds.setdefault(symbol, kind) == kind else f"{symbol} ({kind})"

    def book(self, symbol: str, kind: str, channel: str) -> str:
        """Return the name of the book that a channel of a market publishes."""
        market = self.market(symbol, kind)
        return market if self._channels.setdefault(market, channel) == channel else f"{market} ({channel})"
