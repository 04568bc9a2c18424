"""Copies of a journal: a backup is complete, and an incomplete copy has a warning."""

from __future__ import annotations

import itertools
import logging
import os
import random
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from oms import JournalError, Side, journal
from oms.journal import checkpoints, copying
from oms.journal.verification import verify_event_log
from support.faulty_disk import Disk, connections_made_by
from support.kinds import EACH_KIND
from support.sessions import BOOKS, Books, Kind, execute, sqlite_journal, state

BUY = Side.BUY
WARNING = "later events may be missing"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "book.db"


@pytest.fixture
def to(tmp_path: Path) -> Path:
    folder = tmp_path / "backups"
    folder.mkdir()
    return folder / "copy.db"


def write_session(om: Books, kind: Kind = BOOKS) -> None:
    """Make changes, of which some are in the file, and later ones only in the write-ahead log."""
    for number, command in enumerate(kind.session(8, 24)):
        execute(command, om)
        if number == 9:
            sqlite_journal(om)._checkpoints.make()
    sqlite_journal(om).keep_reply("a reply")


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelno >= logging.WARNING]


# ---------------------------------------------------------------------- backups


@EACH_KIND
@pytest.mark.parametrize("is_open", [True, False])
def test_a_backup_is_complete_even_while_the_journal_is_open(
    is_open: bool, kind: Kind, file: Path, to: Path, caplog: pytest.LogCaptureFixture
) -> None:
    om = kind.open(file)
    write_session(om, kind)
    expected = state(om)
    if not is_open:
        om.close()
    result = journal.backup(file, to)
    assert (result.last, result.state_hash, result.warning) == (
        *expected.counters[1:],
        expected.state_hash,
        None,
    )
    assert [path.name for path in to.parent.iterdir()] == ["copy.db"]
    assert to.stat().st_mode == file.stat().st_mode
    om.close()
    assert journal.verify(to) == result == journal.verify(file)
    with kind.open(to, verify=True) as copy:
        assert state(copy) == expected
        assert list(sqlite_journal(copy).replies()) == ["a reply"]
    assert warnings(caplog) == []


def test_a_backup_during_changes_is_a_state_that_the_journal_had(file: Path, to: Path) -> None:
    with journal.open(file, durability="off") as om:
        om.add_order(0, "JPM", BUY, 1, 1)
        stop = threading.Event()

        def work() -> None:
            for number in itertools.count(1):
                om.add_order(number, "JPM", BUY, 1, 1)
                if stop.is_set():
                    return

        thread = threading.Thread(target=work)
        thread.start()
        try:
            for number in range(5):
                before = om.last_sequence
                result = journal.backup(file, to.with_name(f"{number}.db"))
                assert before <= result.last <= om.last_sequence
                assert result.orders == result.events == result.last
        finally:
            stop.set()
            thread.join()


# ---------------------------------------------------------------------- failures


@pytest.mark.parametrize(
    "make",
    [
        lambda to: to.write_bytes(b"mine"),
        lambda to: to.mkdir(),
        lambda to: to.symlink_to(to.with_name("nowhere")),
        lambda to: to.with_name("copy.db-wal").write_bytes(b"mine"),
        lambda to: to.with_name("copy.db-journal").write_bytes(b"mine"),
        lambda to: shutil.rmtree(to.parent),
    ],
    ids=["a file", "a folder", "a link", "a log", "an SQLite journal", "a missing folder"],
)
def test_a_backup_never_overwrites_a_file(make: Callable[[Path], object], file: Path, to: Path) -> None:
    with journal.open(file) as om:
        om.add_order(1, "JPM", BUY, 1, 1)
    make(to)
    before = {path: path.lstat() for path in file.parent.rglob("*")}
    if to.is_symlink():  # the link leads to a file that does not exist yet
        journal.backup(file, to)
        assert journal.verify(to.with_name("nowhere")).last == 1
        return
    with pytest.raises(JournalError, match=r"exists already|it is not a file|folder does not exist"):
        journal.backup(file, to)
    assert {path: path.lstat() for path in file.parent.rglob("*")}.keys() == before.keys()


@pytest.mark.parametrize("has_links", [True, False])
def test_a_backup_never_overwrites_a_file_that_is_created_meanwhile(
    has_links: bool, file: Path, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def verify_and_create_a_file(*arguments: object) -> object:
        to.write_bytes(b"mine")
        return verify_event_log(*arguments)  # type: ignore[arg-type]  # passed on unchanged

    def fail_to_link(*_: object) -> None:
        raise PermissionError("a file system without hard links")

    with journal.open(file) as om:
        om.add_order(1, "JPM", BUY, 1, 1)
    if not has_links:
        monkeypatch.setattr(os, "link", fail_to_link)
        assert journal.backup(file, to).last == 1
        to.unlink()
    monkeypatch.setattr(copying, "verify_event_log", verify_and_create_a_file)
    with pytest.raises(JournalError, match="exists already"):
        journal.backup(file, to)
    assert to.read_bytes() == b"mine"
    assert [path.name for path in to.parent.iterdir()] == ["copy.db"]


def test_a_backup_of_a_damaged_journal_raises_an_error_with_the_place(file: Path, to: Path) -> None:
    with journal.open(file) as om:
        om.add_order(1, "JPM", BUY, 1, 1)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE orders SET amount = 2")
    with pytest.raises(JournalError) as caught:
        journal.backup(file, to)
    assert caught.value.place == f"{file}: orders"
    assert list(to.parent.iterdir()) == []


@pytest.mark.parametrize("how", ["crash", "full", "io", "short"])
def test_a_backup_that_fails_at_any_step_leaves_no_file_and_an_unchanged_journal(
    how: str, file: Path, to: Path
) -> None:
    with journal.open(file) as om:  # the file and the log of a killed process
        write_session(om)
        for suffix in ("", "-wal"):
            shutil.copy(f"{file}{suffix}", f"{to}{suffix}")
    expected = journal.verify(file)
    for step in itertools.count(1):
        killed, folder = file.with_name(f"{step}.db"), to.parent / str(step)
        folder.mkdir()
        for suffix in ("", "-wal"):
            shutil.copy(f"{to}{suffix}", f"{killed}{suffix}")
        disk = Disk()
        disk.fail_at, disk.how = step, how
        try:
            with connections_made_by(disk.connect):
                result = journal.backup(killed, folder / "copy.db")
        except JournalError:
            assert disk.failed
            assert list(folder.iterdir()) == []
        else:
            assert journal.verify(folder / "copy.db") == result == expected
        assert journal.verify(killed) == expected
        if not disk.failed:
            break
    assert step > 5


def test_a_backup_is_on_the_disk_before_it_gets_its_name(
    file: Path, to: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, surviving = Disk(), tmp_path / "surviving"
    surviving.mkdir()
    with connections_made_by(disk.connect), journal.open(file) as om:
        write_session(om)
        link = os.link

        def link_after_power_cut(draft: Path, target: Path) -> None:
            disk.survive(surviving, random.Random(1))
            link(draft, target)

        monkeypatch.setattr(os, "link", link_after_power_cut)
        journal.backup(file, to)
    (draft,) = (path for path in surviving.iterdir() if path.name.endswith("-unfinished"))
    assert draft.read_bytes() == to.read_bytes()


# ---------------------------------------------------------------------- other copies


def copy_files(file: Path, to: Path, *suffixes: str) -> Path:
    for suffix in ("", *suffixes):
        shutil.copy(f"{file}{suffix}", f"{to}{suffix}")
    return to


@pytest.mark.parametrize("changes", [0, 1, 5, 12])
def test_a_copy_of_an_open_file_without_its_log_has_a_warning_with_its_last_event(
    changes: int, file: Path, to: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(checkpoints, "APPENDS_TO_CHECKPOINT", 5)
    with journal.open(file) as om:
        for number in range(changes):
            om.add_order(number, "JPM", BUY, 1, 1)
        copy_files(file, to)
        shutil.copy(file, to.with_name("again.db"))
    last = changes - changes % 5
    result = journal.verify(to)
    assert result.last == last
    assert result.warning is not None
    assert result.warning.startswith(f"it ends with event {last}, and {WARNING}")
    assert (journal.backup(to, to.with_name("backup.db")).warning or "").startswith("it ends with")
    assert warnings(caplog) == []
    for _ in range(2):  # after the first time the copy is a complete journal
        with journal.open(to) as om:
            assert om.last_sequence == last
    assert warnings(caplog) == [f"{to}: {result.warning}"]
    assert journal.verify(to).warning is None


def test_a_copy_with_its_log_and_a_copy_of_a_closed_file_have_no_warning(
    file: Path, to: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with journal.open(file) as om:
        write_session(om)
        last = om.last_sequence
        copy_files(file, to, "-wal")
    copy_files(file, to.with_name("closed.db"))
    for copy in (to, to.with_name("closed.db")):
        result = journal.verify(copy)
        assert (result.last, result.warning) == (last, None)
        journal.open(copy).close()
    assert warnings(caplog) == []


def test_a_copy_made_by_sqlite_is_complete_and_has_no_warning(
    file: Path, to: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with journal.open(file) as om:
        write_session(om)
        with closing(sqlite3.connect(file)) as source:
            source.execute("VACUUM INTO ?", (str(to),))
        expected = state(om)
    assert journal.verify(to).warning is None
    with journal.open(to, verify=True) as copy:
        assert state(copy) == expected
    assert warnings(caplog) == []


def test_opening_a_file_whose_log_was_lost_logs_a_warning(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    om = journal.open(file)
    om.add_order(1, "JPM", BUY, 1, 1)
    file.with_name("book.db-wal").unlink()
    with pytest.raises(JournalError, match="removed or replaced"):
        om.close()
    caplog.clear()
    journal.open(file).close()
    assert [WARNING in message for message in warnings(caplog)] == [True]


def test_a_read_during_closing_causes_no_warning(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    om = journal.open(file)
    om.add_order(1, "JPM", BUY, 1, 1)
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM events").fetchall() == [(1,)]
        om.add_order(2, "JPM", BUY, 1, 1)
        om.close()
    result = journal.verify(file)
    assert (result.last, result.warning) == (2, None)
    journal.open(file).close()
    assert warnings(caplog) == []
