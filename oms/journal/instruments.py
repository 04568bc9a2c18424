"""The instruments of symbols, as JSON in a separate table.

Setting an instrument is not an event. Its row is replaced, in the same SQLite transaction as the events that
belong to it. The row "instruments" of the table `heads` contains a hash of all rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from oms.instrument import Instrument
from oms.journal.connection import Connection
from oms.journal.event_log import EventLog
from oms.journal.record import Head, instrument_body, instruments_hash

__all__ = ["write_instruments"]

_INSTRUMENT = "REPLACE INTO instruments VALUES (?, ?)"
_HEAD = (
    "UPDATE heads SET orders = ?, last_hash = ?, seal = ? WHERE name = 'instruments' AND last_hash = ? "
    "AND EXISTS (SELECT * FROM heads WHERE name = 'now' AND last_hash = ?)"
)


def write_instruments(
    connection: Connection, event_log: EventLog, now: Head, instruments: Mapping[str, Instrument]
) -> int:
    """Write instruments inside the caller's transaction, and return the number of rows written.

    `now` is the row "now" of the table `heads`, as the caller last read it. Raises JournalError for a damaged
    row. Raises sqlite3.Error if the write fails, or if another program has changed the file. O(s) for s
    stored instruments.
    """
    head, bodies = event_log.head("instruments"), event_log.instrument_bodies()
    new = {symbol: instrument_body(instrument) for symbol, instrument in instruments.items()}
    bodies |= new
    after = head._replace(orders=len(bodies), last_hash=instruments_hash(sorted(bodies.items())))
    connection.executemany(_INSTRUMENT, list(new.items()))
    before = connection.total_changes
    row = (after.orders, after.last_hash, after.seal("instruments"), head.last_hash, now.last_hash)
    connection.execute(_HEAD, row)
    if connection.total_changes == before:
        raise sqlite3.DatabaseError("another program has changed the heads")
    return len(new) + 1
