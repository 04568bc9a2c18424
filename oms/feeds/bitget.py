"""Bitget (channel `books`): a snapshot, then changes of levels with a CRC32.

Newer messages carry `seq`, which grows but leaves numbers out, and some `pseq`, the one before. So without
`pseq` only an order turned round shows, not a gap.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from oms.feeds.checksums import ALTERNATING
from oms.feeds.level_messages import LevelMessage, TradeMessage
from oms.feeds.okx import SIDES, book_messages, milliseconds

__all__ = ["Bitget"]


class Bitget:
    """Translates what Bitget sends.

    Markets of different kinds may share a name; all but the first have their kind behind it, as in
    "BTCUSDT (USDT-FUTURES)".

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
        self._kinds: dict[str, str] = {}

    def translate(self, sent: object, row: int, time: int | None) -> Iterator[LevelMessage]:
        """Translate one object of JSON; see `Translator`."""
        if not isinstance(sent, dict) or "data" not in sent or "arg" not in sent:
            return
        message = cast("dict[str, Any]", sent)
        channel, name = message["arg"]["channel"], message["arg"]["instId"]
        kind = message["arg"].get("instType", "")
        symbol = name if self._kinds.setdefault(name, kind) == kind else f"{name} ({kind})"
        if channel == "books":
            yield from book_messages(message, symbol, row, time, numbers=("seq", "pseq"))
        elif channel == "trade" and message["action"] == "update":  # its snapshot is what was before
            for data in message["data"]:
                when, price, amount, side = _trade(data)
                yield TradeMessage(
                    row, milliseconds(when) if time is None else time, symbol, SIDES[side], price, amount
                )


def _trade(data: list[str] | dict[str, str]) -> tuple[str, str, str, str]:
    """A trade is a row in the older messages, an object in the newer ones."""
    if isinstance(data, dict):
        return data["ts"], data["price"], data["size"], data["side"]
    when, price, amount, side, *_ = data
    return when, price, amount, side
