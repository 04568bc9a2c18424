"""The instruments of symbols in a journal: what is stored, and when."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest

from oms import Instrument, InvalidArgumentError, JournalError, OrderManagement, Side, Snapshot, journal
from oms.journal import SqliteJournal
from oms.journal.record import EMPTY, instrument_body, instrument_of, instruments_hash

CENT, MILL = (
    Instrument("0.01", "1", currency="USD"),
    Instrument("0.001", "1", name="JP Morgan", price_decimals=4),
)
SYMBOLS = ("JPM", "日経 \0", "'")


def written(file: Path) -> OrderManagement:
    """Return books that have set instruments, and have converted the orders of one symbol."""
    om = journal.open(file, clock=None)
    for number, symbol in enumerate(SYMBOLS):
        om.set_instrument(symbol, CENT)
        om.add_order(number, symbol, Side.BUY, 20, 2005)
    om.convert_orders("JPM", MILL, note="finer ticks")
    return om


EXPECTED = {"'": CENT, "JPM": MILL, "日経 \0": CENT}


@pytest.mark.parametrize(
    "instrument", [CENT, MILL, Instrument(), Instrument("0.50", "1000", name="ü", currency="€")]
)
def test_the_json_of_an_instrument_contains_every_field(instrument: Instrument) -> None:
    assert instrument_of(instrument_body(instrument)) == instrument


@pytest.mark.parametrize("durability", ["full", "batched", "off"])
def test_instruments_are_the_same_after_the_file_is_opened_again(durability: Any, tmp_path: Path) -> None:
    file = tmp_path / "book.db"
    with written(file) as om:
        before = om.snapshot()
    with journal.open(file, durability=durability, verify=True) as om:
        om.set_instrument("NEW", CENT)
        assert om.journal is not None
        assert OrderManagement.from_snapshot(om.journal.snapshot()).snapshot() == om.snapshot()
        assert om.snapshot()[:3] == before[:3]
    with journal.open(file, instruments={"NEWER": MILL}) as om:
        assert om.instruments == EXPECTED | {"NEW": CENT, "NEWER": MILL}
        assert om.get_order(0).price == 20_050


def test_what_was_stored_is_in_the_file_when_the_method_returns(tmp_path: Path) -> None:
    om = written(tmp_path / "book.db")
    om.set_instrument("NEW", CENT)
    for each in tmp_path.glob("book.db*"):
        shutil.copy(each, tmp_path / each.name.replace("book", "copy"))
    om.close()
    with journal.open(tmp_path / "copy.db", verify=True) as copy:
        assert copy.instruments == EXPECTED | {"NEW": CENT}


def test_instruments_of_another_size_than_the_stored_ones_are_rejected_while_orders_rest(
    tmp_path: Path,
) -> None:
    file = tmp_path / "book.db"
    written(file).close()
    with pytest.raises(InvalidArgumentError, match="while orders of 'JPM' are resting"):
        journal.open(file, instruments={"NEW": CENT, "JPM": CENT})
    with journal.open(file) as om:  # the failed call has closed the file
        assert om.instruments == EXPECTED


def test_instruments_survive_a_compaction_a_backup_and_a_rebuilding(tmp_path: Path) -> None:
    file, copy = tmp_path / "book.db", tmp_path / "copy.db"
    with written(file) as om:
        assert isinstance(om.journal, SqliteJournal)
        assert om.journal.compact() == 5
        journal.backup(file, copy)
    journal.rebuild(file)
    for each in (file, copy):
        with journal.open(each, verify=True) as om:
            assert om.instruments == EXPECTED
            assert om.get_order(0).price == 20_050


def test_a_batch_and_its_instruments_are_stored_together_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "book.db"
    with written(file) as om:
        before = om.snapshot()
        with closing(sqlite3.connect(file)) as other, other:
            other.execute("DELETE FROM orders WHERE order_id = 1")  # the conversion cannot remove this row
        with pytest.raises(JournalError, match="a row to change is not in the file"):
            om.convert_orders("日経 \0", MILL)
        assert om.snapshot() == before
    with closing(sqlite3.connect(file)) as other:
        bodies = dict(other.execute("SELECT symbol, body FROM instruments"))
    assert {symbol: instrument_of(body) for symbol, body in bodies.items()} == EXPECTED


def test_an_instrument_is_not_written_after_another_program_has_changed_the_file(tmp_path: Path) -> None:
    file = tmp_path / "book.db"
    with written(file) as om:
        with closing(sqlite3.connect(file)) as other, other:
            other.execute("UPDATE heads SET last_hash = x'00' WHERE name = 'now'")
        with pytest.raises(JournalError, match="another program has changed the heads"):
            om.set_instrument("NEW", CENT)
        assert om.instruments == EXPECTED


DAMAGE = {
    "another body": """UPDATE instruments SET body = '{"tick_size":"0.1"}' WHERE symbol = 'JPM'""",
    "another symbol": "UPDATE instruments SET symbol = 'JPX' WHERE symbol = 'JPM'",
    "a missing row": "DELETE FROM instruments WHERE symbol = 'JPM'",
    "an extra row": "INSERT INTO instruments VALUES ('NEW', '{}')",
    "no rows": "DELETE FROM instruments",
}
OPENINGS: dict[str, Callable[[Path], object]] = {
    "open": journal.open,
    "verify": journal.verify,
    "rebuild": journal.rebuild,
    "backup": lambda file: journal.backup(file, file.with_name("copy.db")),
}


@pytest.mark.parametrize("opening", OPENINGS)
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_instrument_is_detected(damage: str, opening: str, tmp_path: Path) -> None:
    file = tmp_path / "book.db"
    written(file).close()
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(DAMAGE[damage])
    with pytest.raises(JournalError, match="instruments"):
        OPENINGS[opening](file)


@pytest.mark.parametrize(
    "body", ["", "[]", "{} {}", '{"tick":"1"}', '{"tick_size":0.01}', '{"tick_size":"0"}', "[" * 100_000]
)
def test_a_body_that_is_not_an_instrument_is_rejected_even_if_its_hash_is_correct(
    body: str, tmp_path: Path
) -> None:
    file = tmp_path / "book.db"
    journal.open(file).close()
    head = EMPTY._replace(orders=1, last_hash=instruments_hash([("JPM", body)]))
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("INSERT INTO instruments VALUES ('JPM', ?)", (body,))
        connection.execute("REPLACE INTO heads VALUES (?, ?, ?, ?, ?, ?, ?, 0)", head.row("instruments"))
    for opening in (journal.open, journal.verify):
        with pytest.raises(JournalError, match="symbol 'JPM': its content is not an instrument: "):
            opening(file)


@pytest.mark.parametrize("instruments", [None, {"": CENT}, {"JPM": "0.01"}, [("JPM", CENT)]])
def test_a_journal_rejects_invalid_instruments(instruments: Any, tmp_path: Path) -> None:
    with journal.open(tmp_path / "book.db") as om:
        store = cast("SqliteJournal", om.journal)
        with pytest.raises(InvalidArgumentError):
            store.keep_instruments(instruments)
        store.keep_instruments({})
        assert store.snapshot() == Snapshot()
