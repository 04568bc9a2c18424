"""A journal in a file: opening, writing, reading during writes, compaction, and migration."""

from __future__ import annotations

import linecache
import os
import random
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from itertools import count
from pathlib import Path
from time import time_ns
from typing import Any, TypeGuard, get_args

import pytest

from oms import (
    Event,
    Execution,
    Instrument,
    InvalidArgumentError,
    JournalError,
    MatchingEngine,
    Order,
    OrderAdded,
    OrderManagement,
    OrderNotFoundError,
    SelfTradePrevention,
    Side,
    TimeInForce,
    journal,
)
from oms.engine_events import EngineEvent
from oms.journal import Durability, schema
from oms.journal.connection import Connection, connect_by_sqlite3
from oms.journal.open_file import OpenFile, Synchronous
from support.engine_sessions import ENGINE
from support.faulty_disk import Disk, connections_made_by
from support.kinds import EACH_KIND
from support.sessions import BOOKS, Kind, execute, noon, session, sqlite_journal, state, states

BUY = Side.BUY
FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "book.db"


@EACH_KIND
@pytest.mark.parametrize("durability", ["full", "batched", "off"])
@pytest.mark.parametrize("seed", range(5))
def test_a_journal_opens_with_the_state_that_it_had_when_it_closed(
    durability: Durability, seed: int, kind: Kind, file: Path
) -> None:
    commands = kind.session(seed, 40)
    expected = states(commands, kind)
    for number, command in enumerate(commands):
        with kind.open(file, durability=durability, clock=noon) as om:
            assert state(om) == expected[number]
            execute(command, om)
    assert sorted(path.name for path in file.parent.iterdir()) == ["book.db", "book.db-lock"]
    assert journal.verify(file).state_hash == expected[-1].state_hash


def test_orders_that_are_added_as_columns_are_stored_as_orders(file: Path) -> None:
    columns = {"order_id": [1, 2], "symbol": "JPM", "side": "BUY", "amount": [20, 10], "price": [20, 21]}
    with journal.open(file) as om:
        om.add_orders(columns)
        with om.transaction(note="columns"):
            om.add_orders(columns | {"order_id": [3, 4]})
        expected = om.snapshot()
    with journal.open(file, verify=True) as om:
        assert om.snapshot() == expected
        assert [type(order) for order in om.orders()] == [Order] * 4


def test_numbers_of_more_than_64_bits_are_stored_exactly_and_can_be_queried(file: Path) -> None:
    huge = 2**63 - 1
    with journal.open(file) as om:
        om.add_orders([Order(huge, "JPM", BUY, huge, huge), Order(0, "JPM", BUY, huge, huge)])
        trade = om.place_trade("JPM", BUY, 2**64 - 3)
    with journal.open(file, verify=True) as om:
        assert om.orders() == (Order(huge, "JPM", BUY, 1, huge),)
        assert [event.subject() for event in sqlite_journal(om).read(2)] == [(trade, 1)]
    with closing(sqlite3.connect(file)) as connection:
        rows = connection.execute("SELECT amount, total_price FROM trades").fetchall()
    assert rows == [(str(trade.amount), str(trade.total_price))]


@pytest.mark.parametrize(
    "note", ["", "a\0b", "'; DROP TABLE events; --", "\r\n\t", "\U0001f4c8 ü", "+", "-", None]
)
def test_every_event_of_a_transaction_has_its_note_unchanged(note: str | None, file: Path) -> None:
    with journal.open(file) as om, om.transaction(note):
        om.add_order(1, "JPM", BUY, 5, 5)
        om.place_trade("JPM", BUY, 5)
    with journal.open(file, verify=True) as om:
        assert [event.note for event in sqlite_journal(om).read()] == [note, note]


def test_replacing_an_empty_note_by_null_is_damage(file: Path) -> None:
    with journal.open(file) as om, om.transaction(""):
        om.add_order(1, "JPM", BUY, 5, 5)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE events SET note = NULL")
    with pytest.raises(JournalError, match="hash does not match"):
        journal.verify(file)


@pytest.mark.parametrize(
    "settings",
    [
        {"durability": "most"},
        {"group_size": 0},
        {"group_size": True},
        {"group_seconds": 0},
        {"group_seconds": float("nan")},
        {"group_seconds": "1"},
    ],
)
def test_an_invalid_setting_is_rejected_and_creates_no_file(settings: dict[str, Any], file: Path) -> None:
    with pytest.raises(InvalidArgumentError):
        journal.open(file, **settings)
    assert not file.exists()


def test_a_batch_must_begin_directly_after_the_last_event(file: Path) -> None:
    with journal.open(file) as om:
        with pytest.raises(JournalError, match="event 2 cannot follow event 0"):
            sqlite_journal(om).append([OrderAdded(Order(1, "JPM", BUY, 1, 1), sequence=2)])
        with pytest.raises(JournalError, match="event 3 cannot follow event 1"):
            sqlite_journal(om).append([OrderAdded(Order(n, "JPM", BUY, 1, 1), sequence=n) for n in (1, 3)])
        sqlite_journal(om).append([])
        om.add_order(1, "JPM", BUY, 1, 1)
        assert list(sqlite_journal(om).read(2)) == list(sqlite_journal(om).read(2**64)) == []
        for value in (0, -1, True, "1", None, 1.5):
            with pytest.raises(InvalidArgumentError, match="first must be an int >= 1"):
                sqlite_journal(om).read(value)  # type: ignore[arg-type]  # the mistake under test


def test_a_compaction_during_a_read_makes_the_read_raise_an_error(file: Path) -> None:
    with journal.open(file) as om:
        with om.transaction():
            for number in range(1, 1502):
                om.add_order(number, "JPM", BUY, 1, 1)
        events = sqlite_journal(om).read()
        next(events)
        om.remove_order(1)
        sqlite_journal(om).compact()
        with pytest.raises(
            JournalError, match="it was dropped: the event log begins after event 1502"
        ) as caught:
            list(events)
        assert caught.value.place.endswith("events, sequence 1001")


# ---------------------------------------------------------------------- the journal of another class


def write_orders(kind: Kind, file: Path) -> None:
    with kind.open(file) as om:
        kind.add(om, 1)
        kind.add(om, 2)


def write_events_only(kind: Kind, file: Path) -> None:
    with kind.open(file) as om:
        kind.add(om, 1)
        (om.cancel_all if kind is ENGINE else om.remove_orders)()


def write_a_snapshot_only(kind: Kind, file: Path) -> None:
    write_orders(kind, file)
    with kind.open(file) as om:
        sqlite_journal(om).compact()


def write_an_empty_snapshot_only(kind: Kind, file: Path) -> None:
    write_events_only(kind, file)
    with kind.open(file) as om:
        sqlite_journal(om).compact()


@pytest.mark.parametrize(("kind", "other"), [(BOOKS, ENGINE), (ENGINE, BOOKS)], ids=["books", "engine"])
@pytest.mark.parametrize(
    "write", [write_orders, write_events_only, write_a_snapshot_only, write_an_empty_snapshot_only]
)
@pytest.mark.parametrize("verify", [False, True])
def test_opening_the_journal_of_another_class_raises_an_error_that_names_the_right_function(
    write: Callable[[Kind, Path], object], kind: Kind, other: Kind, verify: bool, file: Path
) -> None:
    write(kind, file)
    problem = {
        BOOKS.name: r"the changes of an OrderManagement; open it with journal\.open$",
        ENGINE.name: r"the changes of a MatchingEngine; open it with journal\.open_engine$",
    }[kind.name]
    for _ in range(2):  # the file is closed after the error
        with pytest.raises(JournalError, match=problem):
            other.open(file, verify=verify)
    with kind.open(file, verify=True) as om:
        kind.add(om, 3)


def write_nothing(_: Any) -> None: ...


def write_a_failed_transaction(om: Any) -> None:
    with suppress(RuntimeError), om.transaction():
        (om.submit if hasattr(om, "submit") else om.add_order)(1, "JPM", BUY, 1, 1)
        raise RuntimeError


@pytest.mark.parametrize(("kind", "other"), [(BOOKS, ENGINE), (ENGINE, BOOKS)], ids=["books", "engine"])
@pytest.mark.parametrize(
    "write",
    [
        write_nothing,
        write_a_failed_transaction,
        lambda om: om.set_instrument("JPM", Instrument("0.5")),
        lambda om: sqlite_journal(om).keep_reply("a reply"),
        lambda om: sqlite_journal(om).compact(),
    ],
    ids=["nothing", "a failed transaction", "an instrument", "a reply", "a compaction"],
)
def test_a_journal_without_an_event_can_become_that_of_either_class(
    write: Callable[[Any], object], kind: Kind, other: Kind, file: Path
) -> None:
    with kind.open(file) as om:
        write(om)
        instruments = om.instruments
    with other.open(file, verify=True) as om:
        assert om.instruments == instruments
        other.add(om, 1)
        expected = om.state_hash()
    with other.open(file, verify=True) as om:
        assert om.state_hash() == expected
        sqlite_journal(om).compact()
    assert journal.verify(file).state_hash == expected


# ---------------------------------------------------------------------- one writer, many readers


def test_a_second_writer_is_rejected_by_any_name_until_the_first_has_closed(
    file: Path, tmp_path: Path
) -> None:
    link = tmp_path / "link.db"
    script = "import sys; from oms import journal; journal.open(sys.argv[1]).close()"
    with journal.open(file) as om:
        om.add_order(1, "JPM", BUY, 1, 1)
        link.symlink_to(file)
        for name in (file, link, f"{tmp_path}/./book.db"):
            with pytest.raises(JournalError, match="open elsewhere"):
                journal.open(name)
            run = subprocess.run(
                [sys.executable, "-c", script, str(name)], capture_output=True, text=True, check=False
            )
            assert "JournalError" in run.stderr
            assert "open elsewhere" in run.stderr
        om.add_order(2, "JPM", BUY, 1, 1)
    with journal.open(link) as om:
        assert len(om) == 2


def test_a_forked_process_can_neither_write_nor_release_the_lock(file: Path) -> None:
    script = """
import os, sys, warnings
from oms import JournalError, Side, journal
om = journal.open(sys.argv[1], durability="batched")
om.add_order(1, "JPM", Side.BUY, 1, 1)
child = os.fork()
if not child:
    try:
        om.add_order(2, "JPM", Side.BUY, 1, 1)
    except JournalError as error:
        om.close()
        try:
            journal.open(sys.argv[1])
        except JournalError:
            os._exit(7 if "forked" in str(error) and 2 not in om else 1)
    os._exit(1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
try:
    journal.open(sys.argv[1])
except JournalError:
    om.add_order(3, "JPM", Side.BUY, 1, 1)
    om.close()
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", script, str(file)], check=True)
    with journal.open(file, verify=True) as om:
        assert [order.order_id for order in om] == [1, 3]


def test_a_reader_in_another_process_sees_a_consistent_state_during_writes(file: Path) -> None:
    script = "import sys; from oms import journal\nfor _ in range(20): print(*journal.verify(sys.argv[1]))"
    with journal.open(file) as om:
        hashes = {om.state_hash()}
        om.subscribe(lambda _: hashes.add(om.state_hash()))
        om.add_order(0, "JPM", BUY, 1, 1)
        with subprocess.Popen(
            [sys.executable, "-c", script, str(file)], stdout=subprocess.PIPE, text=True
        ) as reader:
            number = 0
            while reader.poll() is None:
                number += 1
                om.add_order(number, "JPM", BUY, 1, 1)
            assert reader.stdout is not None
            results = [line.split() for line in reader.stdout]
    assert reader.returncode == 0
    assert len(results) == 20
    assert {result[-2] for result in results} <= hashes
    assert {result[-1] for result in results} == {"None"}  # no warning, although the journal is open
    assert [int(result[1]) for result in results] == sorted(int(result[1]) for result in results)


def test_every_thread_can_write_and_read(file: Path) -> None:
    with journal.open(file) as om:

        def work(first: int) -> None:
            for number in range(first, first + 20):
                om.add_order(number, "JPM", BUY, 1, 1)
                assert len(list(sqlite_journal(om).read(number % 5 + 1))) >= 1

        threads = [threading.Thread(target=work, args=(1000 * n,)) for n in range(1, 5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(om) == 80
        assert sqlite_journal(om).verify().orders == 80


class Trader:
    """A thread that trades on an engine, and collects the executions that the engine has acknowledged."""

    def __init__(self, engine: MatchingEngine, number: int) -> None:
        self.name = f"trader {number}"
        self.engine = engine
        self.rng = random.Random(number)
        self.ids: list[str] = []
        self.acknowledged: list[Execution] = []
        self.thread = threading.Thread(target=self.run)
        self.errors: list[BaseException] = []

    def run(self) -> None:
        try:
            for _ in range(80):
                self.step()
        except BaseException as error:  # the test raises it again
            self.errors.append(error)
            raise

    def step(self) -> None:
        choice = self.rng.random()
        if choice < 0.6 or not self.ids:
            self.acknowledged.append(self.submit())
        elif choice < 0.75:
            with suppress(OrderNotFoundError):  # the order has been filled
                self.engine.cancel(self.rng.choice(self.ids))
        elif choice < 0.85:
            with suppress(OrderNotFoundError):
                price, order_id = self.rng.randint(95, 105), self.rng.choice(self.ids)
                self.acknowledged.append(self.engine.replace(order_id, price=price))
        else:
            self.trade_in_a_transaction(fails=choice > 0.93)

    def trade_in_a_transaction(self, *, fails: bool) -> None:
        with suppress(RuntimeError):
            with self.engine.transaction(self.name):
                executions = [self.submit(), self.submit()]
                with self.engine.what_if():
                    self.engine.cancel_all()
                if fails:
                    raise RuntimeError("roll back")
            self.acknowledged += executions

    def submit(self) -> Execution:
        order_id = f"{self.name}, order {len(self.ids)}"
        self.ids.append(order_id)
        side, price = self.rng.choice(list(Side)), self.rng.randint(95, 105)
        display = self.rng.choice((None, 2))
        return self.engine.submit(order_id, "JPM", side, 5, price, owner=self.name, display=display)


@pytest.mark.parametrize("durability", ["full", "batched"])
def test_what_eight_threads_have_traded_is_in_the_event_log_once_and_in_order(
    durability: Durability, file: Path
) -> None:
    published: list[Event] = []
    with journal.open_engine(file, durability=durability) as engine:
        engine.subscribe(published.append)
        traders = [Trader(engine, number) for number in range(8)]
        for trader in traders:
            trader.thread.start()
        for trader in traders:
            trader.thread.join()
        assert [trader.errors for trader in traders] == [[]] * 8
        engine._check()
        events, state_hash = list(sqlite_journal(engine).read()), engine.state_hash()
        assert events == published
        assert sqlite_journal(engine).verify().state_hash == state_hash
    for trader in traders:
        stored = [event.executions[0] for event in events if takes_from(event, trader)]
        assert stored == trader.acknowledged
        assert len(stored) > 40
    assert sum(len(each.fills) for trader in traders for each in trader.acknowledged) > 50
    assert {event.note for event in events} == {None, *(trader.name for trader in traders)}
    with journal.open_engine(file, verify=True) as engine:
        assert engine.state_hash() == state_hash


def takes_from(event: Event, trader: Trader) -> TypeGuard[EngineEvent]:
    """Return True if the trader's order came in."""
    return (
        isinstance(event, EngineEvent) and len(event.executions) > 0 and event.orders[0].owner == trader.name
    )


# ---------------------------------------------------------------------- group commit


def count_syncs(disk: Disk, call: Callable[[], object]) -> int:
    before = disk.syncs
    call()
    return disk.syncs - before


def test_each_durability_syncs_as_documented(tmp_path: Path) -> None:
    counts = {}
    for durability in get_args(Durability):
        disk, file = Disk(), tmp_path / f"{durability}.db"
        with (
            connections_made_by(disk.connect),
            journal.open(file, durability=durability, group_size=4, group_seconds=3600) as om,
        ):
            om.add_order(0, "JPM", BUY, 1, 1)
            counts[durability] = [
                count_syncs(disk, lambda om=om, n=n: om.add_order(n, "JPM", BUY, 1, 1))  # type: ignore[misc]  # mypy cannot infer the lambda
                for n in range(1, 9)
            ]
    assert counts == {"full": [1] * 8, "batched": [0, 0, 1, 0, 0, 0, 1, 0], "off": [0] * 8}


def test_a_group_is_synced_when_its_time_is_over_without_another_change(file: Path) -> None:
    disk, synced = Disk(), threading.Event()
    with (
        connections_made_by(disk.connect),
        journal.open(file, durability="batched", group_seconds=0.01) as om,
    ):
        disk.on_sync = synced.set
        om.add_order(1, "JPM", BUY, 1, 1)
        om.add_order(2, "JPM", BUY, 1, 1)
        synced.clear()
        om.add_order(3, "JPM", BUY, 1, 1)
        assert synced.wait(30)


def test_a_sync_that_runs_out_of_memory_is_tried_again(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk, failed, synced = Disk(), threading.Event(), threading.Event()
    set_synchronous = OpenFile.set_synchronous

    def fail_once(open_file: OpenFile, level: Synchronous) -> None:
        if level == "FULL" and not failed.is_set():
            failed.set()
            raise MemoryError
        set_synchronous(open_file, level)

    with (
        connections_made_by(disk.connect),
        journal.open(file, durability="batched", group_seconds=0.01) as om,
    ):
        monkeypatch.setattr(OpenFile, "set_synchronous", fail_once)
        om.add_order(1, "JPM", BUY, 1, 1)
        assert failed.wait(30)
        disk.on_sync = synced.set
        assert synced.wait(30)


@pytest.mark.parametrize("level", ["FULL", "NORMAL"])
@pytest.mark.parametrize("group_size", [1, 1_000])
def test_a_level_of_syncing_that_cannot_be_set_raises_a_journal_error(
    level: Synchronous, group_size: int, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_synchronous = OpenFile.set_synchronous

    def fail(open_file: OpenFile, wanted: Synchronous) -> None:
        if wanted == level:
            raise sqlite3.OperationalError("injected")
        set_synchronous(open_file, wanted)

    om = journal.open(file, durability="batched", group_size=group_size, group_seconds=3600)
    om.add_order(1, "JPM", BUY, 1, 1)
    monkeypatch.setattr(OpenFile, "set_synchronous", fail)
    with pytest.raises(JournalError, match="injected"):
        om.add_order(2, "JPM", BUY, 1, 1)
        sqlite_journal(om).sync()
    with suppress(JournalError):
        om.close()
    monkeypatch.undo()
    with journal.open(file, verify=True) as again:
        assert 1 in again


def open_with_a_failed_sync(disk: Disk, file: Path) -> OrderManagement:
    """Return a journal with one acknowledged change, whose sync has failed in the thread."""
    with connections_made_by(disk.connect):
        om = journal.open(file, durability="batched", group_seconds=0.01)
    with sqlite_journal(om)._lock:
        om.add_order(1, "JPM", BUY, 1, 1)
        disk.fail_at, disk.how = disk.steps + 1, "io"
    (clock,) = (thread for thread in threading.enumerate() if thread.name == f"oms journal {file.name}")
    clock.join(30)
    assert disk.failed
    return om


def test_the_next_change_raises_the_error_of_a_failed_group_sync(file: Path) -> None:
    om = open_with_a_failed_sync(Disk(), file)
    with pytest.raises(JournalError, match="read-only until it is opened again: write fails"):
        om.add_order(2, "JPM", BUY, 1, 1)
    assert 2 not in om
    with pytest.raises(JournalError, match="its last change may not be on the disk"):
        om.close()
    om.close()


def test_closing_raises_the_error_of_a_failed_group_sync(file: Path) -> None:
    with (
        pytest.raises(JournalError, match="its last change may not be on the disk: write fails"),
        open_with_a_failed_sync(Disk(), file),
    ):
        pass
    with journal.open(file, verify=True) as om:
        assert [order.order_id for order in om] == [1]


class OldConnection:
    """A connection whose count of changed rows overflows 32 bits after `remaining` more rows."""

    def __init__(self, connection: Connection, remaining: int) -> None:
        self._connection = connection
        self._remaining = remaining
        self.execute, self.executemany = connection.execute, connection.executemany
        self.backup, self.close = connection.backup, connection.close

    @property
    def total_changes(self) -> int:
        return (self._connection.total_changes - self._remaining) % 2**32 - 2**31


@pytest.mark.parametrize("remaining", range(1, 10))
def test_an_overflow_of_the_count_of_changed_rows_is_not_damage(remaining: int, file: Path) -> None:
    commands = session(5, 10)
    with (
        connections_made_by(lambda uri: OldConnection(connect_by_sqlite3(uri), remaining)),
        journal.open(file, clock=noon) as om,
    ):
        for command in commands:
            execute(command, om)
        assert state(om) == states(commands)[-1]
    assert journal.verify(file).state_hash == om.state_hash()


# ---------------------------------------------------------------------- interrupts


class Interrupt(BaseException):
    """An exception like KeyboardInterrupt."""


def line_of(frame: Any) -> str:
    return linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()


def trade(om: Any) -> None:
    """Fill an order. On an engine, refill an iceberg order, and trigger a stop order."""
    if isinstance(om, OrderManagement):
        om.place_trade("JPM", BUY, 2)
    else:
        om.submit("taker", "JPM", BUY, 3, 5, owner="Tom")


def rest(om: Any) -> None:
    """Add orders for `trade`, in one event on an OrderManagement, and in two on an engine."""
    if isinstance(om, OrderManagement):
        om.add_order(1, "JPM", BUY, 5, 5)
    else:
        om.submit("iceberg", "JPM", Side.SELL, 9, 5, display=2)
        om.submit("stop", "JPM", BUY, 1, stop_price=5, owner="Sue")


@pytest.mark.parametrize(
    ("kind", "durability", "every"),
    [
        *((BOOKS, each, 1) for each in get_args(Durability)),
        (ENGINE, "full", 19),
        *(pytest.param(ENGINE, each, 1, marks=pytest.mark.soak) for each in get_args(Durability)),
    ],
    ids=lambda value: value.name if isinstance(value, Kind) else str(value),
)
def test_an_append_interrupted_at_any_line_is_in_memory_and_file_or_in_neither(
    kind: Kind, durability: Durability, every: int, tmp_path: Path
) -> None:
    package = str(Path(journal.__file__).parent)
    for interrupted_line in count(1, every):
        om = kind.open(tmp_path / f"{interrupted_line}.db", durability=durability, group_seconds=3600)
        with om:
            rest(om)
            last, state_hash = om.last_sequence, om.state_hash()
            lines = 0

            def trace(frame: Any, event: str, _: Any) -> Any:
                nonlocal lines
                if not frame.f_code.co_filename.startswith(package):
                    return None
                # A real interrupt cannot come before a lock is released, which happens in C. A tracer can.
                lines += event == "line" and not line_of(frame).startswith("with ")
                if lines == interrupted_line:  # noqa: B023  # called before the next iteration
                    sys.settrace(None)
                    raise Interrupt
                return trace

            before = sys.gettrace()
            sys.settrace(trace)
            try:
                trade(om)
                break
            except Interrupt:
                pass
            finally:
                sys.settrace(before)
            om._check()
            assert len(list(sqlite_journal(om).read(last + 1))) == (om.state_hash() != state_hash)
            kind.add(om, 2)
            assert sqlite_journal(om).verify().state_hash == om.state_hash()
    assert interrupted_line > 30


# ---------------------------------------------------------------------- compaction


@EACH_KIND
def test_compacting_drops_earlier_events_and_preserves_the_resting_orders(kind: Kind, file: Path) -> None:
    commands = kind.session(7, 60)
    with kind.open(file) as om:
        for command in commands:
            execute(command, om)
        expected = state(om)
        last = expected.counters[1]
        assert sqlite_journal(om).compact(1) == 0
        dropped = sqlite_journal(om).compact(last // 2)
        assert 0 < dropped <= last // 2 - 1
        assert tuple(sqlite_journal(om).read(dropped + 1)) == expected.events[dropped:]
        with pytest.raises(JournalError, match="was dropped"):
            list(sqlite_journal(om).read())
        for value in (0, last + 2, True, "1"):
            with pytest.raises(InvalidArgumentError, match="before must be"):
                sqlite_journal(om).compact(value)  # type: ignore[arg-type]  # the mistake under test
    with kind.open(file, verify=True) as om:
        assert (om.orders(), om.state_hash()) == (expected.orders, expected.state_hash)
        assert sqlite_journal(om).compact() == last - dropped
        assert list(sqlite_journal(om).read(last + 1)) == []
    with kind.open(file, verify=True) as om:
        assert om.state_hash() == expected.state_hash
        kind.add(om, 10**6)
        assert sqlite_journal(om).verify().events == 1


def test_a_compaction_never_splits_a_transaction(file: Path) -> None:
    with journal.open(file) as om:
        om.add_order(1, "JPM", BUY, 1, 1)
        with om.transaction():
            om.add_order(2, "JPM", BUY, 1, 1)
            om.add_order(3, "JPM", BUY, 1, 1)
        assert sqlite_journal(om).compact(3) == 1
        assert sqlite_journal(om).verify().first == 2


def test_a_compaction_of_a_damaged_event_log_raises_an_error(file: Path) -> None:
    with journal.open(file) as om:
        for number in range(4):
            om.add_order(number, "JPM", BUY, 1, 1)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE events SET note = 'x' WHERE sequence = 2")
    with journal.open(file) as om:
        assert len(om) == 4
        with pytest.raises(JournalError, match="sequence 2"):
            sqlite_journal(om).compact()


def test_check_writable_raises_an_error_after_closing(file: Path) -> None:
    om = journal.open(file)
    sqlite_journal(om).check_writable()
    om.close()
    with pytest.raises(JournalError, match="closed"):
        sqlite_journal(om).check_writable()


def test_the_policy_of_self_trade_prevention_is_that_of_each_opening(file: Path) -> None:
    def fills(policy: SelfTradePrevention) -> int:
        with journal.open_engine(file, verify=True, self_trade_prevention=policy) as engine:
            return len(engine.submit(2, "JPM", BUY, 1, 5, owner="Ann", time_in_force=TimeInForce.IOC).fills)

    with journal.open_engine(file) as engine:
        engine.submit(1, "JPM", Side.SELL, 9, 5, owner="Ann")
    policies = SelfTradePrevention.CANCEL_NEWEST, SelfTradePrevention.NONE, SelfTradePrevention.DECREMENT
    assert list(map(fills, policies)) == [0, 1, 0]
    with pytest.raises(InvalidArgumentError, match="self_trade_prevention must be a member"):
        journal.open_engine(file, self_trade_prevention="NONE")  # type: ignore[arg-type]  # the mistake
    with journal.open_engine(file, verify=True) as engine:
        assert engine.order(1).remaining == 7


@EACH_KIND
def test_after_closing_queries_work_and_changes_raise_an_error_and_change_nothing(
    kind: Kind, file: Path
) -> None:
    with kind.open(file) as om:
        rest(om)
        before = om.state_hash()
    for _ in range(2):
        with pytest.raises(JournalError, match="it is closed"):
            trade(om)
        with pytest.raises(JournalError, match="it is closed"), om.transaction():
            trade(om)
        with om.what_if():
            trade(om)
        om._check()
        assert om.state_hash() == before
        assert om.best_price("JPM", BUY) == 5


# ---------------------------------------------------------------------- versions


def dump(file: Path) -> str:
    """Return a file as SQL statements."""
    with closing(sqlite3.connect(file)) as connection:
        pragmas = [
            f"PRAGMA {name}={connection.execute(f'PRAGMA {name}').fetchone()[0]};"
            for name in ("application_id", "user_version")
        ]
        return "\n".join([*pragmas, *connection.iterdump(), ""])


def write_fixture(file: Path) -> None:
    """Write the journal of which the fixture is a dump. Run this module to create the fixture."""
    with journal.open(file, clock=None) as om:
        om.add_order(1, "JPM", BUY, 20, 20)
        om.add_orders([Order(4, "JPM", BUY, 10, 21), Order(5, "日経", Side.SELL, 2**63 - 1, 2**63 - 1)])
        om.clock = noon
        with om.transaction("a 'note'"):
            om.place_trade("JPM", BUY, 22)
            om.place_trade("日経", Side.SELL, 2**62)
        om.amend_order(4, price=22)
        sqlite_journal(om).compact(2)
        om.add_order(6, "IBM", BUY, 1, 1)
        om.remove_order(6)
        om.remove_orders("日経")
        sqlite_journal(om).keep_reply("a 'reply'")
        sqlite_journal(om).keep_reply("日経")


@pytest.mark.parametrize(
    "fixture", sorted(FIXTURES.glob("journal_version_*.sql")), ids=lambda path: path.stem
)
def test_a_file_of_every_released_version_opens(fixture: Path, file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(fixture.read_text(encoding="utf-8"))
    has_times = fixture.stem[-1] >= "5"
    with journal.open(file, verify=True, clock=lambda: 7) as om:
        assert om.orders() == (Order(4, "JPM", BUY, 8, 22),)
        assert [event.sequence for event in sqlite_journal(om).read(2)] == [2, 3, 4, 5, 6, 7, 8]
        assert {event.note for event in sqlite_journal(om).read(3)} == {"a 'note'", None}
        assert om.state_hash() == "6037637c42ce829d8ec334f7d4b33fb7ff72769f6eccba6b4ea6d8d7cf60d4eb"
        assert list(sqlite_journal(om).replies()) == (
            ["a 'reply'", "日経"] if fixture.stem[-1] >= "3" else []
        )
        om.add_order(7, "JPM", BUY, 1, 1)
        sqlite_journal(om).keep_reply("another")
        with om.transaction("a later note"):
            om.remove_order(7)
        times = {event.sequence: event.time for event in sqlite_journal(om).read(2)}
        assert times == {2: None, **dict.fromkeys(range(3, 9), noon() if has_times else None), 9: 7, 10: 7}
    assert journal.verify(file).last == 10
    with journal.open(file, verify=True) as om:
        sqlite_journal(om).compact()
        dropped = [(event.sequence, event.time) for event in sqlite_journal(om).history()]
        assert dropped == [(3, times[3]), (4, times[4]), (10, 7)]
    assert journal.verify(file).last == 10


def test_an_event_without_a_time_has_the_hash_of_version_4(file: Path) -> None:
    columns = "sequence, batch, kind, note, body, hash"
    fixture = FIXTURES / "journal_version_4.sql"
    write_fixture(file)
    rows = []
    for path in (file.with_name("four.db"), file):
        with closing(sqlite3.connect(path)) as connection:
            if path != file:
                connection.executescript(fixture.read_text(encoding="utf-8"))
            rows.append(connection.execute(f"SELECT {columns} FROM events").fetchall())  # noqa: S608  # constants
    with_hashes = [row[-1] for row in rows[0]], [row[-1] for row in rows[1]]
    assert [row[:-1] for row in rows[0]] == [row[:-1] for row in rows[1]]
    assert with_hashes[0][0] == with_hashes[1][0]  # the only event of both files without a time
    assert set(with_hashes[0][1:]).isdisjoint(with_hashes[1][1:])


@pytest.mark.parametrize("durability", ["full", "batched"])
def test_events_have_their_times_after_reopening_compaction_copying_and_rebuilding(
    durability: Durability, file: Path
) -> None:
    ticks = iter([5, 0, 2**63 - 1, 4, 4])
    with journal.open(file, durability=durability, clock=lambda: next(ticks)) as om:
        om.add_order(1, "JPM", BUY, 20, 20)
        with om.transaction("why"):
            om.place_trade("JPM", BUY, 2)
            om.amend_order(1, price=9)
        om.clock = None
        om.add_order(2, "JPM", BUY, 20, 20)
        om.clock = lambda: next(ticks)
        om.remove_orders()
    copy = file.with_name("copy.db")
    journal.backup(file, copy)
    journal.rebuild(file)
    for path in (file, copy):
        with journal.open(path, verify=True) as om:
            store = sqlite_journal(om)
            assert [event.time for event in store.read()] == [5, 0, 2**63 - 1, None, 4]
            assert [event.time for event in store.history()] == [5, 0, 2**63 - 1, None, 4]
            store.compact(4)
            assert [event.time for event in store.history()] == [0, 2**63 - 1, None, 4]
            store.compact()
        assert [event.time for event in store_history(path)] == [0, 2**63 - 1]


def store_history(path: Path) -> list[Event]:
    """Return the events of a file, verified, with those that a compaction has dropped."""
    with journal.open(path, verify=True) as om:
        return list(sqlite_journal(om).history())


def test_open_uses_the_real_clock_unless_you_pass_another_or_none(file: Path) -> None:
    before = time_ns()
    for number, clock in enumerate((time_ns, lambda: 7, None)):
        with journal.open(file, clock=clock) as om:
            assert om.clock is clock
            om.add_order(number, "JPM", BUY, 1, 1)
    with journal.open(file) as om:
        assert om.clock is time_ns
        first, *others = [event.time for event in sqlite_journal(om).read()]
    assert first is not None
    assert before <= first <= time_ns()
    assert others == [7, None]


def test_a_clock_that_is_not_callable_is_rejected_and_the_file_is_closed(file: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="clock must be None or a callable"):
        journal.open(file, clock=5)  # type: ignore[arg-type]  # the mistake
    journal.open(file).close()


@pytest.mark.parametrize("durability", ["full", "batched", "off"])
def test_a_stored_reply_survives_reopening_and_compaction(durability: Durability, file: Path) -> None:
    replies = ["", "a 'reply'", "日経\0", "a 'reply'"]
    for number, reply in enumerate(replies):
        with journal.open(file, durability=durability, verify=True) as om:
            assert list(sqlite_journal(om).replies()) == replies[:number]
            sqlite_journal(om).keep_reply(reply)
            om.add_order(number, "JPM", BUY, 1, 1)
            assert sqlite_journal(om).compact() == 1
            assert list(sqlite_journal(om).replies()) == replies[: number + 1]


@pytest.mark.parametrize("reply", [None, 5, b"x", "\ud800"])
def test_a_reply_that_is_not_valid_text_is_rejected(reply: Any, file: Path) -> None:
    with journal.open(file) as om:
        with pytest.raises(InvalidArgumentError, match="reply must be a str of valid Unicode"):
            sqlite_journal(om).keep_reply(reply)
        assert list(sqlite_journal(om).replies()) == []


def test_every_version_has_a_fixture() -> None:
    names = [path.name for path in FIXTURES.glob("journal_version_*.sql")]
    assert sorted(names) == [f"journal_version_{n}.sql" for n in range(1, schema.VERSION + 1)]


def test_a_writer_migrates_an_older_file_and_a_reader_rejects_it(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_fixture(file)
    first, second = ("CREATE TABLE t (x)",), ("INSERT INTO t VALUES (1)", "DROP TABLE t")
    current = schema.VERSION
    monkeypatch.setattr(schema, "VERSION", current + 2)
    monkeypatch.setattr(schema, "MIGRATIONS", {current: first, current + 1: second})
    with pytest.raises(JournalError, match="an older version"):
        journal.verify(file)
    with journal.open(file, verify=True) as om:
        assert len(om) == 1
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA user_version").fetchall() == [(current + 2,)]


def test_a_migration_that_fails_changes_nothing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_fixture(file)
    before = dump(file)
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", {schema.VERSION: ("DROP TABLE fills", "nonsense")})
        patch.setattr(schema, "VERSION", schema.VERSION + 1)
        with pytest.raises(JournalError, match="cannot be opened"):
            journal.open(file)
    assert dump(file) == before
    journal.open(file).close()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root can write everywhere")
def test_a_read_only_file_in_a_read_only_folder_can_be_read(file: Path) -> None:
    write_fixture(file)
    file.chmod(0o444)
    file.parent.chmod(0o555)
    try:
        assert journal.verify(file).orders == 1
        with pytest.raises(JournalError):
            journal.open(file)
    finally:
        file.parent.chmod(0o755)


if __name__ == "__main__":
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        write_fixture(Path(folder, "book.db"))
        FIXTURES.mkdir(exist_ok=True)
        fixture = FIXTURES / f"journal_version_{schema.VERSION}.sql"
        fixture.write_text(dump(Path(folder, "book.db")), encoding="utf-8")
        print(journal.verify(Path(folder, "book.db")).state_hash)
