"""The command on captures of level-2 feeds."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest

from oms.cli import run
from support.naive_exchange import FORMATS, Format, NaiveExchange
from support.recordings import BITGET, OKX, needed


def capture(path: Path, form: Format, spoil: int = 0) -> str:
    """Two symbols; the last checksum of the second one is off by `spoil`."""
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
def test_a_capture_whose_checksums_hold_is_fine(
    form: Format, named: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = capture(tmp_path / "capture", form)
    feed = form.rstrip("12")
    options = ["--format", feed] if named else []
    assert run(["replay", path, *options, "--json", "--quote", "16"]) == 0
    found = json.loads(capsys.readouterr().out)
    unverified = 2 if form == "kraken1" else 0
    assert (found["format"], found["messages"], found["checksums_ok"]) == (feed, 6, 6 - unverified)
    assert (found["checksums_failed"], found["gaps"], found["stale"], found["agrees"]) == (0, 0, [], True)
    assert list(found["symbols"]) == ["ETH/USD", "XBT/USD"]
    ether = found["symbols"]["ETH/USD"]
    assert (ether["tick"], ether["lot"], ether["messages"], ether["stale"]) == ("0.1", "0.1", 2, None)
    assert (ether["best_buy"], ether["best_sell"]) == (102, 100)
    assert [quote["total_price"] for quote in ether["quotes"]] == [15 * 102 + 103, 16 * 100]


@pytest.mark.parametrize("form", FORMATS)
def test_a_symbol_that_fails_is_named_and_the_data_disagree(
    form: Format, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = capture(tmp_path / "capture", form, spoil=1)
    assert run(["replay", path, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["checksums_failed"], found["stale"], found["agrees"]) == (1, ["XBT/USD"], False)
    bitcoin = found["symbols"]["XBT/USD"]
    assert (bitcoin["messages"], bitcoin["ignored"]) == (4, 1)
    assert (bitcoin["stale"], bitcoin["best_buy"]) == ("the checksum of row 5 failed", None)
    assert found["symbols"]["ETH/USD"]["stale"] is None
    assert run(["replay", path]) == 1
    assert out(capsys).endswith(
        "Not every book followed its feed: - XBT/USD became stale once (ignored updates: 1) "
        "and is stale at the end: the checksum of row 5 failed"
    )


def test_what_is_shown_to_people_names_each_book_and_what_was_passed_over(
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
    assert "lines passed over: 1, not a message of the exchange, first in row 1" in shown
    assert "lines passed over: 1, cut short, or not in the exchange's format, first in row 8" in shown
    assert shown.endswith(
        "Every book followed what was read of its feed, but not every line was read: - lines not read: 1, "
        "the first is row 8: cut short, or not in the exchange's format; the books lack the changes in "
        "these lines"
    )


@pytest.mark.parametrize("checked", [False, True])
@pytest.mark.parametrize("part", ["beginning", "end"])
@pytest.mark.parametrize("form", FORMATS)
def test_a_line_of_which_a_part_is_missing_is_named_in_text_in_json_and_by_the_exit_code(
    form: Format, part: str, checked: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(capture(tmp_path / "capture", form))
    lines = path.read_text().splitlines()
    if not checked:  # neither a checksum nor a number: nothing but the line itself shows that it is cut
        lines = [re.sub(r', "c(hecksum)?": "?-?\d+"?', "", line) for line in lines]
    half = len(lines[1]) // 2
    lines[1] = lines[1][:half] if part == "end" else lines[1][half:]
    path.write_text("\n".join(lines))
    feed = form.rstrip("12")
    assert run(["replay", str(path), "--format", feed, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["unread"], found["agrees"], found["stale"]) == (1, False, [])
    [sentence] = found["disagreements"]
    assert sentence.startswith("lines not read: 1, the first is row 2:")
    assert run(["replay", str(path), "--format", feed]) == 1
    assert sentence in out(capsys)


def test_a_note_of_a_recorder_is_no_line_that_was_not_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(capture(tmp_path / "capture", "okx"))
    notes = ["connected [1]", 'wss://a.b <- 1652459225.2: {"op":"subscribe"}', "note {", "{}"]
    path.write_text("\n".join([*notes, path.read_text()]))
    assert run(["replay", str(path), "--format", "okx", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["unread"] == 0


def test_the_tick_and_the_lot_put_back_zeros_that_a_recorder_lost(
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
    assert out(capsys).endswith("All 1 checksums are those of the books.")


def test_wrong_checksums_may_be_ignored_and_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = capture(tmp_path / "capture", "okx", spoil=1)
    assert run(["replay", path, "--checksums", "verify"]) == 1
    capsys.readouterr()
    assert run(["replay", path, "--checksums", "ignore", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["checksums_failed"], found["stale"], found["agrees"]) == (2, [], True)
    assert found["symbols"]["XBT/USD"]["best_sell"] == 101
    assert run(["replay", path, "--checksums", "ignore"]) == 0
    assert out(capsys).endswith("Every book followed its feed; wrong checksums ignored: 2.")


def test_a_capture_of_another_channel_is_an_error_that_names_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(capture(tmp_path / "capture", "okx"))
    path.write_text(path.read_text().replace('"books"', '"books-elp"'))
    assert run(["replay", str(path)]) == 2
    says = "it contains no book of okx; channel 'books-elp' is not supported; supported channels: 'books', "
    error = " ".join(capsys.readouterr().err.split())
    assert says in error
    assert "'bbo-tbt' (lines: 6)" in error


def test_many_channels_that_are_not_supported_are_not_named_one_by_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(capture(tmp_path / "capture", "okx"))
    lines = path.read_text().splitlines()
    more = [lines[0].replace('"books"', f'"books-{n}"') for n in range(50)]
    path.write_text("\n".join([*lines, *more]))
    assert run(["replay", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["passed_over"]
    assert len(found) == 11
    assert found["other channels are not supported"] == 40


def test_version_3_of_bitget_is_told_by_its_messages(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "capture"
    path.write_text(
        '{"event":"subscribe","arg":{"instType":"spot","topic":"books","symbol":"BTCUSDT"}}\n'
        '{"action":"snapshot","arg":{"instType":"spot","topic":"books","symbol":"BTCUSDT"},'
        '"data":[{"a":[["100.2","1.5"]],"b":[],"seq":5,"pseq":0,"ts":"1787727614175"}]}\n'
    )
    assert run(["replay", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["format"], found["symbols"]["BTCUSDT"]["best_buy"]) == ("bitget", 1002)


def test_ticks_and_lots_may_be_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = capture(tmp_path / "capture", "okx")
    assert run(["replay", path, "--json", "--tick", "0.05", "--lot", "0.5"]) == 0
    found = json.loads(capsys.readouterr().out)["symbols"]["ETH/USD"]
    assert (found["tick"], found["lot"], found["best_buy"]) == ("0.05", "0.5", 204)
    assert run(["replay", path, "--json", "--tick", "0.2"]) == 1
    found = json.loads(capsys.readouterr().out)["symbols"]["ETH/USD"]
    assert found["stale"] == "row 1: price must be a multiple of 0.2, not '10.3' (str)"
    assert run(["replay", path, "--tick", "1e-1"]) == 2


def test_a_journal_keeps_what_a_capture_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = capture(tmp_path / "capture", "okx")
    journal = str(tmp_path / "journal.db")
    assert run(["replay", path, "--json", "--journal", journal]) == 0
    capsys.readouterr()
    assert run(["journal", "verify", journal]) == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--book", "FILE"], "'--book': it applies to lobster, and this is okx"),
        (["--trades", "FILE"], "'--trades': it applies to bitstamp, and this is okx"),
        (["--unknown", "skip"], "'--unknown': it applies to bitstamp, lobster, and this is okx"),
        (["--ignore", "7"], "'--ignore': it applies to bitstamp, lobster, and this is okx"),
        (["--symbol", "X"], "'--symbol': it applies to bitstamp, lobster, and this is okx"),
        (["--depth", "10"], "'--depth': it applies to kraken, and this is okx"),
        (["--format", "kraken"], "it contains no book of kraken"),
        (["--format", "nyse"], "'nyse' is not one of"),
    ],
)
def test_what_does_not_apply_is_refused(
    options: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = capture(tmp_path / "capture", "okx")
    options = [path if option == "FILE" else option for option in options]
    assert run(["replay", path, *options]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert says in captured.err


def test_a_lobster_file_has_no_tick_to_be_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "m.csv"
    path.write_text("34200.1,1,7,10,1000000,-1\n")
    assert run(["replay", str(path), "--tick", "0.01"]) == 2
    error = capsys.readouterr().err
    assert "'--tick': it applies to bitget, bitstamp, kraken, okx, and this is lobster" in error


def test_a_capture_that_is_cut_off_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(capture(tmp_path / "capture", "okx"))
    path.write_bytes(gzip.compress(path.read_bytes())[:-20])
    assert run(["replay", str(path), "--format", "okx"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "the file is damaged" in captured.err


@needed
@pytest.mark.parametrize(
    ("path", "feed", "messages"), [(OKX, "okx", 290), (BITGET[0], "bitget", 443), (BITGET[1], "bitget", 194)]
)
def test_a_real_capture_is_fine(
    path: Path, feed: str, messages: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["replay", str(path), "--format", feed, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["messages"], found["checksums_ok"]) == (messages, messages)
    assert (found["checksums_failed"], found["stale"]) == (0, [])


def test_a_feed_without_checksums_is_followed_by_its_numbers(
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
    assert out(capsys).endswith("Every book followed its feed; there was no checksum to compare it with.")
    path.write_text("\n".join([*lines[:2], *lines[3:]]))
    assert run(["replay", str(path), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["gaps"], found["stale"]) == (1, ["XBT/USD"])
