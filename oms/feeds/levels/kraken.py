"""Translate Kraken messages, versions 1 and 2.

The `book` channel sends a snapshot and then updates with CRC32 checksums. It covers only the levels within
the subscribed depth, and it does not say when a level falls out of this depth. So the book must be truncated
after every message. Version 2 sends prices and amounts as JSON numbers. Its checksum covers their digits
exactly as sent.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple, cast

from oms.feeds.levels.checksums import ASKS_THEN_BIDS
from oms.feeds.levels.messages import (
    BookMessage,
    InstrumentMessage,
    LevelMessage,
    Levels,
    TradeMessage,
    UnsupportedChannelError,
)
from oms.feeds.levels.translation import TRADE_SIDES, levels_of
from oms.models import Side
from oms.size import MOST_DIGITS

__all__ = ["DEPTHS", "Kraken"]

DEPTHS = (10, 25, 100, 500, 1000)
"""The depths that you can subscribe to at Kraken, in levels per side."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_V1_SIDES = {"b": Side.BUY, "s": Side.SELL}


class _Decimals(NamedTuple):
    price: int = 0
    amount: int = 0


class Kraken:
    """A translator for Kraken books, trades, and instruments, in versions 1 (arrays) and 2 (objects).

    `depth` is the subscribed depth, in levels per side. By default, Kraken's messages determine it. If they
    do not contain a depth, it is the smallest depth in `DEPTHS` that fits the whole snapshot.

    >>> kraken = Kraken()
    >>> snapshot = {"as": [["5541.30000", "2.50700000", "1534614248.123678"]], "bs": []}
    >>> [message] = kraken.translate(["0", snapshot, "book-100", "XBT/USD"], row=1, time=None)
    >>> message.symbol, message.snapshot, message.asks, message.depth, message.time
    ('XBT/USD', True, (('5541.30000', '2.50700000'),), 100, 1534614248123678000)
    >>> data = {"symbol": "BTC/USD", "bids": [], "asks": [{"price": "45285.2", "qty": "0.00100000"}]}
    >>> [message] = kraken.translate({"channel": "book", "type": "snapshot", "data": [data]}, row=2, time=5)
    >>> message.symbol, message.asks, message.depth, message.time
    ('BTC/USD', (('45285.2', '0.00100000'),), 10, 5)

    """

    rule = ASKS_THEN_BIDS

    def __init__(self, depth: int | None = None) -> None:
        self._depth = depth
        self._subscribed_depths: dict[str, int] = {}
        self._snapshot_depths: dict[str, int] = {}
        self._decimals: dict[str, _Decimals] = {}

    def translate(self, sent: object, row: int, time: int | None) -> Iterator[LevelMessage]:
        """Translate one JSON value, as described for `Translator.translate`."""
        if isinstance(sent, list):
            return self._translate_array(cast("Sequence[Any]", sent), row, time)
        if isinstance(sent, dict):
            return self._translate_object(cast("dict[str, Any]", sent), row, time)
        return iter(())

    # ------------------------------------------------------------------ version 1

    def _translate_array(self, sent: Sequence[Any], row: int, time: int | None) -> Iterator[LevelMessage]:
        if len(sent) < 4:
            return
        _, *parts, channel, symbol = sent
        if channel == "trade":
            for price, amount, when, side, *_ in parts[0]:
                yield TradeMessage(row, _when(when, time), symbol, _V1_SIDES[side], price, amount)
        elif channel == "book" or channel.startswith("book-"):
            fields = {name: value for part in parts for name, value in part.items()}
            snapshot = "as" in fields or "bs" in fields
            asks, bids = (fields.get(name, []) for name in (("as", "bs") if snapshot else ("a", "b")))
            yield BookMessage(
                row,
                _latest({level[2] for level in (*asks, *bids)}) if time is None else time,
                symbol,
                snapshot,
                levels_of(asks),
                levels_of(bids),
                int(fields["c"]) if "c" in fields else None,
                depth=self._depth or _depth(channel.partition("-")[2] or DEPTHS[0]),
            )

    # ------------------------------------------------------------------ version 2

    def _translate_object(self, sent: dict[str, Any], row: int, time: int | None) -> Iterator[LevelMessage]:
        channel = sent.get("channel")
        if channel == "book":
            for data in sent["data"]:
                yield self._book(data, sent["type"], row, time)
        elif channel == "trade" and sent["type"] == "update":  # a snapshot contains old trades
            for data in sent["data"]:
                price, amount = self._texts(data["symbol"], data["price"], data["qty"])
                when = _when(data["timestamp"], time)
                yield TradeMessage(row, when, data["symbol"], TRADE_SIDES[data["side"]], price, amount)
        elif channel == "instrument":
            for pair in sent["data"]["pairs"]:
                yield self._instrument(pair, row, time)
        elif channel == "level3":
            raise UnsupportedChannelError(channel, ("book",))
        elif sent.get("method") == "subscribe" and sent.get("result", {}).get("channel") == "book":
            self._subscribed_depths[sent["result"]["symbol"]] = _depth(sent["result"]["depth"])

    def _book(self, data: dict[str, Any], kind: str, row: int, time: int | None) -> BookMessage:
        symbol = data["symbol"]
        snapshot = {"snapshot": True, "update": False}[kind]
        asks, bids = (self._levels(symbol, data.get(side, ())) for side in ("asks", "bids"))
        if snapshot:
            most = max(len(asks), len(bids))
            self._snapshot_depths[symbol] = next((depth for depth in DEPTHS if most <= depth), most)
        return BookMessage(
            row,
            _when(data.get("timestamp", "0"), time),
            symbol,
            snapshot,
            asks,
            bids,
            int(data["checksum"]) if "checksum" in data else None,
            depth=self._depth or self._subscribed_depths.get(symbol, self._snapshot_depths.get(symbol)),
        )

    def _levels(self, symbol: str, levels: Iterable[dict[str, str]]) -> Levels:
        pairs = [(level["price"], level["qty"]) for level in levels]
        if (
            symbol not in self._decimals
            and "e" not in "".join([f"{one}{other}" for one, other in pairs]).lower()
        ):
            return tuple(pairs)  # most captures: no instruments, and no exponents
        return tuple([self._texts(symbol, price, amount) for price, amount in pairs])

    def _texts(self, symbol: str, price: str, amount: str) -> tuple[str, str]:
        decimals = self._decimals.get(symbol)
        if decimals is None and "e" not in f"{price}{amount}".lower():
            return price, amount
        price_decimals, amount_decimals = decimals or _Decimals()
        return _plain(price, price_decimals), _plain(amount, amount_decimals)

    def _instrument(self, pair: dict[str, str], row: int, time: int | None) -> InstrumentMessage:
        decimals = _Decimals(int(pair["price_precision"]), int(pair["qty_precision"]))
        if not 0 <= min(decimals) <= max(decimals) <= MOST_DIGITS:
            raise ValueError(decimals)
        self._decimals[pair["symbol"]] = decimals
        tick, lot = (f"{Decimal((0, (1,), -places)):f}" for places in decimals)
        return InstrumentMessage(row, _when("0", time), pair["symbol"], tick, lot)


def _depth(text: str | int) -> int:
    depth = int(text)
    if depth < 1:
        raise ValueError(text)
    return depth


def _plain(text: str, decimals: int) -> str:
    """Write a number in plain notation, and restore trailing zeros that a recorder may have dropped.

    Numbers with a huge exponent are returned unchanged.
    """
    if "e" in text.lower():
        number = Decimal(text)
        if abs(number.adjusted()) > MOST_DIGITS:
            return text  # writing all digits could fill the memory; every Instrument rejects this
        text = f"{number:f}"
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction.ljust(decimals, '0')}" if fraction or decimals else whole


def _latest(texts: Collection[str]) -> int:
    return max((_when(text, None) for text in texts), default=0)


def _when(text: str, received: int | None) -> int:
    """Return the time of receipt, or else the message's time: seconds (version 1) or a date (version 2)."""
    if received is not None:
        return received
    if "T" in text:
        return (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND * 1000
    seconds = Decimal(text)
    if seconds.adjusted() > MOST_DIGITS:
        raise ValueError(text)
    return int(seconds * 1_000_000_000)
