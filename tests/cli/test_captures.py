"""The command on captures of level-2 feeds."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest

from oms import Instrument
from oms.cli import run
from oms.journal import open as open_journal
from support.naive_exchange import FORMATS, Format, NaiveExchange
from support.recordings import BITGET, OKX, needs_recordings


def capture(path: Path, form: Format, spoil: int = 0) -> str:
    """Write a capture of two symbols. `spoil` is added to the last checksum of the second symbol."""
    exchanges = [NaiveExchange(form, symbol) for symbol in ("ETH/USD", "XBT/USD")]
    lines: list[str] = []
    for exchange in exchanges:
        exchange.books = ({"10.2": "5.0", "10.3": "2.5"}, {"10.0": "4.0"})
        lines += [exchange.snapshot(), exchange.update([(0, "10.2", "1.5")])]
    lines += [exchange.update([(1, "10.1", "2.0")], spoil) for exchange in exchanges[1:] for _ in range(2)]
    path.write_text("\n".join(lines))
    return str(path)


def out(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("form", FORMATS)
def test_a_capture_with_correct_checksums_agrees(
    form: Format, named: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = capture(tmp_path / "capture", form)
    feed = form.rstrip("12")
    options = ["--format", feed] if named else []
    assert run(["replay", path, *options, "--json", "--quote", "16"]) == 0
    printed = json.loads(capsys.readouterr().out)
    unverified = 2 if form == "kraken1" else 0
    assert (printed["format"], printed["messages"], printed["checksums_ok"]) == (feed, 6, 6 - unverified)
    assert (printed["checksums_failed"], printed["gaps"], printed["stale"], printed["agrees"]) == (
        0,
        0,
        [],
        True,
    )
    assert list(printed["symbols"]) == ["ETH/USD", "XBT/USD"]
    ether = printed["symbols"]["ETH/USD"]
    assert (ether["tick"], ether["lot"], ether["messages"], ether["stale"]) == ("0.1", "0.1", 2, None)
    assert (ether["best_buy"], ether["best_sell"]) == (102, 100)
    assert [quote["total_price"] for quote in ether["quotes"]] == [15 * 102 + 103, 16 * 100]


@pytest.mark.parametrize("form", FORMATS)
def test_a_symbol_with_a_wrong_checksum_is_named_and_the_data_disagree(
    form: Format, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = capture(tmp_path / "capture", form, spoil=1)
    assert run(["replay", path, "--json"]) == 1
    printed = json.loads(capsys.readouterr().out)
    assert (printed["checksums_failed"], printed["stale"], printed["agrees"]) == (1, ["XBT/USD"], False)
    bitcoin = printed["symbols"]["XBT/USD"]
    assert (bitcoin["messages"], bitcoin["ignored"]) == (4, 1)
    assert (bitcoin["stale"], bitcoin["best_buy"]) == ("the checksum of row 5 failed", None)
    assert printed["symbols"]["ETH/USD"]["stale"] is None
    assert run(["replay", path]) == 1
    assert out(capsys).endswith(
        "Not every book followed its feed: - XBT/USD became stale once (ignored updates: 1) "
        "and is stale at the end: the checksum of row 5 failed"
    )


def test_the_printed_report_lists_each_book_and_the_skipped_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(capture(tmp_path / "capture", "okx"))
    path.write_text(f"a note\n{path.read_text()}\n{{\n")
    assert run(["replay", str(path), "--quote", "15"]) == 1
    shown = out(capsys)
    assert "2 symbols, captured from okx" in shown
    assert "XBT/USD 4 4 0 0 0 10.2 10.1" in shown
    assert "ETH/USD (1 tick = 0.1, 1 lot = 0.1)" in shown
    assert "BUY (asks) 1.5 15.30" in shown
    assert "lines skipped: 1, not a message of the exchange, first in row 1" in shown
    assert "lines skipped: 1, cut short, or not in the exchange's format, first in row 8" in shown
    assert shown.endswith(
        "Every book followed the readable lines of its feed, but some lines could not be read: "
        "- lines not read: 1, the first is row 8: cut short, or not in the exchange's format; "
        "the books lack the changes in these lines"
    )


@pytest.mark.parametrize("checked", [False, True])
@pytest.mark.parametrize("part", ["beginning", "end"])
@pytest.mark.parametrize("form", FORMATS)
def test_a_truncated_line_is_reported_in_text_in_json_and_by_the_exit_code(
    form: Format, part: str, checked: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(capture(tmp_path / "capture", form))
    lines = path.read_text().splitlines()
    if not checked:  # without checksums and sequence numbers, only the line itself shows that it is truncated
        lines = [re.sub(r', "c(hecksum)?": "?-?\d+"?', "", line) for line in lines]
    half = len(lines[1]) // 2
    lines[1] = lines[1][:half] if part == "end" else lines[1][half:]
    path.write_text("\n".join(lines))
    feed = form.rstrip("12")
    assert run(["replay", str(path), "--format", feed, "--json"]) == 1
    printed = json.loads(capsys.readouterr().out)
    assert (printed["unread"], printed["agrees"], printed["stale"]) == (1, False, [])
    [sentence] = printed["disagreements"]
    assert sentence.startswith("lines not read: 1, the first is row 2:")
    assert run(["replay", str(path), "--format", feed]) == 1
    assert sentence in out(capsys)


def test_a_note_of_a_recorder_does_not_count_as_an_unread_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(capture(tmp_path / "capture", "okx"))
    notes = ["connected [1]", 'wss://a.b <- 1652459225.2: {"op":"subscribe"}', "note {", "{}"]
    path.write_text("\n".join([*notes, path.read_text()]))
    assert run(["replay", str(path), "--format", "okx", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["unread"] == 0


def test_explicit_tick_and_lot_sizes_restore_zeros_that_a_recorder_dropped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "capture"
    path.write_text(
        '{"channel":"book","type":"snapshot","data":[{"symbol":"X/USD","bids":[],'
        '"asks":[{"price":0.5,"qty":2}],"checksum":149617455}]}\n'
    )
    assert run(["replay", str(path)]) == 1
    assert "(--tick and --lot, or instruments)" in out(capsys)
    assert run(["replay", str(path), "--tick", "0.00001", "--lot", "0.00000001"]) == 0
    assert out(capsys).endswith("All 1 checksums match the books.")


def test_wrong_checksums_can_be_ignored_and_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = capture(tmp_path / "capture", "okx", spoil=1)
    assert run(["replay", path, "--checksums", "verify"]) == 1
    capsys.readouterr()
    assert run(["replay", path, "--checksums", "ignore", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["checksums_failed"], printed["stale"], printed["agrees"]) == (2, [], True)
    assert printed["symbols"]["XBT/USD"]["best_sell"] == 101
    assert run(["replay", path, "--checksums", "ignore"]) == 0
    assert out(capsys).endswith("Every book followed its feed. Wrong checksums ignored: 2.")


def test_the_error_about_an_unsupported_channel_names_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(capture(tmp_path / "capture", "okx"))
    path.write_text(path.read_text().replace('"books"', '"books-elp"'))
    assert run(["replay", str(path)]) == 2
    message = "it contains no okx book; channel 'books-elp' is not supported; supported channels: 'books', "
    error = " ".join(capsys.readouterr().err.split())
    assert message in error
    assert "'bbo-tbt' (lines: 6)" in error


def test_only_the_first_unsupported_channels_are_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(capture(tmp_path / "capture", "okx"))
    lines = path.read_text().splitlines()
    more = [lines[0].replace('"books"', f'"books-{n}"') for n in range(50)]
    path.write_text("\n".join([*lines, *more]))
    assert run(["replay", str(path), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)["passed_over"]
    assert len(printed) == 11
    assert printed["other channels are not supported"] == 40


def test_version_3_of_bitget_is_recognized_by_its_messages(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "capture"
    path.write_text(
        '{"event":"subscribe","arg":{"instType":"spot","topic":"books","symbol":"BTCUSDT"}}\n'
        '{"action":"snapshot","arg":{"instType":"spot","topic":"books","symbol":"BTCUSDT"},'
        '"data":[{"a":[["100.2","1.5"]],"b":[],"seq":5,"pseq":0,"ts":"1787727614175"}]}\n'
    )
    assert run(["replay", str(path), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["format"], printed["symbols"]["BTCUSDT"]["best_buy"]) == ("bitget", 1002)


def test_tick_and_lot_sizes_can_be_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = capture(tmp_path / "capture", "okx")
    assert run(["replay", path, "--json", "--tick", "0.05", "--lot", "0.5"]) == 0
    printed = json.loads(capsys.readouterr().out)["symbols"]["ETH/USD"]
    assert (printed["tick"], printed["lot"], printed["best_buy"]) == ("0.05", "0.5", 204)
    assert run(["replay", path, "--json", "--tick", "0.2"]) == 1
    printed = json.loads(capsys.readouterr().out)["symbols"]["ETH/USD"]
    assert printed["stale"] == "row 1: price must be a multiple of 0.2, not '10.3' (str)"
    assert run(["replay", path, "--tick", "1e-1"]) == 2


def test_the_events_of_a_capture_are_written_to_a_journal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = capture(tmp_path / "capture", "okx")
    journal = str(tmp_path / "journal.db")
    assert run(["replay", path, "--json", "--journal", journal]) == 0
    capsys.readouterr()
    assert run(["journal", "verify", journal]) == 0
    with open_journal(journal) as om:
        assert om.instruments == {symbol: Instrument("0.1", "0.1") for symbol in ("ETH/USD", "XBT/USD")}


def test_prices_and_amounts_are_shown_in_ticks_and_lots_on_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = capture(tmp_path / "capture", "okx")
    assert run(["replay", path, "--quote", "15", "--ticks"]) == 0
    shown = out(capsys)
    assert "XBT/USD 4 4 0 0 0 102 101" in shown
    assert "BUY (asks) 15 1,530" in shown


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--book", "FILE"], "'--book': it applies to lobster, but this file's format is okx"),
        (["--trades", "FILE"], "'--trades': it applies to bitstamp, but this file's format is okx"),
        (
            ["--unknown", "skip"],
            "'--unknown': it applies to bitstamp, lobster, but this file's format is okx",
        ),
        (
            ["--ignore", "7"],
            "'--ignore': it applies to bitstamp, lobster, but this file's format is okx",
        ),
        (
            ["--symbol", "X"],
            "'--symbol': it applies to bitstamp, lobster, but this file's format is okx",
        ),
        (["--depth", "10"], "'--depth': it applies to kraken, but this file's format is okx"),
        (["--format", "kraken"], "it contains no kraken book"),
        (["--format", "nyse"], "'nyse' is not one of"),
    ],
)
def test_an_option_that_does_not_apply_is_an_error(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = capture(tmp_path / "capture", "okx")
    options = [path if option == "FILE" else option for option in options]
    assert run(["replay", path, *options]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err


def test_the_tick_size_of_a_lobster_file_cannot_be_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "m.csv"
    path.write_text("34200.1,1,7,10,1000000,-1\n")
    assert run(["replay", str(path), "--tick", "0.01"]) == 2
    error = capsys.readouterr().err
    assert "'--tick': it applies to bitget, bitstamp, kraken, okx, but this file's format is lobster" in error


def test_a_truncated_capture_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(capture(tmp_path / "capture", "okx"))
    path.write_bytes(gzip.compress(path.read_bytes())[:-20])
    assert run(["replay", str(path), "--format", "okx"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "the file is damaged" in captured.err


@needs_recordings
@pytest.mark.parametrize(
    ("path", "feed", "messages"), [(OKX, "okx", 290), (BITGET[0], "bitget", 443), (BITGET[1], "bitget", 194)]
)
def test_a_real_capture_agrees(
    path: Path, feed: str, messages: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["replay", str(path), "--format", feed, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["messages"], printed["checksums_ok"]) == (messages, messages)
    assert (printed["checksums_failed"], printed["stale"]) == (0, [])


def test_a_feed_without_checksums_is_verified_by_its_sequence_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exchange = NaiveExchange("okx", numbered=True)
    exchange.books = ({"10.2": "5.0"}, {})
    sent = [
        exchange.snapshot(),
        *(exchange.update([(0, "10.3", amount)]) for amount in ("1.0", "2.0", "3.0")),
    ]
    lines = [re.sub(r', "checksum": [-\d]+', "", line) for line in sent]
    path = tmp_path / "capture"
    path.write_text("\n".join(lines))
    assert run(["replay", str(path)]) == 0
    assert out(capsys).endswith("Every book followed its feed. The capture contains no checksums.")
    path.write_text("\n".join([*lines[:2], *lines[3:]]))
    assert run(["replay", str(path), "--json"]) == 1
    printed = json.loads(capsys.readouterr().out)
    assert (printed["gaps"], printed["stale"]) == (1, ["XBT/USD"])
