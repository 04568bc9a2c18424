"""Dropping history: what came before stays as the snapshot that the trail begins with, and as its notes."""

from __future__ import annotations

from typing import Any, NamedTuple

from oms.journal.connection import Connection, reported
from oms.journal.record import Head, digest, link, sum_of
from oms.journal.trail import Trail
from oms.journal.verification import state_after, verify_trail

__all__ = ["Droppable", "drop_before", "droppable_before"]


class Droppable(NamedTuple):
    """What a compaction will drop: the events from `first` to `last`, and how many trades they made."""

    first: int
    last: int
    events: int
    trades: int


def droppable_before(trail: Trail, first: int) -> Droppable:
    """Return what `drop_before` will drop. Raises JournalError. O(trades)."""
    start = trail.head("snapshot").sequence
    last = max(start, trail.batch_of(first) - 1)
    with reported(trail.place, "it cannot be read"):
        ((trades,),) = trail.connection.execute(
            "SELECT count(*) FROM trades WHERE sequence <= ?", (last,)
        ).fetchall()
    return Droppable(start + 1, last, last - start, trades)


def drop_before(connection: Connection, trail: Trail, first: int) -> int:
    """Drop the batches before the one of a sequence number, and their trades; return how many events.

    What carries a note is put by, because whoever wrote that may have to remember it.
    All or nothing, in one transaction; afterwards the file is made as small as it can be. The whole
    trail is verified before. Raises JournalError and sqlite3.Error. O(events).
    """
    connection.execute("BEGIN IMMEDIATE")  # first, so that nothing changes after it was verified
    try:
        dropped = _drop(connection, trail, first)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    if dropped:
        connection.execute("VACUUM")
    return dropped


def _drop(connection: Connection, trail: Trail, first: int) -> int:
    verify_trail(trail)
    start = trail.head("snapshot").sequence
    first = trail.batch_of(first)
    if first <= start + 1:
        return 0
    noted, rows = _noted(trail, start, first)
    then = state_after(trail, first - 1)
    orders = [(order[0], order[1], order[2].value, *order[3:]) for order in then]
    head = Head(
        first - 1, then.__getstate__()["next_trade_id"], len(orders), sum_of(orders), trail.hash_of(first - 1)
    )
    fills = "SELECT trade_id FROM trades WHERE sequence < ?"
    connection.execute(f"DELETE FROM fills WHERE trade_id IN ({fills})", (first,))  # noqa: S608  # constants
    connection.execute("DELETE FROM trades WHERE sequence < ?", (first,))
    connection.execute("DELETE FROM events WHERE sequence < ?", (first,))
    connection.executemany("INSERT INTO noted VALUES (?, ?, ?, ?, ?)", rows)
    connection.execute("DELETE FROM snapshot")
    connection.executemany("INSERT INTO snapshot VALUES (?, ?, ?, ?, ?)", orders)
    for name, said in (("snapshot", head), ("noted", noted)):
        connection.execute("REPLACE INTO heads VALUES (?, ?, ?, ?, ?, ?, ?, 0)", said.row(name))
    return first - 1 - start


def _noted(trail: Trail, start: int, first: int) -> tuple[Head, list[tuple[Any, ...]]]:
    """What is to be put by of the events after `start` and before `first`, and the head it then has."""
    head = trail.head("noted")
    last, count, before = head.sequence, head.orders, head.last_hash
    rows: list[tuple[Any, ...]] = []
    for sequence, _, kind, note, body, _ in trail.rows(start + 1):
        if sequence >= first:
            break
        if note is not None:
            before = link(before, sequence, 0, kind, note, digest(body))
            rows.append((sequence, kind, note, body, before))
            last, count = sequence, count + 1
    return head._replace(sequence=last, orders=count, last_hash=before), rows
