"""Rebuilding derives damaged tables from the events, or changes nothing."""

from __future__ import annotations

import itertools
import shutil
import sqlite3
from contextlib import closing
from itertools import product
from pathlib import Path

import pytest

from oms import JournalError, Side, journal
from oms.journal.schema import TABLES
from support.engine_sessions import ENGINE
from support.faulty_disk import Disk, connections_made_by
from support.kinds import EACH_KIND
from support.sessions import BOOKS, Books, Kind, State, execute, session, sqlite_journal, state, state_with


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "book.db"


def write_journal(file: Path, kind: Kind = BOOKS) -> State:
    """Write a journal with dropped events, notes, replies, and numbers of more than 64 bits."""
    with kind.open(file) as om:
        commands = kind.session(8, 60)
        for command in commands[:30]:
            execute(command, om)
        sqlite_journal(om).compact(20)
        for command in commands[30:]:
            execute(command, om)
        sqlite_journal(om).keep_reply("a reply")
        if kind is BOOKS:
            om.add_order(50_000, "BIG", Side.BUY, 2**63 - 1, 2**63 - 1)
            om.place_trade("BIG", Side.BUY, 2**62)
        else:
            om.submit("big", "BIG", Side.SELL, 2**63 - 1, 2**63 - 1)
            om.submit("taker", "BIG", Side.BUY, 2**62)
        return state_without_history(om)


def state_without_history(om: Books) -> State:
    return state_with(om, sqlite_journal(om).history())


def execute_sql(file: Path, statement: str) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(statement)


def rows_of(file: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
        statements = [f"SELECT * FROM {table} ORDER BY 1, 2" for table in TABLES if table != "log"]  # noqa: S608  # constants
        return {statement: connection.execute(statement).fetchall() for statement in statements}


DERIVED = [
    "UPDATE orders SET amount = amount + 1",
    "UPDATE orders SET symbol = x'00'",
    "DELETE FROM orders",
    "INSERT INTO orders VALUES (99999, 'JPM', 'BUY', 1, 1)",
    "DROP TABLE orders",
    "UPDATE trades SET total_price = 1",
    "DELETE FROM trades",
    "DROP TABLE trades",
    "UPDATE fills SET amount = 1",
    "INSERT INTO fills VALUES (99999, 0, 1, 1, 1)",
    "DROP TABLE fills",
    "ALTER TABLE fills ADD COLUMN x",
]


DERIVED_OF_AN_ENGINE = [
    "UPDATE entries SET body = 'x'",
    "UPDATE entries SET arrival = arrival + 1000",
    "DELETE FROM entries",
    "INSERT INTO entries VALUES (99999, 'x')",
    "DROP TABLE entries",
    "UPDATE last_prices SET price = 7",
    "DELETE FROM last_prices",
    "DROP TABLE last_prices",
    "UPDATE orders SET amount = amount + 1",
    "DELETE FROM fills",
    "DROP TABLE trades",
]


@pytest.mark.parametrize(
    ("damage", "kind"),
    [*product(DERIVED, [BOOKS]), *product(DERIVED_OF_AN_ENGINE, [ENGINE])],
    ids=lambda value: value.name if isinstance(value, Kind) else value,
)
def test_derived_tables_are_rebuilt_and_original_tables_are_unchanged(
    damage: str, kind: Kind, file: Path
) -> None:
    expected = write_journal(file, kind)
    before = rows_of(file)
    execute_sql(file, damage)
    with pytest.raises(JournalError):
        journal.verify(file)
    result = journal.rebuild(file)
    assert result.state_hash == expected.state_hash
    assert sorted(path.name for path in file.parent.iterdir()) == ["book.db", "book.db-lock"]
    assert rows_of(file) == before
    with kind.open(file, verify=True) as om:
        assert state_without_history(om) == expected
        assert list(sqlite_journal(om).replies()) == ["a reply"]
        kind.add(om, 60_000)
    assert journal.verify(file).last == expected.counters[1] + 1


@EACH_KIND
def test_damaged_pages_of_derived_tables_are_rebuilt(kind: Kind, file: Path) -> None:
    expected = write_journal(file, kind)
    with closing(sqlite3.connect(file)) as connection:
        ((size,),) = connection.execute("PRAGMA page_size").fetchall()
        roots = connection.execute(
            "SELECT rootpage FROM sqlite_master "
            "WHERE name IN ('orders', 'trades', 'fills', 'entries', 'last_prices')"
        ).fetchall()
    content = bytearray(file.read_bytes())
    for (root,) in roots:
        content[(root - 1) * size : root * size] = b"\xff" * size
    file.write_bytes(content)
    with pytest.raises(JournalError):
        journal.verify(file)
    assert journal.rebuild(file).state_hash == expected.state_hash
    with kind.open(file, verify=True) as om:
        assert state_without_history(om) == expected


@EACH_KIND
def test_rebuilding_an_undamaged_file_or_the_file_of_a_killed_process_preserves_its_state(
    kind: Kind, file: Path, tmp_path: Path
) -> None:
    killed = tmp_path / "killed.db"
    with kind.open(file) as om:
        for command in kind.session(8, 40):
            execute(command, om)
        for suffix in ("", "-wal"):
            shutil.copy(f"{file}{suffix}", f"{killed}{suffix}")
        expected = state(om)
    for path in (killed, file):
        assert journal.rebuild(path).state_hash == expected.state_hash
        with kind.open(path, verify=True) as om:
            assert state(om) == expected


ORIGINAL = [
    "UPDATE events SET note = 'x' WHERE sequence = 30",
    "DELETE FROM events WHERE sequence = 30",
    "DELETE FROM events WHERE sequence = (SELECT max(sequence) FROM events)",
    "UPDATE heads SET next_trade_id = 9 WHERE name = 'now'",
    "DELETE FROM heads WHERE name = 'snapshot'",
    "UPDATE snapshot SET amount = amount + 1",
    "UPDATE events SET time = NULL WHERE sequence = 30",
    "UPDATE replies SET reply = 'x'",
    "DELETE FROM heads WHERE name = 'instruments'",
    "INSERT INTO instruments VALUES ('JPM', '{}')",
    "UPDATE noted SET note = 'x'",
    "DELETE FROM log",
    "DROP TABLE noted",
    "CREATE TRIGGER t AFTER INSERT ON orders BEGIN DELETE FROM events; END",
    "PRAGMA user_version = 2",
]


ORIGINAL_OF_AN_ENGINE = [
    "UPDATE snapshot_entries SET body = 'x'",
    "DELETE FROM snapshot_entries",
    "UPDATE snapshot_last_prices SET price = price + 1",
    "DROP TABLE snapshot_last_prices",
    "DELETE FROM heads WHERE name = 'engine'",
    "UPDATE heads SET next_trade_id = 1 WHERE name = 'engine'",
    "DELETE FROM heads WHERE name = 'engine_snapshot'",
    "UPDATE events SET kind = 'OrderReduced' WHERE sequence = 30",
]


@pytest.mark.parametrize(
    ("damage", "kind"),
    [*product(ORIGINAL, [BOOKS]), *product(ORIGINAL_OF_AN_ENGINE, [ENGINE])],
    ids=lambda value: value.name if isinstance(value, Kind) else value,
)
def test_damage_of_an_original_table_raises_an_error_and_changes_nothing(
    damage: str, kind: Kind, file: Path
) -> None:
    write_journal(file, kind)
    execute_sql(file, damage)
    before = file.read_bytes()
    with pytest.raises(JournalError) as caught:
        journal.rebuild(file)
    assert caught.value.place.startswith(str(file))
    assert file.read_bytes() == before
    assert sorted(path.name for path in file.parent.iterdir()) == ["book.db", "book.db-lock"]


def test_rebuilding_a_journal_that_is_open_or_being_read_raises_an_error(file: Path) -> None:
    with journal.open(file) as om:
        om.add_order(1, "JPM", Side.BUY, 1, 1)
        with pytest.raises(JournalError, match="open elsewhere"):
            journal.rebuild(file)
        om.add_order(2, "JPM", Side.BUY, 1, 1)
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM heads").fetchall()
        with pytest.raises(JournalError, match=r"another program is reading it|database is locked"):
            journal.rebuild(file)
    assert journal.verify(file).last == 2
    assert journal.rebuild(file).last == 2


def test_rebuilding_a_missing_file_raises_an_error_and_creates_no_file(file: Path) -> None:
    with pytest.raises(JournalError, match="it is missing"):
        journal.rebuild(file)
    assert list(file.parent.iterdir()) == []


DAMAGED = r"it differs from event|its trade, or a fill, is missing|write a readonly database"
"""The last message means that SQLite must first recover the file, which `verify` cannot do read-only."""

HOW = ["crash", "full", "io", "short"]
SOME = [(how, every) for how, every in zip(HOW, (5, 11, 11, 11), strict=True)]
ALL = [pytest.param(how, 1, marks=pytest.mark.soak) for how in HOW]


@pytest.mark.parametrize(("how", "every"), [*SOME, *ALL])
def test_a_failure_at_any_step_leaves_the_file_rebuilt_or_unchanged(how: str, every: int, file: Path) -> None:
    with journal.open(file) as om:
        for command in session(8, 12):
            execute(command, om)
        om.add_order(50_000, "BIG", Side.BUY, 5, 5)
        om.place_trade("BIG", Side.BUY, 2)
        expected = state(om)
    execute_sql(file, "DELETE FROM trades")
    for step in itertools.count(1, every):
        folder = file.parent / str(step)
        folder.mkdir()
        damaged = folder / "book.db"
        shutil.copy(file, damaged)
        disk = Disk()
        disk.fail_at, disk.how = step, how
        try:
            with connections_made_by(disk.connect):
                journal.rebuild(damaged)
        except JournalError:
            assert disk.failed
            assert not [path for path in folder.iterdir() if "rebuilt" in path.name]
            with pytest.raises(JournalError, match=DAMAGED):
                journal.verify(damaged)
            journal.rebuild(damaged)
        assert journal.verify(damaged).state_hash == expected.state_hash
        if not disk.failed:
            break
    assert step > 20
