"""Bitget: a snapshot and then changes of levels, with a CRC32 or numbers, or snapshots alone.

Newer messages carry `seq`, which grows but leaves numbers out, and some `pseq`, the one before. So without
`pseq` messages out of order are detected, but gaps are not. Each message of the channels `books1`, `books5`,
`books15`, and `books50` holds all of the best levels. Version 3 of the interface has other names for channels
and symbols (`topic`, `symbol`), and one letter for a side or a field of a trade.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from oms.feeds.levels.book_names import BookNames
from oms.feeds.levels.checksums import ALTERNATING
from oms.feeds.levels.messages import LevelMessage, TradeMessage, UnsupportedChannelError
from oms.feeds.levels.translation import TRADE_SIDES, book_messages, milliseconds

__all__ = ["Bitget"]

_CHANGES = "books"
_SNAPSHOTS = ("books1", "books5", "books15", "books50")
_TRADES = ("trade", "publicTrade")


class Bitget:
    """Translates what Bitget sends.

    Markets of different kinds may share a name; all but the first have their kind behind it, as in
    "BTCUSDT (USDT-FUTURES)". So has a second channel of one market, as in "BTCUSDT (books5)".

    >>> trade = {
    ...     "action": "update",
    ...     "arg": {"instType": "sp", "channel": "trade", "instId": "HOTUSDT"},
    ...     "data": [["1649290077777", "0.005613", "890.8", "buy"]],
    ... }
    >>> [message] = Bitget().translate(trade, row=1, time=None)
    >>> message.side, message.price, message.amount
    (<Side.BUY: 'BUY'>, '0.005613', '890.8')

    """

    rule = ALTERNATING

    def __init__(self) -> None:
        self._names = BookNames()

    def translate(self, sent: object, row: int, time: int | None) -> Iterator[LevelMessage]:
        """Translate one object of JSON; see `Translator`."""
        if not isinstance(sent, dict) or "data" not in sent or "arg" not in sent:
            return
        message = cast("dict[str, Any]", sent)
        argument = message["arg"]
        version_3 = "topic" in argument
        channel = argument["topic"] if version_3 else argument.get("channel")
        name, kind = argument.get("symbol" if version_3 else "instId"), argument.get("instType", "")
        if channel == _CHANGES or channel in _SNAPSHOTS:
            symbol = self._names.book(name, kind, channel)
            sides = ("a", "b") if version_3 else ("asks", "bids")
            whole = channel != _CHANGES
            yield from book_messages(message, symbol, row, time, ("seq", "pseq"), sides, whole=whole)
        elif channel in _TRADES and message.get("action") != "snapshot":  # which is what was before
            symbol = self._names.market(name, kind)
            for data in message["data"]:
                when, price, amount, side = _trade(data)
                yield TradeMessage(
                    row,
                    milliseconds(when) if time is None else time,
                    symbol,
                    TRADE_SIDES[side],
                    price,
                    amount,
                )
        elif isinstance(channel, str) and channel.startswith(_CHANGES):
            raise UnsupportedChannelError(channel, (_CHANGES, *_SNAPSHOTS))


def _trade(data: list[str] | dict[str, str]) -> tuple[str, str, str, str]:
    """Return when, price, amount and side: of a row in version 1, of an object in versions 2 and 3."""
    if isinstance(data, dict) and "T" in data:
        return data["T"], data["p"], data["v"], data["S"]
    if isinstance(data, dict):
        return data["ts"], data["price"], data["size"], data["side"]
    when, price, amount, side, *_ = data
    return when, price, amount, side
