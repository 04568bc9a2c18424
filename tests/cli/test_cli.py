"""The command line: its arguments, output, and exit codes."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

import pytest
from typer.testing import CliRunner

from oms.cli import app, run
from oms.cli.options import spread
from oms.extras import how_to_install

SESSION = """\
34200.1,1,7,10,1000000,-1
34200.2,1,8,10,1000100,-1
34200.3,1,9,30,999900,1
34200.4,4,7,10,1000000,-1
34200.4,4,8,4,1000100,-1
"""
BITSTAMP = "id,timestamp,exchange.timestamp,price,volume,action,direction\n"


@pytest.fixture
def session(tmp_path: Path) -> str:
    path = tmp_path / "XYZ_2020-01-02_34200000_57600000_message_5.csv"
    path.write_text(SESSION)
    return str(path)


@pytest.fixture
def bitstamp(tmp_path: Path) -> str:
    path = tmp_path / "orders.csv"
    path.write_text(BITSTAMP + "7,1430438404518,1430438404000,236.47,200000000,created,bid\n")
    return str(path)


def command(*args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *args],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        env={**os.environ, "PYTHONUTF8": "1", **environment},
    )


def assert_incorrect_use(capsys: pytest.CaptureFixture[str], *args: str, message: str) -> None:
    assert run(args) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("oms: ")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    assert message in err


# ------------------------------------------------------------------ the command itself


def test_python_dash_m_oms_runs_the_command() -> None:
    shown = command("-m", "oms", "--version")
    assert (shown.returncode, shown.stdout, shown.stderr) == (0, f"oms {version('oms-orderbook')}\n", "")
    described = command("-m", "oms", "replay", "--help").stdout
    assert "Usage: oms replay" in described
    assert "2 = usage error or a file that cannot be read to the end." in described


def test_without_arguments_the_command_prints_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    out, err = capsys.readouterr()
    assert "demo" in out
    assert "replay" in out
    assert err == ""


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_its_extra_the_command_prints_one_line_about_the_installation(missing: str) -> None:
    script = f"import sys; sys.modules[{missing!r}] = None; from oms.__main__ import main; main()"
    ended = command("-c", script)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.count("\n") == 1
    assert ended.stderr == f"{how_to_install('oms: the command', 'cli')}\n"


def test_an_import_error_of_oms_itself_is_not_reported_as_a_missing_extra() -> None:
    script = "import sys; sys.modules['oms.feeds'] = None; from oms.__main__ import main; main()"
    ended = command("-c", script)
    assert ended.returncode == 1
    assert "oms.feeds" in ended.stderr
    assert "oms-orderbook[cli]" not in ended.stderr


def test_a_closed_pipe_ends_the_command_without_a_message(session: str) -> None:
    for options in ([], ["--json"]):
        with subprocess.Popen(
            [sys.executable, "-m", "oms", "replay", session, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.close()
            assert process.stderr.read() == b""
        assert process.returncode == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this machine has no device that is always full")
def test_an_output_error_is_reported_in_one_line(session: str) -> None:
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "oms", "replay", session, "--json"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (ended.returncode, ended.stderr) == (2, "oms: No space left on device\n")


def test_an_interrupt_ends_the_command_without_a_message(
    session: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_args: object, **_kwargs: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr("oms.cli.replay.drive", interrupted)
    assert run(["replay", session]) == 130
    assert capsys.readouterr() == ("", "")


def test_an_ascii_terminal_gets_only_ascii(tmp_path: Path) -> None:
    path = tmp_path / "Kaffee\u00f6.csv"
    path.write_text(SESSION)
    shown = command("-m", "oms", "replay", str(path), PYTHONIOENCODING="ascii")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.isascii()
    assert "Kaffee\\xf6" in shown.stdout
    assert "####" in shown.stdout


# ------------------------------------------------------------------ a replay


def test_a_replay_prints_the_ladder_the_costs_and_the_report(session: str) -> None:
    shown = CliRunner().invoke(app, ["replay", session, "--quote", "6", "7"])
    assert shown.exit_code == 0
    rows = [" ".join(line.split()) for line in shown.output.splitlines()]
    assert rows[0] == "XYZ, recorded by lobster (1 tick = 0.0001, 1 lot = 1)"
    assert any(row.startswith("BUY (asks) 100.0100 1 6 ") for row in rows)
    assert "spread 0.0200" in rows
    assert any(row.startswith("SELL (bids) 99.9900 1 30 ") for row in rows)
    assert "BUY (asks) 6 600.0600 100.010000 100.0100 0.00" in rows
    assert "BUY (asks) 7 only 6 available" in rows
    assert "SELL (bids) 7 699.9300 99.990000 99.9900 0.00" in rows
    assert "trades 1 1 at the published cost, 1 with the same fills" in rows
    assert rows[-1] == "The data agree with the published data."


def test_a_replay_prints_ticks_and_lots_on_request(session: str) -> None:
    shown = CliRunner().invoke(app, ["replay", session, "--quote", "6", "--ticks"])
    rows = [" ".join(line.split()) for line in shown.output.splitlines()]
    assert rows[0] == "XYZ, recorded by lobster (1 tick = 0.0001, 1 lot = 1)"
    assert any(row.startswith("BUY (asks) 1,000,100 1 6 ") for row in rows)
    assert "spread 200" in rows
    assert "BUY (asks) 6 6,000,600 1,000,100.00 1,000,100 0.00" in rows


def test_with_json_only_the_json_object_is_printed(session: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["replay", session, "--json", "--quote", "6", "--quote", "7"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.count("\n") == 1
    printed = json.loads(out)
    assert printed.pop("events_per_second") > 0
    assert printed.pop("seconds") >= 0
    buy = {"side": "BUY", "best_price": 1_000_100, "worst_price": 1_000_100}
    sell = {"side": "SELL", "best_price": 999_900, "worst_price": 999_900}
    none = {"total_price": None, "best_price": None, "worst_price": None}
    assert printed == {
        "file": session,
        "format": "lobster",
        "symbol": "XYZ",
        "tick": "0.0001",
        "lot": "1",
        "events": 5,
        "kinds": {"submitted": 3, "executed": 2},
        "unknown": 0,
        "seeded": 0,
        "ignored": 0,
        "rejected": 0,
        "rejections": {},
        "contradictions": {},
        "first_rows": {},
        "trades": 1,
        "trades_equal_cost": 1,
        "trades_equal_fills": 1,
        "crossed": 0,
        "rows": None,
        "row_differences": {},
        "states": None,
        "states_equal": None,
        "makers": None,
        "makers_at_head": None,
        "makers_not_found": None,
        "agrees": True,
        "disagreements": [],
        "reservations": [],
        "remarks": [],
        "resting_orders": 2,
        "quotes": [
            {**buy, "amount": 6, "available": 6, "total_price": 6_000_600},
            {**buy, "amount": 7, "available": 6, **none},
            {**sell, "amount": 6, "available": 30, "total_price": 5_999_400},
            {**sell, "amount": 7, "available": 30, "total_price": 6_999_300},
        ],
    }


def test_values_that_a_feed_does_not_publish_are_null(
    bitstamp: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["replay", bitstamp, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["format"] == "bitstamp"
    assert [printed[key] for key in ("trades", "trades_equal_cost", "trades_equal_fills", "makers")] == [
        None
    ] * 4
    assert (printed["tick"], printed["lot"]) == ("0.01", "0.00000001")
    assert printed["agrees"] is None  # nothing was compared


def test_a_disagreement_exits_with_one_and_describes_the_difference(
    session: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    book = tmp_path / "book.csv"
    book.write_text("1000000,10,9999999999,0\n")
    assert run(["replay", session, "--book", str(book)]) == 1
    out, err = capsys.readouterr()
    assert "The data disagree with the published data:\n" in out
    assert "- 1 of 4 best-price states are equal to the book file's" in out
    assert err == ""
    assert run(["replay", session, "--book", str(book), "--json"]) == 1
    printed = json.loads(capsys.readouterr().out)
    assert (printed["states"], printed["states_equal"], printed["agrees"]) == (4, 1, False)
    assert printed["disagreements"][0].startswith("1 of 4 best-price states")


def test_an_agreement_mentions_the_rejected_rows(session: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(session)
    path.write_text(SESSION + "34200.5,1,9,30,999900,1\n34200.4,3,9,31,999900,1\n")
    assert run(["replay", session]) == 0
    assert " ".join(capsys.readouterr().out.split()).endswith(
        "The data agree with the published data, but 1 row was rejected: an order with "
        "this id is already resting (at row 6), and 2 rows contradict earlier rows: the time is earlier "
        "than in the row above (at row 7); the deleted amount is not the resting amount (at row 7)."
    )
    path.write_text("34200.1,1,9,30,0,1\n")
    assert run(["replay", session]) == 0
    assert "no published data to compare with; 1 row was rejected" in " ".join(
        capsys.readouterr().out.split()
    )


def test_the_symbol_can_be_set(bitstamp: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["replay", bitstamp, "--json", "--symbol", "BTC/USD"]) == 0
    assert json.loads(capsys.readouterr().out)["symbol"] == "BTC/USD"


@pytest.mark.slow
def test_the_progress_bar_is_removed_after_an_error(session: str) -> None:
    path = Path(session)
    bars = []
    for text in (SESSION, SESSION + "bad\n"):
        path.write_text(text)
        shown = command("-m", "oms", "replay", session, "--json", FORCE_COLOR="1", TERM="xterm", COLUMNS="80")
        bars.append(shown.stderr)
    assert "5 events" in bars[0].rpartition("\x1b[2K")[2]
    bar, _, complaint = bars[1].rpartition("\x1b[2K")
    assert "events" in bar
    assert complaint.replace("\x1b[?25h", "") == f"oms: {session}: row 6: must have 6 columns, not 1\n"


def test_ignored_orders_are_not_added(session: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["replay", session, "--json", "--ignore", "7", "9"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["ignored"], printed["resting_orders"]) == (3, 1)


def test_orders_never_submitted_are_seeded_skipped_or_raise_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "unseen.csv"
    path.write_text("34200.1,2,7,10,1000000,-1\n")
    for unknown, seeded in ((), 1), (("--unknown", "seed"), 1), (("--unknown", "skip"), 0):
        assert run(["replay", str(path), "--json", *unknown]) == 0
        printed = json.loads(capsys.readouterr().out)
        assert (printed["unknown"], printed["seeded"]) == (1, seeded)
    assert_incorrect_use(capsys, "replay", str(path), "--unknown", "raise", message="row 1: order 7")


def test_a_replay_without_published_data_reports_that(
    bitstamp: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["replay", bitstamp]) == 0
    out = capsys.readouterr().out
    assert "There was no published data to compare with." in out
    assert "nothing" in out  # the empty asks


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="every file name is text on this system")
def test_a_file_whose_name_is_not_text_is_replayed(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff.csv"
    Path(os.fsdecode(path)).write_text(SESSION)
    shown = command("-m", "oms", "replay", os.fsdecode(path), "--json")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert json.loads(shown.stdout)["symbol"] == "\ufffd"
    assert command("-m", "oms", "replay", os.fsdecode(path)).stdout.startswith("\ufffd, recorded by")


# ------------------------------------------------------------------ incorrect use


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--nope"], "--nope"),
        (["nope"], "No such command 'nope'; see oms --help"),
        (["demo", "more"], "unexpected extra argument: more; see oms demo --help"),
        (["replay"], "Missing argument 'FILE...'"),
        (["replay", "no such file.csv"], "no such file.csv: No such file or directory"),
        (["replay", "no such\nfile.csv"], "No such file"),
        (["replay", "\x1b[31m.csv"], "\\x1b[31m.csv: No such file"),
        (["replay", "."], "Is a directory"),
    ],
)
def test_incorrect_use_is_reported_in_one_line(
    args: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert_incorrect_use(capsys, *args, message=message)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--quote", "0"], "'--quote': must be an integer >= 1, not '0'"),
        (["--quote", "-5"], "must be an integer >= 1, not '-5'"),
        (["--quote", "abc"], "must be an integer >= 1, not 'abc'"),
        (["--quote", "1.5"], "must be an integer >= 1, not '1.5'"),
        (["--quote", "9" * 5000], "must be an integer >= 1"),
        (["--quote", "1", "abc"], "abc: No such file or directory"),
        (["--quote"], "requires an argument"),
        (["--ignore", "-1"], "'--ignore': must be an integer >= 0, not '-1'"),
        (["--unknown", "maybe"], "'--unknown': 'maybe' is not one of"),
        (["--format", "nasdaq"], "'--format': 'nasdaq' is not one of"),
        (["--symbol", ""], "symbol must be a non-empty str"),
        (["--format", "bitstamp"], "row 1: the header must be id,"),
        (["--book", "no such file"], "no such file: No such file or directory"),
        (["--book", "."], "Is a directory"),
        (
            ["--trades", "any"],
            "'--trades': it applies to bitstamp, but this file's format is lobster; see oms replay --help",
        ),
        (["--json", "--quote", "0"], "--quote"),
    ],
)
def test_an_invalid_option_is_reported_in_one_line(
    options: list[str], message: str, session: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert_incorrect_use(capsys, "replay", session, *options, message=message)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--book", "any"], "'--book': it applies to lobster, but this file's format is bitstamp"),
        (["--unknown", "seed"], "'--unknown': Bitstamp recordings cannot be seeded; use skip or raise; see"),
        (
            ["--format", "lobster"],
            "row 1: must be a row of values or a header that names time, type, orderid",
        ),
    ],
)
def test_an_option_of_another_feed_is_reported_in_one_line(
    options: list[str], message: str, bitstamp: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert_incorrect_use(capsys, "replay", bitstamp, *options, message=message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\x80\x81\x82\n", "row 1: must be UTF-8 text"),
        (BITSTAMP.encode(), "the file has no rows below its header"),
        (b"id,price\n", "or a Bitstamp file (7 columns with a header); see --format"),
        (b"34200.1,1,7,10,1000000,-1\n34200.2,1,8,x,1000100,-1\n", "row 2: size must be an integer, not 'x'"),
        (gzip.compress(SESSION.encode(), mtime=0)[:40], "the file is damaged"),
    ],
)
def test_a_bad_file_is_reported_in_one_line(
    content: bytes, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.csv.gz"
    path.write_bytes(content)
    assert_incorrect_use(
        capsys, "replay", str(path), message=f"bad.csv.gz: {message}" if not content else message
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_an_error_because_it_cannot_be_read_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert_incorrect_use(capsys, "replay", str(tmp_path / "pipe"), message="cannot be read more than once")


def test_only_numbers_after_an_option_of_numbers_belong_to_it() -> None:
    assert list(spread(["--quote=1", "2", "f", "3", "--json", "4"])) == [
        "--quote=1",
        "--quote",
        "2",
        "f",
        "3",
        "--json",
        "4",
    ]
    assert list(spread(["--quote", "1", "--", "--quote", "2", "3"])) == [
        "--quote",
        "1",
        "--",
        "--quote",
        "2",
        "3",
    ]
