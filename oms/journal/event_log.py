"""A reader of a journal's tables, which verifies their hashes.

A head is a row of the `heads` table. It records where another table ends, so that missing rows are detected.
A head's seal is the hash of its fields. A reply is a stored response to a request that changed nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from oms.display import counted
from oms.engine_state import EngineState
from oms.errors import InvalidOrderError, JournalError
from oms.events import Event
from oms.instrument import Instrument
from oms.journal.connection import Connection, reported
from oms.journal.engine_record import entry_of, price_text
from oms.journal.record import (
    EMPTY,
    Head,
    digest,
    event_of,
    instrument_of,
    instruments_hash,
    link,
    reply_link,
    sum_of,
    sum_of_texts,
)
from oms.models import Order, Side, new_order
from oms.order_rows import check_orders

__all__ = ["EventLog", "SNAPSHOT_TABLES"]

SNAPSHOT_TABLES = {
    "orders": "snapshot",
    "entries": "snapshot_entries",
    "last_prices": "snapshot_last_prices",
}
"""For each table of the current state, the table with the state before the first event in the event log."""

_CHUNK_SIZE = 1000  # rows
_SIDES = {side.value: side for side in Side}
_EVENTS = (
    "SELECT sequence, batch, kind, note, time, body, hash FROM events "
    "WHERE sequence >= ? ORDER BY sequence LIMIT ?"
)
_REPLIES = "SELECT number, reply, hash FROM replies ORDER BY number"
_NOTED = "SELECT sequence, kind, note, time, body, hash FROM noted ORDER BY sequence"
_INSTRUMENTS = "SELECT symbol, body FROM instruments ORDER BY symbol"
_WRONG_HASH = "its hash does not match its content and the hash before it"


class EventLog:
    """A reader of a journal's tables. If it finds damage, it raises JournalError with the location."""

    def __init__(self, connection: Connection, place: str) -> None:
        self.connection = connection
        self.place = place

    def head(self, name: str) -> Head:
        """Return the head with this name: "now", "snapshot", "noted", "replies", or "instruments".

        The "snapshot" head describes the state before the first event in the event log.
        """
        place = f"{self.place}: heads, {name}"
        with reported(place, "it cannot be read"):
            columns = "sequence, next_trade_id, orders, orders_sum, last_hash, seal"
            rows = self.connection.execute(f"SELECT {columns} FROM heads WHERE name = ?", (name,)).fetchall()  # noqa: S608  # constants
        if len(rows) != 1:
            raise JournalError(place, f"there must be one row, not {len(rows)}")
        sequence, next_trade_id, orders, orders_sum, last_hash, seal = rows[0]
        if type(orders_sum) is bytes and type(last_hash) is bytes:
            head = Head(sequence, next_trade_id, orders, int.from_bytes(orders_sum), last_hash)
            if head.seal(name) == seal and {type(value) for value in head[:3]} == {int}:
                return head
        raise JournalError(place, "its seal does not match its content")

    def check_end(self, head: Head) -> None:
        """Raise JournalError unless the last event in the event log is the one recorded in `head`."""
        with reported(f"{self.place}: events", "they cannot be read"):
            rows = self.connection.execute(
                "SELECT sequence, hash FROM events ORDER BY sequence DESC LIMIT 1"
            ).fetchall()
        start = self.head("snapshot")
        expected = [] if head.sequence == start.sequence else [(head.sequence, head.last_hash)]
        if rows != expected or (not expected and head != start):
            raise JournalError(f"{self.place}: events, sequence {head.sequence}", _end_problem(rows, head))

    def orders(self, table: str, head: Head) -> tuple[Order, ...]:
        """Return the n orders in the "orders" or "snapshot" table, verified against `head`. O(n)."""
        place = f"{self.place}: {table}"
        with reported(place, "it cannot be read"):
            self._check_pages(table)
            rows = self.connection.execute(
                f"SELECT order_id, symbol, side, amount, price FROM {table}"  # noqa: S608  # one of two constants
            ).fetchall()
            try:
                if (len(rows), sum_of(rows)) != (head.orders, head.orders_sum):
                    raise JournalError(place, _mismatch(len(rows), head))
                orders = tuple([new_order((row[0], row[1], _SIDES[row[2]], row[3], row[4])) for row in rows])
                check_orders(orders)
            except (InvalidOrderError, KeyError, TypeError) as error:
                raise JournalError(place, f"it contains an invalid order: {error}") from error
        return orders

    def engine_state(self, name: str, at: Head) -> EngineState | None:
        """Return the state of a matching engine, or None if the journal belongs to an OrderManagement.

        `name` is "engine" or "engine_snapshot". `at` is the Head that was stored together with the orders.
        O(n) for n orders.
        """
        head, tables = self.head(name), ["entries", "last_prices"]
        if name == "engine_snapshot":
            tables = [SNAPSHOT_TABLES[table] for table in tables]
        place = f"{self.place}: {tables[0]}"
        with reported(place, "it cannot be read"):
            bodies, prices = map(self._sorted_rows, tables)
            try:
                texts = [body for _, body in bodies] + [price_text(*row) for row in prices]
                orders_sum, entries = (
                    sum_of_texts(texts),
                    tuple(entry_of(json.loads(row[1])) for row in bodies),
                )
            except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
                raise JournalError(place, f"it contains an invalid entry: {error}") from error
        is_of_moment = head == EMPTY or (head.sequence, head.last_hash) == (at.sequence, at.last_hash)
        arrivals = [(entry.arrival, body) for entry, (_, body) in zip(entries, bodies, strict=True)]
        is_intact = (len(bodies), orders_sum) == (head.orders, head.orders_sum)
        if not (is_intact and is_of_moment and arrivals == bodies):
            raise JournalError(place, _mismatch(len(bodies), head))
        return None if head == EMPTY else EngineState(head.next_trade_id, entries, tuple(prices))

    def _sorted_rows(self, table: str) -> list[tuple[Any, ...]]:
        self._check_pages(table)
        return self.connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()  # noqa: S608  # a constant

    def _check_pages(self, table: str) -> None:
        ((answer,), *_) = self.connection.execute(f"PRAGMA quick_check({table})").fetchall()
        if answer != "ok":
            raise JournalError(f"{self.place}: {table}", answer)

    def events(self, first: int, at_once: int = _CHUNK_SIZE) -> Iterator[Event]:
        """Yield the events from sequence number `first` onward, verifying the hash of each.

        The events are read in chunks of `at_once` rows.
        """
        for row in self.rows(first, at_once):
            yield self.event(row)

    def event(self, row: tuple[Any, ...]) -> Event:
        """Convert a row of the `events` table to an event."""
        sequence, _, kind, note, time, body, _ = row
        try:
            return event_of(sequence, kind, note, time, body)
        except (LookupError, TypeError, ValueError) as error:
            place = f"{self.place}: events, sequence {sequence}"
            raise JournalError(place, f"its content is not an event: {error}") from error

    def rows(self, first: int, at_once: int = _CHUNK_SIZE) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of `events` from sequence number `first` onward, verifying the hash of each."""
        before, end = self._hash_before(first), self.head("now").sequence
        if first > end:
            return
        while chunk := self._chunk(first, at_once):
            for row in chunk:
                sequence, batch, kind, note, time, body, last_hash = row
                if sequence != first:
                    raise self._missing(first, f"it is missing; the next event is {sequence}")
                if (
                    type(body) is not str
                    or link(before, sequence, batch, kind, note, time, digest(body)) != last_hash
                ):
                    raise JournalError(f"{self.place}: events, sequence {first}", _WRONG_HASH)
                yield row
                first, before = first + 1, last_hash
        if first <= end:
            raise self._missing(first, "it is missing, and so are all later events")

    def _missing(self, first: int, problem: str) -> JournalError:
        """Return the error for an event that is missing or that a compaction has just dropped."""
        start = self.head("snapshot").sequence
        if first <= start:
            problem = f"it was dropped: the event log begins after event {start}"
        return JournalError(f"{self.place}: events, sequence {first}", problem)

    def noted(self) -> Iterator[Event]:
        """Yield the events that a compaction dropped from the log but kept because they have a note.

        Verify the hash of each.
        """
        head, place = self.head("noted"), f"{self.place}: noted"
        with reported(place, "it cannot be read"):
            rows = self.connection.execute(_NOTED).fetchall()
        before = EMPTY.last_hash
        for sequence, kind, note, time, body, last_hash in rows:
            is_text = type(body) is str
            if not is_text or link(before, sequence, 0, kind, note, time, digest(body)) != last_hash:
                raise JournalError(f"{place}, sequence {sequence}", _WRONG_HASH)
            before = last_hash
            yield self.event((sequence, 0, kind, note, time, body, last_hash))
        if (len(rows), before) != (head.orders, head.last_hash):
            raise JournalError(place, _mismatch(len(rows), head))

    def replies(self) -> list[str]:
        """Return the stored replies, after verifying the hash of each."""
        head, place = self.head("replies"), f"{self.place}: replies"
        with reported(place, "it cannot be read"):
            rows = self.connection.execute(_REPLIES).fetchall()
        before = EMPTY.last_hash
        for count, (number, reply, last_hash) in enumerate(rows, 1):
            is_text = number == count and type(reply) is str
            if not is_text or reply_link(before, number, digest(reply)) != last_hash:
                raise JournalError(f"{place}, number {number}", _WRONG_HASH)
            before = last_hash
        if (len(rows), before) != (head.orders, head.last_hash):
            raise JournalError(place, _mismatch(len(rows), head))
        return [reply for _, reply, _ in rows]

    def instruments(self) -> dict[str, Instrument]:
        """Return the instruments by symbol, sorted, after verifying the hash of all of them."""
        instruments: dict[str, Instrument] = {}
        for symbol, body in self.instrument_bodies().items():
            try:
                instruments[symbol] = instrument_of(body)
            except (TypeError, ValueError) as error:
                place = f"{self.place}: instruments, symbol {symbol!r}"
                raise JournalError(place, f"its content is not an instrument: {error}") from error
        return instruments

    def instrument_bodies(self) -> dict[str, str]:
        """Return the JSON of each symbol's instrument, after verifying the hash of all of them."""
        head, place = self.head("instruments"), f"{self.place}: instruments"
        with reported(place, "it cannot be read"):
            rows = self.connection.execute(_INSTRUMENTS).fetchall()
        is_text = all(type(value) is str for row in rows for value in row)
        if not is_text or (len(rows), instruments_hash(rows)) != (head.orders, head.last_hash):
            raise JournalError(place, _mismatch(len(rows), head))
        return dict(rows)

    def hash_of(self, sequence: int) -> bytes:
        """Return an event's hash."""
        return self._hash_before(sequence + 1)

    def batch_of(self, sequence: int) -> int:
        """Return the sequence number of the first event in the batch that contains event number `sequence`.

        If there is no such event, return `sequence`.
        """
        for _, batch, *_ in self._chunk(sequence, 1):
            return int(batch)
        return sequence

    def _hash_before(self, first: int) -> bytes:
        start, end = self.head("snapshot"), self.head("now")
        if first <= start.sequence:
            raise self._missing(first, "it was dropped")
        if first == start.sequence + 1:
            return start.last_hash
        if first > end.sequence:
            return end.last_hash
        rows = self._chunk(first - 1, 1)
        if not rows or rows[0][0] != first - 1:
            raise self._missing(first - 1, "it is missing")
        last_hash: bytes = rows[0][-1]
        return last_hash

    def _chunk(self, first: int, size: int = _CHUNK_SIZE) -> list[tuple[Any, ...]]:
        with reported(f"{self.place}: events, sequence {first} or after", "it cannot be read"):
            return self.connection.execute(_EVENTS, (first, size)).fetchall()


def _end_problem(rows: list[tuple[Any, ...]], head: Head) -> str:
    """Describe how the last event in the event log differs from the head."""
    if not rows:
        return "it must be the last event, but the event log is empty"
    last = rows[0][0]
    if last == head.sequence:
        return "its hash does not match the heads table"
    return f"it must be the last event, but the last event is {last}"


def _mismatch(rows: int, head: Head) -> str:
    """Describe how the row count or the hash of a table differs from its head."""
    if rows != head.orders:
        return f"it contains {counted(rows, 'row')}, not {counted(head.orders, 'row')}"
    return "its hash does not match the heads table"
