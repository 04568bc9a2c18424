"""Pages of events and trades agree with the whole event log, and damage in them is detected."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oms import Event, InvalidArgumentError, JournalError, Side, Trade, TradePlaced, journal
from oms.engine_events import EngineEvent
from oms.journal import Archive, EventPage, SqliteJournal, TradePage
from support.engine_sessions import ENGINE
from support.kinds import EACH_KIND
from support.memory_journal import MemoryJournal
from support.sessions import BOOKS, Kind, execute, sqlite_journal

LENGTH = 60


@pytest.fixture(
    scope="module",
    params=[*product([BOOKS], [None, 1, 20, "all"]), (ENGINE, 5)],
    ids=lambda param: f"{param[0].name}, compacted {param[1]}",
)
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a journal whose older events were dropped, or not."""
    kind, before = request.param
    om = kind.open(tmp_path_factory.mktemp("pages") / "book.db", durability="off")
    for command in kind.session(8, LENGTH if kind is BOOKS else 14):
        execute(command, om)
    store = sqlite_journal(om)
    if before is not None:
        store.compact(None if before == "all" else before)
    with om:
        yield store


def trades_of(event: Event) -> list[Trade]:
    """Return the trades of an event. An event of a matching engine can have several."""
    if isinstance(event, EngineEvent):
        return [subject[0] for kind, subject in event.changes if kind is TradePlaced]
    return [event.trade] if isinstance(event, TradePlaced) else []


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
    trades = [
        (event.sequence, event.note, event.time, trade)
        for event in store.read(store.droppable(1).first)
        for trade in trades_of(event)
    ]
    first = trades[0][-1].trade_id if trades else store.snapshot().next_trade_id
    begin = 0 if after is None else after + 1 - first
    expected = [] if begin < 0 else trades[begin : begin + limit]
    more = bool(expected) and begin + limit < len(trades)
    page = store.page_of_trades(after, limit)
    assert (page.first, page.more) == (first, more)
    assert [(event.sequence, event.note, event.time, event.trade) for event in page.events] == expected
    assert all(type(event) is TradePlaced for event in page.events)


@EACH_KIND
def test_pages_of_an_empty_journal_are_empty(kind: Kind, tmp_path: Path) -> None:
    with kind.open(tmp_path / "book.db") as om:
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


def test_a_page_can_begin_and_end_between_the_trades_of_one_event(tmp_path: Path) -> None:
    with journal.open_engine(tmp_path / "venue.db", clock=None) as engine:
        engine.submit(1, "JPM", Side.SELL, 9, 20, display=2)
        with engine.transaction("why"):
            engine.submit(2, "JPM", Side.BUY, 8, 20)
        engine.submit(3, "JPM", Side.BUY, 1, 20)
        store = sqlite_journal(engine)
        trades = store.page_of_trades(None, 9).events
        assert [event.sequence for event in trades] == [2, 2, 2, 2, 3]
        assert [event.trade.trade_id for event in trades] == [1, 2, 3, 4, 5]
        assert [event.note for event in trades] == ["why"] * 4 + [None]
        for after in range(6):
            for limit in range(1, 6):
                page = store.page_of_trades(after, limit)
                assert page == TradePage(1, trades[after : after + limit], after + limit < 5)


@pytest.mark.parametrize(
    ("damage", "place"),
    {
        "UPDATE events SET body = replace(body, '20', '21') WHERE sequence = 2": "events, sequence 2",
        "UPDATE trades SET sequence = 3 WHERE trade_id = 2": "trades, trade 2",
        "UPDATE trades SET sequence = 1 WHERE trade_id = 3": "trades, trade 3",
        "DELETE FROM trades WHERE trade_id = 3": "trades, trade 3",
    }.items(),
)
def test_damage_in_a_page_of_the_trades_of_a_matching_engine_raises_an_error_with_its_place(
    damage: str, place: str, tmp_path: Path
) -> None:
    file = tmp_path / "venue.db"
    with journal.open_engine(file) as engine:
        engine.submit(1, "JPM", Side.SELL, 9, 20, display=2)
        engine.submit(2, "JPM", Side.BUY, 8, 20)
        engine.submit(3, "JPM", Side.BUY, 1, 20)
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute(damage)
        with pytest.raises(JournalError) as caught:
            sqlite_journal(engine).page_of_trades(1, 2)
    assert caught.value.place.endswith(place)


def test_a_page_does_not_wait_for_a_change_that_is_being_written(tmp_path: Path) -> None:
    with journal.open(tmp_path / "book.db") as om, ThreadPoolExecutor(1) as pool:
        om.add_order(1, "JPM", Side.BUY, 20, 20)
        assert isinstance(om.journal, SqliteJournal)
        with om.journal._lock:  # a writer holds this lock during a sync
            page = pool.submit(om.journal.page_of_events, None, 10).result(20)
            pool.submit(om.journal.check_writable).result(20)
        assert [event.sequence for event in page.events] == [1]
