"""A journal in an SQLite file that is open for writing."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from threading import RLock
from typing import Literal, cast, get_args

from oms.call_stack import callers
from oms.errors import InvalidArgumentError, JournalError
from oms.events import Event, Snapshot
from oms.instrument import Instrument
from oms.journal.batch import Batch
from oms.journal.checkpoints import Checkpoints
from oms.journal.compaction import Droppable, drop_before, droppable_before
from oms.journal.connection import reported
from oms.journal.group_commit import GroupCommit
from oms.journal.instruments import write_instruments
from oms.journal.open_file import OpenFile, Synchronous
from oms.journal.pages import EventPage, TradePage, page_of_events, page_of_trades
from oms.journal.place import real_path
from oms.journal.record import Head
from oms.journal.replies import ROWS, check_reply, write_reply
from oms.journal.verification import Verification, verify_event_log
from oms.journal.writer import Write, Writer, Written
from oms.models import check_positive
from oms.reference_data import check_instruments

__all__ = ["Durability", "SqliteJournal"]

_log = logging.getLogger("oms.journal")

Durability = Literal["full", "batched", "off"]
_SYNCHRONOUS: dict[str, Synchronous] = {"full": "FULL", "batched": "NORMAL", "off": "OFF"}
_LONGEST_GROUP = 3600  # seconds
_WRITERS = {"_make_durable", "compact"}  # no other method may run in the middle of these methods
_CHUNK_SIZE = 1_000  # events to read each time the lock is acquired


class SqliteJournal:
    """A journal in the SQLite file at `path`, which is created if it does not exist.

    `durability` determines how durable a change is when `append` returns.

    - "full": The change is on disk, so it survives a power failure.
    - "batched": The operating system has the change, so it survives a crash of the process. The change is
      synced to disk after at most `group_size` changes or `group_seconds` seconds.
    - "off": The operating system has the change, and decides when to write it to disk.

    By default, opening a journal checks only the start and the end of the event log. With `verify`, it
    verifies the whole file, in O(n log n) for n events and orders. A file with an older version is migrated.
    Raises InvalidArgumentError if an argument is invalid. Raises JournalError if the file is damaged, has a
    newer version, or is open for writing elsewhere.
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
        """The sequence number of the last event in the file. Raises JournalError if the journal is closed."""
        with self._own_lock():
            self._get_ready()
            return self._writer.head.sequence

    def snapshot(self) -> Snapshot:
        """Return the n orders, the counters, and the instruments, after verifying their hashes. O(n).

        Raises JournalError if an order or an instrument is damaged.
        """
        with self._own_lock():
            self._get_ready()
            head = self._writer.head
            orders = self._file.event_log.orders("orders", head)
            instruments = tuple(self._file.event_log.instruments().items())
            engine = self._file.event_log.engine_state("engine", head)
            return Snapshot(head.sequence, head.next_trade_id, orders, instruments, engine)

    def instruments(self) -> Mapping[str, Instrument]:
        """Return the stored instruments by symbol, after verifying their hash.

        Raises JournalError if an instrument is damaged. O(n) for n instruments.
        """
        with self._own_lock():
            self._get_ready()
            return self._file.event_log.instruments()

    def read(self, first: int = 1) -> Iterator[Event]:
        """Yield the events from sequence number `first` onward, verifying the hash of each.

        Raises InvalidArgumentError if `first` is invalid. Raises JournalError if an event is damaged, or if
        a compaction has dropped event number `first`.
        """
        check_positive("first", first, InvalidArgumentError)
        return self._read(self._file.event_log.events(first))

    def _read(self, events: Iterator[Event]) -> Iterator[Event]:
        while True:
            with self._own_lock():
                self._get_ready()
                chunk = list(islice(events, _CHUNK_SIZE))
            if not chunk:
                return
            yield from chunk

    def history(self) -> Iterator[Event]:
        """Yield the events that a compaction dropped from the log but kept because they have a note.

        Then yield all events in the log.

        Raises JournalError if an event is damaged. O(n) for n events.
        """
        with self._own_lock():
            self._get_ready()
            event_log = self._file.event_log
            noted, start = list(event_log.noted()), event_log.head("snapshot").sequence
        yield from noted
        yield from self.read(start + 1)

    def page_of_events(self, after: int | None, limit: int) -> EventPage:
        """Return a page of events, after verifying the hash of each. O(limit).

        The page begins after event number `after`, or with the first event in the log if `after` is None. It
        has at most `limit` events. This method does not wait for a change that is being written. Raises
        InvalidArgumentError if an argument is invalid. Raises JournalError if an event is damaged.
        """
        _check_page(after, limit)
        with self._file.reading() as event_log:
            return page_of_events(event_log, after, limit)

    def page_of_trades(self, after: int | None, limit: int) -> TradePage:
        """Return a page of trades, after verifying the hash of each event. O(limit log n) for n events.

        The page begins after the trade with the id `after`, or with the first trade in the log. See
        `page_of_events`.
        """
        _check_page(after, limit)
        with self._file.reading() as event_log:
            return page_of_trades(event_log, after, limit)

    def replies(self) -> Iterator[str]:
        """Yield the replies stored by `keep_reply`, after verifying the hash of each.

        Raises JournalError if a reply is damaged. O(n) for n replies.
        """
        with self._own_lock():
            self._get_ready()
            return iter(self._file.event_log.replies())

    def verify(self) -> Verification:
        """Replay the event log, and compare all tables in the file with the result.

        If the file is damaged, raises JournalError with the location of the first damage. O(n log n) for n
        events and orders.
        """
        with self._own_lock():
            self._get_ready()
            return verify_event_log(self._file.event_log)

    # ------------------------------------------------------------------ writing

    def append(self, batch: Sequence[Event]) -> None:
        """Write a batch, as durably as `durability` promises.

        A batch contains all events of a transaction, or the only event of a change outside a transaction.
        Raises JournalError if the batch cannot be written. O(n) for n events and orders in the batch.
        """
        self._append({}, batch)

    def keep_instruments(self, instruments: Mapping[str, Instrument], batch: Sequence[Event] = ()) -> None:
        """Store instruments by symbol, and append a batch, or do neither. Both are as durable as an event.

        Raises InvalidArgumentError if an instrument is invalid. Raises JournalError if the instruments cannot
        be stored. O(n) for n events, orders, and stored instruments.
        """
        check_instruments(instruments)
        self._append(instruments, batch)

    def _append(self, instruments: Mapping[str, Instrument], batch: Sequence[Event]) -> None:
        with self._own_lock():
            self._get_ready(to_write=True)
            for before, event in enumerate(batch, self._writer.head.sequence):
                if event.sequence != before + 1:
                    raise JournalError(
                        self._file.place, f"event {event.sequence} cannot follow event {before}"
                    )

            def write(head: Head) -> Written:
                connection, event_log, size = self._file.connection, self._file.event_log, 0
                if instruments:
                    size = write_instruments(connection, event_log, head, instruments)
                if not batch:
                    return Written(head, size)
                rows = Batch(connection, head)
                return Written(rows.write(batch), rows.size + size)

            if batch or instruments:
                self._make_durable(write)

    def keep_reply(self, reply: str) -> None:
        """Store a reply as durably as an event. A reply is a string that does not belong to an event. O(1).

        Raises InvalidArgumentError unless the reply is a str of valid Unicode. Raises JournalError if the
        reply cannot be stored.
        """
        check_reply(reply)
        with self._own_lock():
            self._get_ready(to_write=True)

            def write(head: Head) -> Written:
                write_reply(self._file.connection, self._file.event_log, head, reply)
                return Written(head, ROWS)

            self._make_durable(write)

    def _make_durable(self, write: Write) -> None:
        is_batched, is_written = self.durability == "batched", False
        try:
            is_synced = is_batched and self._group.prepare_commit()
            self._checkpoints.count(self._writer.write(write))
            is_written = True
            if is_batched:
                self._group.count_commit(is_synced=is_synced)
        except sqlite3.Error as error:  # SQLite could not change when it syncs
            raise self._writer.failure(error, committing=is_written) from error
        self._writer.in_doubt = False
        self._checkpoints.make_when_due()

    def sync(self) -> None:
        """Sync every appended change to disk. Raises JournalError if the sync fails."""
        with self._own_lock():
            self._get_ready(to_write=True)
            self._group.sync()

    def check_writable(self) -> None:
        """Raise JournalError if the journal is closed, or if an error has made it read-only.

        This method does not wait for a change that is being written.
        """
        self._file.writer_lock.check()
        self._check_open()
        self._writer.check_writable()

    # ------------------------------------------------------------------ compaction

    def droppable(self, before: int | None = None) -> Droppable:
        """Return which events `compact` would drop, without dropping them. O(n) for n trades.

        Raises InvalidArgumentError if `before` is invalid. Raises JournalError if the file is damaged.
        """
        with self._own_lock():
            self._get_ready()
            return droppable_before(self._file.event_log, self._first_remaining(before))

    def _first_remaining(self, before: int | None) -> int:
        end = self._writer.head.sequence + 1
        first = end if before is None else before
        if type(first) is not int or not 1 <= first <= end:
            raise InvalidArgumentError("before", before, f"an int in 1..{end}")
        return first

    def compact(self, before: int | None = None) -> int:
        """Drop the events before sequence number `before`, and return the number of dropped events.

        If `before` is None, all events are dropped. The events of a transaction are dropped together or not
        at all. The dropped events are replaced with a snapshot of the orders resting at that point. Dropped
        events that have a note are still available from `history`. The whole event log is verified first.
        O(n log n) for n events and orders. Raises InvalidArgumentError if `before` is invalid. Raises
        JournalError if the file is damaged.
        """
        with self._own_lock():
            self._get_ready(to_write=True)
            first = self._first_remaining(before)
            self._group.sync()
            self._writer.in_doubt = True
            try:
                dropped = drop_before(self._file.connection, self._file.event_log, first)
            except sqlite3.Error as error:
                raise self._writer.failure(error, committing=True) from error
            self._writer.in_doubt = False
            self._checkpoints.make()
            return dropped

    # ------------------------------------------------------------------ locking and closing

    # Every method uses `with self._own_lock()` directly, because an RLock is acquired and released in C. A
    # context manager written in Python could be interrupted right after acquiring the lock, and would then
    # never release it.

    def _own_lock(self) -> RLock:
        """Return the lock. Raises JournalError in a forked process.

        A forked process could wait forever, because the thread that holds the lock does not exist in it.
        """
        self._file.writer_lock.check()
        return self._lock

    def _get_ready(self, *, to_write: bool = False) -> None:
        """Roll back an interrupted write, unless it was committed.

        Raises JournalError if the journal is closed, or if `to_write` is True and the journal is read-only.
        """
        self._check_open()
        if to_write:
            self._writer.check_writable()
        if self._writer.in_doubt:
            if any(owner is self and name in _WRITERS for name, owner in callers()):
                problem = (
                    "this thread is in the middle of a write; in a signal handler or finalizer, set a flag"
                )
                raise JournalError(self._file.place, problem)
            self._writer.settle()
            if self.durability == "batched":
                self._group.count_commit()
            self._writer.in_doubt = False

    def _check_open(self) -> None:
        if self._closed:
            raise JournalError(self._file.place, "it is closed")

    def close(self) -> None:
        """Sync all changes, copy the log into the file, and release the file. A second call does nothing.

        Raises JournalError if a change may be lost. Even then, the journal is closed.
        """
        if not self._file.writer_lock.is_ours():
            return  # a forked process must not close its parent's journal
        with self._lock:
            if self._closed:
                return
            with reported(self._file.place, "it is closed, but"), ExitStack() as stack:
                stack.callback(self._file.writer_lock.release)
                stack.callback(self._release)
                if self._writer.problem is None:
                    self.sync()
                    self._checkpoints.make(to_close=True)
                elif self._group.unsynced or self._file.presence.problem(thorough=True):
                    raise JournalError(self._file.place, self._loss())

    def _release(self) -> None:
        self._closed = True
        self._group.close()
        self._file.close(failed=self._writer.problem is not None)
        if self._writer.problem is None:
            _log.info("%s is closed, and its last event is %d", self._file.place, self._writer.head.sequence)

    def _loss(self) -> str:
        unsynced = self._group.unsynced
        changes = {0: "its changes", 1: "its last change"}.get(unsynced, f"its last {unsynced:,} changes")
        return f"it is closed, but {changes} may not be on the disk: {self._writer.problem}"


def _check_page(after: object, limit: object) -> None:
    if after is not None and (type(after) is not int or after < 0):
        raise InvalidArgumentError("after", after, "an int >= 0, or None")
    check_positive("limit", limit, InvalidArgumentError)


def _check_arguments(durability: object, group_size: object, group_seconds: object) -> None:
    if durability not in get_args(Durability):
        raise InvalidArgumentError("durability", durability, "'full', 'batched', or 'off'")
    check_positive("group_size", group_size, InvalidArgumentError)
    if type(group_seconds) not in (int, float) or not 0 < cast("float", group_seconds) <= _LONGEST_GROUP:
        raise InvalidArgumentError("group_seconds", group_seconds, f"a number > 0 and <= {_LONGEST_GROUP}")
