"""Where a journal may be, and what becomes of one whose file, log or lock somebody else takes away."""

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


def kept(om: OrderManagement) -> SqliteJournal:
    assert isinstance(om.journal, SqliteJournal)
    return om.journal


def ids(path: Any) -> list[int]:
    """Of what rests by a file, verified throughout."""
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
def test_whatever_a_file_may_be_called_it_is_that_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        Path(name).touch()
    except OSError:
        pytest.skip("no file can be called that here")
    Path(name).unlink()
    with journal.open(name) as om:
        om.add_order(1, "JPM", BUY, 1, 1)
        monkeypatch.chdir("/")  # where it is was settled when it was opened
        om.add_order(2, "JPM", BUY, 1, 1)
        assert journal.verify(tmp_path / name).orders == 2
    assert {path.name for path in tmp_path.iterdir()} >= {Path(name).name}
    assert ids(tmp_path / name) == [1, 2]


@pytest.mark.parametrize(
    "wrong", ["", ":memory:", "file:book.db?mode=memory", "a\0b", b"book.db", 5, None, [Path("book.db")]]
)
def test_what_names_no_file_is_refused_and_makes_none(
    wrong: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for attempt in (journal.open, journal.verify, SqliteJournal):
        with pytest.raises(InvalidArgumentError, match="path must be the path of a file"):
            attempt(wrong)
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
def test_where_something_is_that_is_no_file_nothing_is_made(
    make: Callable[[Path], object], problem: str, file: Path
) -> None:
    make(file)
    beside = set(Path(os.devnull).parent.iterdir())
    for attempt in (journal.open, journal.verify):
        with pytest.raises(JournalError, match=problem):
            attempt(file)
    assert list(file.parent.iterdir()) == [file]
    assert f"{os.devnull}-lock" not in {str(path) for path in set(Path(os.devnull).parent.iterdir()) - beside}


def test_a_folder_that_is_not_there_is_said_to_be_missing(file: Path) -> None:
    for attempt in (journal.open, journal.verify):
        with pytest.raises(JournalError, match="its folder does not exist"):
            attempt(file.parent / "nowhere" / "book.db")
    assert list(file.parent.iterdir()) == []


def test_a_link_that_leads_to_no_file_yet_is_a_name_of_the_file_that_is_made(file: Path) -> None:
    link = file.with_name("link.db")
    link.symlink_to(file)
    assert ids(link) == []
    assert file.is_file()
    assert link.is_symlink()


def test_a_log_that_holds_nothing_does_not_keep_a_new_file_from_being_made(file: Path) -> None:
    with journal.open(file) as om:
        om.add_order(1, "JPM", BUY, 1, 1)
    journal.verify(file)  # a reader may leave an empty log behind
    file.with_name("book.db-wal").touch()
    file.unlink()
    assert ids(file) == []


def test_a_file_that_can_only_be_read_is_refused_at_once(file: Path) -> None:
    assert ids(file) == []
    with (
        pytest.raises(JournalError, match="it cannot be opened: attempt to write a readonly database"),
        connections_made_by(lambda uri: connect_by_sqlite3(uri.replace("mode=rw", "mode=ro"))),
    ):
        journal.open(file)
    assert ids(file) == []


# ---------------------------------------------------------------------- what others take away


def take_away(lost: Path, *, replaced: bool) -> None:
    content = lost.read_bytes()
    lost.rename(lost.with_name("taken"))
    if replaced:
        lost.write_bytes(content)


@pytest.mark.parametrize(("suffix", "replaced"), [("", False), ("", True), ("-wal", False)])
@pytest.mark.parametrize("durability", ["full", "batched", "off"])
def test_a_journal_whose_file_or_log_is_taken_away_takes_nothing_more_and_closing_says_so(
    suffix: str, replaced: bool, durability: Any, file: Path
) -> None:
    om = journal.open(file, durability=durability, group_seconds=3600)
    om.add_order(1, "JPM", BUY, 1, 1)
    lost = file.with_name(file.name + suffix)
    take_away(lost, replaced=replaced)
    for _ in range(2):
        with pytest.raises(JournalError, match=f"{lost.name} was removed or replaced while it was open"):
            om.add_order(2, "JPM", BUY, 1, 1)
    assert 2 not in om
    with pytest.raises(JournalError, match="removed or replaced"):
        om.close()


def test_a_log_that_was_replaced_is_noticed_when_it_is_copied_into_the_file(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "APPENDS_TO_CHECKPOINT", 3)
    om = journal.open(file)
    om.add_order(1, "JPM", BUY, 1, 1)
    take_away(file.with_name("book.db-wal"), replaced=True)
    om.add_order(2, "JPM", BUY, 1, 1)
    om.add_order(3, "JPM", BUY, 1, 1)
    with pytest.raises(JournalError, match=r"book\.db-wal was removed or replaced while it was open"):
        om.add_order(4, "JPM", BUY, 1, 1)
    with pytest.raises(JournalError, match="removed or replaced"):
        om.close()


@pytest.mark.parametrize("compacted", [True, False])
def test_a_second_writer_that_a_removed_lock_let_in_makes_the_first_one_stop(
    compacted: bool, file: Path
) -> None:
    first = journal.open(file)
    first.add_order(1, "JPM", BUY, 1, 1)
    file.with_name("book.db-lock").unlink()
    with journal.open(file) as second:
        second.add_order(2, "JPM", BUY, 1, 1)
        second.add_order(3, "JPM", BUY, 1, 1)
        kept(second).keep_reply("of the second")
        if compacted:  # then no row is there that the first one's would clash with
            kept(second).compact()
        with pytest.raises(JournalError, match="another program has written to it"):
            kept(first).keep_reply("of the first")
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


def test_of_many_threads_that_open_one_file_at_once_one_gets_it(file: Path) -> None:
    start, opened, refused = threading.Barrier(8), [], []

    def attempt() -> None:
        start.wait()
        try:
            opened.append(journal.open(file))
        except JournalError as error:
            refused.append(error.problem)

    threads = [threading.Thread(target=attempt) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 1
    assert set(refused) == {"it is open elsewhere; close it there, because a journal allows one writer"}
    with opened[0] as om:
        om.add_order(1, "JPM", BUY, 1, 1)
    assert ids(file) == [1]


def test_a_journal_that_one_thread_closes_is_whole_for_those_that_were_writing(file: Path) -> None:
    om = journal.open(file)
    done: list[int] = []

    def work(first: int) -> None:
        for number in range(first, first + 10_000):
            try:
                om.add_order(number, "JPM", BUY, 1, 1)
            except JournalError as error:
                assert error.problem == "it is closed"  # there is no other
                return
            done.append(number)

    threads = [threading.Thread(target=work, args=(10_000 * n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    while len(done) < 30:
        pass
    om.close()
    for thread in threads:
        thread.join()
    assert ids(file) == sorted(done) == [order.order_id for order in om]


LEAVES = """
import os, sys
from oms import Side, journal
om = journal.open(sys.argv[1], durability=sys.argv[2])
om.add_order(1, "JPM", Side.BUY, 1, 1)
if not os.fork():
    sys.exit()  # as any program ends: what it has inherited is let go of
os.wait()
om.add_order(2, "JPM", Side.BUY, 1, 1)
print("acknowledged", flush=True)
os.kill(os.getpid(), 9)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
@pytest.mark.parametrize("durability", ["full", "batched"])
def test_a_forked_process_that_ends_as_any_does_takes_nothing_with_it(durability: str, file: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LEAVES, str(file), durability],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout.endswith("acknowledged\n")
    assert ids(file) == [1, 2]


# ---------------------------------------------------------------------- a lock that locks nothing

READ_ONLY_LOCK = """
import os, sys, tempfile
from oms import JournalError, Side, journal
with tempfile.TemporaryDirectory() as folder:
    path = f"{folder}/book.db"
    with journal.open(path) as om:
        om.add_order(1, "JPM", Side.BUY, 10, 20)
    os.chmod(f"{path}-lock", 0o444)
    if os.getuid() == 0:  # root may write anywhere
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


@pytest.mark.skipif(os.name != "posix", reason="there are no such permissions here")
def test_a_lock_file_that_cannot_be_written_is_no_lock_and_the_journal_does_not_open() -> None:
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
def test_what_cannot_be_the_lock_is_named_and_the_journal_does_not_open(
    make: Callable[[Path], object], problem: str, file: Path
) -> None:
    lock = file.with_name("book.db-lock")
    make(lock)
    with pytest.raises(JournalError, match=rf"book\.db-lock {problem}"):
        journal.open(file)
    assert list(file.parent.iterdir()) == [lock]


@pytest.mark.parametrize("code", [sqlite3.SQLITE_IOERR_LOCK, sqlite3.SQLITE_PERM])
def test_where_the_system_has_no_locks_the_journal_does_not_open(
    code: int, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = code
        raise error

    monkeypatch.setattr(sqlite3, "connect", refuse)
    with pytest.raises(JournalError, match=r"book\.db-lock cannot be written"):
        journal.open(file)


def test_the_lock_file_stays_empty(file: Path) -> None:
    with journal.open(file) as om:
        om.add_order(1, "JPM", BUY, 1, 1)
        assert file.with_name("book.db-lock").read_bytes() == b""
    assert file.with_name("book.db-lock").read_bytes() == b""


# ---------------------------------------------------------------------- sizes


def test_a_trade_with_very_many_fills_is_one_event(file: Path) -> None:
    many = 20_000
    with journal.open(file) as om:
        om.add_orders(Order(n, "JPM", BUY, 2**62, 2**62) for n in range(many))
        trade = om.place_trade("JPM", BUY, many * 2**62 - 1)
        assert len(trade.fills) == many
        assert [event.trade for event in kept(om).read(2)] == [trade]  # type: ignore[attr-defined]  # a trade
    with journal.open(file, verify=True) as om:
        assert om.orders() == (Order(many - 1, "JPM", BUY, 1, 2**62),)


def test_a_note_of_millions_of_characters_is_kept_as_it_is(file: Path) -> None:
    note = "a\0ü'" * 1_000_000
    with journal.open(file) as om, om.transaction(note):
        om.add_order(1, "JPM", BUY, 1, 1)
    with journal.open(file, verify=True) as om:
        assert [event.note for event in kept(om).read()] == [note]


def test_a_batched_journal_without_a_thread_is_a_journal_error_and_stays_unlocked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "book.db"

    with monkeypatch.context() as patch:
        prevent_new_threads(patch)
        with pytest.raises(JournalError, match="needs a thread"):
            journal.open(file, durability="batched")
    with journal.open(file, durability="batched") as om:
        assert len(om) == 0
