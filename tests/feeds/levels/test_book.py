"""LevelBook: the levels of one symbol, and the orders that represent them.

Tests also `oms.feeds.levels.book_side` and `oms.feeds.levels.level_orders`.
"""

from __future__ import annotations

import pytest

from oms import Instrument, JournalError, Order, OrderManagement, Side
from oms.feeds import ALTERNATING, LevelFeed, Okx, StaleBookError
from oms.order_book import OrderBook
from support.level_feeds import book, translated
from support.memory_journal import FailingJournal
from support.naive_exchange import NaiveExchange

BUY, SELL = Side.BUY, Side.SELL


def test_a_level_is_one_order_that_keeps_its_id_while_the_level_exists(
    om: OrderManagement, feed: LevelFeed
) -> None:
    feed.apply(book(asks={"1.2": "7", "1.4": "1"}))
    assert list(om.orders("X", BUY)) == [
        Order(1, "X", BUY, 7, 12),
        Order(2, "X", BUY, 4, 13),
        Order(4, "X", BUY, 1, 14),
    ]
    feed.apply(book(asks={"1.2": "0"}))
    feed.apply(book(asks={"1.2": "3"}))
    assert om.orders("X", BUY)[0] == Order(5, "X", BUY, 3, 12)


def test_a_subscriber_never_sees_a_partly_applied_message(om: OrderManagement, feed: LevelFeed) -> None:
    sizes: list[int] = []
    om.subscribe(lambda event: sizes.append(len(om)))
    feed.apply(book(asks={"1.2": "0", "1.3": "0", "1.4": "1", "1.5": "1"}))
    assert sizes == [3] * len(sizes)
    assert sizes


def test_the_deletion_of_a_missing_level_is_counted(om: OrderManagement, feed: LevelFeed) -> None:
    before = om.state_hash()
    assert feed.apply(book(asks={"9.9": "0", "9.8": "0.000"})).applied
    assert (feed.reports()["X"].unknown_deletes, om.state_hash()) == (2, before)


def test_a_crossed_book_is_applied_and_counted(om: OrderManagement, feed: LevelFeed) -> None:
    feed.apply(book(asks={"0.9": "5"}))
    assert (om.best_price("X", BUY), om.best_price("X", SELL)) == (9, 10)
    assert (feed.reports()["X"].crossed, feed["X"].buy) == (1, (9, 5))


def test_a_level_at_price_zero_is_part_of_the_checksum_but_has_no_order(om: OrderManagement) -> None:
    exchange = NaiveExchange("okx")
    exchange.books = ({"1.2": "5"}, {"0.0": "7"})
    feed = LevelFeed(om, ALTERNATING, Instrument("0.1", "1"))
    assert feed.apply(translated(Okx(), exchange.snapshot())).applied
    assert [order.side for order in om] == [BUY]
    assert feed.reports()[exchange.symbol].unholdable == 1


@pytest.mark.parametrize(
    ("price", "amount"),
    [("1.25", "5"), ("1e99", "5"), ("-1.0", "5"), ("1.2", "0.5"), ("", "5"), ("1.2", "9" * 20)],
)
def test_an_invalid_price_or_amount_makes_the_book_stale_and_nothing_of_its_message_is_applied(
    om: OrderManagement, feed: LevelFeed, price: str, amount: str
) -> None:
    outcome = feed.apply(book(asks={"1.3": "1", price: amount}))
    assert not outcome.applied
    assert outcome.stale is not None
    assert outcome.stale.startswith("row 1: ")
    assert len(om) == 0
    assert feed.reports()["X"].rejected == 1


@pytest.mark.parametrize(
    ("sequence", "previous", "why"),
    [
        (12, 11, "row 1 follows message 11, but the last one is 10"),
        (10, None, "row 1 is message 10, after 10"),
        (9, None, "row 1 is message 9, after 10"),
    ],
)
def test_a_gap_in_the_sequence_numbers_makes_the_book_stale(
    feed: LevelFeed, sequence: int, previous: int | None, why: str
) -> None:
    assert feed.apply(book(sequence=sequence, previous=previous)).stale == why
    assert (feed.reports()["X"].gaps, feed.reports()["X"].stale) == (1, why)


@pytest.mark.parametrize(("sequence", "previous"), [(11, 10), (10, 10), (3, 10), (500, None), (None, None)])
def test_consecutive_sequence_numbers_are_accepted(
    feed: LevelFeed, sequence: int | None, previous: int | None
) -> None:
    # In the second case nothing changed, and in the third OKX restarted its numbers.
    assert feed.apply(book(sequence=sequence, previous=previous)).applied


def test_orders_that_the_feed_did_not_add_stay_unchanged_and_their_ids_are_not_used(
    om: OrderManagement,
) -> None:
    mine = Order(2, "X", BUY, 9, 12)
    om.add_orders([mine])
    feed = LevelFeed(om, ALTERNATING, Instrument("0.1", "1"))
    feed.apply(book(snapshot=True, asks={"1.2": "5", "1.3": "4"}))
    assert sorted(order.order_id for order in om) == [1, 2, 3, 4]
    feed.apply(book(checksum=1))
    assert list(om) == [mine]


def test_an_order_that_was_traded_away_returns_with_the_next_update_of_its_level(
    om: OrderManagement, feed: LevelFeed
) -> None:
    om.place_trade("X", BUY, 5)
    feed.apply(book(asks={"1.3": "6"}))
    assert [level[:2] for level in om.depth("X", BUY)] == [(13, 6)]
    feed.apply(book(asks={"1.2": "5"}))
    assert [level[:2] for level in om.depth("X", BUY)] == [(12, 5), (13, 6)]
    om._check()


def test_an_error_while_orders_change_leaves_the_book_stale_until_a_snapshot(
    om: OrderManagement, feed: LevelFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*order: object) -> None:
        raise OSError("the memory is full")

    before = om.state_hash()
    with monkeypatch.context() as patch, pytest.raises(OSError, match="full"):
        patch.setattr(OrderBook, "add", fail)
        feed.apply(book(asks={"1.2": "0", "1.5": "9"}))
    assert om.state_hash() == before
    with pytest.raises(StaleBookError, match="could not be changed"):
        feed["X"]
    feed.apply(book(snapshot=True, asks={"1.6": "1"}))
    assert [level[:2] for level in om.depth("X", BUY)] == [(16, 1)]
    om._check()


@pytest.mark.parametrize("is_stored", [False, True])
def test_after_an_error_of_the_journal_a_snapshot_corrects_all_orders(*, is_stored: bool) -> None:
    journal = FailingJournal()
    om = OrderManagement(journal)
    feed = LevelFeed(om, ALTERNATING, Instrument("0.1", "1"))
    feed.apply(book(snapshot=True, asks={"1.2": "5", "1.3": "4"}))
    before = om.state_hash()
    journal.error, journal.stores_batch = KeyboardInterrupt(), is_stored
    with pytest.raises(KeyboardInterrupt):
        feed.apply(book(asks={"1.2": "0", "1.5": "9"}))
    assert (om.state_hash() != before) is is_stored
    with pytest.raises(StaleBookError, match="could not be changed"):
        feed["X"]
    feed.apply(book(snapshot=True, asks={"1.6": "1"}))
    assert [level[:2] for level in om.depth("X", BUY)] == [(16, 1)]
    om._check()


def test_a_bot_may_use_the_id_of_a_level_that_could_not_be_added() -> None:
    journal = FailingJournal()
    om = OrderManagement(journal)
    feed = LevelFeed(om, ALTERNATING, Instrument("0.1", "1"))
    feed.apply(book(snapshot=True))
    journal.error = JournalError("memory", "the disk is full")
    with pytest.raises(JournalError):
        feed.apply(book(asks={"1.2": "5", "1.5": "9"}))
    om.add_order(2, "X", BUY, 7, 99)
    feed.apply(book(snapshot=True, asks={"1.2": "5", "1.6": "1"}))
    assert om.get_order(2) == Order(2, "X", BUY, 7, 99)
    assert [level[:2] for level in om.depth("X", BUY)] == [(12, 5), (16, 1), (99, 7)]


@pytest.mark.parametrize("level", [(["1.2"], "5"), ("1.2", {"amount": "5"}), ("1.2", None)])
def test_a_price_or_amount_that_is_not_a_number_makes_the_book_stale(
    feed: LevelFeed, level: tuple[object, object]
) -> None:
    outcome = feed.apply(book()._replace(asks=(("9.9", "0"), level)))  # type: ignore[arg-type] # not text
    assert outcome.stale is not None
    assert outcome.stale.startswith("row 1: ")
    report = feed.reports()["X"]
    assert (report.rejected, report.unknown_deletes) == (1, 0)


def test_an_order_that_someone_else_removed_is_not_removed_again(
    om: OrderManagement, feed: LevelFeed
) -> None:
    om.remove_orders("X", BUY)
    assert feed.apply(book(asks={"1.2": "0", "1.3": "6"})).applied
    assert [level[:2] for level in om.depth("X", BUY)] == [(13, 6)]
    assert feed.apply(book(asks={"1.3": "0"})).applied
    assert om.depth("X", BUY) == ()


def test_new_orders_do_not_use_the_id_of_an_order_that_the_feed_did_not_add(
    om: OrderManagement, feed: LevelFeed
) -> None:
    om.add_order(5, "Y", BUY, 1, 1)
    feed.apply(book(asks={"1.4": "1", "1.5": "1"}))
    assert [order.order_id for order in om.orders("X", BUY)] == [1, 2, 4, 6]
