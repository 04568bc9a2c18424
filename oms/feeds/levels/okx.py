"""Translate OKX messages.

Most book channels send a snapshot and then updates, with sequence numbers, CRC32 checksums, or both. A level
is an array with the price, the amount, and two more strings. Newer messages contain `seqId` and `prevSeqId`.
Their checksum is 0, which means that there is no checksum. The `books5` and `bbo-tbt` channels send only
snapshots.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from oms.feeds.levels.book_names import BookNames
from oms.feeds.levels.checksums import ALTERNATING
from oms.feeds.levels.messages import (
    InstrumentMessage,
    LevelMessage,
    TradeMessage,
    UnsupportedChannelError,
)
from oms.feeds.levels.translation import TRADE_SIDES, book_messages, milliseconds
from oms.instrument import Instrument

__all__ = ["Okx"]

_UPDATE_CHANNELS = ("books", "books-l2-tbt", "books50-l2-tbt")
_SNAPSHOT_CHANNELS = ("books5", "bbo-tbt")


class Okx:
    """A translator for OKX books, trades, and tick and lot sizes (from the `instruments` channel).

    Each channel of an instrument is a separate book. The first one is named after the instrument. The names
    of the others end with the channel, such as "BTC-USDT (books5)".

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

    def __init__(self) -> None:
        self._names = BookNames()

    def translate(self, sent: object, row: int, time: int | None) -> Iterator[LevelMessage]:
        """Translate one JSON value, as described for `Translator.translate`."""
        if not isinstance(sent, dict) or "data" not in sent or "arg" not in sent:
            return
        message = cast("dict[str, Any]", sent)
        channel = message["arg"].get("channel")
        if channel in _UPDATE_CHANNELS or channel in _SNAPSHOT_CHANNELS:
            symbol = self._names.book(message["arg"]["instId"], "", channel)
            whole = channel in _SNAPSHOT_CHANNELS
            yield from book_messages(message, symbol, row, time, ("seqId", "prevSeqId"), whole=whole)
        elif channel == "trades":
            symbol = message["arg"]["instId"]
            for data in message["data"]:
                when = milliseconds(data["ts"]) if time is None else time
                yield TradeMessage(row, when, symbol, TRADE_SIDES[data["side"]], data["px"], data["sz"])
        elif channel == "instruments":
            yield from _instruments(message["data"], row, time)
        elif isinstance(channel, str) and ("book" in channel or "bbo" in channel):
            raise UnsupportedChannelError(channel, (*_UPDATE_CHANNELS, *_SNAPSHOT_CHANNELS))


def _instruments(
    instruments: list[dict[str, str]], row: int, time: int | None
) -> Iterator[InstrumentMessage]:
    for data in instruments:
        if data["tickSz"] and data["lotSz"]:  # both are empty before an instrument is listed
            instrument = Instrument(data["tickSz"], data["lotSz"])
            yield InstrumentMessage(row, time or 0, data["instId"], instrument.tick_size, instrument.lot_size)
