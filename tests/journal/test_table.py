"""The event log as columns: what data frames take as they are, in chunks of a bounded size."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

from oms import InvalidArgumentError, JournalError, OrderManagement, journal
from oms.columns import EVENT_COLUMNS as COLUMNS
from oms.journal import SqliteJournal
from support.sessions import execute, session

INTEGERS = {"sequence", "order_id", "price", "change"}


@pytest.fixture
def lived(tmp_path: Path) -> OrderManagement:
    """What a session leaves: amounts and prices of 63 bits, removals, amendments and trades in it."""
    with journal.open(tmp_path / "book.db") as om:
        for command in session(5, 80):
            execute(command, om)
    return om


def place(om: OrderManagement) -> Path:
    assert isinstance(om.journal, SqliteJournal)
    return om.journal.path


@pytest.mark.parametrize("at_once", [1, 7, 100_000])
def test_the_changes_add_up_to_what_rests(at_once: int, lived: OrderManagement) -> None:
    rest: Counter[tuple[Any, ...]] = Counter()
    for chunk in journal.columns(place(lived), at_once=at_once):
        assert tuple(chunk) == COLUMNS
        assert {len(column) for column in chunk.values()} <= set(range(1, at_once + 1))
        for *_, order_id, symbol, side, price, change in zip(*chunk.values(), strict=True):
            rest[order_id, symbol, side, price] += change
    assert {key: amount for key, amount in rest.items() if amount} == {
        (order.order_id, order.symbol, order.side.value, order.price): order.amount for order in lived
    }


def test_data_frames_take_the_columns_exactly_and_with_one_type_in_every_chunk(
    lived: OrderManagement,
) -> None:
    chunks = list(journal.columns(place(lived), at_once=20))
    assert len(chunks) > 3
    for chunk in chunks:
        frame, table = pd.DataFrame(chunk), pl.DataFrame(chunk)
        for name in COLUMNS:
            assert table[name].to_list() == chunk[name]
            if name in INTEGERS:
                assert frame[name].tolist() == chunk[name]
                assert frame[name].dtype == "int64"
                assert table[name].dtype == pl.Int64


def test_a_parquet_file_holds_the_columns_exactly(lived: OrderManagement, tmp_path: Path) -> None:
    (whole,) = journal.columns(place(lived))
    pl.DataFrame(whole).write_parquet(tmp_path / "events.parquet")
    assert pl.read_parquet(tmp_path / "events.parquet").to_dict(as_series=False) == whole
    assert max(whole["price"]) == 2**63 - 1


def test_the_columns_have_their_names_where_there_is_nothing(tmp_path: Path) -> None:
    file = tmp_path / "book.db"
    journal.open(file).close()
    assert list(journal.columns(file)) == [{name: [] for name in COLUMNS}]


def test_the_columns_go_on_from_where_the_last_ones_ended(lived: OrderManagement) -> None:
    (whole,) = journal.columns(place(lived))
    (later,) = journal.columns(place(lived), first=20)
    assert later == {name: column[whole["sequence"].index(20) :] for name, column in whole.items()}
    with pytest.raises(JournalError, match="missing"):
        list(journal.columns("missing.db"))
    bad: list[dict[str, Any]] = [{"first": 0}, {"first": "1"}, {"at_once": 0}, {"at_once": True}]
    for wrong in bad:
        with pytest.raises(InvalidArgumentError, match="must be an int >= 1"):
            journal.columns(place(lived), **wrong)


def test_what_is_read_is_one_state_though_the_writer_drops_it_all_and_closes(lived: OrderManagement) -> None:
    (before,) = journal.columns(place(lived))
    with journal.open(place(lived)) as om:
        reading = journal.columns(place(lived), at_once=1)
        read = [next(reading)]
        om.remove_orders()
        assert isinstance(om.journal, SqliteJournal)
        om.journal.compact()
    read.extend(reading)
    assert {name: [chunk[name][0] for chunk in read] for name in COLUMNS} == before
    assert list(journal.columns(place(lived))) == [{name: [] for name in COLUMNS}]
    assert journal.verify(place(lived)).orders == 0
