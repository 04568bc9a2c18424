"""Channels and trades that several exchanges have in common, read by each of their translators."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from oms import OrderManagement, Side
from oms.feeds import ALTERNATING, Bitget, Kraken, LevelFeed, Okx, TradeMessage, UnsupportedChannelError
from oms.feeds.levels.capture import parsed
from oms.feeds.levels.messages import Translator
from support.level_feeds import XBT, as_version_3, displayed, in_channel, translated, translator_of
from support.naive_exchange import Format, NaiveExchange


@pytest.mark.parametrize(
    ("form", "channel"),
    [
        *(("okx", channel) for channel in ("books5", "bbo-tbt")),
        *(("bitget", channel) for channel in ("books1", "books5", "books15")),
        *(("version 3", channel) for channel in ("books1", "books5", "books15", "books50")),
    ],
)
def test_each_message_of_a_snapshot_channel_replaces_the_whole_book(
    form: str, channel: str, om: OrderManagement
) -> None:
    feed = LevelFeed(om, ALTERNATING, XBT)
    translator = Okx() if form == "okx" else Bitget()
    first = in_channel("okx" if form == "okx" else "bitget", channel)
    for sent in (first, first.replace('"1.2"', '"1.3"').replace('"5.00000"', '"7.00000"')):
        outcome = feed.apply(
            translated(translator, as_version_3(sent, channel) if form == "version 3" else sent)
        )
        assert (outcome.applied, outcome.stale) == (True, None)
    assert displayed(om, "X") == [[("1.3", "7.00000")], [("1.1", "3.00000")]]
    assert feed.reports()["X"].snapshots == 2


@pytest.mark.parametrize(("form", "channel"), [("okx", "books5"), ("bitget", "books15")])
def test_two_channels_of_one_market_are_two_books(form: Format, channel: str, om: OrderManagement) -> None:
    exchange = NaiveExchange(form, "X")
    exchange.books = ({"1.2": "5.00000", "1.3": "4.00000"}, {})
    translator = translator_of(exchange)
    feed = LevelFeed(om, ALTERNATING, XBT)
    for sent in (exchange.snapshot(), in_channel(form, channel), exchange.update([(0, "1.2", "0")])):
        assert feed.apply(translated(translator, sent)).stale is None
    assert displayed(om, "X") == [[("1.3", "4.00000")], []]
    assert displayed(om, f"X ({channel})") == [[("1.2", "5.00000")], [("1.1", "3.00000")]]


@pytest.mark.parametrize(
    ("translator", "sent", "error"),
    [
        (
            Okx(),
            '{"arg":{"channel":"books-elp","instId":"X"},"data":[{"asks":[],"bids":[]}]}',
            "channel 'books-elp' is not supported; supported channels: 'books', 'books-l2-tbt', "
            "'books50-l2-tbt', 'books5', 'bbo-tbt'",
        ),
        (
            Bitget(),
            '{"arg":{"instType":"spot","topic":"books500","symbol":"X"},"data":[{"a":[],"b":[]}]}',
            "channel 'books500' is not supported; supported channels: 'books', 'books1', 'books5', "
            "'books15', 'books50'",
        ),
        (
            Kraken(),
            '{"channel":"level3","type":"snapshot","data":[{"symbol":"X"}]}',
            "channel 'level3' is not supported; supported channels: 'book'",
        ),
    ],
)
def test_an_unsupported_book_channel_raises_an_error_that_names_it(
    translator: Translator, sent: str, error: str
) -> None:
    with pytest.raises(UnsupportedChannelError) as caught:
        list(translator.translate(parsed(sent), 1, None))
    assert str(caught.value) == error


def trades_sent() -> Iterator[tuple[Translator, str]]:
    """Yield each translator with each form in which its exchange sends a trade."""
    argument = '"arg":{"instType":"sp","channel":"trade","instId":"X"}'
    yield (
        Okx(),
        (
            '{"arg":{"channel":"trades","instId":"X"},'
            '"data":[{"px":"1.2","sz":"3","side":"sell","ts":"1500"}]}'
        ),
    )
    yield Bitget(), f'{{"action":"update",{argument},"data":[["1500","1.2","3","sell"]]}}'
    yield (
        Bitget(),
        (f'{{"action":"update",{argument},"data":[{{"ts":"1500","price":"1.2","size":"3","side":"sell"}}]}}'),
    )
    yield (
        Bitget(),
        '{"action":"update","arg":{"instType":"spot","topic":"publicTrade","symbol":"X"},'
        '"data":[{"i":"9","p":"1.2","v":"3","S":"sell","T":"1500"}]}',
    )
    yield Kraken(), '[7,[["1.2","3","1.5","s","l",""]],"trade","X"]'
    yield (
        Kraken(),
        (
            '{"channel":"trade","type":"update","data":[{"symbol":"X","side":"sell","price":1.2,"qty":3,'
            '"timestamp":"1970-01-01T00:00:01.500000Z"}]}'
        ),
    )


@pytest.mark.parametrize(("translator", "sent"), list(trades_sent()))
def test_every_exchange_translates_the_same_trade_to_the_same_message(
    translator: Translator, sent: str
) -> None:
    assert translated(translator, sent) == TradeMessage(1, 1_500_000_000, "X", Side.SELL, "1.2", "3")


@pytest.mark.parametrize("translator", [Okx(), Bitget(), Kraken()])
@pytest.mark.parametrize(
    "sent",
    [
        '{"event":"subscribe","arg":{"channel":"books","instId":"X"}}',
        '{"event":"heartbeat"}',
        '{"channel":"heartbeat"}',
        '{"channel":"status","type":"update","data":[{"system":"online"}]}',
        '{"method":"pong","time_in":"x"}',
        '{"event":"systemStatus","status":"online","version":"1.9.6"}',
        '{"arg":{"channel":"tickers","instId":"X"},"data":[{"last":"1"}]}',
        '{"action":"snapshot","arg":{"instType":"sp","channel":"ticker","instId":"X"},"data":[{}]}',
        '{"action":"snapshot","arg":{"instType":"UTA","topic":"account"},"data":[{}]}',
        '{"arg":{"channel":"status"},"data":[{}]}',
        '{"arg":{},"data":[{}]}',
        '{"channel":"trade","type":"snapshot","data":[{"symbol":"X"}]}',
        '[320,{"a":["1.0",1,"1.0"]},"ticker","X"]',
        "[]",
        "[1,2]",
        "7",
        '"text"',
        "null",
    ],
)
def test_messages_about_neither_a_book_nor_a_trade_are_ignored(translator: Translator, sent: str) -> None:
    assert list(translator.translate(parsed(sent), 1, None)) == []
