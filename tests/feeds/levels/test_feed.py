"""LevelFeed: the books of many symbols, each applied or stale independently of the others."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms import Instrument, InvalidArgumentError, OrderManagement, Side
from oms.feeds import (
    ALTERNATING,
    BookMessage,
    InstrumentMessage,
    LevelFeed,
    Okx,
    StaleBookError,
    TradeMessage,
)
from support.level_feeds import book, displayed, exchange_texts, level_feed, translated, translator_of
from support.naive_exchange import FORMATS, Format, NaiveExchange
from support.strategies import level_changes

BUY = Side.BUY


@pytest.mark.parametrize("form", FORMATS)
@given(batches=level_changes, depth=st.integers(1, 12), second_snapshot=st.integers(0, 25))
def test_after_every_message_the_book_equals_that_of_the_exchange(
    form: Format, batches: list[list[tuple[int, str, str]]], depth: int, second_snapshot: int
) -> None:
    # Only Kraken leaves it to the client to remove levels beyond the depth.
    exchange = NaiveExchange(form, depth=depth if form.startswith("kraken") else 400)
    translator = translator_of(exchange)
    om = OrderManagement()
    feed = level_feed(om, translator)
    feed.apply(translated(translator, exchange.snapshot()))
    for row, changes in enumerate(batches, 2):
        sent = exchange.update(changes)
        if row == second_snapshot:
            sent = exchange.snapshot()
        outcome = feed.apply(translated(translator, sent, row))
        assert (outcome.applied, outcome.stale) == (True, None)
        assert displayed(om, exchange.symbol) == exchange_texts(exchange.shown)
        om._check()
        state = feed[exchange.symbol]
        assert state.row == row
        assert state.levels == len(om) == sum(map(len, exchange.shown))
        best = [om.depth(exchange.symbol, side, 1) for side in Side]
        assert [state.buy, state.sell] == [level[0][:2] if level else None for level in best]
    [report] = feed.reports().values()
    verified = report.messages - (report.snapshots if form == "kraken1" else 0)
    assert (report.checksums_ok, report.checksums_failed, report.times_stale) == (verified, 0, 0)


@pytest.mark.parametrize("form", FORMATS)
@given(batches=level_changes, data=st.data())
def test_a_wrong_checksum_or_a_gap_makes_only_its_own_symbol_stale_until_the_next_snapshot(
    form: Format, batches: list[list[tuple[int, str, str]]], data: st.DataObject
) -> None:
    exchanges = [NaiveExchange(form, symbol, depth=400, numbered=True) for symbol in ("ETH/USD", "XBT/USD")]
    translator = translator_of(exchanges[0])
    om = OrderManagement()
    feed = level_feed(om, translator)
    good = [False, False]
    failures = ["none", "wrong checksum", "snapshot"] + (["gap"] if exchanges[0].feed != "kraken" else [])
    for row, changes in enumerate(batches, 1):
        which = data.draw(st.integers(0, 1))
        exchange = exchanges[which]
        failure = data.draw(st.sampled_from(failures))
        if failure == "gap":
            exchange.update([(0, "2.0", "7.00000"), (1, "1.0", "7.00000")])
        sent = (
            exchange.snapshot()
            if failure == "snapshot"
            else exchange.update(changes, failure == "wrong checksum")
        )
        feed.apply(translated(translator, sent, row))
        good[which] = failure == "snapshot" or (good[which] and failure == "none")
        for exchange, is_good in zip(exchanges, good, strict=True):
            if is_good:
                assert feed[exchange.symbol].symbol == exchange.symbol
                assert displayed(om, exchange.symbol) == exchange_texts(exchange.shown)
            else:
                assert displayed(om, exchange.symbol) == [[], []]
                with pytest.raises(StaleBookError) as caught:
                    feed[exchange.symbol]
                assert caught.value.symbol == exchange.symbol
                assert caught.value.why
        om._check()


def call_count(feed: LevelFeed, message: BookMessage) -> int:
    """Return the number of calls of Python and C functions while a message is applied."""
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        feed.apply(message)
    finally:
        sys.setprofile(None)
    return calls


def test_the_cost_of_a_message_does_not_grow_with_the_depth_of_the_book() -> None:
    counts: list[int] = []
    for depth in (50, 20_000):
        exchange = NaiveExchange("okx", depth=depth)
        asks = {f"{price}.0": "1" for price in range(100, 100 + depth)}
        exchange.books = (asks, {f"{price / 1000}": "2" for price in range(1, 1 + depth)})
        feed = LevelFeed(OrderManagement(), ALTERNATING, Instrument("0.001", "0.001"))
        feed.apply(translated(Okx(), exchange.snapshot()))
        update = translated(Okx(), exchange.update([(0, "101.0", "0"), (0, "100.5", "3"), (1, "0.004", "9")]))
        assert isinstance(update, BookMessage)
        counts.append(call_count(feed, update))
        assert feed.reports()[exchange.symbol].checksums_ok == 2
    assert counts[1] < 1.3 * counts[0]


def test_updates_before_the_first_snapshot_are_ignored(om: OrderManagement) -> None:
    feed = LevelFeed(om, ALTERNATING, Instrument("0.1", "1"))
    outcome = feed.apply(book(asks={"1.2": "5"}))
    assert (outcome.applied, outcome.stale) == (False, "no snapshot has been seen")
    assert len(om) == 0
    assert feed.reports()["X"].ignored == 1
    for symbol in ("X", "unknown"):
        with pytest.raises(StaleBookError, match="no snapshot has been seen"):
            feed[symbol]


def test_an_instrument_of_the_caller_has_precedence_over_that_of_the_feed(om: OrderManagement) -> None:
    feed = LevelFeed(om, ALTERNATING, {"Y": Instrument("0.5", "1")})
    with pytest.raises(InvalidArgumentError, match="symbol must be one with a known Instrument, not 'X'"):
        feed.apply(book(snapshot=True))
    feed.apply(InstrumentMessage(1, 0, "X", "0.1", "1"))
    feed.apply(InstrumentMessage(1, 0, "Y", "0.1", "1"))
    assert feed.apply(book(snapshot=True)).applied
    assert (feed["X"].instrument.tick_size, feed.instrument("Y").tick_size) == ("0.1", "0.5")


def test_a_trade_is_returned_and_counted_but_changes_no_book(om: OrderManagement, feed: LevelFeed) -> None:
    before = om.state_hash()
    trade = TradeMessage(2, 5, "X", BUY, "1.2", "3")
    assert feed.apply(trade) == (trade, True, None)
    assert feed.apply(trade._replace(symbol="Z")).stale == "no snapshot has been seen"
    assert (feed.reports()["X"].trades, feed.symbols, om.state_hash()) == (1, ("X",), before)
