"""OKX (channel `books`): a snapshot, then changes of levels, numbered or with a CRC32 or both.

A level is price, amount, and two more texts. Newer messages carry `seqId` and `prevSeqId`, and 0 as a
checksum: then there is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from oms.feeds.checksums import ALTERNATING
from oms.feeds.level_messages import BookMessage, LevelMessage, Levels, TradeMessage
from oms.models import Side

__all__ = ["Okx", "SIDES", "book_messages", "milliseconds"]

_BOOKS = ("books", "books-l2-tbt", "books50-l2-tbt")
SIDES = {"buy": Side.BUY, "sell": Side.SELL}
"""Which side a trade took, in the words of an exchange."""


class Okx:
    """Translates what OKX sends.

    >>> update = {
    ...     "arg": {"channel": "books", "instId": "BTC-USDT"},
    ...     "action": "update",
    ...     "data": [{"asks": [["1.5", "0", "0", "0"]], "bids": [], "ts": "1652459236119", "checksum": "-7"}],
    ... }
    >>> [message] = Okx().translate(update, row=1, time=None)
    >>> message.symbol, message.asks, message.checksum, message.time
    ('BTC-USDT', (('1.5', '0'),), -7, 1652459236119000000)

    """

    rule = ALTERNATING

    def translate(self, sent: object, row: int, time: int | None) -> Iterator[LevelMessage]:
        """Translate one object of JSON; see `Translator`."""
        if not isinstance(sent, dict) or "data" not in sent or "arg" not in sent:
            return
        message = cast("dict[str, Any]", sent)
        channel, symbol = message["arg"]["channel"], message["arg"]["instId"]
        if channel in _BOOKS:
            yield from book_messages(message, symbol, row, time, numbers=("seqId", "prevSeqId"))
        elif channel == "trades":
            for data in message["data"]:
                when = milliseconds(data["ts"]) if time is None else time
                yield TradeMessage(row, when, symbol, SIDES[data["side"]], data["px"], data["sz"])


def book_messages(
    message: dict[str, Any], symbol: str, row: int, time: int | None, numbers: tuple[str, str]
) -> Iterator[BookMessage]:
    """Translate the books of a message; `numbers` are the names of its own number and the previous one's."""
    own, previous = numbers
    snapshot = {"snapshot": True, "update": False}[message["action"]]
    for data in message["data"]:
        yield BookMessage(
            row,
            milliseconds(data["ts"]) if time is None else time,
            symbol,
            snapshot,
            _levels_of(data["asks"]),
            _levels_of(data["bids"]),
            _checksum_of(data, own),
            int(data[own]) if own in data else None,
            int(data[previous]) if previous in data and not snapshot else None,
        )


def _levels_of(rows: list[list[str]]) -> Levels:
    return tuple((price, amount) for price, amount, *_ in rows)


def milliseconds(text: str) -> int:
    """Read a time in milliseconds as nanoseconds."""
    return int(text) * 1_000_000


def _checksum_of(data: dict[str, str], number: str) -> int | None:
    """Read a checksum; where messages are numbered, 0 stands for none."""
    if "checksum" not in data:
        return None
    checksum = int(data["checksum"])
    return None if checksum == 0 and number in data else checksum
