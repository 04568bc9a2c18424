"""`check_openable` agrees with `open`, and changes nothing."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from oms import JournalError, Side, journal
from oms.journal.openable import check_openable

FIXTURES = Path(__file__).parent / "fixtures"


def make(file: Path) -> None:
    with journal.open(file) as om:
        om.add_order(1, "JPM", Side.BUY, 20, 20)


def killed(file: Path) -> None:
    """Leave the files of a process that was killed."""
    other = file.with_name("other.db")
    with journal.open(other) as om:
        om.add_order(1, "JPM", Side.BUY, 20, 20)
        for suffix in ("", "-wal", "-lock"):
            shutil.copy(other.with_name(other.name + suffix), file.with_name(file.name + suffix))


def older(file: Path) -> None:
    connection = sqlite3.connect(file)
    connection.executescript((FIXTURES / "journal_version_5.sql").read_text())
    connection.close()


def damaged(file: Path) -> None:
    make(file)
    connection = sqlite3.connect(file)
    connection.execute("UPDATE events SET hash = zeroblob(32)")
    connection.commit()
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()


def linked(file: Path) -> None:
    make(file)
    os.link(file, file.with_name("second-name.db"))


def without_lock(file: Path) -> None:
    make(file)
    file.with_name(f"{file.name}-lock").unlink()


STATES: dict[str, Callable[[Path], object]] = {
    "missing": lambda file: None,
    "closed": make,
    "killed": killed,
    "older": older,
    "damaged": damaged,
    "empty": Path.touch,
    "linked": linked,
    "no lock": without_lock,
    "a folder": Path.mkdir,
    "a loop": lambda file: file.symlink_to(file),
    "not a journal": lambda file: file.write_text("x" * 10_000),
    "the lock is a folder": lambda file: file.with_name("book.db-lock").mkdir(),
}


def contents(folder: Path) -> dict[str, bytes | None]:
    return {path.name: path.read_bytes() if path.is_file() else None for path in folder.iterdir()}


def problem(call: Callable[[Path], object], file: Path) -> bool:
    try:
        call(file)
    except JournalError:
        return True
    return False


def opened(file: Path) -> None:
    journal.open(file).close()


@pytest.mark.parametrize("state", list(STATES))
def test_the_check_agrees_with_open_and_changes_no_file(state: str, tmp_path: Path) -> None:
    file = tmp_path / "book.db"
    STATES[state](file)
    before = contents(tmp_path)
    rejects = problem(check_openable, file)
    after = contents(tmp_path)
    after.pop("book.db-shm", None)  # SQLite's index of a log that a killed process left behind
    assert after == before
    assert problem(opened, file) is rejects


def test_a_journal_that_is_open_elsewhere_cannot_be_opened(tmp_path: Path) -> None:
    file = tmp_path / "book.db"
    with journal.open(file) as om:
        with pytest.raises(JournalError, match="it is open elsewhere"):
            check_openable(file)
        om.add_order(1, "JPM", Side.BUY, 20, 20)
    check_openable(file)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser can write to every file")
@pytest.mark.parametrize("name", ["", "book.db"])
def test_a_file_or_folder_that_is_read_only_is_an_error(name: str, tmp_path: Path) -> None:
    file = tmp_path / "book.db"
    make(file)
    (tmp_path / name).chmod(0o555)
    with pytest.raises(JournalError, match="not writable"):
        check_openable(file)
    (tmp_path / name).chmod(0o755)


@pytest.mark.parametrize(("make", "recovered"), [(make, False), (killed, True)], ids=["closed", "killed"])
def test_the_log_says_that_a_journal_is_open_and_whether_it_was_recovered(
    make: Callable[[Path], None], recovered: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "book.db"
    make(file)
    with caplog.at_level(logging.INFO, "oms.journal"):
        caplog.clear()
        opened(file)
    record, closed = caplog.records
    expected = f"{file} is open, and its last event is 1"
    suffix = ", after it was recovered, because it was not closed"
    assert record.getMessage() == expected + suffix * recovered
    assert closed.getMessage() == f"{file} is closed, and its last event is 1"
