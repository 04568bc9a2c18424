"""The event log as columns for data frames, in chunks of a limited size."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

from oms import InvalidArgumentError, JournalError, OrderManagement, journal
from oms.columns import EVENT_COLUMNS as COLUMNS
from oms.engine_events import ENGINE_KINDS
from oms.journal import SqliteJournal
from support.engine_sessions import ENGINE
from support.sessions import execute, session

INTEGERS = {"sequence", "order_id", "price", "change"}


@pytest.fixture
def om(tmp_path: Path) -> OrderManagement:
    """Return a closed journal with removals, amendments, trades, and numbers of 63 bits."""
    with journal.open(tmp_path / "book.db") as book:
        for command in session(5, 80):
            execute(command, book)
    return book


def path_of(om: OrderManagement) -> Path:
    assert isinstance(om.journal, SqliteJournal)
    return om.journal.path


@pytest.mark.parametrize("at_once", [7, 100_000])
def test_the_changes_of_a_matching_engine_add_up_to_the_resting_orders(at_once: int, tmp_path: Path) -> None:
    with ENGINE.open(tmp_path / "venue.db") as engine:
        for command in ENGINE.session(2, 60):
            execute(command, engine)
        orders, kinds = engine.snapshot().orders, {type(event).__name__ for event in engine.journal.read()}
    amounts: Counter[tuple[Any, ...]] = Counter()
    names: set[str] = set()
    for chunk in journal.columns(tmp_path / "venue.db", at_once=at_once):
        assert tuple(chunk) == COLUMNS
        assert {len(column) for column in chunk.values()} <= set(range(1, at_once + 1))
        names.update(chunk["event"])
        for *_, order_id, symbol, side, price, change in zip(*chunk.values(), strict=True):
            amounts[order_id, symbol, side, price] += change
    assert names == kinds == {kind.__name__ for kind in ENGINE_KINDS}
    assert {key: amount for key, amount in amounts.items() if amount} == {
        (order.order_id, order.symbol, order.side.value, order.price): order.amount for order in orders
    }


@pytest.mark.parametrize("at_once", [1, 7, 100_000])
def test_the_changes_add_up_to_the_resting_orders(at_once: int, om: OrderManagement) -> None:
    amounts: Counter[tuple[Any, ...]] = Counter()
    for chunk in journal.columns(path_of(om), at_once=at_once):
        assert tuple(chunk) == COLUMNS
        assert {len(column) for column in chunk.values()} <= set(range(1, at_once + 1))
        for *_, order_id, symbol, side, price, change in zip(*chunk.values(), strict=True):
            amounts[order_id, symbol, side, price] += change
    assert {key: amount for key, amount in amounts.items() if amount} == {
        (order.order_id, order.symbol, order.side.value, order.price): order.amount for order in om
    }


def test_data_frames_have_the_exact_columns_with_the_same_type_in_every_chunk(
    om: OrderManagement,
) -> None:
    chunks = list(journal.columns(path_of(om), at_once=20))
    assert len(chunks) > 3
    for chunk in chunks:
        frame, table = pd.DataFrame(chunk), pl.DataFrame(chunk)
        for name in COLUMNS:
            assert table[name].to_list() == chunk[name]
            if name in INTEGERS:
                assert frame[name].tolist() == chunk[name]
                assert frame[name].dtype == "int64"
                assert table[name].dtype == pl.Int64


def test_a_parquet_file_contains_the_exact_columns(om: OrderManagement, tmp_path: Path) -> None:
    (whole,) = journal.columns(path_of(om))
    pl.DataFrame(whole).write_parquet(tmp_path / "events.parquet")
    assert pl.read_parquet(tmp_path / "events.parquet").to_dict(as_series=False) == whole
    assert max(whole["price"]) == 2**63 - 1


def test_an_empty_event_log_yields_one_empty_chunk_with_all_columns(tmp_path: Path) -> None:
    file = tmp_path / "book.db"
    journal.open(file).close()
    assert list(journal.columns(file)) == [{name: [] for name in COLUMNS}]


def test_the_columns_can_begin_with_any_event(om: OrderManagement) -> None:
    (whole,) = journal.columns(path_of(om))
    (later,) = journal.columns(path_of(om), first=20)
    assert later == {name: column[whole["sequence"].index(20) :] for name, column in whole.items()}
    with pytest.raises(JournalError, match="missing"):
        list(journal.columns("missing.db"))
    invalid: list[dict[str, Any]] = [{"first": 0}, {"first": "1"}, {"at_once": 0}, {"at_once": True}]
    for arguments in invalid:
        with pytest.raises(InvalidArgumentError, match="must be an int >= 1"):
            journal.columns(path_of(om), **arguments)


def test_a_read_sees_one_state_while_the_writer_removes_everything_and_closes(om: OrderManagement) -> None:
    (before,) = journal.columns(path_of(om))
    with journal.open(path_of(om)) as writer:
        remaining = journal.columns(path_of(om), at_once=1)
        chunks = [next(remaining)]
        writer.remove_orders()
        assert isinstance(writer.journal, SqliteJournal)
        writer.journal.compact()
    chunks.extend(remaining)
    assert {name: [chunk[name][0] for chunk in chunks] for name in COLUMNS} == before
    assert list(journal.columns(path_of(om))) == [{name: [] for name in COLUMNS}]
    assert journal.verify(path_of(om)).orders == 0
