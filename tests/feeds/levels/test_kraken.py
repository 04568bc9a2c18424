"""Kraken: the depth of a book, the time of a message, and numbers with exponents."""

from __future__ import annotations

import json

import pytest

from oms import OrderManagement, Side
from oms.feeds import BookMessage, Kraken
from support.level_feeds import kraken_messages, level_feed
from support.naive_exchange import NaiveExchange

BUY = Side.BUY


def test_the_depth_is_that_of_the_subscription_response() -> None:
    exchange = NaiveExchange("kraken2")
    exchange.books = ({"10.0": "1.0"}, {})
    response = (
        '{"method":"subscribe","result":{"channel":"book","depth":500,"symbol":"XBT/USD"},"success":true}'
    )
    [first, later] = kraken_messages(response, exchange.snapshot(), exchange.update([]))
    assert isinstance(first, BookMessage)
    assert isinstance(later, BookMessage)
    assert (first.depth, later.depth) == (500, 500)


@pytest.mark.parametrize(
    ("levels", "depth"), [(1, 10), (10, 10), (11, 25), (26, 100), (101, 500), (501, 1000), (1001, 1001)]
)
def test_the_default_depth_is_the_smallest_one_that_contains_the_snapshot(levels: int, depth: int) -> None:
    exchange = NaiveExchange("kraken2", depth=5000)
    exchange.books = ({}, {f"{price}.0": "1.0" for price in range(1, levels + 1)})
    [message] = kraken_messages(exchange.snapshot())
    assert isinstance(message, BookMessage)
    assert message.depth == depth


@pytest.mark.parametrize(("channel", "depth"), [("book", 10), ("book-25", 25), ("book-1000", 1000)])
def test_version_1_names_the_depth_in_each_message(channel: str, depth: int) -> None:
    [message] = kraken_messages(f'[0, {{"as": [], "bs": []}}, "{channel}", "XBT/USD"]')
    assert isinstance(message, BookMessage)
    assert message.depth == depth


@pytest.mark.parametrize(
    ("asks", "bids", "time"),
    [
        (["9.5", "10.25", "10.2"], [], 10_250_000_000),  # as text, "9.5" would be the latest
        (["10.25"], ["10.25", "11"], 11_000_000_000),
        (["10.25", "10.25"], [], 10_250_000_000),
        ([], [], 0),
    ],
)
def test_version_1_has_the_time_of_the_latest_level(asks: list[str], bids: list[str], time: int) -> None:
    sides = {
        side: [[f"{n}.5", "1.0", text] for n, text in enumerate(texts, 1)]
        for side, texts in (("as", asks), ("bs", bids))
    }
    [message] = kraken_messages(json.dumps([0, sides, "book-10", "XBT/USD"]))
    assert message.time == time


def test_the_last_of_several_amounts_at_one_price_is_used() -> None:
    sent = '[0, {"a": [["1.5", "1.0", "1.1"], ["1.5", "3.0", "1.2"]]}, {"b": [], "c": "1"}, "book-10", "X"]'
    om = OrderManagement()
    feed = level_feed(om, Kraken())
    [update] = kraken_messages(sent)
    assert isinstance(update, BookMessage)
    feed.apply(update._replace(snapshot=True, checksum=None))
    assert om.depth("X", BUY)[0][:2] == (15, 300_000)


@pytest.mark.parametrize("price", ["1e300000000", "1E-300000000", "0e300000000"])
def test_a_huge_exponent_is_not_expanded_and_is_rejected_as_a_price(price: str) -> None:
    level = f'{{"price":{price},"qty":1.0}}'
    [message] = kraken_messages(
        f'{{"channel":"book","type":"snapshot","data":[{{"symbol":"XBT/USD","bids":[{level}]}}]}}'
    )
    assert isinstance(message, BookMessage)
    assert message.bids == ((price, "1.0"),)
    stale = level_feed(OrderManagement(), Kraken()).apply(message).stale
    allowed = "a decimal >= 0 such as '12.5' or '1e-3', with at most 40 digits before and after its point"
    assert stale == f"row 1: price must be {allowed}, not '{price}' (str)"
