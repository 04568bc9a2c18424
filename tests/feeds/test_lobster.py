"""LOBSTER rows are converted to messages, and errors name bad rows."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from oms import OrderManagement, Side
from oms.feeds import FeedError, Kind, Level, Message, Top, bitstamp, feed_of, lobster, replay
from support.recordings import AMZN_2021, needs_recordings


def messages(tmp_path: Path, text: str) -> list[Message]:
    path = tmp_path / "m.csv"
    path.write_text(text)
    return list(lobster.read(path))


def tops(tmp_path: Path, text: str) -> list[tuple[int, Top]]:
    path = tmp_path / "b.csv"
    path.write_text(text)
    return list(lobster.tops(path))


def test_a_sell_direction_is_an_ask_and_a_buy_direction_is_a_bid(tmp_path: Path) -> None:
    assert messages(tmp_path, "34200.000000001,1,7,10,1000000,-1\n34200.5,3,8,20,999900,1\n") == [
        Message(1, 34_200_000_000_001, Kind.SUBMITTED, 7, Side.BUY, 10, 1_000_000),
        Message(2, 34_200_500_000_000, Kind.DELETED, 8, Side.SELL, 20, 999_900),
    ]


def test_every_message_type_has_its_own_kind(tmp_path: Path) -> None:
    text = "".join(f"34200.1,{kind},7,10,1000000,-1\n" for kind in range(1, 8))
    assert [message.kind for message in messages(tmp_path, text)] == [
        Kind.SUBMITTED,
        Kind.REDUCED,
        Kind.DELETED,
        Kind.EXECUTED,
        Kind.HIDDEN,
        Kind.CROSS,
        Kind.HALT,
    ]


@pytest.mark.parametrize("row", ["36023,7,0,0,-1,-1", "36323,7,0,0,0,-1", "34200.1,6,-1,500,1000000,-1"])
def test_halts_and_crosses_may_have_values_that_are_invalid_for_orders(tmp_path: Path, row: str) -> None:
    assert len(messages(tmp_path, row)) == 1


@pytest.mark.parametrize("time", ["35821.088778456004", "35821.088778455997", "35821.088778456"])
def test_float_rounding_errors_are_rounded_to_the_nanosecond(tmp_path: Path, time: str) -> None:
    assert messages(tmp_path, f"{time},1,7,10,1000000,-1")[0].time == 35_821_088_778_456


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("34200.1,1,7,10,1000000", "must have 6 columns, not 5"),
        ("34200.1,1,7,10,1000000,-1,", "must have 6 columns, not 7"),
        ("", "must not be empty"),
        ("no row", "must have 6 columns, not 1"),
        ("34200.1,0,7,10,1000000,-1", "type must be a message type in 1..7, not '0'"),
        ("34200.1,8,7,10,1000000,-1", "type must be a message type in 1..7, not '8'"),
        ("34200.1,11,7,10,1000000,-1", "type must be a message type in 1..7, not '11'"),
        ("34200.1,1,x,10,1000000,-1", "order id must be an integer, not 'x'"),
        ("34200.1,1,7,1.5,1000000,-1", "size must be an integer, not '1.5'"),
        ("34200.1,1,7,1_0,1000000,-1", "size must be an integer, not '1_0'"),
        ("34200.1,1,7, 10,1000000,-1", "size must be an integer, not ' 10'"),
        ("34200.1,1,7,10,1.00001e6,-1", "price must be an integer, not '1.00001e6'"),
        ("34200.1,1,7,10,\u0661,-1", "price must be an integer, not '\u0661'"),
        ("34200.1,1,7,10,1000000,0", "direction must be 1 or -1, not '0'"),
        ("34200.1,1,7,10,1000000,", "direction must be 1 or -1, not ''"),
        ("-1,1,7,10,1000000,1", "time must be seconds with at most 15 decimals, not '-1'"),
        ("nan,1,7,10,1000000,1", "time must be seconds with at most 15 decimals, not 'nan'"),
        (f"1,1,{'9' * 5000},10,1000000,1", "order id must be an integer, not '999"),
    ],
)
def test_an_error_names_the_bad_row_and_its_problem(tmp_path: Path, row: str, problem: str) -> None:
    with pytest.raises(FeedError) as caught:
        messages(tmp_path, f"34200.1,1,7,10,1000000,-1\n{row}\n34200.1,1,8,10,1000000,-1\n")
    assert caught.value.row == 2
    assert caught.value.problem.startswith(problem)
    assert len(caught.value.problem) < 100
    assert caught.value.path.endswith("m.csv")


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("XYZ_2020-01-02_34200000_57600000_message_5.csv.gz", "XYZ"),
        ("BRK.B_2020-01-02_34200000_57600000_message_5.csv", "BRK.B"),
        ("AAPL_message_50.csv.gz", "AAPL"),
        ("AAPL_message.csv", "AAPL"),
        ("AAPL_messages.csv", "AAPL_messages"),
        ("session.csv.gz", "session"),
        (".csv", ".csv"),
        ("XYZ_2020-01-02", "XYZ_2020-01-02"),
    ],
)
def test_the_symbol_is_the_ticker_in_the_name(name: str, symbol: str) -> None:
    recording = lobster.read(name)
    assert (recording.symbol, recording.feed) == (symbol, "lobster")
    assert lobster.read(name, symbol="ABC").symbol == "ABC"
    assert repr(recording) == f"<lobster recording of {symbol}: {name}>"


@pytest.mark.parametrize("name", ["\udcff.csv", "\x1b.csv", "\udcff_2020-01-02_1_2_message_5.csv"])
@pytest.mark.parametrize("feed", [lobster, bitstamp])
def test_unprintable_characters_of_a_file_name_are_replaced_in_the_symbol(
    name: str, feed: ModuleType
) -> None:
    assert feed.read(f"data/{name}").symbol.startswith("\ufffd")
    assert feed.read(f"data/{name}").path == f"data/{name}"


def test_each_iteration_streams_the_recording_from_the_start(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("34200.1,1,7,10,1000000,-1\n")
    recording = lobster.read(path)
    assert list(recording) == list(recording)
    assert recording.position == recording.size == len(path.read_bytes())


TODAY = "34200.1,1,7,10,1000000,-1,null\n34200.2,4,7,10,1000000,-1,UBSS\n"
OLD = "34200.1,1,7,10,1000000,-1\n34200.2,4,7,10,1000000,-1\n"


def test_a_seventh_column_with_the_participant_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "AMZN_2021-04-12_34200000_57600000_message_10.csv"
    path.write_text(TODAY)
    assert feed_of(path) == "lobster"
    report = replay(lobster.read(path), OrderManagement(), symbol="AMZN")
    assert (report.events, report.trades, report.trades_equal_cost, report.trades_equal_fills) == (2, 1, 1, 1)


@pytest.mark.parametrize(
    "text",
    [
        TODAY,
        "Time,Type,OrderID,Size,Price,Direction\n" + OLD,
        '"time","event_type","order id","volume","price","direction","mpid"\n' + TODAY,
        '"34200.1","1","7","10","1000000","-1"\n"34200.2","4","7","10","1000000","-1"\n',
        "34200.1,1,7,10,1e+06,-1\n34200.2,4,7,10,1e+06,-1\n",
        "34200.10,1.0,7.0,10.0,1000000.0,-1.0\n3.42002e+04,4.0,7.0,10.0,1000000.0,-1.0,\n".replace(
            "0,\n", "0\n"
        ),
        "0,34200.1,1,7,10,1000000,-1\n1,34200.2,4,7,10,1000000,-1\n",
        '"1",34200.1,1,7,10,1000000,-1,null\n"2",34200.2,4,7,10,1000000,-1,UBSS\n',
        ",time,type,order_id,size,price,direction\n0,34200.1,1,7,10,1e6,-1.0\n1,34200.2,4,7,10,1e6,-1.0\n",
    ],
)
def test_a_file_exported_by_another_program_is_read_if_its_meaning_is_certain(
    tmp_path: Path, text: str
) -> None:
    expected = [message[1:] for message in messages(tmp_path, OLD)]
    assert [message[1:] for message in messages(tmp_path, text)] == expected
    assert feed_of(tmp_path / "m.csv") == "lobster"


@pytest.mark.parametrize(
    ("text", "row", "problem"),
    [
        (
            "when,what,who,much,price,way\n" + OLD,
            1,
            "must be a row of values or a header that names time, type, orderid",
        ),
        ("type,time,orderid,size,price,direction\n" + OLD, 1, "must be a row of values or a header"),
        (OLD + "time,type,orderid,size,price,direction\n", 3, "time must be seconds"),
        (TODAY + OLD, 3, "must have 7 columns, not 6"),
        (OLD + TODAY, 3, "must have 6 columns, not 7"),
        (TODAY + "34200.3,1,8,10,1000000,-1,\n", 3, "attribution must be null or the code of a participant"),
        (
            "0,34200.1,1,7,10,1000000,-1\n2,34200.2,4,7,10,1000000,-1\n",
            2,
            "the first column contains row numbers, so it must be 1 in this row",
        ),
        ("5,34200.1,1,7,10,1000000,-1\n", 1, "must have 6 columns, not 7"),
        ("34200.1,1,1.61136e+07,10,1000000,-1\n", 1, "order id must be an integer, not '1.61136e+07'"),
        ("34200.1,1,7,10.5,1000000,-1\n", 1, "size must be an integer, not '10.5'"),
        ("time,type,orderid,size,price,direction\n", None, "the file has no rows below its header"),
    ],
)
def test_an_error_names_the_row_whose_meaning_is_uncertain(
    tmp_path: Path, text: str, row: int | None, problem: str
) -> None:
    with pytest.raises(FeedError) as caught:
        messages(tmp_path, text)
    assert caught.value.row == row
    assert caught.value.problem.startswith(problem)


def test_an_order_book_file_exported_by_another_program_is_read(tmp_path: Path) -> None:
    expected = [top for _, top in tops(tmp_path, "101,5,99,7,102,1,98,1\n")]
    header = "ask_price_1,ask_size_1,bid_price_1,bid_size_1,ask_price_2,ask_size_2,bid_price_2,bid_size_2\n"
    for text in (header + "101,5,99,7,102,1,98,1\n", '"101","5.0",99.0,7,102,1,98,1\n'):
        assert [top for _, top in tops(tmp_path, text)] == expected
    with pytest.raises(FeedError, match="row 1: must be a row of values"):
        tops(tmp_path, "bid,ask\n101,5,99,7\n")


@needs_recordings
def test_a_file_of_the_newer_format_replays_to_every_published_cost() -> None:
    report = replay(lobster.read(AMZN_2021), OrderManagement(), symbol="AMZN")
    assert report.events == 59
    assert (report.trades, report.trades_equal_cost, report.trades_equal_fills) == (22, 22, 22)
    assert report.agrees


def test_an_order_book_row_of_any_depth_returns_its_best_levels(tmp_path: Path) -> None:
    expected = Top(Level(101, 5), Level(99, 7))
    [(_, top)] = tops(tmp_path, "101,5,99,7\n")
    assert top.buy is not None
    assert top.buy.price == 101
    assert tops(tmp_path, "101,5,99,7\n") == [(1, expected)]
    assert tops(tmp_path, "101,5,99,7,102,1,98,1\n101,5,99,7,102,1,98,2\n") == [(1, expected), (2, expected)]


def test_a_missing_level_is_none(tmp_path: Path) -> None:
    assert tops(tmp_path, "9999999999,0,-9999999999,0\n101,5,-9999999999,0\n") == [
        (1, Top(None, None)),
        (2, Top(Level(101, 5), None)),
    ]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("101,5,99", "must have 4 columns, not 3"),
        ("101,5,99,7,102,1,98,2", "must have 4 columns, not 8"),
        ("101,5,99,x", "an order-book row must contain only integers"),
    ],
)
def test_an_error_names_the_bad_order_book_row_and_its_problem(
    tmp_path: Path, row: str, problem: str
) -> None:
    with pytest.raises(FeedError, match=f"row 2: {problem}"):
        tops(tmp_path, f"101,5,99,7\n{row}\n")


def test_an_order_book_row_must_have_four_columns_per_level(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="row 1: must have four columns per level, not 5"):
        tops(tmp_path, "101,5,99,7,102\n")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("numbered", [False, True])
@pytest.mark.parametrize("bad", ["34200.5,1,7,10", "34200.5,9,7,10,100,1", "\u0663,1,7,10,100,1", ""])
def test_the_rows_above_a_bad_row_in_any_block_are_read_before_its_error(
    tmp_path: Path, end: str, numbered: bool, bad: str
) -> None:
    rows = [f"34200.{order_id:09},1,{order_id},10,100,1" for order_id in range(2_000)]
    rows[1_499] = bad
    if numbered:
        rows = [f"{number},{row}" if row else "" for number, row in enumerate(rows)]
    path = tmp_path / "XYZ_message_1.csv"
    path.write_bytes(end.join(rows).encode())
    ids: list[int] = []
    with pytest.raises(FeedError, match="row 1500: ") as caught:
        ids.extend(message.order_id for message in lobster.read(path))
    assert caught.value.row == 1_500
    assert ids == list(range(1_499))
