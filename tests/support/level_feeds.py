"""Messages of level feeds, and books as text, for the tests of `oms/feeds/levels`."""

from __future__ import annotations

import json

from oms import Instrument, OrderManagement, Side
from oms.feeds import (
    Bitget,
    BookMessage,
    Kraken,
    LevelFeed,
    Okx,
)
from oms.feeds.levels.capture import parsed
from oms.feeds.levels.messages import LevelMessage, Translator
from support.naive_exchange import Format, NaiveExchange, Texts

__all__ = [
    "XBT",
    "as_version_3",
    "book",
    "displayed",
    "exchange_texts",
    "in_channel",
    "kraken_messages",
    "level_feed",
    "translated",
    "translator_of",
]

XBT = Instrument("0.1", "0.00001")


def translator_of(exchange: NaiveExchange) -> Translator:
    """Return a new translator for the messages of an exchange."""
    if exchange.feed == "kraken":
        return Kraken(exchange.depth)
    return Okx() if exchange.feed == "okx" else Bitget()


def level_feed(om: OrderManagement, translator: Translator) -> LevelFeed:
    """Return a feed for the messages of a translator, with the tick and lot of `XBT`."""
    return LevelFeed(om, translator.rule, XBT)


def translated(translator: Translator, sent: str, row: int = 1) -> LevelMessage:
    """Translate one line of JSON that contains exactly one message."""
    [message] = translator.translate(parsed(sent), row, None)
    return message


def displayed(om: OrderManagement, symbol: str) -> list[list[tuple[str, str]]]:
    """Return the asks and the bids of a book as pairs of strings (price, amount), best first."""
    return [
        [(XBT.price_text(level.price), XBT.amount_text(level.amount)) for level in om.depth(symbol, side)]
        for side in Side
    ]


def exchange_texts(books: tuple[Texts, Texts]) -> list[list[tuple[str, str]]]:
    """Return the books of a NaiveExchange in the form of `displayed`."""
    return [list(texts.items()) for texts in books]


def as_version_3(sent: str, topic: str = "books") -> str:
    """Convert a Bitget message to version 3 of the format."""
    message = json.loads(sent)
    [data] = message["data"]
    numbers = {name: value for name, value in data.items() if name in ("seq", "pseq", "checksum", "ts")}
    levels = {new: [level[:2] for level in data[old]] for new, old in (("a", "asks"), ("b", "bids"))}
    argument = {"instType": "spot", "topic": topic, "symbol": message["arg"]["instId"]}
    return json.dumps({"action": message["action"], "arg": argument, "data": [{**levels, **numbers}]})


def in_channel(form: Format, channel: str) -> str:
    """Return a message of a channel that sends only snapshots. OKX omits the action there."""
    exchange = NaiveExchange(form, "X", numbered=True)
    exchange.books = ({"1.2": "5.00000"}, {"1.1": "3.00000"})
    message = json.loads(exchange.snapshot())
    message["arg"]["channel"] = channel
    message["data"][0].pop("checksum")
    if form == "okx":
        del message["action"]
    return json.dumps(message)


def kraken_messages(*sent: str) -> list[LevelMessage]:
    """Translate lines of JSON with one new Kraken translator."""
    kraken = Kraken()
    return [message for text in sent for message in kraken.translate(parsed(text), 1, None)]


def book(*, snapshot: bool = False, asks: Texts | None = None, **more: object) -> BookMessage:
    """Return an update or snapshot of the symbol "X", with these asks and one bid (price 1.0, amount 2)."""
    message = BookMessage(1, 0, "X", snapshot, tuple((asks or {}).items()), (("1.0", "2"),))
    return message._replace(**more)  # type: ignore[arg-type] # fields of any type
