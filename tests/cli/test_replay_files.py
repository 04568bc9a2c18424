"""The command replays several files at once, and shows each as it would alone."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from oms.cli import app, run
from support.many_units import CAPTURE, write_units

SESSION = "34200.1,1,7,10,1000000,-1\n34200.2,1,8,10,1000100,-1\n34200.3,1,9,30,999900,1\n"
TRADE = "34200.4,4,7,10,1000000,-1\n"


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Three files: one that agrees, one without published data, and a capture."""
    for name, rows in (("AAA.csv", SESSION + TRADE), ("BBB.csv", SESSION), ("capture", CAPTURE)):
        (tmp_path / name).write_text(rows)
    return [str(tmp_path / name) for name in ("AAA.csv", "BBB.csv", "capture")]


def lines_of(*args: str) -> list[str]:
    shown = CliRunner().invoke(app, ["replay", *args, "--jobs", "1"], env={"COLUMNS": "200"})
    return [" ".join(line.split()) for line in shown.stdout.splitlines() if line.strip()]


def test_the_table_has_a_row_for_each_file_and_symbol(files: list[str]) -> None:
    a, b, capture = files
    head, _, *rows = lines_of(*files)
    assert head == "file symbol events agrees best ask best bid"
    assert rows == [
        f"{a} AAA 4 yes 100.0100 99.9900",
        f"{b} BBB 3 not compared 100.0000 99.9900",
        f"{capture} ETH/USD 1 yes 2.05 none",
        f"{capture} XBT/USD 2 yes 10.2 10.1",
        "2 of 3 files had published data to compare with. No difference.",
    ]


def test_the_costs_of_each_file_follow_the_table(files: list[str]) -> None:
    lines = lines_of(*files[:2], "--quote", "6", "60")
    assert f"{files[0]}: AAA (1 tick = 0.0001, 1 lot = 1)" in lines
    assert "BUY (asks) 6 600.0600 100.010000 100.0100 0.00" in lines
    assert "BUY (asks) 60 only 20 available" in lines


def test_prices_are_in_ticks_on_request(files: list[str]) -> None:
    assert f"{files[0]} AAA 4 yes 1,000,100 999,900" in lines_of(*files, "--ticks")


def test_the_json_is_a_list_of_the_objects_of_the_single_files(
    files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    single = []
    for file in files:
        assert run(["replay", file, "--json", "--quote", "6"]) == 0
        described = json.loads(capsys.readouterr().out)
        for key in ("seconds", "events_per_second", "messages_per_second"):
            described.pop(key, None)
        single.append(described)
    assert run(["replay", *files, "--json", "--jobs", "1", "--quote", "6"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == single
    assert (out.count("\n"), err) == (1, "")


@pytest.mark.slow
def test_two_processes_print_the_same_as_one(files: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    printed = set()
    for jobs in ("1", "2"):
        assert run(["replay", *files, "--quote", "6", "--jobs", jobs]) == 0
        printed.add(capfd.readouterr().out)
    assert len(printed) == 1


def test_a_file_that_disagrees_is_named_and_gives_exit_code_1(
    files: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    Path(files[2]).write_text(CAPTURE.replace("3617920322", "1"))
    assert run(["replay", *files, "--jobs", "1"]) == 1
    out = capsys.readouterr().out
    assert "1 of 3 files disagrees with the published data:" in out
    assert f"- {files[2]}: XBT/USD became stale once" in " ".join(out.split())


def test_all_files_that_agree_are_counted(files: list[str]) -> None:
    assert lines_of(files[0], files[2])[-1] == "All 2 files agree with the published data."


def test_a_file_that_cannot_be_read_to_its_end_does_not_hide_the_others(
    files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with Path(files[1]).open("a") as file:
        file.write("nothing\n")
    assert run(["replay", *files, "--json", "--jobs", "1"]) == 2
    out, err = capsys.readouterr()
    assert [each["file"] for each in json.loads(out)] == [files[0], files[2]]
    assert err == f"oms: {files[1]}: row 4: must have 6 columns, not 1\n"


@pytest.mark.parametrize("option", ["--book", "--symbol", "--journal", "--ignore"])
def test_an_option_of_a_single_file_is_rejected(
    files: list[str], capsys: pytest.CaptureFixture[str], option: str
) -> None:
    assert run(["replay", *files[:2], option, "7"]) == 2
    assert f"'{option}': it applies to a single file" in capsys.readouterr().err


def test_an_option_that_does_not_apply_to_one_of_the_files_names_the_file(
    files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["replay", files[2], files[0], "--depth", "10"]) == 2
    assert "'--depth': it applies to kraken, but AAA.csv's format is lobster" in capsys.readouterr().err


def test_options_for_all_files_are_passed_on(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    Path(files[2]).write_text(CAPTURE.replace("3617920322", "1"))
    second = Path(files[2] + "2")
    second.write_text(CAPTURE)
    options = ["--checksums", "ignore", "--tick", "0.01", "--lot", "0.01", "--depth", "10"]
    options += ["--format", "kraken", "--json", "--jobs", "1"]
    assert run(["replay", files[2], str(second), *options]) == 0
    described = json.loads(capsys.readouterr().out)
    assert [each["checksums_failed"] for each in described] == [1, 0]
    assert {each["symbols"]["XBT/USD"]["lot"] for each in described} == {"0.01"}


def test_the_same_file_twice_is_rejected(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["replay", files[0], files[0]]) == 2
    assert "units must be distinct (one occurs twice), not" in capsys.readouterr().err


def test_the_progress_bar_counts_files_and_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [unit.name for unit in write_units(tmp_path)]
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120)
    monkeypatch.setattr("oms.cli.progress.new_console", lambda **_: console)
    assert run(["replay", *paths, "--json", "--jobs", "1"]) == 0
    assert "replayed 3 of 3 files" in screen.getvalue()
    assert "100%" in screen.getvalue()
    assert " events" in screen.getvalue()
