"""A journal in an SQLite file, for its one writer: reading, appending, compaction, and closing."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from threading import RLock
from typing import Literal, cast, get_args

from oms.errors import InvalidArgumentError, JournalError
from oms.events import Event, Snapshot
from oms.journal.batch import Batch
from oms.journal.checkpoints import Checkpoints
from oms.journal.compaction import Droppable, drop_before, droppable_before
from oms.journal.connection import reported
from oms.journal.group_commit import GroupCommit
from oms.journal.open_file import OpenFile, Synchronous
from oms.journal.place import real_path
from oms.journal.record import Head
from oms.journal.replies import ROWS, check_reply, write_reply
from oms.journal.verification import Verification, verify_event_log
from oms.journal.writer import Write, Writer, Written
from oms.models import check_positive

__all__ = ["Durability", "SqliteJournal"]

Durability = Literal["full", "batched", "off"]
_SYNCHRONOUS: dict[str, Synchronous] = {"full": "FULL", "batched": "NORMAL", "off": "OFF"}
_LONGEST_GROUP = 3600  # seconds
_AT_ONCE = 1_000  # events read under one lock


class SqliteJournal:
    """The only writer of events to the SQLite file at `path`. The file is made if it is missing.

    `durability` says when an append returns. With "full" the change is on the disk. With "batched" the
    operating system has it, and it is on the disk before `group_size` changes are made or `group_seconds`
    seconds have passed. With "off" the operating system has it.

    Opening checks the ends of the event log, and `snapshot` compares the orders with their hash, in
    O(orders). With `verify` everything is compared, in O(events). Raises InvalidArgumentError, and
    JournalError for a file that is damaged, of a newer version, or open elsewhere. An older file is
    migrated.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        durability: Durability = "full",
        verify: bool = False,
        group_size: int = 256,
        group_seconds: float = 0.05,
    ) -> None:
        _check_arguments(durability, group_size, group_seconds)
        self.path = real_path(path)
        self.durability: Durability = durability
        self._lock = RLock()
        self._closed = False
        with ExitStack() as undo:
            self._file = OpenFile(self.path, _SYNCHRONOUS[durability], verify=verify)
            undo.callback(self._file.writer_lock.release)
            undo.callback(self._file.close, failed=True)
            self._writer = Writer(self._file)
            self._checkpoints = Checkpoints(self._writer)
            self._group = GroupCommit(self._writer, self._lock, group_size, group_seconds)
            if durability == "batched":
                self._group.start(self.sync)
            undo.pop_all()

    # ------------------------------------------------------------------ reading

    @property
    def last_sequence(self) -> int:
        """The sequence number of the last event in the file; see Journal."""
        with self._own_lock():
            self._get_ready()
            return self._writer.head.sequence

    def snapshot(self) -> Snapshot:
        """Return the resting orders and counters as they are now, in O(orders). Raises JournalError."""
        with self._own_lock():
            self._get_ready()
            head = self._writer.head
            orders = self._file.event_log.orders("orders", head)
            return Snapshot(head.sequence, head.next_trade_id, orders)

    def read(self, first: int = 1) -> Iterator[Event]:
        """Yield the events from the sequence number `first` on, each compared with its hash.

        Raises InvalidArgumentError, and JournalError, also if `first` was dropped by a compaction.
        """
        check_positive("first", first, InvalidArgumentError)
        return self._read(self._file.event_log.events(first))

    def _read(self, events: Iterator[Event]) -> Iterator[Event]:
        while True:
            with self._own_lock():
                self._get_ready()
                some = list(islice(events, _AT_ONCE))
            if not some:
                return
            yield from some

    def history(self) -> Iterator[Event]:
        """Yield the dropped events that carry a note, then all events of the event log.

        Raises JournalError. O(events).
        """
        with self._own_lock():
            self._get_ready()
            event_log = self._file.event_log
            noted, start = list(event_log.noted()), event_log.head("snapshot").sequence
        yield from noted
        yield from self.read(start + 1)

    def replies(self) -> Iterator[str]:
        """Yield the texts given to `keep_reply`, each compared with its hash.

        Raises JournalError. O(replies).
        """
        with self._own_lock():
            self._get_ready()
            return iter(self._file.event_log.replies())

    def verify(self) -> Verification:
        """Replay the event log and compare everything in the file with it. Raises JournalError. O(events)."""
        with self._own_lock():
            self._get_ready()
            return verify_event_log(self._file.event_log)

    # ------------------------------------------------------------------ writing

    def append(self, batch: Sequence[Event]) -> None:
        """Make a batch durable, as `durability` says; O(events and orders in it). Raises JournalError."""
        with self._own_lock():
            self._get_ready(to_write=True)
            for before, event in enumerate(batch, self._writer.head.sequence):
                if event.sequence != before + 1:
                    raise JournalError(self._file.place, f"event {event.sequence} cannot follow {before}")

            def write(head: Head) -> Written:
                rows = Batch(self._file.connection, head)
                return Written(rows.write(batch), rows.size)

            if batch:
                self._make_durable(write)

    def keep_reply(self, reply: str) -> None:
        """Keep a text that belongs to no event, as durably as an event; see ReplyKeeper. O(1).

        Raises InvalidArgumentError if it is not a text, and JournalError.
        """
        check_reply(reply)
        with self._own_lock():
            self._get_ready(to_write=True)

            def write(head: Head) -> Written:
                write_reply(self._file.connection, self._file.event_log, head, reply)
                return Written(head, ROWS)

            self._make_durable(write)

    def _make_durable(self, write: Write) -> None:
        is_synced = self.durability == "batched" and self._group.prepare_commit()
        self._checkpoints.count(self._writer.write(write))
        if self.durability == "batched":
            self._group.count_commit(is_synced=is_synced)
        self._writer.in_doubt = False
        self._checkpoints.make_when_due()

    def sync(self) -> None:
        """Have everything that was appended on the disk before returning. Raises JournalError."""
        with self._own_lock():
            self._get_ready(to_write=True)
            self._group.sync()

    def check_writable(self) -> None:
        """Raise JournalError if an append would be rejected: it is closed, or read-only since an error."""
        with self._own_lock():
            self._get_ready(to_write=True)

    # ------------------------------------------------------------------ compaction

    def droppable(self, before: int | None = None) -> Droppable:
        """Return what `compact` would drop, and drop nothing. O(trades).

        Raises InvalidArgumentError and JournalError.
        """
        with self._own_lock():
            self._get_ready()
            return droppable_before(self._file.event_log, self._first_kept(before))

    def _first_kept(self, before: int | None) -> int:
        end = self._writer.head.sequence + 1
        first = end if before is None else before
        if type(first) is not int or not 1 <= first <= end:
            raise InvalidArgumentError("before", before, f"an int in 1..{end}")
        return first

    def compact(self, before: int | None = None) -> int:
        """Drop the events before the sequence number `before`, or all events; return how many were dropped.

        The events of one transaction are dropped together or not at all. The orders that rested then
        become the snapshot that the event log begins with. Dropped events that carry a note stay
        available from `history`. The whole event log is verified first. O(events).
        Raises InvalidArgumentError and JournalError.
        """
        with self._own_lock():
            self._get_ready(to_write=True)
            first = self._first_kept(before)
            self._group.sync()
            self._writer.in_doubt = True
            try:
                dropped = drop_before(self._file.connection, self._file.event_log, first)
            except sqlite3.Error as error:
                raise self._writer.failure(error, committing=True) from error
            self._writer.in_doubt = False
            self._checkpoints.make()
            return dropped

    # ------------------------------------------------------------------ the lock, and closing

    # Every method writes `with self._own_lock()` itself. An RLock is acquired and released in C. A context
    # manager written in Python could be interrupted between the two, and the lock would stay locked.

    def _own_lock(self) -> RLock:
        """Return the lock. Raises JournalError in a forked process, where a lost thread may hold it."""
        self._file.writer_lock.check()
        return self._lock

    def _get_ready(self, *, to_write: bool = False) -> None:
        """Raise JournalError if it is closed, or cannot be written; settle a write that was interrupted."""
        if self._closed:
            raise JournalError(self._file.place, "it is closed")
        if to_write:
            self._writer.check_writable()
        if self._writer.in_doubt:
            self._writer.settle()
            if self.durability == "batched":
                self._group.count_commit()
            self._writer.in_doubt = False

    def close(self) -> None:
        """Sync, copy the log into the file, and release the file; a second call does nothing.

        Raises JournalError; the journal is closed all the same.
        """
        if not self._file.writer_lock.is_ours():
            return  # it belongs to the process that this one was forked from
        with self._lock:
            if self._closed:
                return
            with reported(self._file.place, "it is closed, but"), ExitStack() as leaving:
                leaving.callback(self._file.writer_lock.release)
                leaving.callback(self._release)
                if self._writer.problem is None:
                    self.sync()
                    self._checkpoints.make(to_close=True)
                elif self._group.unsynced or self._file.presence.problem(thorough=True):
                    raise JournalError(self._file.place, self._lost())

    def _release(self) -> None:
        self._closed = True
        self._group.close()
        self._file.close(failed=self._writer.problem is not None)

    def _lost(self) -> str:
        unsynced = self._group.unsynced
        last = f"its last {unsynced} changes" if unsynced else "its changes"
        return f"it is closed, but {last} may not be on the disk: {self._writer.problem}"


def _check_arguments(durability: object, group_size: object, group_seconds: object) -> None:
    if durability not in get_args(Durability):
        raise InvalidArgumentError("durability", durability, "'full', 'batched' or 'off'")
    check_positive("group_size", group_size, InvalidArgumentError)
    if type(group_seconds) not in (int, float) or not 0 < cast("float", group_seconds) <= _LONGEST_GROUP:
        raise InvalidArgumentError("group_seconds", group_seconds, f"a number > 0, at most {_LONGEST_GROUP}")
