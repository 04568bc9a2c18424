"""Compaction: drop the oldest events and replace them with a snapshot of the orders resting at that point.

A transaction can attach a string, called a note, to its events. A note may contain an idempotency key, so
dropped events that have a note are kept in the `noted` table.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from oms.events import Snapshot
from oms.journal.batch import state_rows
from oms.journal.connection import Connection, reported, roll_back
from oms.journal.engine_rows import engine_head_of
from oms.journal.event_log import SNAPSHOT_TABLES, EventLog
from oms.journal.record import EMPTY, Head, digest, link, sum_of
from oms.journal.verification import state_after, verify_event_log

__all__ = ["Droppable", "drop_before", "droppable_before"]

_NOTED = (
    "SELECT sequence, kind, note, time, body FROM events "
    "WHERE sequence > ? AND sequence < ? AND note IS NOT NULL ORDER BY sequence"
)


class Droppable(NamedTuple):
    """The range of events that a compaction would drop, with the number of events and trades in it."""

    first: int
    last: int
    events: int
    trades: int


def droppable_before(event_log: EventLog, first: int) -> Droppable:
    """Return what `drop_before` would drop. Raises JournalError if the file is damaged. O(n) for n trades."""
    start = event_log.head("snapshot").sequence
    last = max(start, event_log.batch_of(first) - 1)
    with reported(event_log.place, "it cannot be read"):
        ((trades,),) = event_log.connection.execute(
            "SELECT count(*) FROM trades WHERE sequence <= ?", (last,)
        ).fetchall()
    return Droppable(start + 1, last, last - start, trades)


def drop_before(connection: Connection, event_log: EventLog, first: int) -> int:
    """Drop all batches before the one that contains event `first`, and return the number of dropped events.

    Their trades are dropped too. Dropped events that have a note move to the `noted` table. The whole event
    log is verified first, in the same transaction. Afterward, VACUUM shrinks the file. Raises JournalError
    and sqlite3.Error. O(n log n) for n events and orders.
    """
    try:
        connection.execute("BEGIN IMMEDIATE")  # from now on, no other program can write
        dropped = _drop(connection, event_log, first)
        connection.execute("COMMIT")
    except BaseException:
        roll_back(connection)
        raise
    if dropped:
        connection.execute("VACUUM")
    return dropped


def _drop(connection: Connection, event_log: EventLog, first: int) -> int:
    verify_event_log(event_log)
    start, now = event_log.head("snapshot").sequence, event_log.head("now")
    first = event_log.batch_of(first)
    if first <= start + 1:
        return 0
    noted, rows = _noted(event_log, start, first)
    state = None if first > now.sequence else state_after(event_log, first - 1).snapshot()
    heads = {"noted": noted, **_heads(event_log, state)}
    fills = "SELECT trade_id FROM trades WHERE sequence < ?"
    connection.execute(f"DELETE FROM fills WHERE trade_id IN ({fills})", (first,))  # noqa: S608  # constants
    connection.execute("DELETE FROM trades WHERE sequence < ?", (first,))
    connection.execute("DELETE FROM events WHERE sequence < ?", (first,))
    connection.executemany("INSERT INTO noted VALUES (?, ?, ?, ?, ?, ?)", rows)
    _write_snapshot(connection, state)
    for name, head in heads.items():
        connection.execute("REPLACE INTO heads VALUES (?, ?, ?, ?, ?, ?, ?, 0)", head.row(name))
    return first - 1 - start


def _write_snapshot(connection: Connection, state: Snapshot | None) -> None:
    """Write the rows of a state to the snapshot tables. Without a state, copy the rows of the current state.

    The caller has verified the current state.
    """
    for table, snapshot in SNAPSHOT_TABLES.items():
        connection.execute(f"DELETE FROM {snapshot}")  # noqa: S608  # constants
        if state is None:
            connection.execute(f"INSERT INTO {snapshot} SELECT * FROM {table}")  # noqa: S608  # constants
    if state is not None:
        for table, rows in state_rows(state).items():
            if rows:
                marks = ", ".join("?" * len(rows[0]))
                insert = f"INSERT INTO {SNAPSHOT_TABLES[table]} VALUES ({marks})"  # noqa: S608  # constants
                connection.executemany(insert, rows)


def _heads(event_log: EventLog, state: Snapshot | None) -> dict[str, Head]:
    """Return the heads of a state, or of the current state."""
    if state is None:
        return {"snapshot": event_log.head("now"), "engine_snapshot": event_log.head("engine")}
    sequence, next_trade_id, orders, _, engine = state
    last_hash = event_log.hash_of(sequence)
    orders_sum = sum_of(state_rows(state)["orders"])
    head = Head(sequence, next_trade_id, len(orders), orders_sum, last_hash)
    engine_head = EMPTY if engine is None else engine_head_of(engine, sequence, last_hash)
    return {"snapshot": head, "engine_snapshot": engine_head}


def _noted(event_log: EventLog, start: int, first: int) -> tuple[Head, list[tuple[Any, ...]]]:
    """Return the new head of the `noted` table, and the rows to add to the table."""
    head = event_log.head("noted")
    last, count, before = head.sequence, head.orders, head.last_hash
    rows: list[tuple[Any, ...]] = []
    found = event_log.connection.execute(_NOTED, (start, first)).fetchall()  # verified by the caller
    for sequence, kind, note, time, body in found:
        before = link(before, sequence, 0, kind, note, time, digest(body))
        rows.append((sequence, kind, note, body, before, time))
        last, count = sequence, count + 1
    return head._replace(sequence=last, orders=count, last_hash=before), rows
