"""Bitget: version 3 of its messages, and markets that share a symbol."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from oms import OrderManagement
from oms.feeds import Bitget, BookMessage
from support.level_feeds import as_version_3, displayed, exchange_texts, level_feed, translated
from support.naive_exchange import NaiveExchange
from support.strategies import level_changes


@given(batches=level_changes, lost=st.integers(0, 25))
def test_sequence_numbers_of_version_3_show_a_gap(
    batches: list[list[tuple[int, str, str]]], lost: int
) -> None:
    exchange = NaiveExchange("bitget", numbered=True, depth=400)
    om, bitget = OrderManagement(), Bitget()
    feed = level_feed(om, bitget)
    feed.apply(translated(bitget, as_version_3(exchange.snapshot())))
    for row, changes in enumerate(batches, 2):
        sent = as_version_3(exchange.update(changes))
        if row == lost:
            continue
        outcome = feed.apply(translated(bitget, sent, row))
        assert outcome.applied is (not 1 < lost < row)
        assert displayed(om, exchange.symbol) == (
            exchange_texts(exchange.shown) if outcome.applied else [[], []]
        )


def test_the_example_of_version_3_in_bitgets_documentation_is_read() -> None:
    sent = (
        '{"action":"snapshot","arg":{"instType":"spot","topic":"books","symbol":"BTCUSDT"},'
        '"data":[{"a":[["100.2","1.5"]],"b":[],"seq":5,"pseq":0,"ts":"1787727614175"}]}'
    )
    message = translated(Bitget(), sent)
    assert message == BookMessage(
        *(1, 1_787_727_614_175_000_000, "BTCUSDT", True, (("100.2", "1.5"),), ()), sequence=5
    )


def test_markets_that_share_a_symbol_are_separate_books() -> None:
    bitget, exchange = Bitget(), NaiveExchange("bitget", "BTCUSDT")
    spot = exchange.snapshot()
    futures = spot.replace('"sp"', '"mc"')
    symbols = [translated(bitget, sent).symbol for sent in (spot, futures, spot, futures)]
    assert symbols == ["BTCUSDT", "BTCUSDT (mc)"] * 2
