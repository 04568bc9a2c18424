"""Comparisons of a replay with the book file and the trades that the exchange published.

Tests `oms.feeds.orders.book_check`, `oms.feeds.orders.maker_check`, and the counts and sentences of
`oms.feeds.orders.tally` and `oms.feeds.orders.report`.
"""

from __future__ import annotations

import dataclasses
import json
from itertools import groupby
from pathlib import Path

import pytest

from oms import OrderManagement, Side
from oms.feeds import FeedError, Kind, Message, Report, bitstamp, lobster, replay

SESSION = """\
1.0,1,1,10,101,-1
2.0,1,2,10,99,1
3.0,1,3,10,101,-1
4.0,1,4,10,102,-1
5.0,5,0,10,100,-1
6.0,4,1,10,101,-1
6.0,4,3,10,101,-1
6.0,4,4,3,102,-1
7.0,3,2,10,99,1
"""
STATES = [
    "101,10,-9999999999,0",
    "101,10,99,10",
    "101,20,99,10",
    "101,10,99,10",
    "102,10,99,10",
    "102,7,99,10",
    "102,7,-9999999999,0",
]
PER_MESSAGE = [*STATES[:3], STATES[2], STATES[2], *STATES[3:]]


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def compared(tmp_path: Path, rows: list[str]) -> Report:
    recording = lobster.read(write(tmp_path / "m.csv", SESSION))
    book = write(tmp_path / "b.csv", "\n".join(rows) + "\n")
    return replay(recording, OrderManagement(), symbol="X", book=book)


@pytest.mark.parametrize("rows", [STATES, PER_MESSAGE, [f"{row},200,1,50,1" for row in PER_MESSAGE]])
def test_states_are_compared_with_and_without_repetitions_in_the_book_file(
    tmp_path: Path, rows: list[str]
) -> None:
    report = compared(tmp_path, rows)
    assert (report.states, report.states_equal, report.agrees) == (7, 7, True)


@pytest.mark.parametrize("state", range(7))
def test_a_planted_difference_is_found_at_its_state(tmp_path: Path, state: int) -> None:
    rows = [f"{number}1{row[3:]}" if number == state else row for number, row in enumerate(STATES)]
    report = compared(tmp_path, rows)
    assert (report.states, report.states_equal, report.agrees) == (7, 6, False)
    assert report.first_difference is not None
    assert report.first_difference.state == report.first_difference.published_row == state + 1


def test_a_difference_is_described_in_a_sentence(tmp_path: Path) -> None:
    assert compared(tmp_path, [*STATES[:5], "102,8,99,10", STATES[6]]).disagreements == (
        "6 of 7 best-price states are equal to the book file's; the first difference is at state 6: "
        "the replay has BUY 7 @ 0.0102, SELL 10 @ 0.0099 after row 8, "
        "but the file has BUY 8 @ 0.0102, SELL 10 @ 0.0099 in row 6",
    )


def test_a_book_file_that_ends_early_or_late_differs(tmp_path: Path) -> None:
    early = compared(tmp_path, STATES[:-1])
    assert (early.states, early.states_equal) == (7, 6)
    assert early.rows is None
    assert early.disagreements[0].endswith(
        "state 7: the replay has BUY 7 @ 0.0102, SELL nothing after row 9, but the file has ended"
    )
    late = compared(tmp_path, [*STATES, "103,1,99,10", "104,1,99,10"])
    assert (late.states, late.states_equal) == (9, 7)
    assert late.disagreements[0].endswith(
        "state 8: the replay has ended, but the file has BUY 1 @ 0.0103, SELL 10 @ 0.0099 in row 8"
    )


def session_of(length: int) -> tuple[list[str], list[str]]:
    """Return a session in which every tenth row replaces the best ask, and the book after each row."""
    rows, book = ["1.0,1,1,10,100,1", "1.5,1,2,10,200,-1"], ["9999999999,0,100,10", "200,10,100,10"]
    for n in range(3, length):
        if n % 10 == 0:
            ask = 199 if n % 20 == 0 else 198
            rows += [f"{n}.0,1,{n},{n},{ask},-1"]
            book += [f"{ask},{n},100,10"]
        elif n % 10 == 5 and n > 10:
            ask = 199 if (n - 5) % 20 == 0 else 198
            rows += [f"{n}.0,3,{n - 5},{n - 5},{ask},-1", f"{n}.0,1,{n},5,{ask - 1},-1"]
            book += ["200,10,100,10", f"{ask - 1},5,100,10"]
        elif n % 10 == 7 and n > 10:
            ask = 199 if (n - 7) % 20 == 0 else 198
            rows += [f"{n}.0,3,{n - 2},5,{ask - 1},-1"]
            book += ["200,10,100,10"]
        else:
            rows += [f"{n}.0,5,0,{n},150,-1"]
            book += [book[-1]]
    return rows, book


def check_of(tmp_path: Path, rows: list[str], book: list[str]) -> Report:
    recording = lobster.read(write(tmp_path / "m.csv", "\n".join(rows)))
    return replay(recording, OrderManagement(), symbol="X", book=write(tmp_path / "b.csv", "\n".join(book)))


def test_rows_that_differ_are_counted_if_the_book_file_has_a_row_for_each_message(tmp_path: Path) -> None:
    rows, book = session_of(1_000)
    assert check_of(tmp_path, rows, book).agrees
    replaced = [place for place in range(len(rows) - 1) if rows[place].split(",")[1] == "3"]
    at_once = [n for n in replaced if rows[n].split(",")[0] == rows[n + 1].split(",")[0]]
    for place in at_once[:32]:  # a file in which a replacement is one step
        book[place] = book[place - 1]
    report = check_of(tmp_path, rows, book)
    assert (report.rows, report.row_differences) == (
        len(rows),
        {"deleted rows followed at the same time by a submitted row": 32},
    )
    assert report.disagreements[0].startswith(
        f"32 of {len(rows):,} rows differ from the book file's, "
        "all of them deleted rows followed at the same time by a submitted row; the first difference: "
        "the replay has BUY 10 @ 0.0200"
    )
    assert report.states is not None
    assert report.states_equal is not None
    assert report.states - report.states_equal <= 32


@pytest.mark.parametrize("change", ["one more", "one less", "other", "three more", "forty less"])
def test_a_difference_between_states_does_not_make_later_states_differ(tmp_path: Path, change: str) -> None:
    rows, book = session_of(2_000)
    distinct = [state for state, _ in groupby(book)]
    middle = len(distinct) // 2
    more = {
        "one more": ["555,5,100,10"],
        "other": ["555,5,100,10"],
        "three more": [f"55{n},5,100,10" for n in "123"],
    }
    less = {"one less": 1, "other": 1, "forty less": 40}
    distinct[middle : middle + less.get(change, 0)] = more.get(change, [])
    report = check_of(tmp_path, rows, distinct)
    assert not report.agrees
    assert report.rows is None
    assert report.states is not None
    assert report.states_equal is not None
    most = {"one more": 1, "one less": 2, "other": 1, "three more": 3, "forty less": 42}[change]
    assert 1 <= report.states - report.states_equal <= most
    assert report.first_difference is not None
    assert abs(report.first_difference.state - middle) <= 4


def test_a_book_file_of_another_session_is_read_to_its_end_and_differs(tmp_path: Path) -> None:
    rows, _ = session_of(1_000)
    other = [f"{7_000 + n},1,6000,1" for n in range(900)]
    report = check_of(tmp_path, rows, other)
    assert report.states_equal == 0
    assert report.states is not None
    assert report.states >= 900


def test_a_malformed_book_file_raises_an_error_before_the_replay_begins(tmp_path: Path) -> None:
    om = OrderManagement()
    with pytest.raises(FeedError, match=r"b\.csv: row 1: must have four columns per level, not 3"):
        replay(
            lobster.read(write(tmp_path / "m.csv", SESSION)),
            om,
            symbol="X",
            book=write(tmp_path / "b.csv", "101,1,99\n"),
        )
    assert len(om) == 0


def test_a_crossed_book_explains_a_difference(tmp_path: Path) -> None:
    recording = lobster.read(write(tmp_path / "m.csv", "1.0,1,1,10,101,-1\n2.0,1,2,10,103,1\n"))
    book = write(tmp_path / "b.csv", "101,10,-9999999999,0\n105,10,103,10\n")
    report = replay(recording, OrderManagement(), symbol="X", book=book)
    assert report.crossed == 1
    assert report.disagreements[-1].startswith("the book was crossed after 1 of 2 events")


def test_an_order_that_most_trades_of_another_cost_passed_over_is_named() -> None:
    def executed(row: int, order_id: int, price: int) -> Message:
        return Message(row, row, Kind.EXECUTED, order_id, Side.BUY, 1, price)

    orders = [Message(n, n, Kind.SUBMITTED, n, Side.BUY, 10, 100 + n) for n in (1, 2, 3)]
    trades = [executed(4, 2, 102), executed(5, 2, 102), executed(6, 3, 103)]
    report = replay([*orders, *trades], OrderManagement(), symbol="X")
    assert (report.passed_over, report.times_passed_over) == (1, 3)
    assert report.disagreements[-1].startswith(
        "the exchange passed over order 1 in 3 of 3 trades with a different cost. Its cancellation"
    )
    assert replay([*orders, *trades], OrderManagement(), symbol="X", ignore=[1]).passed_over is None


def test_no_order_is_named_if_each_trade_of_another_cost_passed_over_a_different_order() -> None:
    session = [
        Message(1, 1, Kind.SUBMITTED, 1, Side.BUY, 1, 101),
        Message(2, 2, Kind.SUBMITTED, 2, Side.BUY, 2, 102),
        Message(3, 3, Kind.EXECUTED, 2, Side.BUY, 1, 102),
        Message(4, 4, Kind.DELETED, 1, Side.BUY, 1, 101),
        Message(5, 5, Kind.SUBMITTED, 3, Side.BUY, 1, 101),
        Message(6, 6, Kind.EXECUTED, 2, Side.BUY, 1, 102),
    ]
    report = replay(session, OrderManagement(), symbol="X")
    assert (report.trades, report.trades_equal_cost, report.passed_over) == (2, 0, None)
    assert len(report.disagreements) == 1


# ---------------------------------------------------------------------- makers

HEADER = "timestamp,price,volume,direction,maker.event.id,taker.event.id,maker,taker\n"
MS = 1_000_000


def makers(tmp_path: Path, trades: str, *messages: Message) -> Report:
    path = write(tmp_path / "t.csv", HEADER + trades)
    return replay(messages, OrderManagement(), symbol="X", unknown="skip", trades=path)


def bid(row: int, ms: int, kind: Kind, order_id: int, amount: int, *, price: int = 100) -> Message:
    return Message(row, ms * MS, kind, order_id, Side.SELL, amount, price)


RESTING = (bid(2, 1000, Kind.CREATED, 1, 10), bid(3, 1001, Kind.CREATED, 2, 10))


def test_a_maker_whose_amount_falls_by_the_traded_amount_is_found_first_in_its_book(tmp_path: Path) -> None:
    report = makers(
        tmp_path,
        "1.5,1.00,4.0,sell,1,2,1,9\n1.6,1.00,6.0,sell,1,2,1,9\n1.7,1.00,3.0,sell,1,2,2,9\n",
        *RESTING,
        bid(4, 1501, Kind.CHANGED, 1, 6),
        bid(5, 1601, Kind.DELETED, 1, 0),
        bid(6, 1701, Kind.CHANGED, 2, 7),
    )
    assert (report.makers, report.makers_at_head, report.makers_not_found, report.agrees) == (3, 3, 0, True)


def test_a_maker_behind_another_order_is_a_disagreement(tmp_path: Path) -> None:
    report = makers(tmp_path, "1.5,1.00,4.0,sell,1,2,2,9\n", *RESTING, bid(4, 1501, Kind.CHANGED, 2, 6))
    assert (report.makers, report.makers_at_head, report.agrees) == (1, 0, False)
    assert report.disagreements == (
        "0 of 1 makers were the first order of their book; the first maker behind another order is in row 4",
    )


@pytest.mark.parametrize(
    "row",
    [
        bid(4, 1499, Kind.CHANGED, 1, 6),
        bid(4, 6501, Kind.CHANGED, 1, 6),
        bid(4, 1501, Kind.CHANGED, 1, 5),
        bid(4, 1501, Kind.CHANGED, 3, 6),
        bid(4, 1501, Kind.DELETED, 1, 10),
    ],
    ids=["too early", "too late", "another amount", "another order", "cancelled"],
)
def test_a_row_at_another_time_or_of_another_amount_is_not_the_makers_row(
    tmp_path: Path, row: Message
) -> None:
    report = makers(tmp_path, "1.5,1.00,4.0,sell,1,2,1,9\n1.5,1.00,5.0,sell,1,2,3,9\n", *RESTING, row)
    assert (report.makers, report.makers_not_found) == (0, 2)
    assert report.disagreements[0] == "no maker of the 2 published trades was found in the book"


def test_a_maker_that_was_not_found_is_a_remark(tmp_path: Path) -> None:
    report = makers(
        tmp_path,
        "1.5,1.00,4.0,sell,1,2,1,9\n1.6,1.00,5.0,sell,1,2,77,9\n",
        *RESTING,
        bid(4, 1501, Kind.CHANGED, 1, 6),
    )
    assert report.agrees
    assert report.remarks == ("1 trade had a maker that was not found in the book",)


def test_a_trades_file_without_trades_is_not_a_disagreement(tmp_path: Path) -> None:
    report = makers(tmp_path, "", *RESTING)
    assert (report.makers, report.makers_not_found, report.agrees) == (0, 0, True)


def test_a_bitstamp_file_and_its_trades_agree(tmp_path: Path) -> None:
    orders = write(
        tmp_path / "o.csv",
        "id,timestamp,exchange.timestamp,price,volume,action,direction\n"
        "1,1000,1000,235.10,10,created,bid\n"
        "2,1400,1000,235.00,4,created,ask\n"
        "1,1501,1000,236.00,6,changed,bid\n"
        "2,1502,1000,235.00,0,deleted,ask\n",
    )
    trades = write(tmp_path / "t.csv", HEADER + "1.501,235.1,4.0,sell,1,2,1,2\n")
    om = OrderManagement()
    report = replay(bitstamp.read(orders), om, symbol="BTC", unknown="skip", trades=trades)
    assert (report.makers, report.makers_at_head, report.crossed) == (1, 1, 2)
    assert [(order.amount, order.price) for order in om] == [(6, 23_510)]


# ---------------------------------------------------------------------- the report


def test_a_report_is_frozen_and_can_be_written_as_json(tmp_path: Path) -> None:
    report = compared(tmp_path, STATES)
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.events = 0  # type: ignore[misc]  # it is frozen
    plain = json.loads(json.dumps(dataclasses.asdict(report)))
    assert (plain["events"], plain["states"], plain["makers"]) == (9, 7, None)


def test_the_same_replay_gives_the_same_report(tmp_path: Path) -> None:
    assert compared(tmp_path, STATES) == compared(tmp_path, STATES)


def test_rejected_rows_are_a_reservation_that_names_the_first_row() -> None:
    dust = [Message(row, row, Kind.SUBMITTED, row, Side.BUY, 10, 0) for row in (1, 2)]
    one = replay(dust[:1], OrderManagement(), symbol="X")
    assert (one.agrees, one.compared, one.remarks) == (True, False, ())
    assert one.reservations == ("1 row was rejected: the id, amount, or price is invalid (at row 1)",)
    late = Message(3, 3, Kind.DELETED, 1, Side.BUY, 10, 0)
    assert replay([*dust, late], OrderManagement(), symbol="X").reservations == (
        "3 rows were rejected: the id, amount, or price is invalid (2 times, first at row 1); "
        "the submission of the order was rejected (at row 3)",
    )


def test_a_recording_that_is_repeated_in_its_file_is_reported_as_running_backwards() -> None:
    session = [
        Message(1, 5, Kind.SUBMITTED, 7, Side.BUY, 10, 100),
        Message(2, 6, Kind.DELETED, 7, Side.BUY, 10, 100),
    ]
    report = replay(session * 3, OrderManagement(), symbol="X")
    assert report.contradictions == {"the time is earlier than in the row above": 2}
    assert report.reservations == (
        "2 rows contradict earlier rows: the time is earlier than in the row above (first at row 1)",
    )


def test_an_ignored_id_that_no_row_contains_is_a_remark() -> None:
    session = [Message(1, 5, Kind.SUBMITTED, 7, Side.BUY, 10, 100)]
    report = replay(session, OrderManagement(), symbol="X", ignore=[7, 70])
    assert (report.ignored, report.ignored_in_vain) == (1, (70,))
    assert report.remarks == ("ids to ignore that do not appear in any row: 70",)
    many = replay(session, OrderManagement(), symbol="X", ignore=range(100, 2000))
    assert many.remarks == (
        "ids to ignore that do not appear in any row: 100, 101, 102, 103, 104 and 1,895 more",
    )


def test_the_report_names_seeded_orders_as_a_cause_of_different_states(tmp_path: Path) -> None:
    session = write(tmp_path / "m.csv", "1.0,3,1,10,101,-1\n")
    report = replay(
        lobster.read(session), OrderManagement(), symbol="X", book=write(tmp_path / "b.csv", STATES[0])
    )
    assert (report.seeded, report.states, report.states_equal) == (1, 1, 0)
    assert report.disagreements[-1].startswith("1 order was never submitted in the recording. Amounts and")
