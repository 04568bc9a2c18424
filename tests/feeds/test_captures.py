"""Captures of websockets: the files, their lines, and the replay of their messages.

Tests `oms.feeds.levels.capture`, `oms.feeds.levels.replayer`, and, for captures, `oms.feeds.formats`.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Generator, Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms import Instrument, InvalidArgumentError, OrderManagement, Side
from oms.feeds import (
    ASK,
    BookMessage,
    FeedError,
    LevelReplay,
    Outcome,
    Recorder,
    UnknownFeedError,
    feed_of,
    find_instruments,
    open_capture,
    open_recording,
    replay_levels,
)
from oms.feeds.levels import capture as captures
from oms.feeds.levels.capture import sent_in
from oms.feeds.text_file import TextFile
from oms.size import decimals_of
from support.naive_exchange import FORMATS, Format, NaiveExchange
from support.recordings import BITGET, OKX, needs_recordings

RECORDER_NOTES = [
    "wss://ws.kraken.com <-> 1652459224.5300605",
    'wss://ws.kraken.com <- 1652459225.2987883: {"event":"subscribe","a":1,"b":2,"c":3,"d":4,"e":5}',
    "",
]
SUBSCRIPTION_RESPONSES = {
    "okx": '{"event":"subscribe","arg":{"channel":"books","instId":"XBT/USD"}}',
    "bitget": '{"event":"subscribe","arg":{"instType":"sp","channel":"books","instId":"XBT/USD"}}',
    "kraken1": '{"channelID":336,"channelName":"book-10","event":"subscriptionStatus","pair":"XBT/USD"}',
    "kraken2": '{"method":"subscribe","result":{"channel":"book","depth":10,"symbol":"XBT/USD"}}',
}
HEARTBEATS = {
    "okx": "pong",
    "bitget": "pong",
    "kraken1": '{"event":"heartbeat"}',
    "kraken2": '{"channel":"heartbeat"}',
}


def session(form: Format) -> list[str]:
    """Return a snapshot and two updates."""
    exchange = NaiveExchange(form)
    exchange.books = ({"10.2": "5.00000", "10.3": "2.50000"}, {"10.0": "4.00000"})
    return [
        exchange.snapshot(),
        exchange.update([(0, "10.2", "0"), (1, "10.1", "0.00007")]),
        exchange.update([(0, "10.25", "1.00000")]),  # a price with more decimals than before
    ]


def write(path: Path, lines: Iterable[str], wrapper: str = "{}") -> Path:
    path.write_text("".join(wrapper.format(line) + "\n" for line in lines))
    return path


@pytest.mark.parametrize("wrapper", ["{}", "1652459225.5073643: {}", "1652459225507:{}", "1652459225 {}\r"])
@pytest.mark.parametrize("form", FORMATS)
def test_a_capture_is_recognized_by_its_messages_and_replayed_to_its_end(
    form: Format, wrapper: str, tmp_path: Path
) -> None:
    lines = [
        wrapper.format(line)
        for line in (SUBSCRIPTION_RESPONSES[form], HEARTBEATS[form], *session(form), '{"x')
    ]
    path = write(tmp_path / "capture", [*RECORDER_NOTES, *lines])
    capture = open_capture(path)
    assert capture.feed == feed_of(path) == form.rstrip("12")
    om = OrderManagement()
    report = replay_levels(capture, om)
    assert (report.messages, report.checksums_failed, report.stale, report.followed) == (3, 0, (), True)
    assert (report.unread, report.agrees) == (1, False)
    assert report.checksums_ok == (2 if form == "kraken1" else 3)
    assert report.symbols["XBT/USD"].instrument == Instrument("0.01", "0.00001")
    assert [(level.price, level.amount) for level in om.depth("XBT/USD", Side.BUY)] == [
        (1025, 100_000),
        (1030, 250_000),
    ]
    assert sum(report.passed_over.values()) == len(RECORDER_NOTES) + 3
    assert report.passed_over["cut short, or not in the exchange's format"] == 1


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize("pair", [True, False])
def test_a_line_may_contain_the_time_and_the_message_as_one_json_value(
    form: Format, pair: bool, as_text: bool, tmp_path: Path
) -> None:
    lines = [json.dumps(line) if as_text else line for line in (SUBSCRIPTION_RESPONSES[form], *session(form))]
    wrapper = "[1652459225.5, {}]" if pair else '{{"timestamp": "1652459225.5", "message": {}}}'
    path = write(tmp_path / "capture", lines, wrapper)
    assert feed_of(path) == form.rstrip("12")
    report = replay_levels(open_capture(path), OrderManagement())
    assert (report.messages, report.agrees, sum(report.passed_over.values())) == (3, True, 1)
    assert {message.time for message in open_capture(path)} == {1652459225500000000}


@pytest.mark.parametrize("form", FORMATS)
def test_a_compressed_capture_is_replayed_like_a_plain_one(form: Format, tmp_path: Path) -> None:
    path = tmp_path / "capture.gz"
    path.write_bytes(gzip.compress("\n".join(session(form)).encode()))
    assert replay_levels(open_capture(path), OrderManagement()).messages == 3


def test_a_truncated_compressed_file_raises_an_error_after_its_last_complete_line(tmp_path: Path) -> None:
    exchange = NaiveExchange("okx")
    lines = [
        exchange.snapshot(),
        *(exchange.update([(0, f"{n}.7", f"{n * n % 97}.3")]) for n in range(1, 900)),
    ]
    whole = gzip.compress("\n".join(lines).encode())
    path = tmp_path / "capture.gz"
    path.write_bytes(whole[: len(whole) // 2])
    run = LevelReplay(open_capture(path), OrderManagement(), instruments=Instrument("0.1", "0.1"))
    followed = 0
    with pytest.raises(FeedError, match="the file is damaged") as caught:
        for _ in run:
            followed += 1
    assert caught.value.row is not None
    assert 0 < followed < caught.value.row <= 900
    assert run.report().checksums_ok == followed


@given(st.binary(max_size=60), st.integers(0, 3))
def test_a_line_of_random_bytes_is_skipped_or_raises_a_feed_error(
    tmp_path_factory: pytest.TempPathFactory, garbage: bytes, at: int
) -> None:
    lines = [line.encode() for line in session("kraken2")]
    lines.insert(at, garbage.replace(b"\n", b""))
    path = tmp_path_factory.getbasetemp() / "garbage"
    path.write_bytes(b"\n".join(lines))
    try:
        report = replay_levels(open_capture(path, "kraken"), OrderManagement())
    except FeedError:
        return
    assert (report.messages, report.checksums_ok, report.followed) == (3, 3, True)
    assert report.agrees is (report.unread == 0)


@pytest.mark.slow
@given(st.data())
def test_a_malformed_message_is_skipped_or_makes_its_book_stale_until_the_next_snapshot(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    form = data.draw(st.sampled_from(FORMATS))
    message = json.loads(session(form)[0])
    _replace_one_value(data, message)
    lines = [SUBSCRIPTION_RESPONSES[form], json.dumps(message), *session(form)]
    path = write(tmp_path_factory.getbasetemp() / "mangled", lines)
    report = replay_levels(open_capture(path, feed_of(path)), OrderManagement())
    assert (
        report.symbols["XBT/USD"].stale is None
    )  # the snapshot after the malformed message ended the stale state


def _replace_one_value(data: st.DataObject, value: object) -> None:
    """Replace one value in a JSON structure, at any depth, by another."""
    while isinstance(value, (dict, list)) and value:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = data.draw(st.sampled_from(keys))
        inner = value[key]
        if not isinstance(inner, (dict, list)) or not inner or data.draw(st.booleans()):
            value[key] = data.draw(
                st.none()
                | st.integers()
                | st.text(max_size=3)
                | st.lists(st.integers(), max_size=4)
                | st.just({"a": 1})
            )
            return
        value = inner


@pytest.mark.parametrize(
    ("line", "time"),
    [
        ("[1]", None),
        ("1652459225: [1]", 1_652_459_225_000_000_000),
        ("1652459225.5:[1]", 1_652_459_225_500_000_000),
        ("1652459225123 [1]", 1_652_459_225_123_000_000),
        ("1652459225123456789\t[1]", 1_652_459_225_123_456_789),
        ("17: [1]", None),
        ("2022-05-13T16:27:05Z [1]", None),
    ],
)
def test_the_time_of_receipt_may_be_in_any_unit_or_missing(line: str, time: int | None) -> None:
    assert sent_in(line) == (time, "[1]")


@pytest.mark.parametrize(
    "line", ["", " ", "17: nothing", "note {", "# [1]", "wss://a.b [1]", "1652459225: pong"]
)
def test_a_line_without_json_contains_no_message(line: str) -> None:
    assert sent_in(line) is None


def test_without_a_time_of_receipt_a_message_has_the_time_of_the_exchange(tmp_path: Path) -> None:
    for form, time in (("okx", 1_652_459_236_119_000_000), ("kraken1", 1_500_000_000)):
        [first, *_] = open_capture(write(tmp_path / form, session(form)))  # type: ignore[arg-type] # a literal
        assert first.time == time


# ---------------------------------------------------------------------- feeds and instruments


def test_a_file_that_matches_no_feed_raises_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "capture", ['{"hello":"world"}', "[1,2]"])
    with pytest.raises(UnknownFeedError, match="must be a capture from Bitget, Kraken, or OKX, a LOBSTER"):
        feed_of(path)
    allowed = "feed must be 'bitget', 'kraken', or 'okx', not 'lobster'"
    with pytest.raises(InvalidArgumentError, match=allowed):
        open_capture(path, "lobster")
    with pytest.raises(InvalidArgumentError, match="feed must be 'bitstamp' or 'lobster', not 'okx'"):
        open_recording(path, "okx")


def test_a_capture_without_a_book_of_its_feed_raises_an_error(tmp_path: Path) -> None:
    capture = open_capture(write(tmp_path / "capture", session("okx")), "kraken")
    with pytest.raises(FeedError, match="it contains no kraken book"):
        replay_levels(capture, OrderManagement())


def test_a_depth_is_for_kraken_only_and_truncates_the_book(tmp_path: Path) -> None:
    path = write(tmp_path / "capture", session("kraken2")[:1])
    om = OrderManagement()
    replay_levels(open_capture(path, depth=2), om)
    assert len(om) == 3
    with pytest.raises(InvalidArgumentError, match="depth must be an int >= 1, not 0"):
        open_capture(path, depth=0)
    with pytest.raises(InvalidArgumentError, match="depth must be left out for a capture of okx"):
        open_capture(write(tmp_path / "okx", session("okx")), depth=10)


def test_each_symbol_gets_the_coarsest_tick_and_lot_that_fit_all_of_its_numbers() -> None:
    one = BookMessage(1, 0, "X", True, (("10.50", "1.000"),), (("9.25", "2.5"),))
    other = BookMessage(2, 0, "Y", True, (("7", "not a number"),), ())
    assert find_instruments([one, other]) == {"X": Instrument("0.01", "0.1"), "Y": Instrument()}


# ---------------------------------------------------------------------- callbacks and recorders


def test_a_callback_gets_the_books_and_the_outcome_after_each_message(tmp_path: Path) -> None:
    calls: list[tuple[int, bool, int | None]] = []

    def bot(om: OrderManagement, outcome: Outcome) -> None:
        calls.append((outcome.message.row, outcome.applied, om.best_price("XBT/USD", ASK)))

    lines = session("bitget")
    lines[2] = lines[2].replace('"checksum": ', '"checksum": 1')
    replay_levels(open_capture(write(tmp_path / "capture", lines)), OrderManagement(), on_message=bot)
    assert calls == [(1, True, 1020), (2, True, 1030), (3, False, None)]


def test_a_recorder_samples_every_book_and_records_the_trades(tmp_path: Path) -> None:
    data = '[{"px":"10.2","sz":"3","side":"buy","ts":"1"}]'
    trade = f'{{"arg":{{"channel":"trades","instId":"XBT/USD"}},"data":{data}}}'
    lines = [f"165245922{second}.5: {line}" for second, line in enumerate([*session("okx"), trade])]
    recorder = Recorder(every=1, levels=1)
    replay_levels(open_capture(write(tmp_path / "capture", lines)), OrderManagement(), recorder=recorder)
    history = recorder.history("XBT/USD")
    assert history.instrument == Instrument("0.01", "0.00001")
    assert history.times == [1652459220.5, 1652459221.5, 1652459222.5]
    assert history.best_buy == [1020, 1030, 1025]
    assert history.sell_levels == [((1000, 400_000),), ((1010, 7),), ((1010, 7),)]
    assert (history.trades.price, history.trades.amount, history.trades.side) == (
        [1020],
        [300_000],
        [ASK],
    )


@pytest.mark.parametrize("form", FORMATS)
def test_a_recorder_converts_earlier_samples_to_a_finer_tick(form: Format, tmp_path: Path) -> None:
    exchange = NaiveExchange(form)
    lines: list[str] = []
    for second, price in enumerate(("0.25", "0.253")):
        exchange.books = ({price: "2.0"}, {})
        lines.append(f"165245922{second}.5: {exchange.snapshot()}")
    recorder = Recorder(every=1)
    capture = open_capture(write(tmp_path / "capture", lines))
    replay_levels(capture, OrderManagement(), instruments=Instrument("0.01", "0.1"), recorder=recorder)
    history = recorder.history("XBT/USD")
    assert history.instrument == Instrument("0.001", "0.1")
    assert history.buy_levels == [((250, 20),), ((253, 20),)]


# ---------------------------------------------------------------------- recorded data of exchanges


@needs_recordings
def test_all_recorded_checksums_of_okx_match_the_books() -> None:
    om = OrderManagement()
    report = replay_levels(open_capture(OKX), om)
    assert (report.messages, report.checksums_ok, report.checksums_failed, report.stale) == (290, 290, 0, ())
    assert {name: symbol.trades for name, symbol in report.symbols.items()} == {
        "BTC-USD-220527": 4,
        "BTC-USDT": 69,
        "UNI-USD-SWAP": 1,
    }
    om._check()


@needs_recordings
def test_all_recorded_checksums_of_bitget_match_the_books() -> None:
    reports = [replay_levels(open_capture(path), OrderManagement()) for path in BITGET]
    assert sum(report.checksums_ok for report in reports) == 637
    assert sum(report.messages for report in reports) == 637
    assert all(report.agrees for report in reports)
    assert sum(len(report.symbols) for report in reports) == 10


@needs_recordings
def test_one_update_removed_from_a_recorded_capture_makes_only_its_symbol_stale(
    tmp_path: Path,
) -> None:
    lines = gzip.decompress(OKX.read_bytes()).decode().splitlines()
    updates = [n for n, line in enumerate(lines) if '"update"' in line and "BTC-USDT" in line]
    del lines[updates[20]]
    report = replay_levels(open_capture(write(tmp_path / "capture", lines)), OrderManagement())
    assert report.stale == ("BTC-USDT",)
    assert report.checksums_failed == 1
    assert (
        report.symbols["BTC-USDT"].checksums_ok == 21
    )  # the snapshot, and the 20 updates before the lost one
    assert report.symbols["BTC-USDT"].ignored == len(updates) - 22
    assert report.messages == 289


# ---------------------------------------------------------------------- unusual captures


def test_a_capture_without_a_snapshot_leaves_its_book_stale(tmp_path: Path) -> None:
    report = replay_levels(open_capture(write(tmp_path / "capture", session("okx")[1:])), OrderManagement())
    assert (report.stale, report.checksums_ok, report.agrees) == (("XBT/USD",), 0, False)
    assert report.disagreements == ("XBT/USD is stale (ignored updates: 2): no snapshot has been seen",)


@pytest.mark.parametrize(
    "line",
    [
        '[0,{"as":[],"bs":[]},"book-0","XBT/USD"]',
        '[0,{"as":[["1.5","2.0"]],"bs":[]},"book-10","XBT/USD"]',  # without any time
        '{"channel":"book","type":"snapshot","data":[{"symbol":"XBT/USD","asks":[{"price":NaN,"qty":1}]}]}',
        '[0,{"as":[["1.5","2.0","1e900000"]],"bs":[]},"book-10","XBT/USD"]',
        '{"channel":"instrument","data":{"pairs":[{"symbol":"X","price_precision":5000000000000,"qty_precision":8}]}}',
        '{"channel":"instrument","data":{"pairs":[{"symbol":"X","price_precision":2,"qty_precision":41}]}}',
        '{"channel":"book","type":"rumour","data":[{"symbol":"XBT/USD"}]}',
        '{"channel":"book","type":"update","data":[{"symbol":""}]}',
        '{"method":"subscribe","result":{"channel":"book","depth":-5,"symbol":"XBT/USD"}}',
        '{"channel":"book","type":' + "[" * 100_000,
    ],
)
def test_a_line_not_in_the_exchanges_format_is_counted_with_its_first_row(line: str, tmp_path: Path) -> None:
    path = write(tmp_path / "capture", [line, *session("kraken2"), line])
    report = replay_levels(open_capture(path, "kraken"), OrderManagement())
    reason = "cut short, or not in the exchange's format"
    assert (report.passed_over[reason], report.first_rows[reason], report.checksums_ok) == (2, 1, 3)


def test_a_replay_uses_the_precision_that_kraken_sends(tmp_path: Path) -> None:
    pair = '{"symbol":"XBT/USD","price_precision":4,"qty_precision":8}'
    instruments = f'{{"channel":"instrument","type":"snapshot","data":{{"assets":[],"pairs":[{pair}]}}}}'
    exchange = NaiveExchange("kraken2")
    exchange.books = ({"10.2000": "5.00000000"}, {})
    path = write(tmp_path / "capture", [instruments, exchange.snapshot().replace("000", "")])
    recorder = Recorder()
    report = replay_levels(open_capture(path), OrderManagement(), recorder=recorder)
    assert (report.checksums_ok, report.agrees) == (1, True)
    assert recorder.history("XBT/USD").instrument == Instrument("0.0001", "0.00000001")


def test_a_capture_has_a_repr_a_progress_and_repeatable_iteration(tmp_path: Path) -> None:
    path = write(tmp_path / "capture", session("okx"))
    capture = open_capture(path)
    assert repr(capture) == f"<okx capture: {path}>"
    assert [message.row for message in capture] == [1, 2, 3] == [message.row for message in capture]
    assert capture.position == capture.size == path.stat().st_size


@pytest.mark.parametrize("form", FORMATS)
def test_a_large_capture_is_read_twice_with_the_same_results_as_a_small_one(
    form: Format, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [*RECORDER_NOTES, HEARTBEATS[form], *session(form), '{"x']
    path = write(tmp_path / "capture", lines)
    reads: list[str] = []
    read = TextFile.lines

    def counted(file: TextFile) -> Generator[tuple[int, str]]:
        reads.append(file.path)
        return read(file)

    monkeypatch.setattr(TextFile, "lines", counted)
    results: list[object] = []
    for most_kept in (sum(map(len, lines)), sum(map(len, lines)) - 1):
        monkeypatch.setattr(captures, "MOST_KEPT", most_kept)
        om, reads[:] = OrderManagement(), []
        run = LevelReplay(open_capture(path, form.rstrip("12")), om)  # type: ignore[arg-type] # a feed's name
        results.append([(outcome, run.report(), om.state_hash()) for outcome in run] + [run.report()])
        results.append(len(reads))
    assert results == [results[0], 1, results[0], 2]


NUMBERS = [
    "0",
    "7",
    "100",
    "1.5",
    "1.50",
    "0.0500",
    "12.345",
    "1e-4",
    "2E-7",
    "5.",
    ".5",
    "",
    "1.2x",
    "-1.2345",
    "1.25 3",
    "1.123456",
    "1" * 41 + ".1234567",
]


@given(
    st.lists(st.lists(st.tuples(st.sampled_from(NUMBERS), st.sampled_from(NUMBERS)), max_size=4), max_size=4)
)
def test_the_instrument_of_a_capture_has_the_most_decimals_of_any_price_and_any_amount(
    books: list[list[tuple[str, str]]],
) -> None:
    messages = [BookMessage(1, 0, "X", True, tuple(levels[:2]), tuple(levels[2:])) for levels in books]
    pairs = [pair for levels in books for pair in levels]
    price, amount = (max((decimals_of(pair[n]) for pair in pairs), default=0) for n in range(2))
    expected = {"X": Instrument.of_decimals(price, amount)} if books else {}
    assert find_instruments(messages) == expected


def test_a_text_with_two_numbers_does_not_count_as_a_number_with_decimals() -> None:
    message = BookMessage(1, 0, "X", True, (("1.25 3", "1.5"), ("1", "2")), ())
    assert find_instruments([message]) == {"X": Instrument("1", "0.1")}


def test_a_value_that_is_not_text_does_not_count_as_a_number_with_decimals() -> None:
    levels = (("1.5", None), (["1.2345"], "2.25"))
    message = BookMessage(1, 0, "X", True, levels, ())  # type: ignore[arg-type] # not text
    assert find_instruments([message]) == {"X": Instrument("0.1", "0.01")}
