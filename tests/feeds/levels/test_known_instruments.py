"""A level feed on books that know the instrument of its symbol: `oms.feeds.levels.level_orders`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal

import pytest

from oms import Event, Instrument, InvalidArgumentError, JournalError, OrderManagement, Side
from oms.feeds import ALTERNATING, LevelFeed, StaleBookError
from support.level_feeds import book
from support.memory_journal import KeepingJournal

BUY, SELL = Side
DIME = Instrument("0.1", "1", name="X shares", currency="USD", price_decimals=3)
FINER = Instrument("0.01", "1", name="X shares", currency="USD")


def followed(journal: KeepingJournal | None = None) -> tuple[OrderManagement, LevelFeed]:
    """Return books that know the symbol, and a feed that has read one snapshot."""
    om = OrderManagement(journal, instruments={"X": DIME})
    feed = LevelFeed(om, ALTERNATING, Instrument("0.1", "1"))
    assert feed.apply(book(snapshot=True, asks={"1.2": "5", "1.3": "4"})).applied
    return om, feed


def decimals(om: OrderManagement) -> list[tuple[Decimal, int]]:
    """Return the decimal price and the amount of each ask level. One lot is 1."""
    unit = om.instrument("X")
    return [(unit.to_price(level.price), level.amount) for level in om.depth("X", BUY)]


def test_a_feed_with_the_sizes_of_the_books_leaves_their_instrument_unchanged() -> None:
    om, feed = followed()
    feed.apply(book(snapshot=True, asks={"1.2": "6"}))
    assert om.instrument("X") == DIME
    assert decimals(om) == [(Decimal("1.2"), 6)]


def test_a_feed_whose_ticks_become_finer_changes_the_instrument_and_converts_the_orders_of_others() -> None:
    om, feed = followed()
    om.add_order(10**9, "X", BUY, 7, 15)
    events: list[Event] = []
    om.subscribe(events.append)
    assert feed.apply(book(snapshot=True, asks={"1.25": "5", "1.3": "4"})).applied
    assert om.instrument("X") == FINER
    assert decimals(om) == [(Decimal("1.25"), 5), (Decimal("1.30"), 4), (Decimal("1.50"), 7)]
    assert om.get_order(10**9).price == 150
    assert len({event.sequence for event in events}) == len(events) > 0
    assert feed.apply(book(asks={"1.25": "0", "1.27": "1"})).applied
    assert decimals(om) == [(Decimal("1.27"), 1), (Decimal("1.30"), 4), (Decimal("1.50"), 7)]
    om._check()


def test_a_feed_with_other_sizes_than_the_books_changes_them_at_its_first_snapshot() -> None:
    om = OrderManagement(instruments={"X": FINER})
    feed = LevelFeed(om, ALTERNATING, Instrument("0.1", "1"))
    feed.apply(book(snapshot=True, asks={"1.2": "5"}))
    assert om.instrument("X") == Instrument("0.1", "1", name="X shares", currency="USD")
    assert decimals(om) == [(Decimal("1.2"), 5)]


def test_books_that_know_no_instrument_get_none_from_a_feed() -> None:
    om = OrderManagement()
    feed = LevelFeed(om, ALTERNATING, Instrument("0.1", "1"))
    feed.apply(book(snapshot=True, asks={"1.2": "5"}))
    feed.apply(book(snapshot=True, asks={"1.25": "5"}))
    assert om.instruments == {}
    assert om.best_price("X", BUY) == 125


def test_an_order_of_another_that_cannot_be_converted_stops_the_feed_and_changes_nothing() -> None:
    om = OrderManagement(instruments={"X": FINER})
    om.add_order(10**9, "X", BUY, 7, 155)
    feed = LevelFeed(om, ALTERNATING, Instrument("0.1", "1"))
    before = om.state_hash(), om.instruments
    with pytest.raises(InvalidArgumentError, match="order 1000000000"):
        feed.apply(book(snapshot=True, asks={"1.2": "5"}))
    assert (om.state_hash(), om.instruments) == before
    om.remove_order(10**9)
    assert feed.apply(book(snapshot=True, asks={"1.2": "5"})).applied
    assert decimals(om) == [(Decimal("1.2"), 5)]


@pytest.mark.parametrize("is_stored", [True, False])
def test_after_a_failure_during_the_change_the_feed_knows_which_of_its_orders_are_resting(
    is_stored: bool,
) -> None:
    journal = KeepingJournal()
    om, feed = followed(journal)
    finer = book(snapshot=True, asks={"1.20": "5", "1.25": "3"})
    journal.error, journal.stores_batch = (
        KeyboardInterrupt() if is_stored else JournalError("", "full"),
        is_stored,
    )
    with pytest.raises((KeyboardInterrupt, JournalError)):
        feed.apply(finer)
    assert om.instrument("X") == (FINER if is_stored else DIME)
    assert feed.apply(finer).applied
    assert decimals(om) == [(Decimal("1.20"), 5), (Decimal("1.25"), 3)]
    assert feed.apply(book(snapshot=True, asks={"1.26": "3"})).applied
    assert len(om) == 2
    om._check()


def test_after_a_subscriber_fails_the_feed_knows_its_new_orders() -> None:
    om, feed = followed()

    def fail(_: Event) -> None:
        raise OSError

    unsubscribe = om.subscribe(fail)
    with pytest.raises((OSError, ExceptionGroup)):
        feed.apply(book(snapshot=True, asks={"1.25": "5"}))
    unsubscribe()
    assert feed.apply(book(snapshot=True, asks={"1.26": "5"})).applied
    assert decimals(om) == [(Decimal("1.26"), 5)]
    assert len(om.orders("X", SELL)) == 1


def convert(om: OrderManagement, instrument: Instrument) -> None:
    om.convert_orders("X", instrument)


def reset(om: OrderManagement, instrument: Instrument) -> None:
    om.remove_orders("X")
    om.set_instrument("X", instrument)


@pytest.mark.parametrize("resize", [convert, reset])
@pytest.mark.parametrize("instrument", [Instrument("0.01", "1"), Instrument("0.1", "0.1")])
def test_other_sizes_in_the_books_make_the_book_stale_until_the_next_snapshot(
    resize: Callable[[OrderManagement, Instrument], None], instrument: Instrument
) -> None:
    om, feed = followed()
    om.add_order(10**9, "Y", BUY, 7, 15)
    assert feed.apply(book(asks={"1.2": "6"})).applied
    resize(om, instrument)
    outcome = feed.apply(book(asks={"1.4": "7"}))
    assert not outcome.applied
    assert "is in ticks of 0.1 and lots of 1, but the books now have ticks of" in str(outcome.stale)
    assert om.orders("X") == ()
    with pytest.raises(StaleBookError, match="ticks"):
        feed["X"]
    assert not feed.apply(book(asks={"1.4": "7"})).applied
    assert feed.apply(book(snapshot=True, asks={"1.2": "5", "1.4": "7"})).applied
    assert om.instrument("X") == instrument == feed.instrument("X")
    assert feed.apply(book(asks={"1.3": "4"})).applied
    assert [str(price) for price, _ in decimals(om)] == [
        instrument.price_text(instrument.to_ticks(price)) for price in ("1.2", "1.3", "1.4")
    ]
    assert {level.amount for level in om.depth("X", BUY)} == {instrument.to_lots(n) for n in "547"}
    om._check()


def test_an_instrument_with_the_same_sizes_does_not_make_the_book_stale() -> None:
    om, feed = followed()
    om.set_instrument("X", Instrument("0.10", "1.0", currency="EUR"))
    assert feed.apply(book(asks={"1.4": "7"})).applied


def test_the_first_instrument_of_a_symbol_with_other_sizes_makes_the_book_stale() -> None:
    om = OrderManagement()
    feed = LevelFeed(om, ALTERNATING, Instrument("0.1", "1"))
    feed.apply(book(snapshot=True, asks={"1.2": "5"}))
    om.set_instrument("X", FINER)
    assert not feed.apply(book(asks={"1.4": "7"})).applied


@pytest.mark.parametrize("is_what_if", [True, False])
def test_a_first_snapshot_that_is_rolled_back_makes_the_book_stale(is_what_if: bool) -> None:
    om = OrderManagement(instruments={"X": FINER})
    feed = LevelFeed(om, ALTERNATING, Instrument("0.1", "1"))
    with suppress(OSError), om.what_if() if is_what_if else om.transaction():
        feed.apply(book(snapshot=True, asks={"1.2": "5"}))
        raise OSError
    assert om.instrument("X") == FINER
    assert not feed.apply(book(asks={"1.4": "7"})).applied
    assert feed.apply(book(snapshot=True, asks={"1.2": "5"})).applied
    assert om.instrument("X") == FINER
    assert decimals(om) == [(Decimal("1.20"), 5)]


def test_a_conversion_that_is_rolled_back_around_an_update_makes_the_book_stale_once() -> None:
    om, feed = followed()
    with om.what_if():
        om.convert_orders("X", FINER)
        assert not feed.apply(book(asks={"1.4": "7"})).applied
    assert feed.apply(book(snapshot=True, asks={"1.2": "5"})).applied
    assert feed.apply(book(asks={"1.4": "7"})).applied


def test_a_later_snapshot_that_reduces_the_tick_and_is_rolled_back_makes_the_book_stale() -> None:
    om, feed = followed()
    assert feed.apply(book(asks={"1.4": "7"})).applied
    with om.what_if():
        assert feed.apply(book(snapshot=True, asks={"1.25": "5"})).applied
    assert om.instrument("X") == DIME
    assert not feed.apply(book(asks={"1.4": "7"})).applied
