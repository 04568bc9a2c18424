"""`oms journal`, and `oms replay --journal`."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from oms import Order, Side, journal
from oms.cli import run
from support.sessions import noon

SESSION = "34200.1,1,7,10,1000000,-1\n34200.2,1,8,10,1000100,-1\n34200.3,4,7,4,1000000,-1\n"


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "book.db"
    with journal.open(path, clock=noon) as om:
        om.add_orders([Order(1, "JPM", Side.BUY, 20, 20), Order(2, "IBM", Side.SELL, 5, 90)])
        with om.transaction("a\x1b[31m note"):
            om.place_trade("JPM", Side.BUY, 15)
        om.clock = None
        om.amend_order(2, amount=4)
        om.remove_order(2)
    return str(path)


def out(capsys: pytest.CaptureFixture[str], *args: str, code: int = 0) -> str:
    assert run(args) == code
    return capsys.readouterr().out


def test_a_correct_file_is_verified(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    printed = json.loads(out(capsys, "journal", "verify", file, "--json"))
    assert printed == {"agrees": True, **journal.verify(file)._asdict()}
    assert "agrees with its event log" in out(capsys, "journal", "verify", file)


def test_a_damaged_file_exits_with_1_and_prints_the_location(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE events SET note = 'x' WHERE sequence = 2")
    printed = json.loads(out(capsys, "journal", "verify", file, "--json", code=1))
    assert (printed["agrees"], printed["place"]) == (False, f"{file}: events, sequence 2")
    assert f"Damaged: {file}: events, sequence 2: " in out(capsys, "journal", "verify", file, code=1)


@pytest.mark.parametrize("command", ["verify", "show", "compact", "export", "rebuild"])
def test_a_missing_file_exits_with_2(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["journal", command, str(tmp_path / "none.db")]) == 2
    assert "missing" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "sequences"),
    [
        ([], [1, 2, 3, 4]),
        (["--from", "3"], [3, 4]),
        (["--kind", "TradePlaced"], [2]),
        (["--symbol", "IBM"], [1, 3, 4]),
        (["--order", "1"], [1, 2]),
        (["--limit", "2"], [1, 2]),
    ],
)
def test_show_prints_the_selected_events(
    options: list[str], sequences: list[int], file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = out(capsys, "journal", "show", file, "--json", *options).splitlines()
    assert [json.loads(line)["sequence"] for line in lines] == sequences


def test_a_table_contains_no_control_characters(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = out(capsys, "journal", "show", file)
    assert "TradePlaced" in shown
    assert "\x1b" not in shown


def test_a_csv_export_has_a_row_for_each_order_that_an_event_changes(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "events.csv"
    shown = out(capsys, "journal", "export", file)
    assert out(capsys, "journal", "export", file, "--output", str(target)) == ""
    assert target.read_bytes().decode() == shown
    assert shown.splitlines() == [
        "sequence,event,note,time,order_id,symbol,side,price,change",
        f"1,OrdersAdded,,{noon()},1,JPM,BUY,20,20",
        f"1,OrdersAdded,,{noon()},2,IBM,SELL,90,5",
        f"2,TradePlaced,a\x1b[31m note,{noon()},1,JPM,BUY,20,-15",
        "3,OrderAmended,,,2,IBM,SELL,90,-5",
        "3,OrderAmended,,,2,IBM,SELL,90,4",
        "4,OrderRemoved,,,2,IBM,SELL,90,-4",
    ]


def test_a_jsonl_export_has_whole_events(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    lines = out(capsys, "journal", "export", file, "--format", "jsonl")
    assert lines == out(capsys, "journal", "show", file, "--json")
    assert json.loads(lines.splitlines()[1])["body"]["total_price"] == 300
    assert [json.loads(line)["time"] for line in lines.splitlines()] == [noon(), noon(), None, None]


def test_show_prints_the_times_in_utc_and_no_column_of_times_without_them(
    file: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    shown = out(capsys, "journal", "show", file)
    assert "time (UTC)" in shown
    assert shown.count("2026-10-26T07:00:00.000000000Z") == 2
    assert "time" not in out(capsys, "journal", "show", file, "--from", "3")


@pytest.mark.parametrize("suffix", ["", "-lock"])
def test_an_export_does_not_overwrite_an_existing_file(
    suffix: str, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = Path(file).read_bytes()
    assert run(["journal", "export", file, "--output", f"{file}{suffix}"]) == 2
    assert "exists already" in capsys.readouterr().err
    assert Path(file).read_bytes() == before


def test_an_export_of_a_damaged_file_leaves_no_incomplete_output(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE events SET note = 'x' WHERE sequence = 4")
    target = tmp_path / "events.csv"
    assert run(["journal", "export", file, "--output", str(target)]) == 2
    assert "events, sequence 4" in capsys.readouterr().err
    assert not target.exists()


def test_compact_drops_the_events_before_a_number(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = journal.verify(file)
    printed = out(capsys, "journal", "compact", file, "--before", "3").splitlines()
    assert printed == ["Dropping 2 events, 1 to 2, and the rows of 1 trade.", "2 events dropped."]
    after = journal.verify(file)
    assert (after.first, after.last, after.state_hash) == (3, 4, before.state_hash)


def test_compact_drops_all_events_only_with_the_option_all(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = journal.verify(file)
    for options in ([], ["--all", "--before", "3"]):
        assert run(["journal", "compact", file, *options]) == 2
        assert "it has 4 events, 1 to 4; choose the events to drop with either --before N or --all" in (
            capsys.readouterr().err
        )
        assert journal.verify(file) == before
    printed = out(capsys, "journal", "compact", file, "--all").splitlines()
    assert printed == ["Dropping 4 events, 1 to 4, and the rows of 1 trade.", "4 events dropped."]
    after = journal.verify(file)
    assert (after.events, after.last, after.state_hash) == (0, 4, before.state_hash)
    assert out(capsys, "journal", "compact", file, "--all") == "0 events dropped.\n"
    assert run(["journal", "compact", file]) == 2
    assert "it is empty; choose the events to drop" in capsys.readouterr().err


def test_compact_uses_the_singular_for_one_event(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "book.db"
    with journal.open(file) as om:
        om.add_order(1, "JPM", Side.BUY, 1, 1)
        with om.transaction():
            om.add_order(2, "JPM", Side.BUY, 1, 1)
            om.add_order(3, "JPM", Side.BUY, 1, 1)
    printed = out(capsys, "journal", "compact", str(file), "--before", "3").splitlines()
    assert printed == ["Dropping 1 event, 1 to 1, and the rows of 0 trades.", "1 event dropped."]


def test_a_backup_prints_its_content_and_does_not_overwrite_a_file(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copies = [str(tmp_path / f"{number}.db") for number in range(2)]
    assert "The copy is complete." in out(capsys, "journal", "backup", file, copies[0])
    printed = json.loads(out(capsys, "journal", "backup", file, copies[1], "--json"))
    assert printed == journal.verify(file)._asdict() == journal.verify(copies[0])._asdict()
    assert run(["journal", "backup", file, copies[0]]) == 2
    assert "exists already" in capsys.readouterr().err
    assert run(["journal", "backup", str(tmp_path / "none.db"), str(tmp_path / "to.db")]) == 2
    assert "missing" in capsys.readouterr().err
    assert not (tmp_path / "to.db").exists()


def test_rebuild_restores_derived_tables_but_not_a_damaged_event_log(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = journal.verify(file)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("DELETE FROM fills")
    out(capsys, "journal", "verify", file, code=1)
    assert "The journal was rebuilt." in out(capsys, "journal", "rebuild", file)
    assert json.loads(out(capsys, "journal", "rebuild", file, "--json")) == whole._asdict()
    assert journal.verify(file) == whole
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE events SET note = 'x' WHERE sequence = 2")
    assert run(["journal", "rebuild", file]) == 2
    assert "events, sequence 2" in capsys.readouterr().err


def test_verify_warns_about_a_copy_without_its_log(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = str(tmp_path / "copy.db")
    with journal.open(file) as om:
        om.add_order(9, "JPM", Side.BUY, 1, 1)
        shutil.copy(file, copy)
    assert "Warning: it ends with event 4, and later events may be" in out(capsys, "journal", "verify", copy)
    printed = json.loads(out(capsys, "journal", "verify", copy, "--json"))
    assert (printed["agrees"], printed["last"]) == (True, 4)
    assert printed["warning"].startswith("it ends with event 4")
    assert "Warning" not in out(capsys, "journal", "verify", file)


def test_a_replay_writes_only_to_a_new_journal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording = tmp_path / "XYZ_2020-01-02_34200000_57600000_message_5.csv"
    recording.write_text(SESSION)
    file = str(tmp_path / "kept.db")
    printed = json.loads(out(capsys, "replay", str(recording), "--journal", file, "--json"))
    with journal.open(file, verify=True) as om:
        assert len(om) == printed["resting_orders"] == 2
        assert om.journal is not None
        assert [event.time for event in om.journal.read()] == [
            34_200_100_000_000,
            34_200_200_000_000,
            34_200_300_000_000,
        ]
    assert run(["replay", str(recording), "--journal", file]) == 2
    assert "exists already" in capsys.readouterr().err
