"""Checksums: which text they cover, trailing zeros that a recorder dropped, and ignoring a failure."""

from __future__ import annotations

import re
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms import Instrument, InvalidArgumentError, OrderManagement
from oms.feeds import ALTERNATING, ASKS_THEN_BIDS, Kraken, LevelFeed
from support.level_feeds import XBT, displayed, exchange_texts, level_feed, translated, translator_of
from support.naive_exchange import FORMATS, Format, NaiveExchange
from support.strategies import level_changes


def test_the_checksum_of_krakens_published_example_is_reproduced() -> None:
    amounts = "0.00000500"
    asks = [f"0.0{price}" for price in range(5005, 5055, 5)]
    bids = [f"0.0{price}" for price in (5000, 4995, 4990, 4980, 4975, 4970, 4965, 4960, 4955, 4950)]
    levels = [[(price, amounts) for price in side] for side in (asks, bids)]
    assert ASKS_THEN_BIDS.crc32(*levels) == 974947235


def test_a_checksum_covers_krakens_numbers_exactly_as_they_were_written() -> None:
    exchange = NaiveExchange("kraken2")
    exchange.books = ({"10.0": "0.10000"}, {"9.0": "2.00000"})
    translator = Kraken()
    feed = level_feed(OrderManagement(), translator)
    assert feed.apply(translated(translator, exchange.snapshot())).applied
    finer = LevelFeed(OrderManagement(), translator.rule, Instrument("0.01", "0.00001"))
    assert finer.apply(translated(translator, exchange.snapshot())).applied
    cut = exchange.snapshot().replace("0.10000", "0.1").replace("10.0", "10")
    assert finer.apply(translated(translator, cut)).stale == "the checksum of row 1 failed"


ONE_LEVEL = (
    '{"channel":"book","type":"snapshot","data":[{"symbol":"X/USD","bids":[],'
    '"asks":[{"price":0.5,"qty":2}],"checksum":149617455}]}'
)


def test_the_callers_instrument_restores_trailing_zeros_that_a_recorder_dropped() -> None:
    assert crc32(b"50000200000000") == 149617455
    feed = LevelFeed(OrderManagement(), Kraken.rule, {"X/USD": Instrument("0.00001", "0.00000001")})
    message = translated(Kraken(), ONE_LEVEL)
    assert feed.apply(message).stale is None
    assert feed.apply(message).stale is None
    assert feed.reports()["X/USD"].checksums_ok == 2


def test_a_failed_checksum_suggests_an_instrument_if_trailing_zeros_may_be_missing() -> None:
    feed = LevelFeed(OrderManagement(), Kraken.rule, Instrument("0.1", "1"))
    assert feed.apply(translated(Kraken(), ONE_LEVEL)).stale == (
        "the checksum of row 1 failed; if the recorder dropped trailing zeros of numbers, pass the "
        "exchange's tick size and lot size to restore them (--tick and --lot, or instruments)"
    )


def test_krakens_own_precision_restores_trailing_zeros_that_a_recorder_dropped() -> None:
    exchange = NaiveExchange("kraken2")
    exchange.books = ({"10.0": "0.10000"}, {"9.0": "2.00000", "8.9": "0.00007"})
    translator = Kraken()
    feed = LevelFeed(OrderManagement(), translator.rule, {})
    pair = '{"symbol":"XBT/USD","price_precision":1,"qty_precision":5}'
    instruments = f'{{"channel":"instrument","type":"snapshot","data":{{"assets":[],"pairs":[{pair}]}}}}'
    feed.apply(translated(translator, instruments))
    sent = exchange.snapshot().replace("0.10000", "0.1").replace("10.0", "10").replace("2.00000", "2")
    assert feed.apply(translated(translator, sent.replace("0.00007", "7e-05"))).applied
    assert feed["XBT/USD"].instrument == XBT


@given(batches=level_changes, data=st.data())
def test_numbers_that_a_recorder_wrote_as_floats_still_pass_the_checksum(
    batches: list[list[tuple[int, str, str]]], data: st.DataObject
) -> None:
    exchange = NaiveExchange("kraken2", depth=400)
    om = OrderManagement()
    feed = level_feed(om, Kraken())
    for changes in [[], *batches]:
        sent = exchange.update(changes) if changes else exchange.snapshot()
        if data.draw(st.booleans()):
            sent = re.sub(r"\d+\.\d+", lambda number: repr(float(number[0])), sent)
        assert feed.apply(translated(Kraken(400), sent)).stale is None
        assert displayed(om, exchange.symbol) == exchange_texts(exchange.shown)


@pytest.mark.parametrize("form", FORMATS)
def test_the_ignore_mode_counts_a_wrong_checksum_and_keeps_the_book(
    form: Format,
) -> None:
    exchange = NaiveExchange(form)
    translator = translator_of(exchange)
    om = OrderManagement()
    feed = LevelFeed(om, translator.rule, XBT, checksums="ignore")
    exchange.books = ({"1.2": "5.00000"}, {})
    feed.apply(translated(translator, exchange.snapshot()))
    outcome = feed.apply(translated(translator, exchange.update([(0, "1.3", "4.00000")], spoil=1), 2))
    assert (outcome.applied, outcome.stale) == (True, None)
    assert displayed(om, exchange.symbol) == exchange_texts(exchange.shown)
    report = feed.reports()[exchange.symbol]
    assert (report.checksums_failed, report.times_stale) == (1, 0)


def test_the_checksums_argument_is_verify_or_ignore() -> None:
    with pytest.raises(InvalidArgumentError, match="checksums must be 'verify' or 'ignore', not 'none'"):
        LevelFeed(OrderManagement(), ALTERNATING, XBT, checksums="none")  # type: ignore[arg-type] # the mistake
