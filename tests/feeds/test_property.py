"""Random operations, recorded in LOBSTER's format, replay to the same book."""

from __future__ import annotations

import tempfile
from itertools import groupby
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from oms import Order, OrderManagement, Side
from oms.feeds import Report, Unknown, lobster, replay


class Recorder:
    """An OrderManagement that records its operations and its book after each row."""

    def __init__(self) -> None:
        self.om = OrderManagement()
        self.rows: list[str] = []
        self.states: list[str] = []
        self.trades = 0
        self.time = 0

    def add(self, order: Order) -> None:
        self.om.add_order(*order)
        self.write(1, order, order.amount)

    def cut(self, order: Order, amount: int) -> None:
        if amount < order.amount:
            self.om.amend_order(order.order_id, amount=order.amount - amount)
            self.write(2, order, amount)
        else:
            self.om.remove_order(order.order_id)
            self.write(3, order, order.amount)

    def trade(self, side: Side, amount: int) -> None:
        # One trade per fill, to record the book after each fill. The rows together are one sweep.
        for order in self.om.orders("X", side):
            filled = min(amount, order.amount)
            if filled:
                self.om.place_trade("X", side, filled)
                self.write(4, order, filled)
                amount -= filled
        self.trades += 1

    def write(self, kind: int, order: Order, amount: int) -> None:
        direction = -1 if order.side is Side.BUY else 1
        self.rows.append(f"{self.time}.5,{kind},{order.order_id},{amount},{order.price},{direction}")
        asks, bids = (self.om.depth("X", side, 1) for side in Side)
        ask = f"{asks[0].price},{asks[0].amount}" if asks else "9999999999,0"
        self.states.append(ask + (f",{bids[0].price},{bids[0].amount}" if bids else ",-9999999999,0"))

    def draw_operations(self, draw: st.DrawFn, new_ids: st.SearchStrategy[int]) -> None:
        for _ in range(draw(st.integers(0, 40))):
            self.time += 1
            side = draw(st.sampled_from(Side))
            available = sum(level.amount for level in self.om.depth("X", side))
            operation = draw(st.sampled_from(["add", "add", "cut", "trade", "hidden"]))
            if operation == "add":
                order_id = draw(new_ids.filter(lambda number: number not in self.om))
                self.add(Order(order_id, "X", side, draw(st.integers(1, 9)), draw(st.integers(1, 6))))
            elif operation == "hidden":
                self.write(5, Order(0, "X", side, 0, 3), 3)
            elif operation == "trade" and available:
                self.trade(side, draw(st.integers(1, available)))
            elif operation == "cut" and available:
                order = draw(st.sampled_from(self.om.orders("X", side)))
                self.cut(order, draw(st.integers(1, order.amount)))


@st.composite
def sessions(draw: st.DrawFn) -> Recorder:
    """Return random operations with few ids, which are used again."""
    recorder = Recorder()
    recorder.draw_operations(draw, st.integers(0, 15))
    return recorder


@st.composite
def sessions_after_the_start(draw: st.DrawFn) -> Recorder:
    """Return a session with orders from before the recording, which are all removed at its end."""
    recorder = Recorder()
    unseen = range(draw(st.integers(0, 6)))
    for order_id in unseen:
        side, amount, price = (
            draw(choice) for choice in (st.sampled_from(Side), st.integers(1, 9), st.integers(1, 6))
        )
        recorder.om.add_order(order_id, "X", side, amount, price)
    recorder.draw_operations(draw, st.integers(100, 10_000))
    for order_id in unseen:
        recorder.time += 1
        if order_id in recorder.om:
            order = recorder.om.get_order(order_id)
            recorder.cut(order, order.amount)
    return recorder


def replayed(rows: list[str], states: list[str]) -> tuple[OrderManagement, Report]:
    om = OrderManagement()
    with tempfile.TemporaryDirectory() as folder:
        messages, book = Path(folder, "m.csv"), Path(folder, "b.csv")
        messages.write_text("\n".join(rows) + "\n")
        book.write_text("\n".join(states) + "\n")
        report = replay(lobster.read(messages), om, symbol="X", book=book)
    om._check()
    return om, report


@pytest.mark.slow
@given(sessions() | sessions_after_the_start(), st.booleans())
def test_a_session_replays_to_the_book_that_its_operations_made(session: Recorder, repeated: bool) -> None:
    assume(session.rows)
    distinct = [state for state, _ in groupby(session.states)]
    om, report = replayed(session.rows, session.states if repeated else distinct)
    assert tuple(om) == tuple(session.om)
    assert report.agrees, report.disagreements
    assert report.states == report.states_equal == len(distinct)
    assert report.events == len(session.rows)
    assert report.trades == report.trades_equal_cost == report.trades_equal_fills == session.trades
    assert (report.rejected, report.unknown) == (0, report.seeded)


@pytest.mark.slow
@given(sessions_after_the_start(), st.data())
def test_an_error_of_one_lot_in_a_book_file_is_detected(session: Recorder, data: st.DataObject) -> None:
    distinct = [state for state, _ in groupby(session.states)]
    assume(distinct)
    index = data.draw(st.integers(0, len(distinct) - 1))
    price, size, bid = distinct[index].split(",", 2)
    distinct[index] = f"{price},{int(size) + 1},{bid}"
    assume(price != "9999999999")
    assert not replayed(session.rows, distinct)[1].agrees


@given(st.lists(st.text("0123456789-.,\n\rx", max_size=30), max_size=5))
def test_any_text_is_replayed_or_raises_a_feed_error_and_leaves_a_valid_book(lines: list[str]) -> None:
    good = "1.0,1,7,10,100,-1\n"
    om = OrderManagement()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "m.csv")
        path.write_text(good + "\n".join(lines), newline="")
        try:
            replay(lobster.read(path), om, symbol="X", unknown="skip")
        except ValueError as error:
            assert str(path) in str(error)
    om._check()


@given(
    st.lists(
        st.builds(
            lambda *fields: ",".join(map(str, fields)),
            st.integers(1, 3),
            st.integers(1, 7),
            st.integers(-1, 4),
            st.integers(-1, 5) | st.just(2**63),
            st.integers(0, 3),
            st.sampled_from([1, -1]),
        ),
        min_size=1,
        max_size=30,
    ),
    st.sampled_from(get_args(Unknown)[:2]),
)
def test_all_well_formed_rows_are_applied_or_counted(rows: list[str], unknown: Unknown) -> None:
    om = OrderManagement()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "m.csv")
        path.write_text("\n".join(rows))
        report = replay(lobster.read(path), om, symbol="X", unknown=unknown, on_event=lambda _: om._check())
    assert report.events == sum(report.kinds.values()) == len(rows)
    assert report.trades_equal_fills <= report.trades
