"""Ticks and lots that become finer during a session: `oms.feeds.levels.book` and `feed`."""

from __future__ import annotations

import re

import pytest

from oms import Instrument, OrderManagement, Side
from oms.feeds import ALTERNATING, Kraken, LevelFeed, Okx
from oms.feeds.levels.messages import Translator
from support.level_feeds import book, translated, translator_of
from support.naive_exchange import FORMATS, Format, NaiveExchange

BUY = Side.BUY


def one_ask(form: Format, price: str, amount: str = "2.0", *, kind: str = "snapshot") -> str:
    """Return a snapshot or an update with one ask and no checksum."""
    exchange = NaiveExchange(form)
    exchange.books = ({price: amount}, {})
    sent = exchange.snapshot() if kind == "snapshot" else exchange.update([])
    if kind == "update":
        exchange.books = ({}, {})
        exchange.snapshot()
        sent = exchange.update([(0, price, amount)])
    return re.sub(r', "c(hecksum)?": "?-?\d+"?', "", sent)


def precision(places: int) -> str:
    """Return a message of Kraken with the number of decimals of its prices."""
    pair = f'{{"symbol":"XBT/USD","price_precision":{places},"qty_precision":1}}'
    return f'{{"channel":"instrument","type":"update","data":{{"pairs":[{pair}]}}}}'


def listed(tick: str) -> str:
    """Return a message of OKX with the tick of a symbol, and one symbol without a tick."""
    data = f'[{{"instId":"XBT/USD","tickSz":"{tick}","lotSz":"0.1"}},{{"instId":"Y","tickSz":"","lotSz":""}}]'
    return f'{{"arg":{{"channel":"instruments","instType":"SPOT"}},"data":{data}}}'


@pytest.mark.parametrize(
    ("form", "translator", "instruments"),
    [
        ("kraken2", Kraken(), (precision(2), precision(3))),
        ("okx", Okx(), (listed("0.01"), listed("0.001"))),
    ],
)
def test_a_finer_tick_from_the_exchange_applies_from_the_next_snapshot_on(
    form: Format, translator: Translator, instruments: tuple[str, str]
) -> None:
    om = OrderManagement()
    feed = LevelFeed(om, translator.rule, {})
    coarse, fine = instruments
    for sent, price, ticks, tick in ((coarse, "0.25", 25, "0.01"), (fine, "0.253", 253, "0.001")):
        feed.apply(translated(translator, sent))
        outcome = feed.apply(translated(translator, one_ask(form, price)))
        assert (outcome.applied, outcome.stale) == (True, None)
        assert om.best_price("XBT/USD", BUY) == ticks
        assert feed["XBT/USD"].instrument == feed.instrument("XBT/USD") == Instrument(tick, "0.1")
    feed.apply(translated(translator, coarse))
    feed.apply(translated(translator, one_ask(form, "0.25")))
    assert om.best_price("XBT/USD", BUY) == 250  # the book keeps its finer tick
    assert feed.reports()["XBT/USD"].finer_ticks == 1


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("instruments", [Instrument("0.01", "0.1"), {"XBT/USD": Instrument("0.01", "0.1")}])
def test_a_snapshot_with_more_decimals_makes_the_tick_or_lot_finer(
    form: Format, instruments: Instrument | dict[str, Instrument]
) -> None:
    translator = translator_of(NaiveExchange(form))
    om = OrderManagement()
    feed = LevelFeed(om, translator.rule, instruments)
    for price, amount in (("0.25", "2.0"), ("0.253", "2.0"), ("0.253", "2.05"), ("0.25", "2.0")):
        assert feed.apply(translated(translator, one_ask(form, price, amount))).stale is None
    assert om.depth("XBT/USD", BUY)[0][:2] == (250, 200)
    assert feed["XBT/USD"].instrument == Instrument("0.001", "0.01")
    assert feed.reports()["XBT/USD"].finer_ticks == 2
    om._check()


@pytest.mark.parametrize("form", FORMATS)
def test_an_update_with_more_decimals_makes_the_book_stale_and_the_next_snapshot_has_the_finer_tick(
    form: Format,
) -> None:
    translator = translator_of(NaiveExchange(form))
    om = OrderManagement()
    feed = LevelFeed(om, translator.rule, Instrument("0.01", "0.1"))
    feed.apply(translated(translator, one_ask(form, "0.25")))
    outcome = feed.apply(translated(translator, one_ask(form, "0.253", kind="update"), 2))
    assert outcome.stale == "row 2: price must be a multiple of 0.01, not '0.253' (str)"
    assert len(om) == 0
    assert feed.apply(translated(translator, one_ask(form, "0.25"))).stale is None
    assert om.best_price("XBT/USD", BUY) == 250
    assert feed.apply(translated(translator, one_ask(form, "0.253", kind="update"), 4)).stale is None


def test_a_price_with_too_many_decimals_does_not_prevent_recovery_at_the_next_snapshot(
    om: OrderManagement,
) -> None:
    feed = LevelFeed(om, ALTERNATING, Instrument("0.1", "1"))
    feed.apply(book(snapshot=True, asks={"1000.2": "5"}))
    feed.apply(book(asks={f"0.{'0' * 20}1": "5"}))
    assert feed.apply(book(snapshot=True, asks={"1000.2": "5"})).stale is None
    assert (om.best_price("X", BUY), feed["X"].instrument.tick_size) == (10_002, "0.1")


def test_a_snapshot_with_a_wrong_checksum_does_not_change_the_tick(om: OrderManagement) -> None:
    feed = LevelFeed(om, ALTERNATING, Instrument("0.1", "1"))
    feed.apply(book(snapshot=True, asks={"1.2": "5"}))
    assert not feed.apply(book(snapshot=True, asks={"1.2000001": "5"}, checksum=7)).applied
    assert feed.apply(book(snapshot=True, asks={"1.2": "5"})).applied
    assert feed["X"].instrument.tick_size == "0.1"
    assert feed.reports()["X"].finer_ticks == 0


def test_a_first_snapshot_that_does_not_fit_the_callers_tick_leaves_the_book_stale(
    om: OrderManagement,
) -> None:
    feed = LevelFeed(om, ALTERNATING, Instrument("0.1", "1"))
    assert feed.apply(book(snapshot=True, asks={"1.25": "5"})).stale is not None
    assert feed.apply(book(snapshot=True, asks={"1.25": "5"})).stale is not None
    assert feed.instrument("X").tick_size == "0.1"


def test_a_snapshot_that_is_applied_again_with_a_finer_tick_is_counted_once(
    om: OrderManagement,
) -> None:
    feed = LevelFeed(om, ALTERNATING, Instrument("0.1", "1"))
    feed.apply(book(snapshot=True))
    assert feed.apply(book(snapshot=True, asks={"0": "3", "9.9": "0", "1.25": "5"})).applied
    assert (feed.reports()["X"].unholdable, feed.reports()["X"].unknown_deletes) == (1, 1)
