"""A naive exchange, whose books are dicts of decimal strings that are sorted again for every message."""

from __future__ import annotations

import json
import zlib
from decimal import Decimal
from typing import Literal

__all__ = ["FORMATS", "Format", "NaiveExchange", "Texts"]

Format = Literal["okx", "bitget", "kraken1", "kraken2"]
FORMATS: tuple[Format, ...] = ("okx", "bitget", "kraken1", "kraken2")
Texts = dict[str, str]


class NaiveExchange:
    """One symbol of an exchange that publishes only the best `depth` levels of each side."""

    def __init__(
        self, form: Format, symbol: str = "XBT/USD", depth: int = 10, *, numbered: bool = False
    ) -> None:
        self.form = form
        self.symbol = symbol
        self.depth = depth
        self.numbered = numbered
        self.sequence = 100
        self.books: tuple[Texts, Texts] = ({}, {})  # all levels: asks, bids
        self.shown: tuple[Texts, Texts] = ({}, {})

    @property
    def feed(self) -> str:
        return self.form.rstrip("12")

    def snapshot(self) -> str:
        self.sequence += 7
        self.shown = self._best()
        return self._message("snapshot", *self.shown, previous=-1)

    def update(self, changes: list[tuple[int, str, str]], spoil: int = 0) -> str:
        """Change levels, and return the message about the changes.

        A change consists of a side (0 for asks, 1 for bids), a price, and an amount. `spoil` is added to the
        checksum, to make it wrong.
        """
        previous, self.sequence = self.sequence, self.sequence + 3
        for side, price, amount in changes:
            self.books[side].pop(price, None)
            if Decimal(amount):
                self.books[side][price] = amount
        before, self.shown = self.shown, self._best()
        updates: list[Texts] = [{}, {}]
        for side, (old, new) in enumerate(zip(before, self.shown, strict=True)):
            for price in {**old, **new}:
                if new.get(price, old.get(price)) != old.get(price):
                    updates[side][price] = new[price]
                elif price not in self.books[side]:
                    updates[side][price] = "0.00000000" if self.form == "kraken1" else "0"
        return self._message("update", updates[0], updates[1], previous=previous, spoil=spoil)

    def crc(self) -> int:
        asks, bids = (list(texts.items()) for texts in self.shown)
        if self.feed == "kraken":
            texts = [text for levels in (asks[:10], bids[:10]) for level in levels for text in level]
            return zlib.crc32("".join(text.replace(".", "").lstrip("0") for text in texts).encode())
        parts: list[str] = []
        for place in range(25):
            for levels in (bids, asks):
                parts.extend(levels[place] if place < len(levels) else ())
        return zlib.crc32(":".join(parts).encode())

    def _best(self) -> tuple[Texts, Texts]:
        asks = sorted(self.books[0].items(), key=lambda level: Decimal(level[0]))
        bids = sorted(self.books[1].items(), key=lambda level: -Decimal(level[0]))
        return dict(asks[: self.depth]), dict(bids[: self.depth])

    def _message(self, kind: str, asks: Texts, bids: Texts, *, previous: int, spoil: int = 0) -> str:
        crc = (self.crc() + spoil) % 2**32
        if self.form == "kraken1":
            return self._first_version(kind, asks, bids, crc)
        if self.form == "kraken2":
            levels = (
                ", ".join(f'{{"price": {price}, "qty": {amount}}}' for price, amount in texts.items())
                for texts in (asks, bids)
            )
            fields = '"symbol": "{}", "asks": [{}], "bids": [{}], "checksum": {}'
            data = fields.format(self.symbol, *levels, crc)
            return f'{{"channel": "book", "type": "{kind}", "data": [{{{data}}}]}}'
        data_ = {
            "asks": [[price, amount, "0", "1"] for price, amount in asks.items()],
            "bids": [[price, amount, "0", "1"] for price, amount in bids.items()],
            "ts": "1652459236119",
            "checksum": crc - 2**32 if crc >= 2**31 else crc,  # these exchanges send a signed number
        }
        if self.numbered:
            numbers = ("seqId", "prevSeqId") if self.form == "okx" else ("seq", "pseq")
            data_ |= dict(zip(numbers, (self.sequence, previous), strict=True))
        kind_of = {"instType": "sp"} if self.form == "bitget" else {}
        argument = {"channel": "books", "instId": self.symbol, **kind_of}
        return json.dumps({"arg": argument, "action": kind, "data": [data_]})

    def _first_version(self, kind: str, asks: Texts, bids: Texts, crc: int) -> str:
        rows = [[[price, amount, "1.5"] for price, amount in texts.items()] for texts in (asks, bids)]
        if kind == "snapshot":
            parts: list[dict[str, object]] = [{"as": rows[0], "bs": rows[1]}]
        else:
            parts = [{name: levels} for name, levels in zip("ab", rows, strict=True) if levels] or [{"a": []}]
            parts[-1]["c"] = str(crc)
        return json.dumps([336, *parts, f"book-{self.depth}", self.symbol])
