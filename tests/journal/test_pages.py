"""Pages of events and trades agree with the whole event log, and damage in them is detected."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oms import InvalidArgumentError, JournalError, OrderManagement, Side, TradePlaced, journal
from oms.journal import Archive, EventPage, SqliteJournal, TradePage
from support.memory_journal import MemoryJournal
from support.sessions import execute, session

LENGTH = 60


@pytest.fixture(scope="module", params=[None, 1, 20, "all"], ids=lambda param: f"compacted {param}")
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a journal whose older events were dropped, or not."""
    om = journal.open(tmp_path_factory.mktemp("pages") / "book.db", durability="off")
    for command in session(8, LENGTH):
        execute(command, om)
    store = sqlite_journal(om)
    if request.param is not None:
        store.compact(None if request.param == "all" else request.param)
    with om:
        yield store


def sqlite_journal(om: OrderManagement) -> SqliteJournal:
    assert isinstance(om.journal, SqliteJournal)
    return om.journal


@given(after=st.none() | st.integers(0, 2 * LENGTH), limit=st.integers(1, 2 * LENGTH))
@settings(max_examples=60)
def test_a_page_of_events_is_a_part_of_the_event_log(
    store: SqliteJournal, after: int | None, limit: int
) -> None:
    first = store.droppable(1).first
    events = list(store.read(first))
    begin = 0 if after is None else after + 1 - first
    expected = () if begin < 0 else tuple(events[begin : begin + limit])
    more = bool(expected) and begin + limit < len(events)
    assert store.page_of_events(after, limit) == EventPage(first, expected, more)


@given(after=st.none() | st.integers(0, 2 * LENGTH), limit=st.integers(1, 2 * LENGTH))
@settings(max_examples=60)
def test_a_page_of_trades_contains_the_trades_of_the_event_log(
    store: SqliteJournal, after: int | None, limit: int
) -> None:
    trades = [event for event in store.read(store.droppable(1).first) if isinstance(event, TradePlaced)]
    first = trades[0].trade.trade_id if trades else store.snapshot().next_trade_id
    begin = 0 if after is None else after + 1 - first
    expected = () if begin < 0 else tuple(trades[begin : begin + limit])
    more = bool(expected) and begin + limit < len(trades)
    assert store.page_of_trades(after, limit) == TradePage(first, expected, more)


def test_pages_of_an_empty_journal_are_empty(tmp_path: Path) -> None:
    with journal.open(tmp_path / "book.db") as om:
        for after in (None, 0, 5, 10**100):
            assert sqlite_journal(om).page_of_events(after, 10) == EventPage(1)
            assert sqlite_journal(om).page_of_trades(after, 10) == TradePage(1)


def test_only_a_journal_with_both_methods_is_an_archive(store: SqliteJournal) -> None:
    assert isinstance(store, Archive)
    assert not isinstance(MemoryJournal(), Archive)


@pytest.mark.parametrize(
    ("after", "limit"), [(-1, 1), (1.0, 1), (True, 1), ("1", 1), (None, 0), (None, None), (1, 2.0)]
)
def test_an_invalid_argument_is_rejected(after: Any, limit: Any, store: SqliteJournal) -> None:
    for page in (store.page_of_events, store.page_of_trades):
        with pytest.raises(InvalidArgumentError, match=r"(after|limit) must be an int"):
            page(after, limit)


@pytest.mark.parametrize(
    ("damage", "place"),
    {
        "UPDATE events SET time = 5 WHERE sequence = 3": "events, sequence 3",
        "UPDATE events SET body = replace(body, '20', '21') WHERE sequence = 3": "events, sequence 3",
        "UPDATE trades SET sequence = 1 WHERE trade_id = 2": "trades, trade 2",
        "UPDATE trades SET sequence = 4 WHERE trade_id = 2": "trades, trade 2",
        "UPDATE trades SET sequence = 99 WHERE trade_id = 2": "trades, trade 2",
        "UPDATE trades SET trade_id = 7 WHERE trade_id = 2": "trades, trade 2",
        "DELETE FROM trades WHERE trade_id = 2": "trades, trade 2",
        "ALTER TABLE trades DROP COLUMN sequence": "trades",
    }.items(),
)
def test_damage_in_a_page_of_trades_raises_an_error_with_its_place(
    damage: str, place: str, tmp_path: Path
) -> None:
    file = tmp_path / "book.db"
    with journal.open(file) as om:
        om.add_order(1, "JPM", Side.BUY, 20, 20)
        for _ in range(3):
            om.place_trade("JPM", Side.BUY, 5)
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute(damage)
        with pytest.raises(JournalError) as caught:
            sqlite_journal(om).page_of_trades(1, 2)
    assert caught.value.place.endswith(place)
