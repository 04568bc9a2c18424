"""A journal file's tables and version. This module also creates new files and migrates old ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from oms.errors import JournalError
from oms.journal.connection import Connection, connected, roll_back, sync_folder, uri_of
from oms.journal.log_state import CLOSED
from oms.journal.record import EMPTY, literals

__all__ = ["APPLICATION_ID", "MIGRATIONS", "TABLES", "VERSION", "check", "check_tables", "create", "migrate"]

APPLICATION_ID = int.from_bytes(b"omsj")
VERSION = 6

_ORDER_COLUMNS = """(
    order_id INTEGER PRIMARY KEY,
    symbol TEXT NOT NULL,
    side TEXT NOT NULL,
    amount INTEGER NOT NULL,
    price INTEGER NOT NULL
)"""

_EVENTS = """CREATE TABLE events (
    sequence INTEGER PRIMARY KEY,
    batch INTEGER NOT NULL,
    kind TEXT NOT NULL,
    note TEXT,
    body TEXT NOT NULL,
    hash BLOB NOT NULL
)"""

_NOTED = """CREATE TABLE noted (
    sequence INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    note TEXT NOT NULL,
    body TEXT NOT NULL,
    hash BLOB NOT NULL
)"""


def _add_time(table: str) -> str:
    """Return the statement that adds the column of timestamps, which are nanoseconds since 1970 or NULL."""
    return f"ALTER TABLE {table} ADD COLUMN time INTEGER"


def _with_time(definition: str) -> str:
    """Return the definition that SQLite stores for a table after `_add_time`."""
    return f"{definition.removesuffix(')')}, time INTEGER)"


_ENTRY_COLUMNS = """(
    arrival INTEGER PRIMARY KEY,
    body TEXT NOT NULL
)"""

_PRICE_COLUMNS = """(
    symbol TEXT PRIMARY KEY,
    price INTEGER NOT NULL
) WITHOUT ROWID"""

TABLES = {
    # The event log. Events are appended and never changed. Events that are committed together form a batch.
    # The `batch` column contains the sequence number of the first event in the batch.
    "events": _with_time(_EVENTS),
    # The resting orders. Like the trades and the fills, they are derived from the event log.
    "orders": f"CREATE TABLE orders {_ORDER_COLUMNS}",
    # The amount and total_price columns have no type, because integers of more than 64 bits are stored as
    # strings.
    "trades": """CREATE TABLE trades (
    trade_id INTEGER PRIMARY KEY,
    sequence INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    side TEXT NOT NULL,
    amount NOT NULL,
    total_price NOT NULL
)""",
    "fills": """CREATE TABLE fills (
    trade_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    order_id INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    price INTEGER NOT NULL,
    PRIMARY KEY (trade_id, position)
) WITHOUT ROWID""",
    # The resting orders before the first event in the event log. Before the first compaction, this table is
    # empty.
    "snapshot": f"CREATE TABLE snapshot {_ORDER_COLUMNS}",
    # The dropped events that have a note. A note may contain an idempotency key.
    "noted": _with_time(_NOTED),
    # Replies to requests that changed nothing. See replies.py.
    "replies": """CREATE TABLE replies (
    number INTEGER PRIMARY KEY,
    reply TEXT NOT NULL,
    hash BLOB NOT NULL
)""",
    # The instrument of each symbol that has one, as JSON.
    "instruments": """CREATE TABLE instruments (
    symbol TEXT PRIMARY KEY,
    body TEXT NOT NULL
) WITHOUT ROWID""",
    # The register of a matching engine, as JSON, and the last price of each symbol. They are derived from the
    # event log, and empty in the journal of an OrderManagement.
    "entries": f"CREATE TABLE entries {_ENTRY_COLUMNS}",
    "last_prices": f"CREATE TABLE last_prices {_PRICE_COLUMNS}",
    # The register and the last prices before the first event in the event log
    "snapshot_entries": f"CREATE TABLE snapshot_entries {_ENTRY_COLUMNS}",
    "snapshot_last_prices": f"CREATE TABLE snapshot_last_prices {_PRICE_COLUMNS}",
    # One row with the state of the write-ahead log. See log_state.py.
    "log": """CREATE TABLE log (
    state TEXT NOT NULL
)""",
    # Each row records where another table ends. See Head in record.py.
    "heads": """CREATE TABLE heads (
    name TEXT PRIMARY KEY,
    sequence INTEGER NOT NULL,
    next_trade_id INTEGER NOT NULL,
    orders INTEGER NOT NULL,
    orders_sum BLOB NOT NULL,
    last_hash BLOB NOT NULL,
    seal BLOB NOT NULL,
    syncs INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID""",
}

_CLOSED = f"INSERT INTO log VALUES ('{CLOSED}')"  # noqa: S608  # a constant


def _first_head(name: str) -> str:
    return f"INSERT INTO heads VALUES ({literals(EMPTY.row(name))}, 0)"  # noqa: S608  # constants


MIGRATIONS: Mapping[int, tuple[str, ...]] = {
    1: (_NOTED, _first_head("noted")),
    2: (TABLES["replies"], _first_head("replies"), TABLES["log"], _CLOSED),
    3: (),  # trade events have one more field, which an older program cannot read
    4: (_add_time("events"), _add_time("noted"), TABLES["instruments"], _first_head("instruments")),
    5: (
        *(TABLES[name] for name in ("entries", "last_prices", "snapshot_entries", "snapshot_last_prices")),
        _first_head("engine"),
        _first_head("engine_snapshot"),
    ),
}
"""For each older version, the statements that migrate a file to the next version."""

OLDER_VERSION = "it has an older version; open it for writing to migrate it"
"""The error message when a file with an older version is opened read-only."""


def create(path: Path) -> None:
    """Create an empty journal under a temporary name, and rename the file when it is complete.

    Raises sqlite3.Error and OSError. Raises JournalError if the file's write-ahead log already exists.
    """
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size:
        problem = f"it is missing, but its log {log.name} exists and may contain changes; restore the file"
        raise JournalError(str(path), problem)
    draft = path.with_name(f"{path.name}-new")
    for leftover in ("", "-journal", "-wal", "-shm"):
        draft.with_name(f"{draft.name}{leftover}").unlink(missing_ok=True)
    with connected(uri_of(draft, "rwc")) as connection:
        connection.execute("PRAGMA journal_mode=DELETE").fetchall()
        connection.execute("PRAGMA synchronous=EXTRA")
        connection.execute("BEGIN IMMEDIATE")
        for table in TABLES.values():
            connection.execute(table)
        for name in ("snapshot", "noted", "replies", "instruments", "engine", "engine_snapshot", "now"):
            connection.execute("INSERT INTO heads VALUES (?, ?, ?, ?, ?, ?, ?, 0)", EMPTY.row(name))
        connection.execute(_CLOSED)
        _stamp(connection, VERSION)
        connection.execute("COMMIT")
        # Turn on the write-ahead log before the file gets its final name. Then an old log that reappears
        # under that name after a crash does not match this file.
        connection.execute("PRAGMA journal_mode=WAL").fetchall()
    draft.rename(path)
    sync_folder(path)


def _stamp(connection: Connection, version: int) -> None:
    connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version={version}")


def version_of(connection: Connection, place: str) -> int:
    """Return a file's version. Raises JournalError unless the file is a journal with a known version."""
    ((application_id,),) = connection.execute("PRAGMA application_id").fetchall()
    version: int
    ((version,),) = connection.execute("PRAGMA user_version").fetchall()
    if application_id != APPLICATION_ID:
        raise JournalError(f"{place}: header", "it is not an oms journal, or its header is damaged")
    if version > VERSION:
        problem = f"its version is {version}, but this oms reads versions up to {VERSION}; upgrade oms"
        raise JournalError(f"{place}: header", problem)
    if version != VERSION and version not in MIGRATIONS:
        raise JournalError(f"{place}: header", f"its version is {version}, which does not exist")
    return version


def migrate(connection: Connection, place: str) -> None:
    """Migrate a file to VERSION, with one transaction per step. Raises JournalError and sqlite3.Error."""
    while version_of(connection, place) < VERSION:
        try:
            connection.execute("BEGIN IMMEDIATE")
            version = version_of(connection, place)
            for statement in MIGRATIONS[version]:
                connection.execute(statement)
            _stamp(connection, version + 1)
            connection.execute("COMMIT")
        except BaseException:
            roll_back(connection)
            raise


def check(connection: Connection, place: str) -> None:
    """Raise JournalError unless the file has version VERSION and that version's tables."""
    if version_of(connection, place) != VERSION:
        raise JournalError(f"{place}: header", OLDER_VERSION)
    check_tables(connection, place, TABLES)


def check_tables(connection: Connection, place: str, names: Iterable[str]) -> None:
    """Raise JournalError if one of these tables differs from its definition.

    Triggers and unknown tables are not allowed. Indexes, views, and SQLite statistics that were added
    manually are allowed.
    """
    rows = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
    for kind, name, _ in rows:
        if kind == "trigger":
            problem = f"it could change what the journal writes; remove it with DROP TRIGGER {name}"
            raise JournalError(f"{place}: schema, trigger {name}", problem)
    # In a damaged file, a table name may be a BLOB.
    definitions = [(str(name), sql) for kind, name, sql in rows if kind == "table"]
    tables = {name: sql for name, sql in definitions if not name.startswith("sqlite_")}
    for name in (*names, *(tables.keys() - TABLES.keys())):
        if tables.get(name) != TABLES.get(name):
            problem = f"it is missing, changed, or not part of version {VERSION}"
            raise JournalError(f"{place}: schema, table {name}", problem)
