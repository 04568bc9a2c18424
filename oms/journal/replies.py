"""Replies that no event carries: what was acknowledged although it changed nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from typing import Protocol, runtime_checkable

from oms.errors import InvalidOrderError
from oms.journal.connection import Connection
from oms.journal.record import Head, digest, reply_link
from oms.journal.trail import Trail

__all__ = ["ReplyKeeper", "check_reply", "write_reply"]

_REPLY = "INSERT INTO replies VALUES (?, ?, ?)"
_HEAD = (
    "UPDATE heads SET sequence = ?, orders = ?, last_hash = ?, seal = ? "
    "WHERE name = 'replies' AND last_hash = ? AND EXISTS "
    "(SELECT * FROM heads WHERE name = 'now' AND last_hash = ?)"
)
ROWS = 2
"""How many rows a reply writes."""


@runtime_checkable
class ReplyKeeper(Protocol):
    """What a journal may offer besides: to keep texts that belong to no event.

    A service that acknowledges a request under an idempotency key must know the key after a restart. Where
    the request changed nothing there is no event whose note could carry it. With a journal that is not a
    ReplyKeeper, `oms.api` knows such a key until the process ends.
    """

    def keep_reply(self, reply: str) -> None:
        """Keep a text, as durably as an event, before returning. Raises JournalError: then it is not kept."""
        ...

    def replies(self) -> Iterator[str]:
        """Return all texts that were kept, in their order. Raises JournalError."""
        ...


def check_reply(reply: object) -> None:
    """Raise InvalidOrderError unless the reply is text that any file can take."""
    if type(reply) is str:
        with suppress(UnicodeEncodeError):
            reply.encode()
            return
    raise InvalidOrderError("reply", reply, "a str of valid Unicode")


def write_reply(connection: Connection, trail: Trail, now: Head, reply: str) -> None:
    """Write a reply inside a transaction of the caller's, which knows the head `now`. O(1).

    Raises JournalError, and sqlite3.Error, also where the file is not what it was.
    """
    head = trail.head("replies")
    number = head.sequence + 1
    last_hash = reply_link(head.last_hash, number, digest(reply))
    after = head._replace(sequence=number, orders=number, last_hash=last_hash)
    connection.execute(_REPLY, (number, reply, last_hash))
    before = connection.total_changes
    row = (number, number, last_hash, after.seal("replies"), head.last_hash, now.last_hash)
    connection.execute(_HEAD, row)
    if connection.total_changes == before:
        raise sqlite3.DatabaseError("the heads are not what they were")
