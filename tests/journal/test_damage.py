"""A damaged file is rejected with the place of the damage, or opens with exactly its original state."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from itertools import chain
from pathlib import Path

import pytest

from oms import (
    Event,
    JournalError,
    OmsError,
    Order,
    OrderAmended,
    OrderFill,
    OrderManagement,
    OrderRemoved,
    OrdersAdded,
    OrdersRemoved,
    Side,
    Trade,
    TradePlaced,
    journal,
)
from oms.journal import SqliteJournal
from oms.journal.connection import Connection, connect_by_sqlite3
from oms.journal.event_log import EventLog
from oms.journal.reading import opened_to_read
from oms.journal.record import EMPTY, digest, instruments_hash, link
from support.faulty_disk import connections_made_by
from support.sessions import State, execute, noon, session, state

LENGTH = 12


def small_pages(uri: str) -> Connection:
    """Connect with the smallest page size, so that a small file has pages of every kind."""
    connection = connect_by_sqlite3(uri)
    connection.execute("PRAGMA page_size=512")
    return connection


def write_journal(file: Path) -> tuple[OrderManagement, list[State]]:
    """Return a journal that is still open, and all states that it has had."""
    with connections_made_by(small_pages):
        om = journal.open(file, clock=noon)
    past = [state(om)]
    for command in session(8, LENGTH):
        execute(command, om)
        past.append(state(om))
    return om, past


@pytest.fixture(scope="module")
def checkpointed(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, State]:
    file = tmp_path_factory.mktemp("whole") / "book.db"
    om, past = write_journal(file)
    om.close()
    return file.read_bytes(), past[-1]


@pytest.fixture(scope="module")
def in_the_log(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes, list[State]]:
    file = tmp_path_factory.mktemp("whole") / "book.db"
    om, past = write_journal(file)
    with om:
        return file.read_bytes(), file.with_name("book.db-wal").read_bytes(), past


def flipped(content: bytes, bit: int) -> bytes:
    damaged = bytearray(content)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


def state_of(file: Path) -> State | None:
    """Return the state of a file, without events if they are damaged, or None if the file is rejected."""
    try:
        with journal.open(file, durability="off") as om:  # syncing would only take time
            try:
                return state(om)
            except JournalError as error:
                assert str(file) in error.place
                return State(om.orders(), _counters(om), om.state_hash(), ())
    except JournalError as error:
        assert str(file) in error.place
        assert error.problem
        return None


def _counters(om: OrderManagement) -> tuple[int, int]:
    sequence, next_trade_id, *_ = om.snapshot()
    return next_trade_id, sequence


def count_rejected(images: Iterable[bytes], original: State, tmp_path: Path) -> int:
    """Check that each image is rejected or has the original state, and return how many are rejected."""
    rejected = 0
    for number, image in enumerate(images):
        file = put(tmp_path, image)
        result = state_of(file)
        assert result in (None, original, original._replace(events=())), f"image {number}"
        rejected += result != original
    return rejected


@pytest.mark.long
def test_a_file_with_a_flipped_bit_in_any_byte_is_rejected_or_has_its_original_state(
    checkpointed: tuple[bytes, State], tmp_path: Path
) -> None:
    content, original = checkpointed
    rng = random.Random(1)
    images = (flipped(content, 8 * byte + rng.randrange(8)) for byte in range(0, len(content), 2))
    assert count_rejected(images, original, tmp_path) > len(content) // 8


@pytest.mark.long
def test_a_file_with_any_bit_flipped_is_rejected_or_has_its_original_state(
    checkpointed: tuple[bytes, State], tmp_path: Path
) -> None:
    content, original = checkpointed
    images = (flipped(content, bit) for bit in range(8 * len(content)))
    assert count_rejected(images, original, tmp_path) > len(content)


@pytest.mark.parametrize("step", [13, pytest.param(1, marks=pytest.mark.long)])
def test_a_file_truncated_anywhere_is_rejected(
    step: int, checkpointed: tuple[bytes, State], tmp_path: Path
) -> None:
    content, original = checkpointed
    images = [content[:size] for size in range(0, len(content), step)]
    assert count_rejected(images, original, tmp_path) == len(images)


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
@pytest.mark.parametrize("step", [53, pytest.param(1, marks=pytest.mark.long)])
def test_a_damaged_log_is_rejected_or_opens_with_an_earlier_state(
    step: int, in_the_log: tuple[bytes, bytes, list[State]], tmp_path: Path
) -> None:
    base, log, past = in_the_log
    rng = random.Random(1)
    bits = (8 * byte + rng.randrange(8) for byte in range(0, len(log), step))
    damaged = (flipped(log, bit) for bit in (bits if step > 1 else range(8 * len(log))))
    images: dict[bytes, State | None] = {}
    for number, damaged_log in enumerate(chain((log[:size] for size in range(0, len(log), step)), damaged)):
        image = merged(base, damaged_log, tmp_path)
        if image not in images:
            images[image] = state_of(put(tmp_path, image))
            assert images[image] is None or images[image] in past, f"log {number}"
        if step > 1:  # the file with its log opens like the merged database; slow, so only for few images
            assert state_of(put(tmp_path, base, damaged_log)) == images[image], f"log {number}"
    assert sum(result is not None for result in images.values()) > 5, (
        "a log with a damaged end opens with an earlier state"
    )


@pytest.mark.parametrize("seed", range(3))
def test_a_file_with_the_log_of_another_journal_opens_with_a_state_of_one_of_them(
    seed: int, in_the_log: tuple[bytes, bytes, list[State]], tmp_path: Path
) -> None:
    _, log, past = in_the_log
    (tmp_path / "folder").mkdir()
    with connections_made_by(small_pages), journal.open(tmp_path / "other.db") as om:
        for command in session(seed, 8 * seed):
            execute(command, om)
        past = [*past, state(om)]
    other = (tmp_path / "other.db").read_bytes()
    assert state_of(put(tmp_path / "folder", other, log)) in [None, *past]


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
    {
        "UPDATE instruments SET body = '[]' WHERE symbol = 'JPM'",
        "UPDATE instruments SET symbol = 'A' WHERE symbol = 'IBM'",
        "UPDATE instruments SET body = x'7b7d' WHERE symbol = 'IBM'",
        "DELETE FROM instruments WHERE symbol = '日経'",
        "DELETE FROM instruments",
        "INSERT INTO instruments VALUES ('X', '{}')",
        "UPDATE heads SET orders = 2 WHERE name = 'instruments'",
    },
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
