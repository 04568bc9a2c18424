"""Bitstamp rows are converted to messages, errors name bad rows, and the feed of a file is recognized."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms import InvalidArgumentError, Order, OrderManagement, Side
from oms.feeds import (
    FeedError,
    Kind,
    Message,
    UnknownFeedError,
    bitstamp,
    feed_of,
    open_recording,
    replay,
    text_file,
)
from oms.feeds.orders.messages import Feed

HEADER = "id,timestamp,exchange.timestamp,price,volume,action,direction\n"
TRADES = "timestamp,price,volume,direction,maker.event.id,taker.event.id,maker,taker\n"


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_prices_become_ticks_and_directions_sides(tmp_path: Path) -> None:
    text = (
        HEADER
        + "7,1500,1000,236.47,5,created,ask\n"
        + "7,1600,1000,236.4,4,changed,ask\n"
        + "8,1700,1000,0.01,0,deleted,bid\n"
    )
    assert list(bitstamp.read(write(tmp_path / "o.csv", text))) == [
        Message(2, 1_500_000_000, Kind.CREATED, 7, Side.BUY, 5, 23_647),
        Message(3, 1_600_000_000, Kind.CHANGED, 7, Side.BUY, 4, 23_640),
        Message(4, 1_700_000_000, Kind.DELETED, 8, Side.SELL, 0, 1),
    ]


def test_a_file_with_only_a_header_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match=r"o\.csv: the file has no rows below its header"):
        list(bitstamp.read(write(tmp_path / "o.csv", HEADER)))


def test_a_trade_file_may_be_empty_below_its_header(tmp_path: Path) -> None:
    assert list(bitstamp.trades(write(tmp_path / "t.csv", TRADES))) == []


def test_another_header_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "o.csv", "id,price\n")
    with pytest.raises(FeedError, match=r"row 1: the header must be id,timestamp,.*, not 'id,price'"):
        list(bitstamp.read(path))
    with pytest.raises(FeedError, match="row 1: the header must be timestamp,price"):
        list(bitstamp.trades(path))


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("7,1500,1000,236.47,5,created", "must have 7 columns, not 6"),
        ("7.0,1500,1000,236.47,5,created,ask", "id must be an integer, not '7.0'"),
        ("7,1500,1000,-1,5,created,ask", "price must be a number with at most 18 decimals, not '-1'"),
        ("7,1500,1000,236.47,5,moved,ask", "action must be created, changed, or deleted, not 'moved'"),
        ("7,1500,1000,236.47,5,created,buy", "direction must be bid or ask, not 'buy'"),
        (
            "7,yesterday,1000,236.47,5,created,ask",
            "timestamp must be milliseconds since 1970, not 'yesterday'",
        ),
    ],
)
def test_an_error_names_the_bad_row_and_its_problem(tmp_path: Path, row: str, problem: str) -> None:
    path = write(tmp_path / "o.csv", f"{HEADER}7,1500,1000,236.47,5,created,ask\n{row}\n")
    with pytest.raises(FeedError) as caught:
        list(bitstamp.read(path))
    assert (caught.value.row, caught.value.problem) == (3, problem)


def test_trades_are_read_exactly(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", TRADES + "1430438406.337,236.47,178.0,sell,1,2,7,8\n")
    assert list(bitstamp.trades(path)) == [bitstamp.PublishedTrade(2, 1_430_438_406_337_000_000, 178, 7)]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("1.5,236.47,178.5,sell,1,2,7,8", "volume must be a whole number, not '178.5'"),
        ("1.5,236.47,178.0,sold,1,2,7,8", "direction must be buy or sell, not 'sold'"),
        ("1.5,236.47,178.0,sell,1,2,NA,8", "maker must be an integer, not 'NA'"),
    ],
)
def test_an_error_names_the_bad_trade_and_its_problem(tmp_path: Path, row: str, problem: str) -> None:
    path = write(tmp_path / "t.csv", f"{TRADES}{row}\n")
    with pytest.raises(FeedError) as caught:
        list(bitstamp.trades(path))
    assert (caught.value.row, caught.value.problem) == (2, problem)


XRP = HEADER + "7,1500,1000,0.5,5,created,ask\n7,1600,1000,0.51234,4,changed,ask\n"


def test_the_default_tick_fits_the_decimals_of_all_prices(tmp_path: Path) -> None:
    path = write(tmp_path / "XRPUSD.csv", XRP)
    recording = open_recording(path)
    assert [message.price for message in recording] == [50_000, 51_234]
    assert (recording.units.tick_size, recording.units.lot_size) == ("0.00001", "0.00000001")
    coarse = bitstamp.read(write(tmp_path / "c.csv", HEADER + "7,1500,1000,236,5,created,ask\n"))
    assert ([message.price for message in coarse], coarse.units) == ([23_600], bitstamp.UNITS)


@pytest.mark.parametrize("bad", [b"\xff", b"", b"7,8", b"7,1500,1000,0.5,5,created,as\xff"])
@pytest.mark.parametrize("chunk", [1, 50, 100, 8192])
def test_the_default_tick_fits_the_valid_rows_below_a_bad_row(
    tmp_path: Path, bad: bytes, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_file, "_CHUNK", chunk)
    header, first, second = XRP.encode().splitlines()
    (tmp_path / "o.csv").write_bytes(b"\n".join([header, first, bad, second]))
    assert bitstamp.read(tmp_path / "o.csv").units.tick_size == "0.00001"
    (tmp_path / "o.csv").write_bytes(b"\n".join([header, first, second, bad]))
    assert bitstamp.read(tmp_path / "o.csv").units.tick_size == "0.00001"


ROWS = st.sampled_from(
    [b"1,2,3,0.5,5,created,ask", b"1,2,3,0.123,5,deleted,bid", b"", b"\xff", b"7,8", b"\xc3\xa9"]
)


@given(st.lists(ROWS, max_size=8), st.sampled_from([b"\n", b"\r\n"]), st.integers(1, 200))
def test_what_is_read_does_not_depend_on_the_size_of_the_chunks(
    rows: list[bytes], end: bytes, chunk: int
) -> None:
    def result(size: int) -> tuple[str, list[Message], str]:
        patch.setattr(text_file, "_CHUNK", size)
        recording, messages = bitstamp.read(path), list[Message]()
        try:
            messages.extend(recording)
        except FeedError as error:
            return recording.units.tick_size, messages, str(error)
        return recording.units.tick_size, messages, ""

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder, "o.csv")
        path.write_bytes(HEADER.encode() + end.join(rows))
        assert result(chunk) == result(1 << 13)


def test_an_explicit_tick_and_lot_size_are_used(tmp_path: Path) -> None:
    path = write(tmp_path / "XRPUSD.csv", XRP)
    recording = open_recording(path, tick_size="0.000005", lot_size="0.1")
    assert [message.price for message in recording] == [100_000, 102_468]
    assert recording.units.show_amount(5) == "0.5"
    with pytest.raises(FeedError, match=r"row 3: price must be a multiple of 0\.01, not '0\.51234'"):
        list(bitstamp.read(path, tick_size="0.01"))
    with pytest.raises(InvalidArgumentError, match="lot_size"):
        bitstamp.read(path, lot_size="0")
    other = write(tmp_path / "m.csv", "34200.1,1,7,10,1000000,-1\n")
    with pytest.raises(InvalidArgumentError, match="tick_size must be left out for LOBSTER"):
        open_recording(other, tick_size="0.01")


REPORTED = "trade_id,timestamp,exchange_timestamp,price,amount,buy_order_id,sell_order_id,side\n"


@pytest.mark.parametrize("time", ["1430438406.337", "1430438406337", "1430438406337000"])
def test_the_maker_of_a_reported_trade_is_the_order_opposite_the_taker(tmp_path: Path, time: str) -> None:
    rows = f"1,{time},{time},0.51234,1.5,7,8,buy\n2,{time},,0.5,0.00000001,7,8,sell\n"
    second = 1_430_438_405_337_000_000  # the row of its order may be up to a second earlier
    assert list(bitstamp.trades(write(tmp_path / "t.csv", REPORTED + rows))) == [
        bitstamp.PublishedTrade(2, second, 150_000_000, 8),
        bitstamp.PublishedTrade(3, second, 1, 7),
    ]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("1,1430438406,,0.5,1.5,7,8,0", "side must be buy or sell, not '0'"),
        (
            "1,yesterday,,0.5,1.5,7,8,buy",
            "timestamp must be seconds, milliseconds, or microseconds since 1970",
        ),
        ("1,1430438406,,0.5,0.000000001,7,8,buy", "amount must be a multiple of 0.00000001"),
    ],
)
def test_an_error_names_the_bad_reported_trade_and_its_problem(
    tmp_path: Path, row: str, problem: str
) -> None:
    with pytest.raises(FeedError) as caught:
        list(bitstamp.trades(write(tmp_path / "t.csv", f"{REPORTED}{row}\n")))
    assert caught.value.row == 2
    assert caught.value.problem.startswith(problem)


def test_the_makers_of_reported_trades_are_compared_with_the_heads_of_their_books(tmp_path: Path) -> None:
    orders = write(
        tmp_path / "o.csv",
        HEADER
        + "1,1430438400000,1,0.51,100000000,created,bid\n"
        + "2,1430438400001,1,0.52,100000000,created,bid\n"
        + "2,1430438406300,1,0.52,50000000,changed,bid\n"
        + "1,1430438407300,1,0.51,90000000,changed,bid\n",
    )
    rows = "1,1430438406337,,0.52,0.5,2,9,sell\n2,1430438407299,,0.51,0.1,1,9,sell\n"
    report = replay(
        open_recording(orders),
        OrderManagement(),
        symbol="X",
        unknown="skip",
        trades=write(tmp_path / "t.csv", REPORTED + rows),
    )
    assert (report.makers, report.makers_at_head, report.makers_not_found) == (2, 1, 0)


def test_a_feed_is_recognized_by_its_first_row(tmp_path: Path) -> None:
    orders = write(tmp_path / "orders.csv", HEADER)
    other = write(tmp_path / "m.csv", "34200.1,1,7,10,1000000,-1\n")
    assert (feed_of(orders), feed_of(other)) == ("bitstamp", "lobster")
    assert (open_recording(orders).feed, open_recording(other).feed) == ("bitstamp", "lobster")
    assert (open_recording(orders).symbol, open_recording(orders, symbol="BTC/USD").symbol) == (
        "orders",
        "BTC/USD",
    )


@pytest.mark.parametrize("first", ["id,price", "101,5,99,7", HEADER.upper(), "hello"])
def test_an_error_about_an_unknown_feed_lists_the_known_feeds(tmp_path: Path, first: str) -> None:
    path = write(tmp_path / "orders.csv", first)
    problem = r"a LOBSTER message file \(6 or 7 columns\), or a Bitstamp file \(7 columns with a header\)$"
    with pytest.raises(UnknownFeedError, match=problem):
        open_recording(path)


def test_an_explicit_feed_is_used(tmp_path: Path) -> None:
    path = write(tmp_path / "m.csv", "34200.1,1,7,10,1000000,-1\n")
    with pytest.raises(FeedError, match="the header must be"):
        list(open_recording(path, "bitstamp"))
    with pytest.raises(InvalidArgumentError, match="feed must be 'bitstamp' or 'lobster', not 'nyse'"):
        open_recording(path, cast(Feed, "nyse"))


def test_every_row_that_cannot_be_applied_is_counted_with_its_reason(tmp_path: Path) -> None:
    rows = [
        "1,1000,1000,0.00,5,created,bid",  # a price of 0
        "1,1001,1000,0.00,3,changed,bid",
        "1,1002,1000,0.00,3,deleted,bid",
        "2,1003,1000,236.00,0,created,ask",  # an amount of 0
        "2,1004,1000,236.00,0,deleted,ask",
        "3,1005,1000,236.00,4,changed,ask",  # before its creation
        "3,1006,1000,236.00,9,created,ask",
        "3,1007,1000,237.00,7,changed,ask",  # the price of a change is ignored
        "4,1008,1000,235.00,5,deleted,bid",  # deleted, then created
        "4,1009,1000,235.00,5,created,bid",
        "5,1010,1000,235.00,5,deleted,bid",  # never created
        "3,1011,1000,236.00,2,created,ask",  # created twice
        "3,1012,1000,236.00,2,deleted,bid",  # with the wrong side
        "6,1013,1000,235.00,5,created,bid",
        "6,1014,1000,235.00,0,changed,bid",
        "6,1015,1000,235.00,0,deleted,bid",
    ]
    recording = bitstamp.read(write(tmp_path / "o.csv", HEADER + "\n".join(rows)))
    om = OrderManagement()
    report = replay(recording, om, symbol="BTC", unknown="skip")
    assert list(om) == [Order(3, "BTC", Side.BUY, 7, 23_600)]
    assert (report.events, report.unknown) == (16, 3)
    assert report.rejections == {
        "the id, amount, or price is invalid": 2,
        "the submission of the order was rejected": 3,
        "the order was created after its removal": 1,
        "an order with this id is already resting": 1,
        "the order is in another book": 1,
        "the order was already removed": 1,
    }
