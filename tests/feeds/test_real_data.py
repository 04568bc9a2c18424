"""Replays of recorded sessions, compared with the books and trades that the exchanges published."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path

import pytest

from oms import Order, OrderManagement, Side
from oms.feeds import Kind, Message, bitstamp, lobster, replay
from support.recordings import (
    AAPL,
    AAPL_BOOK,
    AAPL_L10,
    AAPL_L10_BOOK,
    AMZN,
    AMZN_BOOK,
    BITSTAMP,
    BITSTAMP_TRADES,
    needs_recordings,
)

pytestmark = needs_recordings


@pytest.mark.slow
def test_aapl_replays_to_every_published_state_and_cost_and_to_all_fills_but_three() -> None:
    om = OrderManagement()
    report = replay(lobster.read(AAPL), om, symbol="AAPL", unknown="seed", book=AAPL_BOOK)
    om._check()
    assert (report.events, report.rejected, report.crossed) == (42_203, 0, 0)
    assert (report.unknown, report.seeded) == (50, 50)
    assert (report.states, report.states_equal) == (13_082, 13_082)
    assert (report.trades, report.trades_equal_cost, report.trades_equal_fills) == (1_665, 1_665, 1_662)
    assert report.agrees
    assert report.disagreements == ()
    assert report.remarks == ("the exchange executed 3 trades out of time priority, at equal cost",)
    assert report.reservations == ()
    assert report.kinds == {
        "submitted": 20_273,
        "deleted": 18_495,
        "executed": 2_079,
        "hidden": 1_123,
        "reduced": 233,
    }


def test_aapl_disagrees_if_orders_that_were_never_submitted_are_skipped() -> None:
    report = replay(lobster.read(AAPL), OrderManagement(), symbol="AAPL", unknown="skip", book=AAPL_BOOK)
    assert not report.agrees
    assert (report.unknown, report.seeded) == (50, 0)
    assert report.disagreements[-1] == "50 unknown orders were not added, so the book is incomplete"


def test_every_bitstamp_maker_in_the_book_was_the_first_order_of_its_book() -> None:
    om = OrderManagement()
    report = replay(bitstamp.read(BITSTAMP), om, symbol="BTC", unknown="skip", trades=BITSTAMP_TRADES)
    om._check()
    assert report.events == 50_414
    assert (report.makers, report.makers_at_head, report.makers_not_found) == (480, 480, 2)
    assert report.crossed == 934
    assert report.rejections == {
        "the order was already removed": 22,
        "the order was created after its removal": 5,
    }
    assert report.contradictions == {}
    assert report.agrees


@pytest.mark.slow
@pytest.mark.parametrize(
    ("messages", "book", "levels", "steps"),
    [
        pytest.param(AMZN, AMZN_BOOK, 1, 57_514, id="AMZN"),
        pytest.param(AAPL_L10, AAPL_L10_BOOK, 10, 998, id="AAPL"),
    ],
)
def test_each_row_of_a_book_follows_from_the_row_before_and_the_message(
    messages: Path, book: Path, levels: int, steps: int
) -> None:
    compared = 0
    om = OrderManagement()
    for (before, after), message in zip(
        pairwise(book_rows(book)), islice(lobster.read(messages), 1, None), strict=True
    ):
        om.remove_orders()
        om.add_orders(one_order_per_level(before))
        apply(om, message)
        for side in Side:
            depth = [(level.price, level.amount) for level in om.depth("X", side)]
            replayed = [level for level in depth if covers(before, side, levels, level[0])]
            published = [level for level in after[side] if covers(before, side, levels, level[0])]
            assert replayed[:levels] == published, message
        compared += 1
    assert compared == steps


@pytest.mark.slow
def test_amzn_disagrees_and_the_report_names_the_cause() -> None:
    om = OrderManagement()
    report = replay(lobster.read(AMZN), om, symbol="AMZN", unknown="seed", book=AMZN_BOOK)
    om._check()
    assert report.events == 57_515
    assert (report.unknown, report.seeded) == (6_700, 6_700)
    assert not report.agrees
    assert report.crossed > 50_000
    assert any("does not contain the full book" in sentence for sentence in report.disagreements)
    assert report.remarks == ()  # a wrong book implies nothing about priority


Levels = list[tuple[int, int]]


def book_rows(path: Path) -> Iterator[dict[Side, Levels]]:
    """Yield the levels of each row, best first."""
    with gzip.open(path, "rt") as lines:
        for line in lines:
            numbers = [int(number) for number in line.split(",")]
            yield {
                side: [
                    (price, size)
                    for price, size in zip(numbers[first::4], numbers[first + 1 :: 4], strict=True)
                    if abs(price) != 9_999_999_999
                ]
                for side, first in ((Side.BUY, 0), (Side.SELL, 2))
            }


def one_order_per_level(row: dict[Side, Levels]) -> Iterator[Order]:
    """Yield an order for each level, with new ids."""
    order_id = 0
    for side, levels in row.items():
        for price, size in levels:
            yield Order(order_id, "X", side, size, price)
            order_id += 1


def apply(om: OrderManagement, message: Message) -> None:
    """Apply a message to a book with one order per level. Deeper levels are not in the book."""
    if message.kind is Kind.SUBMITTED:
        om.add_order(message.order_id, "X", message.side, message.amount, message.price)
    elif message.kind is Kind.EXECUTED:
        cost = om.place_trade("X", message.side, message.amount).total_price
        assert cost == message.amount * message.price
    elif message.kind in (Kind.REDUCED, Kind.DELETED):
        for order in om.orders("X", message.side):
            if order.price == message.price and order.amount == message.amount:
                om.remove_order(order.order_id)
            elif order.price == message.price:
                om.amend_order(order.order_id, amount=order.amount - message.amount)


def covers(row: dict[Side, Levels], side: Side, most: int, price: int) -> bool:
    """Return True if a row covers a price: every price if it has few levels, or those down to its worst."""
    if len(row[side]) < most:
        return True
    worst = row[side][-1][0]
    return price <= worst if side is Side.BUY else price >= worst
