"""Paths of journals, and journals whose file, log, or lock is removed or replaced by another program."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oms import InvalidArgumentError, JournalError, Order, OrderManagement, Side, journal
from oms.journal import SqliteJournal, checkpoints
from oms.journal.connection import connect_by_sqlite3
from support.faulty_disk import connections_made_by
from support.threads import prevent_new_threads

BUY = Side.BUY


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "book.db"


def sqlite_journal(om: OrderManagement) -> SqliteJournal:
    assert isinstance(om.journal, SqliteJournal)
    return om.journal


def ids(path: Any) -> list[int]:
    """Return the ids of the resting orders in a file, after verifying the file."""
    with journal.open(path, verify=True) as om:
        return [order.order_id for order in om]


# ---------------------------------------------------------------------- names


@pytest.mark.parametrize(
    "name",
    [
        "a b?c=1&mode=memory#d%20%00.db",
        "\udcff\udc80.db",
        "two\nlines",
        "日経.db",
        "'; --",
        "./:memory:",
        "x" * 240,
    ],
    ids=ascii,
)
def test_a_path_with_special_characters_is_the_path_of_that_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        Path(name).touch()
    except OSError:
        pytest.skip("this system allows no file with this name")
    Path(name).unlink()
    with journal.open(name) as om:
        om.add_order(1, "JPM", BUY, 1, 1)
        monkeypatch.chdir("/")  # the path was resolved when the journal was opened
        om.add_order(2, "JPM", BUY, 1, 1)
        assert journal.verify(tmp_path / name).orders == 2
    assert {path.name for path in tmp_path.iterdir()} >= {Path(name).name}
    assert ids(tmp_path / name) == [1, 2]


@pytest.mark.parametrize(
    "path", ["", ":memory:", "file:book.db?mode=memory", "a\0b", b"book.db", 5, None, [Path("book.db")]]
)
def test_an_invalid_path_is_rejected_and_creates_no_file(
    path: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for attempt in (journal.open, journal.verify, SqliteJournal):
        with pytest.raises(InvalidArgumentError, match="path must be the path of a file"):
            attempt(path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda file: file.mkdir(), "not a file"),
        (lambda file: file.symlink_to(file), "leads to itself"),
        (os.mkfifo, "not a file"),
        (lambda file: file.symlink_to(os.devnull), "not a file"),
    ],
    ids=["a folder", "a loop", "a pipe", "a device"],
)
def test_a_path_of_a_folder_a_pipe_or_a_device_is_rejected_and_creates_no_file(
    make: Callable[[Path], object], problem: str, file: Path
) -> None:
    make(file)
    before = set(Path(os.devnull).parent.iterdir())
    for attempt in (journal.open, journal.verify):
        with pytest.raises(JournalError, match=problem):
            attempt(file)
    assert list(file.parent.iterdir()) == [file]
    assert f"{os.devnull}-lock" not in {str(path) for path in set(Path(os.devnull).parent.iterdir()) - before}


def test_a_path_in_a_missing_folder_raises_an_error(file: Path) -> None:
    for attempt in (journal.open, journal.verify):
        with pytest.raises(JournalError, match="its folder does not exist"):
            attempt(file.parent / "nowhere" / "book.db")
    assert list(file.parent.iterdir()) == []


def test_opening_a_link_to_a_missing_file_creates_that_file(file: Path) -> None:
    link = file.with_name("link.db")
    link.symlink_to(file)
    assert ids(link) == []
    assert file.is_file()
    assert link.is_symlink()


def test_a_new_file_can_be_created_beside_an_empty_log(file: Path) -> None:
    with journal.open(file) as om:
        om.add_order(1, "JPM", BUY, 1, 1)
    journal.verify(file)  # a reader may leave an empty log behind
    file.with_name("book.db-wal").touch()
    file.unlink()
    assert ids(file) == []


def test_opening_a_read_only_file_raises_an_error_at_once(file: Path) -> None:
    assert ids(file) == []
    with (
        pytest.raises(JournalError, match="it cannot be opened: attempt to write a readonly database"),
        connections_made_by(lambda uri: connect_by_sqlite3(uri.replace("mode=rw", "mode=ro"))),
    ):
        journal.open(file)
    assert ids(file) == []


# ---------------------------------------------------------------------- removed and replaced files


def remove(path: Path, *, replace: bool) -> None:
    content = path.read_bytes()
    path.rename(path.with_name("removed"))
    if replace:
        path.write_bytes(content)


@pytest.mark.parametrize(("suffix", "replace"), [("", False), ("", True), ("-wal", False)])
@pytest.mark.parametrize("durability", ["full", "batched", "off"])
def test_a_journal_whose_file_or_log_was_removed_is_read_only_and_closing_raises_an_error(
    suffix: str, replace: bool, durability: Any, file: Path
) -> None:
    om = journal.open(file, durability=durability, group_seconds=3600)
    om.add_order(1, "JPM", BUY, 1, 1)
    removed = file.with_name(file.name + suffix)
    remove(removed, replace=replace)
    for _ in range(2):
        with pytest.raises(JournalError, match=f"{removed.name} was removed or replaced while it was open"):
            om.add_order(2, "JPM", BUY, 1, 1)
    assert 2 not in om
    with pytest.raises(JournalError, match="removed or replaced"):
        om.close()


def test_a_replaced_log_is_detected_at_the_next_checkpoint(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "APPENDS_TO_CHECKPOINT", 3)
    om = journal.open(file)
    om.add_order(1, "JPM", BUY, 1, 1)
    remove(file.with_name("book.db-wal"), replace=True)
    om.add_order(2, "JPM", BUY, 1, 1)
    om.add_order(3, "JPM", BUY, 1, 1)
    with pytest.raises(JournalError, match=r"book\.db-wal was removed or replaced while it was open"):
        om.add_order(4, "JPM", BUY, 1, 1)
    with pytest.raises(JournalError, match="removed or replaced"):
        om.close()


@pytest.mark.parametrize("compacted", [True, False])
def test_the_first_writer_becomes_read_only_after_a_second_writer_has_written(
    compacted: bool, file: Path
) -> None:
    first = journal.open(file)
    first.add_order(1, "JPM", BUY, 1, 1)
    file.with_name("book.db-lock").unlink()
    with journal.open(file) as second:
        second.add_order(2, "JPM", BUY, 1, 1)
        second.add_order(3, "JPM", BUY, 1, 1)
        sqlite_journal(second).keep_reply("a reply of the second writer")
        if compacted:  # then the file has no row with the id of a row that `first` writes
            sqlite_journal(second).compact()
        with pytest.raises(JournalError, match="another program has written to it"):
            sqlite_journal(first).keep_reply("a reply of the first writer")
        before = first.state_hash()
        with pytest.raises(JournalError, match="another program has written to it"):
            first.add_order(4, "JPM", BUY, 1, 1)
        with pytest.raises(JournalError, match="read-only until it is opened again: another program"):
            first.add_order(5, "JPM", BUY, 1, 1)
        assert first.state_hash() == before
        second.add_order(6, "JPM", BUY, 1, 1)
        first.close()
        second.add_order(7, "JPM", BUY, 1, 1)
    assert ids(file) == [1, 2, 3, 6, 7]


def test_only_one_of_many_threads_can_open_a_file(file: Path) -> None:
    start, opened, problems = threading.Barrier(8), [], []

    def attempt() -> None:
        start.wait()
        try:
            opened.append(journal.open(file))
        except JournalError as error:
            problems.append(error.problem)

    threads = [threading.Thread(target=attempt) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 1
    assert set(problems) == {"it is open elsewhere; close it there, because a journal allows only one writer"}
    with opened[0] as om:
        om.add_order(1, "JPM", BUY, 1, 1)
    assert ids(file) == [1]


def test_closing_during_writes_of_other_threads_loses_no_acknowledged_change(file: Path) -> None:
    om = journal.open(file)
    acknowledged: list[int] = []

    def work(first: int) -> None:
        for number in range(first, first + 10_000):
            try:
                om.add_order(number, "JPM", BUY, 1, 1)
            except JournalError as error:
                assert error.problem == "it is closed"  # no other error is possible
                return
            acknowledged.append(number)

    threads = [threading.Thread(target=work, args=(10_000 * n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    while len(acknowledged) < 30:
        pass
    om.close()
    for thread in threads:
        thread.join()
    assert ids(file) == sorted(acknowledged) == [order.order_id for order in om]


FORK = """
import os, sys
from oms import Side, journal
om = journal.open(sys.argv[1], durability=sys.argv[2])
om.add_order(1, "JPM", Side.BUY, 1, 1)
if not os.fork():
    sys.exit()  # exit like any program, which releases everything that the child has inherited
os.wait()
om.add_order(2, "JPM", Side.BUY, 1, 1)
print("acknowledged", flush=True)
os.kill(os.getpid(), 9)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("durability", ["full", "batched"])
def test_the_exit_of_a_forked_process_does_not_affect_the_journal(durability: str, file: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK, str(file), durability],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout.endswith("acknowledged\n")
    assert ids(file) == [1, 2]


# ---------------------------------------------------------------------- unusable locks

READ_ONLY_LOCK = """
import os, sys, tempfile
from oms import JournalError, Side, journal
with tempfile.TemporaryDirectory() as folder:
    path = f"{folder}/book.db"
    with journal.open(path) as om:
        om.add_order(1, "JPM", Side.BUY, 10, 20)
    os.chmod(f"{path}-lock", 0o444)
    if os.getuid() == 0:  # root can write everywhere
        for each in (folder, path):
            os.chown(each, 65534, 65534)
        os.seteuid(65534)
    try:
        journal.open(path)
    except JournalError as error:
        print(error.problem)
    os.seteuid(os.getuid())
    os.chmod(f"{path}-lock", 0o666)
    with journal.open(path) as om:
        print(len(om))
"""


@pytest.mark.skipif(os.name != "posix", reason="this system has no such permissions")
def test_a_journal_with_a_read_only_lock_file_does_not_open() -> None:
    run = subprocess.run(
        [sys.executable, "-c", READ_ONLY_LOCK], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert run[0].startswith("book.db-lock cannot be written, so a second writer could not be locked out")
    assert "make it and its folder writable" in run[0]
    assert run[1] == "1"


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda lock: lock.mkdir(), "is not a regular file"),
        (lambda lock: lock.symlink_to(os.devnull), "is not a regular file"),
        (lambda lock: lock.symlink_to(lock.with_name("nowhere")), "is not a regular file"),
        (lambda lock: lock.symlink_to(lock), "is not a regular file"),
        (os.mkfifo, "is not a regular file"),
        (lambda lock: lock.write_bytes(b"not empty" * 1000), "cannot be written"),
    ],
    ids=["a folder", "a device", "a link to nothing", "a loop", "a pipe", "another file"],
)
def test_a_journal_with_an_unusable_lock_file_does_not_open(
    make: Callable[[Path], object], problem: str, file: Path
) -> None:
    lock = file.with_name("book.db-lock")
    make(lock)
    with pytest.raises(JournalError, match=rf"book\.db-lock {problem}"):
        journal.open(file)
    assert list(file.parent.iterdir()) == [lock]


@pytest.mark.parametrize("code", [sqlite3.SQLITE_IOERR_LOCK, sqlite3.SQLITE_PERM])
def test_a_journal_does_not_open_on_a_system_without_locks(
    code: int, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_to_connect(*_: object, **__: object) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = code
        raise error

    monkeypatch.setattr(sqlite3, "connect", fail_to_connect)
    with pytest.raises(JournalError, match=r"book\.db-lock cannot be written"):
        journal.open(file)


def test_the_lock_file_stays_empty(file: Path) -> None:
    with journal.open(file) as om:
        om.add_order(1, "JPM", BUY, 1, 1)
        assert file.with_name("book.db-lock").read_bytes() == b""
    assert file.with_name("book.db-lock").read_bytes() == b""


# ---------------------------------------------------------------------- sizes


def test_a_trade_with_many_fills_is_one_event(file: Path) -> None:
    fills = 20_000
    with journal.open(file) as om:
        om.add_orders(Order(n, "JPM", BUY, 2**62, 2**62) for n in range(fills))
        trade = om.place_trade("JPM", BUY, fills * 2**62 - 1)
        assert len(trade.fills) == fills
        assert [event.trade for event in sqlite_journal(om).read(2)] == [trade]  # type: ignore[attr-defined]  # a trade
    with journal.open(file, verify=True) as om:
        assert om.orders() == (Order(fills - 1, "JPM", BUY, 1, 2**62),)


def test_a_note_of_millions_of_characters_is_stored_unchanged(file: Path) -> None:
    note = "a\0ü'" * 1_000_000
    with journal.open(file) as om, om.transaction(note):
        om.add_order(1, "JPM", BUY, 1, 1)
    with journal.open(file, verify=True) as om:
        assert [event.note for event in sqlite_journal(om).read()] == [note]


def test_a_batched_journal_that_cannot_start_a_thread_raises_an_error_and_releases_its_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "book.db"

    with monkeypatch.context() as patch:
        prevent_new_threads(patch)
        with pytest.raises(JournalError, match="needs a thread"):
            journal.open(file, durability="batched")
    with journal.open(file, durability="batched") as om:
        assert len(om) == 0
