"""Translate Bitget messages.

The `books` channel sends a snapshot and then updates, with CRC32 checksums or sequence numbers. Newer
messages contain `seq`, a sequence number that increases but skips numbers. Some also contain `pseq`, the
sequence number of the previous message. Without `pseq`, the feed detects out-of-order messages, but not gaps.

The `books1`, `books5`, `books15`, and `books50` channels send only snapshots.

Version 3 of the API renames the channel and symbol fields to `topic` and `symbol`. It also shortens the side
names and the trade fields to a single letter.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from oms.feeds.levels.book_names import BookNames
from oms.feeds.levels.checksums import ALTERNATING
from oms.feeds.levels.messages import LevelMessage, TradeMessage, UnsupportedChannelError
from oms.feeds.levels.translation import TRADE_SIDES, book_messages, milliseconds

__all__ = ["Bitget"]

_UPDATE_CHANNEL = "books"
_SNAPSHOT_CHANNELS = ("books1", "books5", "books15", "books50")
_TRADE_CHANNELS = ("trade", "publicTrade")


class Bitget:
    """A translator for Bitget books and trades, in all API versions.

    Markets of different kinds may share a symbol. The first one is named after the symbol alone. The names of
    the others end with their kind, such as "BTCUSDT (USDT-FUTURES)". Likewise, a market's second channel has
    a name such as "BTCUSDT (books5)".

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
        """Translate one JSON value, as described for `Translator.translate`."""
        if not isinstance(sent, dict) or "data" not in sent or "arg" not in sent:
            return
        message = cast("dict[str, Any]", sent)
        argument = message["arg"]
        version_3 = "topic" in argument
        channel = argument["topic"] if version_3 else argument.get("channel")
        name, kind = argument.get("symbol" if version_3 else "instId"), argument.get("instType", "")
        if channel == _UPDATE_CHANNEL or channel in _SNAPSHOT_CHANNELS:
            symbol = self._names.book(name, kind, channel)
            sides = ("a", "b") if version_3 else ("asks", "bids")
            whole = channel != _UPDATE_CHANNEL
            yield from book_messages(message, symbol, row, time, ("seq", "pseq"), sides, whole=whole)
        elif channel in _TRADE_CHANNELS and message.get("action") != "snapshot":
            # Snapshots contain old trades, so skip them.
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
        elif isinstance(channel, str) and channel.startswith(_UPDATE_CHANNEL):
            raise UnsupportedChannelError(channel, (_UPDATE_CHANNEL, *_SNAPSHOT_CHANNELS))


def _trade(data: list[str] | dict[str, str]) -> tuple[str, str, str, str]:
    """Return the time, price, amount, and side from an array (version 1) or object (versions 2 and 3)."""
    if isinstance(data, dict) and "T" in data:
        return data["T"], data["p"], data["v"], data["S"]
    if isinstance(data, dict):
        return data["ts"], data["price"], data["size"], data["side"]
    when, price, amount, side, *_ = data
    return when, price, amount, side
