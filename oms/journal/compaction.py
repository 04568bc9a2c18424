"""Compaction: drop the oldest events and replace them with a snapshot of the orders resting at that point.

A transaction can attach a string, called a note, to its events. A note may contain an idempotency key, so
dropped events that have a note are kept in the `noted` table.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from oms.journal.connection import Connection, reported, roll_back
from oms.journal.event_log import EventLog
from oms.journal.record import Head, digest, link, sum_of
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
    """Return what `drop_before` would drop. Raises JournalError if the file is damaged. O(trades)."""
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
    and sqlite3.Error. O(events).
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
    head, orders = (now, None) if first > now.sequence else _state_before(event_log, first)
    fills = "SELECT trade_id FROM trades WHERE sequence < ?"
    connection.execute(f"DELETE FROM fills WHERE trade_id IN ({fills})", (first,))  # noqa: S608  # constants
    connection.execute("DELETE FROM trades WHERE sequence < ?", (first,))
    connection.execute("DELETE FROM events WHERE sequence < ?", (first,))
    connection.executemany("INSERT INTO noted VALUES (?, ?, ?, ?, ?, ?)", rows)
    connection.execute("DELETE FROM snapshot")
    if orders is None:  # all events are dropped, and the table has just been verified
        connection.execute("INSERT INTO snapshot SELECT * FROM orders")
    else:
        connection.executemany("INSERT INTO snapshot VALUES (?, ?, ?, ?, ?)", orders)
    for name, each in (("snapshot", head), ("noted", noted)):
        connection.execute("REPLACE INTO heads VALUES (?, ?, ?, ?, ?, ?, ?, 0)", each.row(name))
    return first - 1 - start


def _state_before(event_log: EventLog, first: int) -> tuple[Head, list[tuple[object, ...]]]:
    """Return the head and the rows of the orders as they were before event `first`."""
    sequence, next_trade_id, resting, _ = state_after(event_log, first - 1).snapshot()
    orders: list[tuple[object, ...]] = [(order[0], order[1], order[2].value, *order[3:]) for order in resting]
    head = Head(sequence, next_trade_id, len(orders), sum_of(orders), event_log.hash_of(sequence))
    return head, orders


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
