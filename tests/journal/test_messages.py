"""Error messages of a journal: where the problem is, what it is, and the way to fix it if there is one."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from oms import InvalidArgumentError, JournalError, OrderAdded, OrderManagement, Side, journal
from oms.journal import SqliteJournal
from support.faulty_disk import Disk, connections_made_by

BUY = Side.BUY
A_PATH = "path must be the path of a file, as a str or os.PathLike of str"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder / "book.db"


def sqlite_journal(om: OrderManagement) -> SqliteJournal:
    assert isinstance(om.journal, SqliteJournal)
    return om.journal


def write_journal(file: Path) -> None:
    with journal.open(file) as om:
        om.add_order(1, "JPM", BUY, 20, 20)
        om.place_trade("JPM", BUY, 5)
        sqlite_journal(om).keep_reply("a reply")


def execute(*statements: str) -> Callable[[Path], None]:
    """Return a function that writes a journal and changes it with SQL statements."""

    def change(file: Path) -> None:
        write_journal(file)
        with closing(sqlite3.connect(file)) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    return change


ARGUMENTS: list[tuple[Callable[[SqliteJournal, Any], object], object, str]] = [
    # call, value, message
    (
        lambda sqlite, value: journal.open(sqlite.path, durability=value),
        "most",
        "durability must be 'full', 'batched', or 'off', not 'most' (str)",
    ),
    (
        lambda sqlite, value: journal.open(sqlite.path, group_size=value),
        0,
        "group_size must be an int >= 1, not 0 (int)",
    ),
    (
        lambda sqlite, value: journal.open(sqlite.path, group_seconds=value),
        "1",
        "group_seconds must be a number > 0 and <= 3600, not '1' (str)",
    ),
    (
        lambda _, value: journal.open(value),
        ":memory:",
        f"{A_PATH}, not ':memory:' (str); for a file with this name, write './:memory:'",
    ),
    (
        lambda _, value: journal.open(value),
        "file:book.db",
        f"{A_PATH}, not 'file:book.db' (str); for a file with this name, write './file:book.db'",
    ),
    (
        lambda _, value: journal.open(value),
        b"book.db",
        f"{A_PATH}, not b'book.db' (bytes)",
    ),
    (
        lambda sqlite, value: journal.columns(sqlite.path, at_once=value),
        0,
        "at_once must be an int >= 1, not 0 (int)",
    ),
    (lambda sqlite, value: sqlite.read(value), 0, "first must be an int >= 1, not 0 (int)"),
    (lambda sqlite, value: sqlite.compact(value), 4, "before must be an int in 1..3, not 4 (int)"),
    (lambda sqlite, value: sqlite.keep_reply(value), 5, "reply must be a str of valid Unicode, not 5 (int)"),
]


@pytest.mark.parametrize(("call", "value", "message"), ARGUMENTS)
def test_a_rejected_argument_is_shown_with_what_is_allowed(
    call: Callable[[SqliteJournal, Any], object], value: object, message: str, file: Path
) -> None:
    write_journal(file)
    with journal.open(file) as om, pytest.raises(InvalidArgumentError) as caught:
        call(sqlite_journal(om), value)
    assert type(caught.value) is InvalidArgumentError
    assert str(caught.value) == message


def link_to_itself(file: Path) -> None:
    file.symlink_to(file)


def second_name(file: Path) -> None:
    write_journal(file)
    file.with_name("other.db").hardlink_to(file)


def log_without_file(file: Path) -> None:
    file.with_name("book.db-wal").write_bytes(b"x")


def other_database(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE mine (x)")


TRIGGER = "CREATE TRIGGER t AFTER INSERT ON events BEGIN DELETE FROM events; END"

FILES: list[tuple[Callable[[Path], object], str, str]] = [
    # preparation, place after the path, problem
    (lambda file: file.write_bytes(b""), "", "it is an empty file, not a journal"),
    (lambda file: file.mkdir(), "", "it is not a file"),
    (link_to_itself, "", "it is a symbolic link that leads to itself"),
    (lambda file: shutil.rmtree(file.parent), "", "its folder does not exist"),
    (
        second_name,
        "",
        "it has a second name (a hard link), which another program could open; remove that name",
    ),
    (
        log_without_file,
        "",
        "it is missing, but its log book.db-wal exists and may contain changes; restore the file",
    ),
    (
        lambda file: file.with_name("book.db-lock").mkdir(),
        "",
        "book.db-lock is not a regular file, so it cannot be the lock; move it away",
    ),
    (other_database, ": header", "it is not an oms journal, or its header is damaged"),
    (
        execute("PRAGMA user_version=99"),
        ": header",
        "its version is 99, but this oms reads versions up to 6; upgrade oms",
    ),
    (execute("PRAGMA user_version=0"), ": header", "its version is 0, which does not exist"),
    (
        execute(TRIGGER),
        ": schema, trigger t",
        "it could change what the journal writes; remove it with DROP TRIGGER t",
    ),
    (
        execute("DROP TABLE fills"),
        ": schema, table fills",
        "it is missing, changed, or not part of version 6",
    ),
]


@pytest.mark.parametrize(("prepare", "place", "problem"), FILES)
def test_a_file_that_cannot_be_opened_is_named_with_the_reason_and_the_remedy(
    prepare: Callable[[Path], object], place: str, problem: str, file: Path
) -> None:
    prepare(file)
    with pytest.raises(JournalError) as caught:
        journal.open(file)
    assert str(caught.value) == f"{file}{place}: {problem}"


DAMAGE: list[tuple[str, str, str]] = [
    # statement, place after the path, problem
    (
        "UPDATE events SET note = 'x' WHERE sequence = 1",
        ": events, sequence 1",
        "its hash does not match its content and the hash before it",
    ),
    ("DELETE FROM events WHERE sequence = 1", ": events, sequence 1", "it is missing; the next event is 2"),
    (
        "DELETE FROM events WHERE sequence = 2",
        ": events, sequence 2",
        "it must be the last event, but the last event is 1",
    ),
    ("DELETE FROM events", ": events, sequence 2", "it must be the last event, but the event log is empty"),
    (
        "UPDATE events SET hash = x'00' WHERE sequence = 2",
        ": events, sequence 2",
        "its hash does not match the heads table",
    ),
    ("DELETE FROM orders", ": orders", "it contains 0 rows, not 1 row"),
    ("UPDATE orders SET amount = 16", ": orders", "its hash does not match the heads table"),
    ("UPDATE orders SET side = 'LEFT'", ": orders", "its hash does not match the heads table"),
    ("UPDATE trades SET amount = 6", ": trades, trade 1", "it differs from event 2"),
    (
        "INSERT INTO trades VALUES (2, 2, 'JPM', 'BUY', 1, 1)",
        ": trades",
        "no event placed this trade: "
        "Trade(trade_id=2, symbol='JPM', side='BUY', amount=1, total_price=1, fills=())",
    ),
    ("INSERT INTO fills VALUES (2, 0, 1, 1, 1)", ": fills, trade 2", "its trade, or a fill, is missing"),
    ("DELETE FROM replies", ": replies", "it contains 0 rows, not 1 row"),
    (
        "UPDATE replies SET reply = 'x'",
        ": replies, number 1",
        "its hash does not match its content and the hash before it",
    ),
    ("DELETE FROM heads WHERE name = 'now'", ": heads, now", "there must be one row, not 0"),
    ("UPDATE heads SET orders = 2 WHERE name = 'now'", ": heads, now", "its seal does not match its content"),
    ("DELETE FROM log", ": log", "it must contain one row: away, open, or closed"),
]


@pytest.mark.parametrize(("statement", "place", "problem"), DAMAGE)
def test_damage_is_reported_with_its_place_and_what_does_not_match(
    statement: str, place: str, problem: str, file: Path
) -> None:
    execute(statement)(file)
    with pytest.raises(JournalError) as caught:
        journal.verify(file)
    assert str(caught.value) == f"{file}{place}: {problem}"


def backup_to_existing_file(file: Path) -> None:
    journal.backup(file, file)


def open_twice(file: Path) -> None:
    with journal.open(file):
        journal.open(file)


def use_after_closing(file: Path) -> None:
    om = journal.open(file)
    om.close()
    om.add_order(2, "JPM", BUY, 1, 1)


def append_with_a_gap(file: Path) -> None:
    with journal.open(file) as om:
        order = om.get_order(1)._replace(order_id=2)
        sqlite_journal(om).append([OrderAdded(order, sequence=4)])


def read_dropped_events(file: Path) -> None:
    with journal.open(file) as om:
        sqlite_journal(om).compact()
        list(sqlite_journal(om).read())


def close_after_the_file_was_removed(file: Path) -> None:
    with journal.open(file) as om:
        file.unlink()
        om.add_order(2, "JPM", BUY, 1, 1)


CALLS: list[tuple[Callable[[Path], object], str, str]] = [
    # call, place after the path, problem
    (lambda file: journal.verify(file.with_name("other.db")), "", "it is missing"),
    (lambda file: journal.rebuild(file.with_name("other.db")), "", "it is missing"),
    (backup_to_existing_file, "", "it exists already, and is not overwritten; choose another name"),
    (open_twice, "", "it is open elsewhere; close it there, because a journal allows only one writer"),
    (use_after_closing, "", "it is closed"),
    (append_with_a_gap, "", "event 4 cannot follow event 2"),
    (read_dropped_events, ": events, sequence 1", "it was dropped: the event log begins after event 2"),
    (
        close_after_the_file_was_removed,
        "",
        "it is closed, but its changes may not be on the disk: "
        "book.db was removed or replaced while it was open",
    ),
]


@pytest.mark.parametrize(("call", "place", "problem"), CALLS)
def test_a_call_that_fails_names_the_file_the_reason_and_the_remedy(
    call: Callable[[Path], object], place: str, problem: str, file: Path
) -> None:
    write_journal(file)
    with pytest.raises(JournalError) as caught:
        call(file)
    name = file.with_name("other.db") if "other.db" in str(caught.value) else file
    assert str(caught.value) == f"{name}{place}: {problem}"


def test_a_failed_write_says_if_the_change_is_stored_and_that_the_journal_is_read_only(file: Path) -> None:
    disk = Disk()
    with connections_made_by(disk.connect):
        om = journal.open(file)
    disk.fail_at, disk.how = disk.steps + 1, "io"
    with pytest.raises(JournalError) as first:
        om.add_order(1, "JPM", BUY, 1, 1)
    assert (
        str(first.value)
        == f"{file}: whether the change is stored is unknown until the journal is opened again: write fails"
    )
    with pytest.raises(JournalError) as second:
        om.add_order(1, "JPM", BUY, 1, 1)
    assert str(second.value) == f"{file}: it is read-only until it is opened again: write fails"
    om.close()
