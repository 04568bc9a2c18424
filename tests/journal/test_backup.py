"""Copies of a journal: made well they are whole, and made badly they say that they may not be."""

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

from oms import JournalError, OrderManagement, Side, journal
from oms.journal import SqliteJournal, checkpoints, copying
from oms.journal.verification import verify_event_log
from support.faulty_disk import Disk, connections_made_by
from support.sessions import execute, session, state

BUY = Side.BUY
LACKING = "later events may be missing"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "book.db"


@pytest.fixture
def to(tmp_path: Path) -> Path:
    folder = tmp_path / "backups"
    folder.mkdir()
    return folder / "copy.db"


def kept(om: OrderManagement) -> SqliteJournal:
    assert isinstance(om.journal, SqliteJournal)
    return om.journal


def lived(om: OrderManagement) -> None:
    """A past that is partly in the file, and partly in the log."""
    for number, command in enumerate(session(8, 24)):
        execute(command, om)
        if number == 9:
            kept(om)._checkpoints.make()
    kept(om).keep_reply("a reply")


def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelno >= logging.WARNING]


# ---------------------------------------------------------------------- made well


@pytest.mark.parametrize("is_open", [True, False])
def test_a_backup_holds_all_that_the_journal_holds_also_while_it_is_open(
    is_open: bool, file: Path, to: Path, caplog: pytest.LogCaptureFixture
) -> None:
    om = journal.open(file)
    lived(om)
    expected = state(om)
    if not is_open:
        om.close()
    found = journal.backup(file, to)
    assert (found.last, found.state_hash, found.warning) == (
        *expected.counters[1:],
        expected.state_hash,
        None,
    )
    assert [path.name for path in to.parent.iterdir()] == ["copy.db"]
    assert to.stat().st_mode == file.stat().st_mode
    om.close()
    assert journal.verify(to) == found == journal.verify(file)
    with journal.open(to, verify=True) as copy:
        assert state(copy) == expected
        assert list(kept(copy).replies()) == ["a reply"]
    assert warned(caplog) == []


def test_a_backup_while_changes_are_made_is_a_state_that_there_was(file: Path, to: Path) -> None:
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
                found = journal.backup(file, to.with_name(f"{number}.db"))
                assert before <= found.last <= om.last_sequence
                assert found.orders == found.events == found.last
        finally:
            stop.set()
            thread.join()


# ---------------------------------------------------------------------- all or nothing


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
    ids=["a file", "a folder", "a link", "a log of a former file", "a journal of SQLite's", "no folder"],
)
def test_a_backup_is_written_over_nothing(make: Callable[[Path], object], file: Path, to: Path) -> None:
    with journal.open(file) as om:
        om.add_order(1, "JPM", BUY, 1, 1)
    make(to)
    before = {path: path.lstat() for path in file.parent.rglob("*")}
    if to.is_symlink():  # the name of another file, which does not exist yet
        journal.backup(file, to)
        assert journal.verify(to.with_name("nowhere")).last == 1
        return
    with pytest.raises(JournalError, match=r"exists already|it is not a file|folder does not exist"):
        journal.backup(file, to)
    assert {path: path.lstat() for path in file.parent.rglob("*")}.keys() == before.keys()


@pytest.mark.parametrize("links", [True, False])
def test_a_backup_is_written_over_nothing_that_comes_meanwhile(
    links: bool, file: Path, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*arguments: object) -> object:
        to.write_bytes(b"mine")
        return verify_event_log(*arguments)  # type: ignore[arg-type]  # as they came

    def refuse(*_: object) -> None:
        raise PermissionError("a file system without hard links")

    with journal.open(file) as om:
        om.add_order(1, "JPM", BUY, 1, 1)
    if not links:
        monkeypatch.setattr(os, "link", refuse)
        assert journal.backup(file, to).last == 1
        to.unlink()
    monkeypatch.setattr(copying, "verify_event_log", late)
    with pytest.raises(JournalError, match="exists already"):
        journal.backup(file, to)
    assert to.read_bytes() == b"mine"
    assert [path.name for path in to.parent.iterdir()] == ["copy.db"]


def test_a_damaged_journal_is_not_backed_up_and_its_damage_is_named(file: Path, to: Path) -> None:
    with journal.open(file) as om:
        om.add_order(1, "JPM", BUY, 1, 1)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE orders SET amount = 2")
    with pytest.raises(JournalError) as caught:
        journal.backup(file, to)
    assert caught.value.place == f"{file}: orders"
    assert list(to.parent.iterdir()) == []


@pytest.mark.parametrize("how", ["crash", "full", "io", "short"])
def test_whichever_step_fails_the_backup_is_whole_or_not_there_and_the_journal_is_unharmed(
    how: str, file: Path, to: Path
) -> None:
    with journal.open(file) as om:  # what a kill leaves: a file, and its log
        lived(om)
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
                found = journal.backup(killed, folder / "copy.db")
        except JournalError:
            assert disk.failed
            assert list(folder.iterdir()) == []
        else:
            assert journal.verify(folder / "copy.db") == found == expected
        assert journal.verify(killed) == expected
        if not disk.failed:
            break
    assert step > 5


def test_what_a_backup_is_made_of_is_on_the_disk_before_it_has_its_name(
    file: Path, to: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, left = Disk(), tmp_path / "left"
    left.mkdir()
    with connections_made_by(disk.connect), journal.open(file) as om:
        lived(om)
        link = os.link

        def cut(draft: Path, target: Path) -> None:
            disk.survive(left, random.Random(1))
            link(draft, target)

        monkeypatch.setattr(os, "link", cut)
        journal.backup(file, to)
    (draft,) = (path for path in left.iterdir() if path.name.endswith("-unfinished"))
    assert draft.read_bytes() == to.read_bytes()


# ---------------------------------------------------------------------- made badly


def copied(file: Path, to: Path, *suffixes: str) -> Path:
    for suffix in ("", *suffixes):
        shutil.copy(f"{file}{suffix}", f"{to}{suffix}")
    return to


@pytest.mark.parametrize("changes", [0, 1, 5, 12])
def test_a_copy_of_an_open_file_without_its_log_says_where_it_ends_and_that_it_may_lack_the_rest(
    changes: int, file: Path, to: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(checkpoints, "APPENDS_TO_CHECKPOINT", 5)
    with journal.open(file) as om:
        for number in range(changes):
            om.add_order(number, "JPM", BUY, 1, 1)
        copied(file, to)
        shutil.copy(file, to.with_name("again.db"))
    last = changes - changes % 5
    found = journal.verify(to)
    assert found.last == last
    assert found.warning is not None
    assert found.warning.startswith(f"it ends with event {last}, and {LACKING}")
    assert (journal.backup(to, to.with_name("backup.db")).warning or "").startswith("it ends with")
    assert warned(caplog) == []
    for _ in range(2):  # the second time it is a journal of its own
        with journal.open(to) as om:
            assert om.last_sequence == last
    assert warned(caplog) == [f"{to}: {found.warning}"]
    assert journal.verify(to).warning is None


def test_a_copy_with_its_log_and_one_of_a_closed_file_are_whole_and_say_nothing(
    file: Path, to: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with journal.open(file) as om:
        lived(om)
        last = om.last_sequence
        copied(file, to, "-wal")
    copied(file, to.with_name("closed.db"))
    for copy in (to, to.with_name("closed.db")):
        found = journal.verify(copy)
        assert (found.last, found.warning) == (last, None)
        journal.open(copy).close()
    assert warned(caplog) == []


def test_a_copy_by_another_program_that_knows_of_the_log_is_whole_and_says_nothing(
    file: Path, to: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with journal.open(file) as om:
        lived(om)
        with closing(sqlite3.connect(file)) as source:
            source.execute("VACUUM INTO ?", (str(to),))
        expected = state(om)
    assert journal.verify(to).warning is None
    with journal.open(to, verify=True) as copy:
        assert state(copy) == expected
    assert warned(caplog) == []


def test_a_file_whose_log_was_lost_says_so(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    om = journal.open(file)
    om.add_order(1, "JPM", BUY, 1, 1)
    file.with_name("book.db-wal").unlink()
    with pytest.raises(JournalError, match="removed or replaced"):
        om.close()
    caplog.clear()
    journal.open(file).close()
    assert [LACKING in message for message in warned(caplog)] == [True]


def test_a_read_that_lasts_while_a_journal_closes_leaves_nothing_to_warn_of(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    om = journal.open(file)
    om.add_order(1, "JPM", BUY, 1, 1)
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM events").fetchall() == [(1,)]
        om.add_order(2, "JPM", BUY, 1, 1)
        om.close()
    found = journal.verify(file)
    assert (found.last, found.warning) == (2, None)
    journal.open(file).close()
    assert warned(caplog) == []
