"""A damaged file is rejected with the place of the damage, or opens with exactly its original state."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from oms import (
    Event,
    JournalError,
    OmsError,
    Order,
    OrderAdded,
    OrderAmended,
    OrderFill,
    OrderReduced,
    OrderRemoved,
    OrdersAdded,
    OrdersRemoved,
    OrderSubmitted,
    Side,
    Submission,
    Trade,
    TradePlaced,
    journal,
)
from oms.engine_books import EntryChanged, LastPriceChanged
from oms.engine_events import EngineEvent
from oms.engine_state import Entry
from oms.journal import SqliteJournal
from oms.journal.connection import Connection, connect_by_sqlite3
from oms.journal.event_log import EventLog
from oms.journal.reading import opened_to_read
from oms.journal.record import EMPTY, body_of, digest, instruments_hash, link
from oms.submission import OrderId
from support.engine_sessions import ENGINE
from support.faulty_disk import connections_made_by
from support.kinds import EACH_KIND
from support.sessions import BOOKS, Books, Kind, State, execute, noon, sqlite_journal, state, state_with

LENGTH = 12


def small_pages(uri: str) -> Connection:
    """Connect with the smallest page size, so that a small file has pages of every kind."""
    connection = connect_by_sqlite3(uri)
    connection.execute("PRAGMA page_size=512")
    return connection


def write_journal(file: Path, kind: Kind) -> tuple[Books, list[State]]:
    """Return a journal that is still open, and all states that it has had."""
    with connections_made_by(small_pages):
        om = kind.open(file, clock=noon)
    past = [state(om)]
    for command in kind.session(8 if kind is BOOKS else 5, LENGTH):
        execute(command, om)
        past.append(state(om))
    return om, past


def checkpointed(kind: Kind, folder: Path) -> tuple[bytes, State]:
    """Return the file of a closed journal, and its state."""
    om, past = write_journal(folder / "whole.db", kind)
    om.close()
    return (folder / "whole.db").read_bytes(), past[-1]


def in_the_log(kind: Kind, folder: Path) -> tuple[bytes, bytes, list[State]]:
    """Return the file of an open journal, its log, and all states that it has had."""
    om, past = write_journal(folder / "whole.db", kind)
    with om:
        return (folder / "whole.db").read_bytes(), (folder / "whole.db-wal").read_bytes(), past


def flipped(content: bytes, bit: int) -> bytes:
    damaged = bytearray(content)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


def state_of(file: Path, kind: Kind = BOOKS) -> State | None:
    """Return the state of a file, without events if they are damaged, or None if the file is rejected."""
    try:
        with kind.open(file, durability="off") as om:  # syncing would only take time
            try:
                return state(om)
            except JournalError as error:
                assert str(file) in error.place
                return state_with(om, ())
    except JournalError as error:
        assert str(file) in error.place
        assert error.problem
        return None


def count_rejected(images: Iterable[bytes], original: State, tmp_path: Path, kind: Kind) -> int:
    """Check that each image is rejected or has the original state, and return how many are rejected."""
    rejected = 0
    for number, image in enumerate(images):
        file = put(tmp_path, image)
        result = state_of(file, kind)
        assert result in (None, original, original._replace(events=())), f"image {number}"
        rejected += result != original
    return rejected


@pytest.mark.parametrize(
    ("kind", "every"),
    [
        pytest.param(ENGINE, 301, id="engine, some bytes"),
        pytest.param(BOOKS, 2, id="books", marks=pytest.mark.long),
        pytest.param(ENGINE, 23, id="engine", marks=pytest.mark.long),
    ],
)
def test_a_file_with_a_flipped_bit_in_any_byte_is_rejected_or_has_its_original_state(
    kind: Kind, every: int, tmp_path: Path
) -> None:
    content, original = checkpointed(kind, tmp_path)
    rng = random.Random(1)
    images = [flipped(content, 8 * byte + rng.randrange(8)) for byte in range(0, len(content), every)]
    assert count_rejected(images, original, tmp_path, kind) > len(images) // 4


@pytest.mark.soak
@EACH_KIND
def test_a_file_with_any_bit_flipped_is_rejected_or_has_its_original_state(
    kind: Kind, tmp_path: Path
) -> None:
    content, original = checkpointed(kind, tmp_path)
    images = (flipped(content, bit) for bit in range(8 * len(content)))
    assert count_rejected(images, original, tmp_path, kind) > len(content)


@pytest.mark.parametrize(
    ("kind", "every"),
    [
        pytest.param(BOOKS, 13, id="books, some sizes"),
        pytest.param(ENGINE, 301, id="engine, some sizes"),
        pytest.param(BOOKS, 1, id="books", marks=pytest.mark.soak),
        pytest.param(ENGINE, 1, id="engine", marks=pytest.mark.soak),
    ],
)
def test_a_file_truncated_anywhere_is_rejected(kind: Kind, every: int, tmp_path: Path) -> None:
    content, original = checkpointed(kind, tmp_path)
    images = [content[:size] for size in range(0, len(content), every)]
    assert count_rejected(images, original, tmp_path, kind) == len(images)


def put(folder: Path, base: bytes, log: bytes | None = None) -> Path:
    """Write a file, and its log if there is one, into an emptied folder."""
    for old in folder.iterdir():
        old.unlink()
    file = folder / "book.db"
    file.write_bytes(base)
    if log is not None:
        file.with_name("book.db-wal").write_bytes(log)
    return file


def merged(base: bytes, log: bytes, folder: Path) -> bytes:
    """Return the database that SQLite reads from a file and its log."""
    file = put(folder, base, log)
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
        return connection.serialize()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "step"),
    [
        pytest.param(BOOKS, 53, id="books, some bytes"),
        pytest.param(ENGINE, 997, id="engine, some bytes"),
        pytest.param(BOOKS, 1, id="books", marks=pytest.mark.soak),
        pytest.param(ENGINE, 53, id="engine", marks=pytest.mark.soak),
    ],
)
def test_a_damaged_log_is_rejected_or_opens_with_an_earlier_state(
    kind: Kind, step: int, tmp_path: Path
) -> None:
    base, log, past = in_the_log(kind, tmp_path)
    rng = random.Random(1)
    bits = (8 * byte + rng.randrange(8) for byte in range(0, len(log), step))
    damaged = (flipped(log, bit) for bit in (bits if step > 1 else range(8 * len(log))))
    images: dict[bytes, State | None] = {}
    for number, damaged_log in enumerate(chain((log[:size] for size in range(0, len(log), step)), damaged)):
        image = merged(base, damaged_log, tmp_path)
        if image not in images:
            images[image] = state_of(put(tmp_path, image), kind)
            assert images[image] is None or images[image] in past, f"log {number}"
        if step > 1:  # the file with its log opens like the merged database; slow, so only for few images
            assert state_of(put(tmp_path, base, damaged_log), kind) == images[image], f"log {number}"
    assert sum(result is not None for result in images.values()) > 5, (
        "a log with a damaged end opens with an earlier state"
    )


@EACH_KIND
@pytest.mark.parametrize("seed", range(3))
def test_a_file_with_the_log_of_another_journal_opens_with_a_state_of_one_of_them(
    seed: int, kind: Kind, tmp_path: Path
) -> None:
    _, log, past = in_the_log(kind, tmp_path)
    (tmp_path / "folder").mkdir()
    with connections_made_by(small_pages), kind.open(tmp_path / "other.db") as om:
        for command in kind.session(seed, 8 * seed):
            execute(command, om)
        past = [*past, state(om)]
    other = (tmp_path / "other.db").read_bytes()
    assert state_of(put(tmp_path / "folder", other, log), kind) in [None, *past]


# ---------------------------------------------------------------------- damage with SQL


DAMAGE: dict[str, tuple[str, str]] = {
    "a note changed": ("UPDATE events SET note = 'x' WHERE sequence = 3", "events, sequence 3"),
    "a body changed": ("UPDATE events SET body = replace(body, '20', '21')", "events, sequence 1"),
    "a time changed": ("UPDATE events SET time = time + 1 WHERE sequence = 3", "events, sequence 3"),
    "a time removed": ("UPDATE events SET time = NULL WHERE sequence = 3", "events, sequence 3"),
    "a time added": ("UPDATE events SET time = 5 WHERE sequence = 4", "events, sequence 4"),
    "a time of another type": ("UPDATE events SET time = 'x' WHERE sequence = 3", "events, sequence 3"),
    "a missing event": ("DELETE FROM events WHERE sequence = 2", "events, sequence 2"),
    "a missing last event": ("DELETE FROM events WHERE sequence = 4", "events, sequence 4"),
    "an extra event": (
        "INSERT INTO events SELECT 5, 5, kind, note, body, hash, time FROM events LIMIT 1",
        "sequence 4",
    ),
    "a body of another type": ("UPDATE events SET body = x'00' WHERE sequence = 1", "events, sequence 1"),
    "an order changed": ("UPDATE orders SET amount = amount + 1", "orders"),
    "an order of another type": ("UPDATE orders SET symbol = x'00'", "orders"),
    "a missing order": ("DELETE FROM orders WHERE order_id = 2", "orders"),
    "an extra order": ("INSERT INTO orders VALUES (9, 'JPM', 'BUY', 1, 1)", "orders"),
    "a trade changed": ("UPDATE trades SET total_price = total_price + 1", "trades, trade 1"),
    "an extra trade": ("INSERT INTO trades VALUES (2, 4, 'JPM', 'BUY', 1, 1)", "trades"),
    "a missing trade": ("DELETE FROM trades", "fills, trade 1"),
    "a missing fill": ("DELETE FROM fills WHERE position = 0", "trades, trade 1"),
    "an extra instrument": ("INSERT INTO instruments VALUES ('JPM', '{}')", "instruments"),
    "an instrument of another type": ("INSERT INTO instruments VALUES (x'00', '{}')", "instruments"),
    "a missing head of the instruments": ("DELETE FROM heads WHERE name = 'instruments'", "instruments"),
    "an extra fill": ("INSERT INTO fills VALUES (7, 0, 1, 1, 1)", "fills, trade 7"),
    "a counter changed": ("UPDATE heads SET next_trade_id = 9 WHERE name = 'now'", "heads, now"),
    "a missing head": ("DELETE FROM heads WHERE name = 'snapshot'", "heads, snapshot"),
    "a seal of another type": ("UPDATE heads SET orders_sum = 1 WHERE name = 'now'", "heads, now"),
    "a missing table": ("DROP TABLE fills", "schema, table fills"),
    "an extra table": ("CREATE TABLE t (x)", "schema, table t"),
    "a trigger": (
        "CREATE TRIGGER t AFTER INSERT ON events BEGIN DELETE FROM events; END",
        "schema, trigger t",
    ),
}


def execute_sql(file: Path, *statements: str) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def write_four_events(file: Path) -> None:
    with journal.open(file) as om:
        om.add_order(1, "JPM", Side.BUY, 20, 20)
        om.add_order(2, "JPM", Side.BUY, 20, 21)
        with om.transaction("why"):
            om.place_trade("JPM", Side.BUY, 25)
            om.clock = None
            om.add_order(3, "JPM", Side.BUY, 1, 1)


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_change_made_with_sql_raises_an_error_with_its_place(damage: str, tmp_path: Path) -> None:
    file = tmp_path / "book.db"
    write_four_events(file)
    statement, place = DAMAGE[damage]
    execute_sql(file, statement)
    for verify in (lambda: journal.open(file, verify=True), lambda: journal.verify(file)):
        with pytest.raises(JournalError) as caught:
            verify()
        assert place in caught.value.place


@pytest.mark.parametrize(
    ("damage", "place"),
    {
        "UPDATE noted SET note = 'x' WHERE sequence = 3": "noted, sequence 3",
        "UPDATE noted SET body = x'00' WHERE sequence = 4": "noted, sequence 4",
        "UPDATE noted SET time = time - 1 WHERE sequence = 3": "noted, sequence 3",
        "UPDATE noted SET time = 5 WHERE sequence = 4": "noted, sequence 4",
        "DELETE FROM noted WHERE sequence = 3": "noted, sequence 4",
        "DELETE FROM noted WHERE sequence = 4": "noted",
        "INSERT INTO noted SELECT 5, kind, note, body, hash, time FROM noted LIMIT 1": "noted, sequence 5",
        "DELETE FROM heads WHERE name = 'noted'": "heads, noted",
    }.items(),
)
def test_dropped_events_with_a_note_are_compared_with_their_hashes(
    damage: str, place: str, tmp_path: Path
) -> None:
    file = tmp_path / "book.db"
    write_four_events(file)
    with journal.open(file) as om:
        assert isinstance(om.journal, SqliteJournal)
        om.journal.compact()
        assert [event.sequence for event in om.journal.history()] == [3, 4]
        assert {event.note for event in om.journal.history()} == {"why"}
    assert journal.verify(file).events == 0
    execute_sql(file, damage)
    with pytest.raises(JournalError) as caught:
        journal.verify(file)
    assert caught.value.place.endswith(place)
    with journal.open(file) as om, pytest.raises(JournalError):
        assert isinstance(om.journal, SqliteJournal)
        list(om.journal.history())


@pytest.mark.parametrize(
    ("damage", "place"),
    {
        "UPDATE replies SET reply = 'x' WHERE number = 1": "replies, number 1",
        "UPDATE replies SET reply = x'00' WHERE number = 2": "replies, number 2",
        "DELETE FROM replies WHERE number = 1": "replies, number 2",
        "DELETE FROM replies WHERE number = 2": "replies",
        "INSERT INTO replies SELECT 3, reply, hash FROM replies LIMIT 1": "replies, number 3",
        "DELETE FROM heads WHERE name = 'replies'": "heads, replies",
        "DELETE FROM log": "log",
        "UPDATE log SET state = 'x'": "log",
    }.items(),
)
def test_replies_and_the_state_of_the_log_are_verified(damage: str, place: str, tmp_path: Path) -> None:
    file = tmp_path / "book.db"
    with journal.open(file) as om:
        assert isinstance(om.journal, SqliteJournal)
        om.journal.keep_reply("one")
        om.journal.keep_reply("two")
    execute_sql(file, damage)
    for verify in (lambda: journal.open(file, verify=True), lambda: journal.verify(file)):
        with pytest.raises(JournalError) as caught:
            verify()
        assert caught.value.place.endswith(place)


def test_a_journal_with_added_indexes_views_and_statistics_still_works(tmp_path: Path) -> None:
    file = tmp_path / "book.db"
    write_four_events(file)
    execute_sql(
        file,
        "CREATE INDEX by_symbol ON orders (symbol)",
        "CREATE UNIQUE INDEX by_place ON fills (trade_id, position, order_id)",
        "CREATE VIEW totals AS SELECT symbol, sum(amount) FROM orders GROUP BY symbol",
        "ANALYZE",
    )
    with journal.open(file, verify=True) as om:
        assert isinstance(om.journal, SqliteJournal)
        om.journal.compact(2)
        om.add_order(9, "JPM", Side.BUY, 1, 1)
    assert journal.verify(file).last == 5
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT * FROM totals").fetchall() == [("JPM", 17)]


def test_a_table_name_of_the_wrong_type_raises_a_journal_error(tmp_path: Path) -> None:
    file = tmp_path / "book.db"
    write_four_events(file)
    execute_sql(
        file,
        "PRAGMA writable_schema=ON",
        "UPDATE sqlite_master SET name = CAST(name AS BLOB) WHERE name = 'fills'",
    )
    with pytest.raises(JournalError):
        journal.verify(file)


ONE = Order(1, "JPM", Side.BUY, 20, 20)
IMPOSSIBLE_EVENTS = [
    OrdersAdded((), sequence=2),
    OrderRemoved(ONE._replace(amount=19), sequence=2),
    OrdersRemoved((), sequence=2),
    OrdersRemoved((ONE._replace(price=19),), sequence=2),
    OrderAmended(ONE, ONE, sequence=2),
    OrderAmended(ONE._replace(amount=19), ONE._replace(amount=18), sequence=2),
    OrderAmended(ONE, ONE._replace(symbol="IBM", amount=19), sequence=2),
    TradePlaced(Trade(1, "JPM", Side.BUY, 5, 99, (OrderFill(1, 5, 20),)), 15, sequence=2),
    TradePlaced(Trade(1, "JPM", Side.BUY, 5, 100, (OrderFill(1, 5, 20),)), 14, sequence=2),
    TradePlaced(Trade(1, "JPM", Side.BUY, 21, 420, (OrderFill(1, 21, 20),)), 0, sequence=2),
]


@pytest.mark.parametrize("event", IMPOSSIBLE_EVENTS, ids=repr)
def test_replaying_detects_an_impossible_event_that_has_the_right_hash(event: Event, tmp_path: Path) -> None:
    file = tmp_path / "book.db"
    with journal.open(file) as om:
        om.add_order(*ONE)
        assert om.journal is not None
        om.journal.append([event])
    with pytest.raises(JournalError, match="it cannot have happened") as caught:
        journal.verify(file)
    assert caught.value.place.endswith("events, sequence 2")


A_TRADE = (
    '{"trade_id":1,"symbol":"JPM","side":"BUY","amount":20,"total_price":400,'
    '"fills":[{"order_id":1,"amount":20,"price":20}],"remaining":0}'
)
AN_ORDER = '{"order_id":1,"symbol":"JPM","side":"BUY","amount":20,"price":20}'


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("OrderRemoved", AN_ORDER.replace('"amount":20', '"amount":20.0')),
        ("OrderRemoved", AN_ORDER.replace('"price":20', '"price":2e1')),
        ("OrderAmended", f'{{"before":{AN_ORDER.replace("1,", "true,")},"after":{AN_ORDER}}}'),
        ("TradePlaced", A_TRADE.replace('"trade_id":1', '"trade_id":true')),
        ("TradePlaced", A_TRADE.replace("400", "400.0")),
        ("TradePlaced", A_TRADE.replace('"price":20', '"price":20.0')),
        ("TradePlaced", A_TRADE.replace('"remaining":0', '"remaining":false')),
        ("TradePlaced", '"a string"'),
        ("OrdersAdded", "[" * 100_000),
    ],
)
def test_an_event_whose_content_is_not_exact_is_rejected_despite_its_right_hash(
    kind: str, body: str, tmp_path: Path
) -> None:
    file = tmp_path / "book.db"
    with journal.open(file) as om:
        om.add_order(*ONE)
    append_event(file, kind, body, batch=2)
    with pytest.raises(JournalError, match="its content is not an event") as caught:
        journal.verify(file)
    assert caught.value.place.endswith("events, sequence 2")


def test_a_negative_time_is_rejected_despite_its_right_hash(tmp_path: Path) -> None:
    file = tmp_path / "book.db"
    journal.open(file).close()
    append_event(file, "OrderAdded", AN_ORDER, batch=1, time=-1)
    with pytest.raises(JournalError, match="its content is not an event: its time is not an integer"):
        journal.verify(file)


INSTRUMENTS = [("IBM", "{}"), ("JPM", '{"tick_size":"0.01"}'), ("日経", "{}")]


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE instruments SET body = '[]' WHERE symbol = 'JPM'",
        "UPDATE instruments SET symbol = 'A' WHERE symbol = 'IBM'",
        "UPDATE instruments SET body = x'7b7d' WHERE symbol = 'IBM'",
        "DELETE FROM instruments WHERE symbol = '日経'",
        "DELETE FROM instruments",
        "INSERT INTO instruments VALUES ('X', '{}')",
        "UPDATE heads SET orders = 2 WHERE name = 'instruments'",
    ],
)
def test_instruments_are_compared_with_their_hash(damage: str, tmp_path: Path) -> None:
    file = tmp_path / "book.db"
    write_four_events(file)
    head = EMPTY._replace(orders=len(INSTRUMENTS), last_hash=instruments_hash(INSTRUMENTS))
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.executemany("INSERT INTO instruments VALUES (?, ?)", reversed(INSTRUMENTS))
        connection.execute("REPLACE INTO heads VALUES (?, ?, ?, ?, ?, ?, ?, 0)", head.row("instruments"))
    journal.verify(file)
    journal.rebuild(file)
    with opened_to_read(file) as event_log:
        assert event_log.instrument_bodies() == dict(INSTRUMENTS)
    execute_sql(file, damage)
    for verify in (lambda: journal.open(file, verify=True), lambda: journal.rebuild(file)):
        with pytest.raises(JournalError) as caught:
            verify()
        assert caught.value.place.endswith("instruments")


def test_the_first_event_begins_its_own_batch(tmp_path: Path) -> None:
    file = tmp_path / "book.db"
    journal.open(file).close()
    append_event(file, "OrderAdded", AN_ORDER, batch=0)
    with pytest.raises(JournalError, match="its batch must be 1, not 0"):
        journal.verify(file)


def append_event(file: Path, kind: str, body: str, batch: int, time: int | None = None) -> None:
    """Append an event with the right hash to a closed journal, without changing the orders."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        now = EventLog(connection, str(file)).head("now")
        sequence = now.sequence + 1
        last_hash = link(now.last_hash, sequence, batch, kind, None, time, digest(body))
        head = now._replace(sequence=sequence, last_hash=last_hash)
        connection.execute(
            "INSERT INTO events VALUES (?, ?, ?, NULL, ?, ?, ?)",
            (sequence, batch, kind, body, last_hash, time),
        )
        connection.execute("REPLACE INTO heads VALUES (?, ?, ?, ?, ?, ?, ?, 0)", head.row("now"))


# ---------------------------------------------------------------------- events of a matching engine


BUY, SELL = Side.BUY, Side.SELL


def write_engine(file: Path) -> EngineEvent:
    """Write the events of an engine, and return the next one, which is not in the file.

    It is the event of an order that fills an order and an iceberg order, and triggers a stop order.
    """
    with journal.open_engine(file, clock=None) as engine:
        engine.submit("ask", "JPM", SELL, 20, 20, owner="Ann")
        engine.submit("iceberg", "JPM", SELL, 9, 21, display=3)
        engine.submit("stop", "JPM", BUY, 2, stop_price=21, owner="Sue")
        engine.submit("bid", "JPM", BUY, 5, 20)
        other = engine.copy()
    events: list[Event] = []
    other.subscribe(events.append)
    other.submit("taker", "JPM", BUY, 19, 22, owner="Tom")
    (event,) = events
    assert isinstance(event, OrderSubmitted)
    kinds = [TradePlaced, EntryChanged, EntryChanged, OrderAdded, TradePlaced, EntryChanged]
    assert [kind for kind, _ in event.changes][:6] == kinds
    return event


def test_a_possible_event_of_a_matching_engine_is_replayed(tmp_path: Path) -> None:
    file = tmp_path / "venue.db"
    event = write_engine(file)
    with journal.open_engine(file) as engine:
        sqlite_journal(engine).append([event])
    assert journal.verify(file).last == 5


DAMAGE_OF_AN_ENGINE: dict[str, tuple[str, str]] = {
    "an entry changed": ("UPDATE entries SET body = replace(body, '20', '21') WHERE arrival = 1", "entries"),
    "an entry with a space": ("UPDATE entries SET body = body || ' ' WHERE arrival = 1", "entries"),
    "an entry that is not JSON": ("UPDATE entries SET body = 'x' WHERE arrival = 1", "entries"),
    "an entry of another type": ("UPDATE entries SET body = x'00' WHERE arrival = 1", "entries"),
    "an entry that is nested deeply": (
        "UPDATE entries SET body = replace(hex(zeroblob(50000)), '00', '[') WHERE arrival = 1",
        "entries",
    ),
    "an entry with another number": ("UPDATE entries SET arrival = 9 WHERE arrival = 3", "entries"),
    "two exchanged entries": (
        "UPDATE entries SET body = (SELECT body FROM entries AS e WHERE e.arrival = 3 - entries.arrival) "
        "WHERE arrival IN (1, 2)",
        "entries",
    ),
    "a missing entry": ("DELETE FROM entries WHERE arrival = 3", "entries"),
    "an extra entry": ("INSERT INTO entries SELECT 9, body FROM entries WHERE arrival = 1", "entries"),
    "a last price changed": ("UPDATE last_prices SET price = price + 1", "entries"),
    "a last price of another type": ("UPDATE last_prices SET price = 'x'", "entries"),
    "a last price of another symbol": ("UPDATE last_prices SET symbol = 'IBM'", "entries"),
    "a symbol of another type": ("UPDATE last_prices SET symbol = x'00'", "entries"),
    "a missing last price": ("DELETE FROM last_prices", "entries"),
    "an extra last price": ("INSERT INTO last_prices VALUES ('IBM', 5)", "entries"),
    "an order changed": ("UPDATE orders SET amount = amount + 1 WHERE order_id = 1", "orders"),
    "a missing order": ("DELETE FROM orders WHERE order_id = 1", "orders"),
    "a counter changed": ("UPDATE heads SET next_trade_id = 9 WHERE name = 'engine'", "heads, engine"),
    "a sum changed": ("UPDATE heads SET orders_sum = zeroblob(32) WHERE name = 'engine'", "heads, engine"),
    "a missing head": ("DELETE FROM heads WHERE name = 'engine'", "heads, engine"),
    "a head of a snapshot changed": (
        "UPDATE heads SET sequence = 1 WHERE name = 'engine_snapshot'",
        "heads, engine_snapshot",
    ),
    "a missing head of the snapshot": (
        "DELETE FROM heads WHERE name = 'engine_snapshot'",
        "heads, engine_snapshot",
    ),
    "an extra entry in the snapshot": (
        "INSERT INTO snapshot_entries SELECT * FROM entries WHERE arrival = 1",
        "snapshot_entries",
    ),
    "an extra last price in the snapshot": (
        "INSERT INTO snapshot_last_prices VALUES ('IBM', 5)",
        "snapshot_entries",
    ),
    "a missing table": ("DROP TABLE last_prices", "schema, table last_prices"),
    "a changed table": ("ALTER TABLE snapshot_entries ADD COLUMN x", "schema, table snapshot_entries"),
}
"""Changes of the file of `write_engine`, and the place in the error."""

DAMAGE_OF_A_SNAPSHOT: dict[str, tuple[str, str]] = {
    "an entry changed": ("UPDATE snapshot_entries SET body = replace(body, '20', '21')", "snapshot_entries"),
    "a missing entry": ("DELETE FROM snapshot_entries WHERE arrival = 2", "snapshot_entries"),
    "a last price changed": ("UPDATE snapshot_last_prices SET price = 21", "snapshot_entries"),
    "a missing last price": ("DELETE FROM snapshot_last_prices", "snapshot_entries"),
    "an order changed": ("UPDATE snapshot SET amount = amount + 1", "snapshot"),
    "a missing head": ("DELETE FROM heads WHERE name = 'engine_snapshot'", "heads, engine_snapshot"),
    "a head changed": (
        "UPDATE heads SET next_trade_id = 9 WHERE name = 'engine_snapshot'",
        "heads, engine_snapshot",
    ),
}
"""Changes of the file of `write_engine` after a compaction."""


@pytest.mark.parametrize("damage", DAMAGE_OF_AN_ENGINE)
def test_a_change_of_a_matching_engine_made_with_sql_raises_an_error_with_its_place(
    damage: str, tmp_path: Path
) -> None:
    file = tmp_path / "venue.db"
    write_engine(file)
    assert_damaged(file, *DAMAGE_OF_AN_ENGINE[damage])


@pytest.mark.parametrize("keeps_events", [True, False])
@pytest.mark.parametrize("damage", DAMAGE_OF_A_SNAPSHOT)
def test_a_change_of_the_snapshot_of_a_matching_engine_raises_an_error_with_its_place(
    damage: str, keeps_events: bool, tmp_path: Path
) -> None:
    file = tmp_path / "venue.db"
    write_engine(file)
    with journal.open_engine(file) as engine:
        if keeps_events:
            engine.submit("last", "JPM", BUY, 1, 10)
        sqlite_journal(engine).compact(5)
    assert_damaged(file, *DAMAGE_OF_A_SNAPSHOT[damage])


def assert_damaged(file: Path, statement: str, place: str) -> None:
    journal.verify(file)
    execute_sql(file, statement)
    for verify in (lambda: journal.open_engine(file, verify=True), lambda: journal.verify(file)):
        with pytest.raises(JournalError) as caught:
            verify()
        assert caught.value.place.endswith(place)


@pytest.mark.parametrize(
    "fields", [{"sequence": 3}, {"last_hash": bytes(32)}, {"orders": 4}, {"orders_sum": 5}, EMPTY._asdict()]
)
def test_a_head_of_a_matching_engine_from_another_moment_is_rejected_despite_its_right_seal(
    fields: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "venue.db"
    write_engine(file)
    with opened_to_read(file) as event_log:
        head = event_log.head("engine")._replace(**fields)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("REPLACE INTO heads VALUES (?, ?, ?, ?, ?, ?, ?, 0)", head.row("engine"))
    for attempt in (lambda: journal.open_engine(file), lambda: journal.verify(file)):
        with pytest.raises(JournalError):
            attempt()


@pytest.mark.parametrize("name", ["entries", "last_prices"])
def test_damaged_pages_of_a_table_of_a_matching_engine_raise_an_error(name: str, tmp_path: Path) -> None:
    file = tmp_path / "venue.db"
    write_engine(file)
    with closing(sqlite3.connect(file)) as connection:
        ((size,),) = connection.execute("PRAGMA page_size").fetchall()
        ((root,),) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)
        ).fetchall()
    content = bytearray(file.read_bytes())
    content[(root - 1) * size : root * size] = b"\xff" * size
    file.write_bytes(content)
    for attempt in (lambda: journal.open_engine(file), lambda: journal.verify(file)):
        with pytest.raises(JournalError):
            attempt()


Change = tuple[type, Any]
ASK = Submission("ask", "JPM", SELL, 20, 20, owner="Ann")
ICEBERG = Submission("iceberg", "JPM", SELL, 9, 21, display=3)
STOP = Submission("stop", "JPM", BUY, 2, owner="Sue", stop_price=21)
NEW = Submission("new", "JPM", BUY, 5, 10)
ROW = Order(1, "JPM", BUY, 15, 20)
NEW_ROW = Order(4, "JPM", SELL, 5, 10)
ENTRY = Entry(1, ASK, 20)
NEW_ENTRY = Entry(4, NEW, 5)
ADD_ENTRY: Change = (EntryChanged, (None, NEW_ENTRY))
A_TRADE_OF_5 = Trade(2, "JPM", BUY, 5, 100, (OrderFill(1, 5, 20),))

IMPOSSIBLE_CHANGES: dict[str, list[Change]] = {
    "no change": [],
    "an order is added twice": [(OrderAdded, ROW)],
    "an added order has no amount": [
        (OrderAdded, NEW_ROW._replace(amount=0)),
        ADD_ENTRY,
    ],
    "an added order has no symbol": [
        (OrderAdded, NEW_ROW._replace(symbol="")),
        ADD_ENTRY,
    ],
    "an added order has no entry": [(OrderAdded, NEW_ROW)],
    "an entry has no order": [ADD_ENTRY],
    "a waiting order rests": [
        (OrderAdded, NEW_ROW),
        (EntryChanged, (None, Entry(4, NEW._replace(stop_price=5), 5, waiting=True))),
    ],
    "an order rests in another book than that of its entry": [
        (OrderAdded, NEW_ROW._replace(side=BUY)),
        ADD_ENTRY,
    ],
    "an order is larger than its entry": [
        (OrderAdded, NEW_ROW._replace(amount=6)),
        ADD_ENTRY,
    ],
    "a removed order had another amount": [
        (OrderRemoved, ROW._replace(amount=14)),
        (EntryChanged, (ENTRY, None)),
    ],
    "a removed order is not in the book": [(OrderRemoved, NEW_ROW)],
    "a removed order keeps its entry": [(OrderRemoved, ROW)],
    "a removed entry keeps its order": [(EntryChanged, (ENTRY, None))],
    "an amended order had another amount": [
        (OrderAmended, (ROW._replace(amount=14), ROW._replace(amount=13))),
        (EntryChanged, (ENTRY, ENTRY._replace(total=19))),
    ],
    "an amended order has no amount left": [(OrderAmended, (ROW, ROW._replace(amount=0)))],
    "an amended order has another symbol": [(OrderAmended, (ROW, ROW._replace(symbol="IBM")))],
    "an amended order is larger than its entry": [(OrderAmended, (ROW, ROW._replace(amount=21)))],
    "a trade in an empty book": [(TradePlaced, (A_TRADE_OF_5._replace(side=SELL), 10))],
    "a trade with another id": [(TradePlaced, (A_TRADE_OF_5._replace(trade_id=3), 10))],
    "a trade with another total price": [(TradePlaced, (A_TRADE_OF_5._replace(total_price=99), 10))],
    "a trade with another remaining amount": [(TradePlaced, (A_TRADE_OF_5, 9))],
    "a trade of more than the book has": [
        (TradePlaced, (Trade(2, "JPM", BUY, 50, 1000, (OrderFill(1, 50, 20),)), 0))
    ],
    "a trade that skips the first order": [
        (TradePlaced, (Trade(2, "JPM", BUY, 1, 21, (OrderFill(2, 1, 21),)), 2))
    ],
    "a trade without fills": [(TradePlaced, (A_TRADE_OF_5._replace(fills=()), 10))],
    "a trade without an execution": [(TradePlaced, (A_TRADE_OF_5, 10))],
    "an entry changes that was different": [
        (EntryChanged, (ENTRY._replace(total=21), ENTRY._replace(total=20)))
    ],
    "an entry changes that is not there": [(EntryChanged, (NEW_ENTRY, None))],
    "a new entry has an old arrival number": [
        (EntryChanged, (Entry(3, STOP, 2, waiting=True), None)),
        (EntryChanged, (None, Entry(3, STOP, 2, waiting=True))),
    ],
    "a new entry has the id of another": [
        (OrderAdded, NEW_ROW),
        (EntryChanged, (None, NEW_ENTRY._replace(order=NEW._replace(order_id="ask")))),
    ],
    "an entry gets another id": [
        (EntryChanged, (ENTRY, ENTRY._replace(order=ASK._replace(order_id="iceberg"))))
    ],
    "an entry hides more than it has": [
        (EntryChanged, (Entry(2, ICEBERG, 9, 6), Entry(2, ICEBERG, 9, 7))),
    ],
    "the last price was different": [(LastPriceChanged, ("JPM", 19, 20))],
    "there was no last price": [(LastPriceChanged, ("IBM", 19, 20))],
    "there was a last price": [(LastPriceChanged, ("JPM", None, 20))],
}


@pytest.mark.parametrize("name", IMPOSSIBLE_CHANGES)
def test_replaying_detects_a_change_of_a_matching_engine_that_does_not_fit(name: str, tmp_path: Path) -> None:
    file = tmp_path / "venue.db"
    write_engine(file)
    event = OrderReduced((ASK,), (), (), tuple(IMPOSSIBLE_CHANGES[name]), 5)
    assert_impossible(file, event)


def assert_impossible(file: Path, event: EngineEvent) -> None:
    """Append an event with the right hash to the file of `write_engine`, and check that it is rejected."""
    append_event(file, type(event).__name__, body_of(event), batch=5)
    for verify in (lambda: journal.verify(file), lambda: journal.open_engine(file, verify=True)):
        with pytest.raises(JournalError, match="it cannot have happened") as caught:
            verify()
        assert caught.value.place.endswith("events, sequence 5")


def with_execution(event: EngineEvent, number: int, **fields: Any) -> EngineEvent:
    executions = list(event.executions)
    executions[number] = executions[number]._replace(**fields)
    return event._replace(executions=tuple(executions))


def with_fills(event: EngineEvent, *fills: OrderFill[OrderId]) -> EngineEvent:
    return with_execution(event, 0, fills=fills)


WRONG_SUMS: dict[str, Callable[[EngineEvent], EngineEvent]] = {
    "no executions": lambda event: event._replace(executions=()),
    "a missing execution": lambda event: event._replace(executions=event.executions[:1]),
    "executions in another order": lambda event: event._replace(executions=event.executions[::-1]),
    "an amount that is not that of the fills": lambda event: with_execution(event, 0, amount=18, resting=1),
    "a total price that is not that of the fills": lambda event: with_execution(event, 0, total_price=385),
    "parts that do not add up": lambda event: with_execution(event, 0, resting=1),
    "a fill with another maker": lambda event: with_execution(
        event,
        0,
        fills=(event.executions[0].fills[0]._replace(order_id="bid"), *event.executions[0].fills[1:]),
    ),
    "amounts that are exchanged between executions": lambda event: with_execution(
        with_execution(event, 0, amount=2, requested=2), 1, amount=19, requested=19
    ),
    "fills with other amounts and the same sum": lambda event: with_fills(
        event, OrderFill("ask", 15, 20), OrderFill("iceberg", 1, 21), OrderFill("iceberg", 3, 21)
    ),
    "a missing owner": lambda event: event._replace(owners=event.owners[:-1]),
    "a wrong owner": lambda event: event._replace(owners=(("taker", "Ann"), *event.owners[1:])),
    "an owner of an order that did not trade": lambda event: event._replace(
        owners=(*event.owners, ("bid", "x"))
    ),
    "an owner twice": lambda event: event._replace(owners=(*event.owners, event.owners[0])),
    "a last price that is missing": lambda event: event._replace(changes=event.changes[:-1]),
    "an unfinished refill": lambda event: event._replace(changes=event.changes[:-2]),
}


@pytest.mark.parametrize("name", WRONG_SUMS)
def test_replaying_detects_an_event_of_a_matching_engine_that_does_not_add_up(
    name: str, tmp_path: Path
) -> None:
    file = tmp_path / "venue.db"
    event = WRONG_SUMS[name](write_engine(file))
    assert_impossible(file, event)


def test_an_event_of_another_class_is_rejected(tmp_path: Path) -> None:
    file, other = tmp_path / "venue.db", tmp_path / "book.db"
    event = write_engine(file)
    append_event(file, "OrderAdded", AN_ORDER, batch=5)
    with pytest.raises(JournalError, match="a journal of MatchingEngine has no OrderAdded") as caught:
        journal.verify(file)
    assert caught.value.place.endswith("events, sequence 5")
    with journal.open(other) as om:
        om.add_order(*ONE)
    append_event(other, "OrderSubmitted", body_of(event), batch=2)
    with pytest.raises(JournalError, match="a journal of OrderManagement has no OrderSubmitted") as caught:
        journal.verify(other)
    assert caught.value.place.endswith("events, sequence 2")


@pytest.mark.parametrize(
    ("statements", "problem"),
    [
        (["PRAGMA user_version=99"], "its version is 99, but this oms reads versions up to 6; upgrade oms"),
        (["PRAGMA user_version=0"], "its version is 0, which does not exist"),
        (["PRAGMA application_id=1"], "not an oms journal"),
    ],
)
def test_a_file_of_another_version_or_kind_is_rejected(
    statements: list[str], problem: str, tmp_path: Path
) -> None:
    file = tmp_path / "book.db"
    write_four_events(file)
    execute_sql(file, *statements)
    before = file.read_bytes()
    for attempt in (lambda: journal.open(file), lambda: journal.verify(file)):
        with pytest.raises(JournalError, match=problem):
            attempt()
    assert file.read_bytes() == before


def other_file(file: Path) -> None:
    execute_sql(file, "CREATE TABLE mine (x)")


def second_name(file: Path) -> None:
    write_four_events(file)
    file.with_name("other.db").hardlink_to(file)


def log_without_file(file: Path) -> None:
    file.with_name("book.db-wal").write_bytes(b"x")


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda file: file.write_bytes(b""), "empty"),
        (lambda file: file.write_bytes(b"order,price\n" * 400), "not a database"),
        (lambda file: file.mkdir(), "not a file"),
        (other_file, "not an oms journal"),
        (second_name, "second name"),
        (log_without_file, "may contain changes; restore the file"),
        (lambda file: shutil.rmtree(file.parent), "folder does not exist"),
    ],
)
def test_a_file_that_is_not_a_journal_is_rejected(
    make: Callable[[Path], object], problem: str, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    file = folder / "book.db"
    make(file)
    with pytest.raises(JournalError, match=problem):
        journal.open(file)
    with pytest.raises(OmsError):
        journal.verify(file.with_name("missing.db"))
