"""Replies without an event: those to requests that were acknowledged, but changed nothing."""

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
"""The number of rows that a reply writes."""


@runtime_checkable
class ReplyKeeper(Protocol):
    """An optional part of a journal: storage for texts that belong to no event.

    A service that acknowledges a request under an idempotency key must know the key after a restart.
    Usually the note of an event carries the key, but a request that changes nothing makes no event.
    With a journal that is not a ReplyKeeper, `oms.api` forgets such keys when the process ends.
    """

    def keep_reply(self, reply: str) -> None:
        """Store a text, as durably as an event, before returning. Raises JournalError if it is not stored."""
        ...

    def replies(self) -> Iterator[str]:
        """Yield all stored texts, oldest first. Raises JournalError."""
        ...


def check_reply(reply: object) -> None:
    """Raise InvalidArgumentError unless the reply is a text that can be encoded."""
    if type(reply) is str:
        with suppress(UnicodeEncodeError):
            reply.encode()
            return
    raise InvalidArgumentError("reply", reply, "a str of valid Unicode")


def write_reply(connection: Connection, event_log: EventLog, now: Head, reply: str) -> None:
    """Write a reply inside the caller's transaction; `now` is the head that the caller knows. O(1).

    Raises JournalError, and sqlite3.Error, also if another program has changed the file.
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
        raise sqlite3.DatabaseError("the heads are not what they were")
