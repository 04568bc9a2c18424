"""Replies, which are stored responses to requests that changed nothing and so created no event."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from typing import Protocol, runtime_checkable

from oms.errors import InvalidArgumentError
from oms.journal.connection import Connection
from oms.journal.event_log import EventLog
from oms.journal.record import Head, digest, reply_link

__all__ = ["ReplyKeeper", "check_reply", "write_reply"]

_REPLY = "INSERT INTO replies VALUES (?, ?, ?)"
_HEAD = (
    "UPDATE heads SET sequence = ?, orders = ?, last_hash = ?, seal = ? "
    "WHERE name = 'replies' AND last_hash = ? AND EXISTS "
    "(SELECT * FROM heads WHERE name = 'now' AND last_hash = ?)"
)
ROWS = 2
"""The number of rows that `write_reply` writes."""


@runtime_checkable
class ReplyKeeper(Protocol):
    """A journal that can also store replies, which are strings that do not belong to an event.

    A service must still recognize an idempotency key after a restart. Usually the note of an event contains
    the key, but a request that changes nothing creates no event. If the journal is not a ReplyKeeper,
    `oms.api` loses the keys of these requests when its process ends.
    """

    def keep_reply(self, reply: str) -> None:
        """Store a reply as durably as an event. Raises JournalError if the reply cannot be stored."""
        ...

    def replies(self) -> Iterator[str]:
        """Yield all stored replies, oldest first. Raises JournalError if they cannot be read."""
        ...


def check_reply(reply: object) -> None:
    """Raise InvalidArgumentError unless the reply is a str that UTF-8 can encode."""
    if type(reply) is str:
        with suppress(UnicodeEncodeError):
            reply.encode()
            return
    raise InvalidArgumentError("reply", reply, "a str of valid Unicode")


def write_reply(connection: Connection, event_log: EventLog, now: Head, reply: str) -> None:
    """Write a reply inside the caller's transaction. O(1).

    `now` is the row "now" of the table `heads`, as the caller last read it. Raises JournalError for a damaged
    row. Raises sqlite3.Error if the write fails, or if another program has changed the file.
    """
    head = event_log.head("replies")
    number = head.sequence + 1
    last_hash = reply_link(head.last_hash, number, digest(reply))
    after = head._replace(sequence=number, orders=number, last_hash=last_hash)
    connection.execute(_REPLY, (number, reply, last_hash))
    before = connection.total_changes
    row = (number, number, last_hash, after.seal("replies"), head.last_hash, now.last_hash)
    connection.execute(_HEAD, row)
    if connection.total_changes == before:
        raise sqlite3.DatabaseError("another program has changed the heads")
