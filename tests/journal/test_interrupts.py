"""An interrupt (Ctrl-C, a signal) just before or just after any SQL statement of the journal does no harm."""

from __future__ import annotations

import gc
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from decimal import Decimal
from itertools import count, product
from pathlib import Path
from typing import Any, cast

import pytest

from oms import (
    Instrument,
    JournalError,
    MatchingEngine,
    Order,
    OrderManagement,
    Side,
    TimeInForce,
    journal,
)
from oms.journal import Durability, SqliteJournal, schema
from oms.journal.connection import Connect, Connection, connect_by_sqlite3
from support.faulty_disk import connections_made_by
from support.sessions import noon

BUY, SELL = Side.BUY, Side.SELL
FIXTURES = Path(__file__).parent / "fixtures"


class Interrupt(BaseException):
    """Like KeyboardInterrupt: no code expects it."""


class Interruptions:
    """Raises Interrupt once, just before or just after a statement: each statement has two moments."""

    def __init__(self) -> None:
        self.moments = 0
        self.at: int | None = None

    def arm(self, at: int) -> None:
        self.moments, self.at = 0, at

    def pass_moment(self) -> None:
        self.moments += 1
        if self.moments == self.at:
            self.at = None
            raise Interrupt


class InterruptedConnection:
    """A connection whose statements are interrupted."""

    def __init__(self, connection: Connection, interruptions: Interruptions) -> None:
        self._connection, self._interruptions = connection, interruptions
        self.backup, self.close = connection.backup, connection.close

    @property
    def total_changes(self) -> int:
        return self._connection.total_changes

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> Any:
        self._interruptions.pass_moment()
        cursor = self._connection.execute(sql, parameters)
        try:
            self._interruptions.pass_moment()
        except Interrupt:
            del cursor  # a real interrupt leaves no reference to it
            raise
        return cursor

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> Any:
        self._interruptions.pass_moment()
        cursor = self._connection.executemany(sql, parameters)
        self._interruptions.pass_moment()
        return cursor


def interrupting(interruptions: Interruptions) -> Connect:
    """Return a function that opens interrupted connections."""
    return lambda uri: InterruptedConnection(connect_by_sqlite3(uri), interruptions)


def stored(om: OrderManagement | MatchingEngine) -> SqliteJournal:
    return cast("SqliteJournal", om.journal)


def sell_and_fail(om: OrderManagement) -> None:
    with om.transaction(note="a note"):
        om.place_trade("JPM", BUY, 3)
        om.add_orders([Order(50, "JPM", BUY, 1, 1), Order(51, "JPM", BUY, 1, 1)])


def values_of(om: OrderManagement) -> list[tuple[Decimal, Decimal]]:
    """Return the price and the amount of each order in decimals."""
    unit = om.instrument("JPM")
    return [(unit.to_price(order.price), unit.to_amount(order.amount)) for order in om]


OPERATIONS: dict[str, Callable[[OrderManagement], object]] = {
    "add": lambda om: om.add_order(9, "JPM", BUY, 1, 1),
    "transaction": sell_and_fail,
    "compact": lambda om: stored(om).compact(),
    "compact in part": lambda om: stored(om).compact(4),
    "reply": lambda om: stored(om).keep_reply("a reply"),
    "sync": lambda om: stored(om).sync(),
    "verify": lambda om: stored(om).verify(),
    "history": lambda om: list(stored(om).history()),
    "set_instrument": lambda om: om.set_instrument("IBM", Instrument("0.5")),
    "convert_orders": lambda om: om.convert_orders("JPM", Instrument("0.5", "0.1"), note="other sizes"),
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("durability", ["full", "batched", "off"])
def test_an_interrupted_operation_is_complete_or_has_no_effect_and_the_journal_stays_usable(
    operation: str, durability: Durability, tmp_path: Path
) -> None:
    at = 0
    interrupted = True
    while interrupted:
        at += 1
        file, interruptions = tmp_path / f"{at}.db", Interruptions()
        with (
            connections_made_by(interrupting(interruptions)),
            journal.open(file, durability=durability, group_seconds=3600) as om,
        ):
            for order_id in range(1, 6):
                with om.transaction(note=f"note {order_id}"):
                    om.add_order(order_id, "JPM", BUY, 2, order_id)
            om.set_instrument("JPM", Instrument())
            values, before = values_of(om), om.state_hash()
            interruptions.arm(at)
            interrupted = False
            try:
                OPERATIONS[operation](om)
            except Interrupt:
                interrupted = True
            interruptions.at = None
            if not interrupted and operation not in ("add", "transaction", "convert_orders"):
                assert om.state_hash() == before
            if operation == "convert_orders":
                assert values_of(om) == values
            om.add_order(100, "JPM", BUY, 1, 1)
            om._check()
            state, instruments = om.state_hash(), om.instruments
            assert stored(om).verify().state_hash == state
            assert stored(om).instruments() == instruments
        assert journal.verify(file).state_hash == state
    assert at > 1 or operation == "sync", "only a batched journal has something to sync"


EngineVerb = Callable[[MatchingEngine], object]

VERBS: dict[str, EngineVerb] = {
    "submit, trades": lambda engine: engine.submit("x", "JPM", BUY, 16, 103, owner="Bob", display=2),
    "submit, rests": lambda engine: engine.submit("x", "NEW", BUY, 16, 103),
    "submit, waits": lambda engine: engine.submit("x", "JPM", BUY, 1, stop_price=200),
    "replace": lambda engine: engine.replace("bid", price=102, amount=6),
    "reduce": lambda engine: engine.reduce("iceberg", 7),
    "cancel": lambda engine: engine.cancel("iceberg"),
    "cancel_all": lambda engine: engine.cancel_all(),
    "expire": lambda engine: engine.expire(9),
}


def in_a_transaction(verb: EngineVerb) -> EngineVerb:
    """Return a function that calls the verb in a transaction, after another verb and a what-if."""

    def call(engine: MatchingEngine) -> None:
        with engine.transaction("why"):
            engine.submit("earlier", "JPM", SELL, 3, 102, owner="Ann")
            with engine.what_if():
                engine.cancel_all()
            verb(engine)

    return call


@pytest.fixture(scope="module")
def resting(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the file of a matching engine with icebergs, owners, stops, and a last price."""
    file = tmp_path_factory.mktemp("resting") / "venue.db"
    with journal.open_engine(file, clock=noon) as engine:
        engine.submit("iceberg", "JPM", SELL, 9, 101, display=3, owner="Ann")
        engine.submit("old", "JPM", SELL, 6, 101, time_in_force=TimeInForce.GTD, expires=9)
        engine.submit("bid", "JPM", BUY, 3, 99, owner="Bob")
        engine.submit("stop", "JPM", SELL, 2, stop_price=101, owner="Cem")
        engine.submit("stop limit", "JPM", SELL, 2, 97, stop_price=98)
        engine.submit("far stop", "JPM", BUY, 5, 101, stop_price=101)
        engine.submit("t", "IBM", BUY, 1, 101)
    return file.read_bytes()


SHORT_CASES = [*((verb, "full", False) for verb in VERBS), ("submit, trades", "full", True)]
LONG_CASES = {
    *((verb, "full", True) for verb in VERBS),
    *product(["submit, trades"], ["batched", "off"], [False, True]),
}.difference(SHORT_CASES)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("verb", "durability", "in_transaction"),
    [*SHORT_CASES, *(pytest.param(*case, marks=pytest.mark.long) for case in sorted(LONG_CASES))],
)
def test_an_interrupted_verb_of_a_matching_engine_is_complete_or_has_no_effect(
    verb: str, durability: Durability, in_transaction: bool, resting: bytes, tmp_path: Path
) -> None:
    call = in_a_transaction(VERBS[verb]) if in_transaction else VERBS[verb]
    (tmp_path / "0.db").write_bytes(resting)
    with journal.open_engine(tmp_path / "0.db", clock=noon) as engine:
        before, last = engine.state_hash(), engine.last_sequence
        call(engine)
        after = engine.state_hash()
    outcomes: list[str] = []
    for at in count(1):
        file, interruptions = tmp_path / f"{at}.db", Interruptions()
        file.write_bytes(resting)
        with (
            connections_made_by(interrupting(interruptions)),
            journal.open_engine(file, durability=durability, group_seconds=3600, clock=noon) as engine,
        ):
            interruptions.arm(at)
            interrupted = False
            try:
                call(engine)
            except Interrupt:
                interrupted = True
            interruptions.at = None
            engine._check()
            state, events = engine.state_hash(), list(stored(engine).read(last + 1))
            assert state in (before, after)
            assert (state == before) is (events == [])
            if state == before:
                call(engine)
            assert stored(engine).verify().state_hash == engine.state_hash() == after
        if not interrupted:
            break
        outcomes.append("complete" if events else "no effect")
    assert set(outcomes) == {"complete", "no effect"}
    assert outcomes == sorted(outcomes, reverse=True)


@pytest.mark.parametrize("version", range(1, schema.VERSION))
def test_an_interrupted_migration_raises_the_interrupt_and_is_complete_or_has_no_effect(
    version: int, tmp_path: Path
) -> None:
    at = 0
    interrupted = True
    while interrupted:
        at += 1
        file, interruptions = tmp_path / f"{at}.db", Interruptions()
        with closing(sqlite3.connect(file)) as connection:
            connection.executescript(
                (FIXTURES / f"journal_version_{version}.sql").read_text(encoding="utf-8")
            )
        interruptions.arm(at)
        interrupted = False
        with connections_made_by(interrupting(interruptions)):
            try:
                journal.open(file).close()
            except Interrupt:
                interrupted = True
        with journal.open(file, verify=True) as om:
            assert len(om) >= 1
    assert at > 10


class FinalizedConnection(InterruptedConnection):
    """A connection that runs a callback before it inserts an event, as a garbage collection could."""

    callback: Callable[[], object] | None = None

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> Any:
        callback, is_insert = type(self).callback, sql.startswith("INSERT INTO events")
        if callback is not None and is_insert:
            type(self).callback = None
            callback()
        return super().execute(sql, parameters)


USES: dict[str, Callable[[SqliteJournal], object]] = {
    "sync": lambda journal: journal.sync(),
    "last_sequence": lambda journal: journal.last_sequence,
    "verify": lambda journal: journal.verify(),
    "reply": lambda journal: journal.keep_reply("a reply"),
    "compact": lambda journal: journal.compact(),
    "history": lambda journal: list(journal.history()),
}


@pytest.mark.long
@pytest.mark.parametrize("use", USES)
def test_a_finalizer_cannot_use_the_journal_in_the_middle_of_a_write(use: str, tmp_path: Path) -> None:
    file, errors = tmp_path / "book.db", list[BaseException]()

    class Session:
        """An object in a reference cycle, so that only the garbage collector removes it."""

        def __init__(self, om: OrderManagement) -> None:
            self.om, self.cycle = om, self

        def __del__(self) -> None:
            try:
                USES[use](stored(self.om))
            except JournalError as error:
                errors.append(error)

    def connect(uri: str) -> Connection:
        return FinalizedConnection(connect_by_sqlite3(uri), Interruptions())

    with connections_made_by(connect), journal.open(file) as om:
        om.add_order(1, "JPM", BUY, 5, 20)
        gc.collect()
        gc.disable()
        try:
            Session(om)
            FinalizedConnection.callback = gc.collect
            om.add_order(2, "JPM", BUY, 5, 20)
        finally:
            FinalizedConnection.callback = None
            gc.enable()
        assert ["in the middle of a write" in str(error) for error in errors] == [True]
        om.add_order(3, "JPM", BUY, 5, 20)
        state = om.state_hash()
    assert journal.verify(file).state_hash == state
