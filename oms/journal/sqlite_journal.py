"""A journal in an SQLite file: the one writer."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from itertools import islice
from threading import Condition, RLock, Thread
from typing import Literal, cast, get_args

from oms.errors import InvalidOrderError, JournalError
from oms.events import Event, Snapshot
from oms.journal import log_state, schema
from oms.journal.batch import Batch
from oms.journal.compaction import Droppable, drop_before, droppable_before
from oms.journal.connection import Connect, connect, reported, uri_of
from oms.journal.place import Presence, check_name, find_or_make, real_path
from oms.journal.record import Head
from oms.journal.replies import ROWS, check_reply, write_reply
from oms.journal.trail import Trail
from oms.journal.verification import Verification, verify_trail
from oms.journal.writer_lock import WriterLock
from oms.models import check_positive

__all__ = ["Durability", "SqliteJournal"]

Durability = Literal["full", "batched", "off"]
_log = logging.getLogger("oms.journal")
_SYNCHRONOUS = {"full": "FULL", "batched": "NORMAL", "off": "OFF"}
_APPENDS_TO_CHECKPOINT = 1_000
_ROWS_TO_CHECKPOINT = 20_000
_LONGEST_GROUP = 3600  # seconds
_AT_ONCE = 1_000  # events read under one lock
_PASSING = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_TOOBIG,
}  # nothing is wrong with the file


class SqliteJournal:
    """Keeps events in the SQLite file at `path`, which is made if it is missing; the only writer of it.

    `durability` says when an append returns: "full": when the change is on the disk; "batched":
    when the operating system has it, which has it on the disk before `group_size` changes or
    `group_seconds` seconds have gone by; "off": when the operating system has it.

    Opening looks at the ends of the trail, and `snapshot` compares the orders with their hash, in
    O(orders); with `verify` everything is, in O(events). Raises InvalidOrderError, and JournalError
    for a file that is damaged, of a newer version, or open elsewhere. An older one is migrated.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        durability: Durability = "full",
        verify: bool = False,
        group_size: int = 256,
        group_seconds: float = 0.05,
        connect: Connect = connect,
    ) -> None:
        _check_arguments(durability, group_size, group_seconds)
        self.path = real_path(path)
        self.durability: Durability = durability
        self._group_size = group_size
        self._group_seconds = group_seconds
        self._lock = RLock()
        self._first_unsynced = Condition(self._lock)
        self._unsynced = self._appends = self._rows = 0
        self._unsettled = self._closed = False
        self._problem: str | None = None
        with reported(str(self.path), "it cannot be opened"), ExitStack() as undo:
            self._open(undo, connect, verify)
            undo.pop_all()

    def _open(self, undo: ExitStack, connect: Connect, verify: bool) -> None:
        check_name(self.path)
        self._writer_lock = WriterLock(self.path)
        undo.callback(self._writer_lock.release)
        find_or_make(self.path, connect)
        self._connection = connect(uri_of(self.path, "rw"))
        undo.callback(self._connection.close)
        self._trail = Trail(self._connection, str(self.path))
        self._prepare(verify)
        # It writes nothing. It only keeps a connection that has failed from being the last one,
        # which would copy the log into the file on leaving: another try at what has failed.
        self._guard = connect(uri_of(self.path, "ro"))
        undo.callback(self._guard.close)
        self._guard.execute("SELECT name FROM heads").fetchall()
        self._presence = Presence(self.path)
        if self.durability == "batched":
            Thread(target=self._keep_time, name=f"oms journal {self.path.name}", daemon=True).start()

    def _prepare(self, verify: bool) -> None:
        place = str(self.path)
        for pragma in ("cell_size_check=ON", "fullfsync=ON", "checkpoint_fullfsync=ON"):
            self._connection.execute(f"PRAGMA {pragma}").fetchall()
        schema.version_of(self._connection, place)
        ((mode,),) = self._connection.execute("PRAGMA journal_mode=WAL").fetchall()
        if mode != "wal":
            raise JournalError(place, f"no write-ahead log is possible here, only mode {mode}")
        self._connection.execute("PRAGMA wal_autocheckpoint=0").fetchall()
        self._connection.execute("PRAGMA synchronous=FULL")
        schema.migrate(self._connection, place)
        schema.check(self._connection, place)
        # SQLite opens a file that can only be read, and says nothing before it is written to.
        self._connection.execute("DELETE FROM events WHERE 0")
        self._set_synchronous(_SYNCHRONOUS[self.durability])
        self._head = self._trail.head("now")
        self._trail.check_end(self._head)
        if warning := log_state.warning_about(self._connection, self.path, self._head.sequence):
            _log.warning("%s: %s", place, warning)
        if verify:
            verify_trail(self._trail)
        self._copy_log()
        _log.info("%s is open, and its last event is %d", place, self._head.sequence)

    def _set_synchronous(self, level: str) -> None:
        self._connection.execute(f"PRAGMA synchronous={level}")

    # ------------------------------------------------------------------ reading

    @property
    def last_sequence(self) -> int:
        """As Journal."""
        with self._own_lock():
            self._get_ready()
            return self._head.sequence

    def snapshot(self) -> Snapshot:
        """What rests now: a fast start, in O(orders). Raises JournalError."""
        with self._own_lock():
            self._get_ready()
            orders = self._trail.orders("orders", self._head)
            return Snapshot(self._head.sequence, self._head.next_trade_id, orders)

    def read(self, first: int = 1) -> Iterator[Event]:
        """The events from this sequence number on, each compared with its hash.

        Raises InvalidOrderError, and JournalError, also for those that were dropped.
        """
        check_positive("first", first)
        return self._read(self._trail.events(first))

    def _read(self, events: Iterator[Event]) -> Iterator[Event]:
        while True:
            with self._own_lock():
                self._get_ready()
                some = list(islice(events, _AT_ONCE))
            if not some:
                return
            yield from some

    def history(self) -> Iterator[Event]:
        """All events that there are: those dropped that carry a note, then those of the trail.

        Raises JournalError. O(events).
        """
        with self._own_lock():
            self._get_ready()
            noted, start = list(self._trail.noted()), self._trail.head("snapshot").sequence
        yield from noted
        yield from self.read(start + 1)

    def replies(self) -> Iterator[str]:
        """The texts given to `keep_reply`, each compared with its hash. Raises JournalError. O(replies)."""
        with self._own_lock():
            self._get_ready()
            return iter(self._trail.replies())

    def verify(self) -> Verification:
        """Replay the whole trail and compare all that the file holds with it. Raises JournalError."""
        with self._own_lock():
            self._get_ready()
            return verify_trail(self._trail)

    # ------------------------------------------------------------------ writing

    def append(self, batch: Sequence[Event]) -> None:
        """Make a batch durable, as `durability` has it; O(events and orders in it). Raises JournalError."""
        with self._own_lock():
            self._get_ready(to_write=True)
            for before, event in enumerate(batch, self._head.sequence):
                if event.sequence != before + 1:
                    raise JournalError(str(self.path), f"event {event.sequence} cannot follow {before}")
            if batch:
                self._make_durable(partial(self._write_batch, batch))

    def keep_reply(self, reply: str) -> None:
        """Keep a text that belongs to no event, as durably as an event; see ReplyKeeper. O(1).

        Raises InvalidOrderError for what is no text, and JournalError.
        """
        check_reply(reply)
        with self._own_lock():
            self._get_ready(to_write=True)
            self._make_durable(partial(self._write_reply, reply))

    def _make_durable(self, write: Callable[[], tuple[Head, int]]) -> None:
        closes_group = self.durability == "batched" and self._unsynced + 1 >= self._group_size
        if closes_group:
            self._set_synchronous("FULL")
        self._unsettled = True
        self._write(write)
        self._unsettled = False
        if self.durability == "batched":
            self._count_unsynced(closes_group)
        self._checkpoint_when_due()

    def check_writable(self) -> None:
        """Raise JournalError if an append would be refused: it is closed, or read-only since an error."""
        with self._own_lock():
            self._get_ready(to_write=True)

    def _write(self, write: Callable[[], tuple[Head, int]]) -> None:
        """Write in one transaction; `write` returns the head that follows, and how many rows it wrote."""
        committing = False
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            head, rows = write()
            committing = True
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._failure(error, committing) from error
        self._head = head
        self._appends += 1
        self._rows += rows

    def _write_batch(self, batch: Sequence[Event]) -> tuple[Head, int]:
        rows = Batch(self._connection, self._head)
        return rows.write(batch), rows.size

    def _write_reply(self, reply: str) -> tuple[Head, int]:
        write_reply(self._connection, self._trail, self._head, reply)
        return self._head, ROWS

    def _failure(self, error: sqlite3.Error, committing: bool) -> JournalError:
        """What is known after SQLite has failed."""
        self._unsettled = False
        with suppress(sqlite3.Error):  # where it has rolled back by itself there is nothing to roll back
            self._connection.execute("ROLLBACK")
        problem = str(error)
        if self._is_overtaken():
            problem = (
                f"somebody else has written into it since it was opened (was its -lock removed?): {error}"
            )
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _PASSING or committing:
            self._turn_read_only(problem)
        held = "whether it holds the change is unknown until it is opened again" if committing else "not held"
        return JournalError(str(self.path), f"{held}: {problem}")

    def _turn_read_only(self, problem: str) -> None:
        """Take no more changes. The log says why, once: the error reaches only who asked for a change."""
        if self._problem is None:
            self._problem = problem
            _log.error("%s is read-only, until it is opened again: %s", self.path, problem)

    def _is_overtaken(self) -> bool:
        try:
            return self._trail.head("now") != self._head
        except JournalError:
            return False

    def _checkpoint_when_due(self) -> None:
        """Copy the log into the file now and then: what fails here makes it read-only, but undoes nothing."""
        if self._appends >= _APPENDS_TO_CHECKPOINT or self._rows >= _ROWS_TO_CHECKPOINT:
            self._appends = self._rows = 0
            with suppress(JournalError):
                self._checkpoint()

    def _checkpoint(self, *, to_close: bool = False) -> None:
        self._check_writable(thorough=True)
        try:
            self._copy_log(to_close=to_close)
        except sqlite3.Error as error:
            raise self._failure(error, committing=False) from error

    def _copy_log(self, *, to_close: bool = False) -> None:
        """Copy the log into the file, which from then on says how it was left; see log_state.py."""
        log_state.mark(self._connection, log_state.CLOSED if to_close else log_state.AWAY)
        self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        if not to_close:
            log_state.mark(self._connection, log_state.OPEN)

    def droppable(self, before: int | None = None) -> Droppable:
        """Return what `compact` will drop, and drop nothing. O(trades).

        Raises InvalidOrderError and JournalError.
        """
        with self._own_lock():
            self._get_ready()
            return droppable_before(self._trail, self._first_kept(before))

    def _first_kept(self, before: int | None) -> int:
        first = self._head.sequence + 1 if before is None else before
        if type(first) is not int or not 1 <= first <= self._head.sequence + 1:
            raise InvalidOrderError("before", before, f"an int in 1..{self._head.sequence + 1}")
        return first

    def compact(self, before: int | None = None) -> int:
        """Drop the events before a sequence number (all, if None), on request only; return how many.

        What was one change is kept or dropped as one. What rested then stays as the snapshot that the
        trail begins with; of the events those that carry a note are put by, for `history`. The whole
        trail is verified first. O(events). Raises InvalidOrderError and JournalError.
        """
        with self._own_lock():
            self._get_ready(to_write=True)
            first = self._first_kept(before)
            self.sync()
            try:
                dropped = drop_before(self._connection, self._trail, first)
            except sqlite3.Error as error:
                raise self._failure(error, committing=True) from error
            self._checkpoint()
            return dropped

    # ------------------------------------------------------------------ groups

    def sync(self) -> None:
        """Have all that was appended on the disk before returning. Raises JournalError."""
        with self._own_lock():
            self._get_ready(to_write=True)
            if self._unsynced:
                self._set_synchronous("FULL")
                try:
                    # A commit that changes nothing writes nothing, and what is not written is not synced.
                    self._connection.execute("UPDATE heads SET syncs = syncs + 1 WHERE name = 'now'")
                except sqlite3.Error as error:
                    raise self._failure(error, committing=True) from error
                self._set_synchronous("NORMAL")
                self._unsynced = 0

    def _count_unsynced(self, closes_group: bool) -> None:
        if closes_group:
            self._set_synchronous("NORMAL")
            self._unsynced = 0
        else:
            self._unsynced += 1
            if self._unsynced == 1:
                self._first_unsynced.notify()

    def _keep_time(self) -> None:
        """The clock of a group: sync what its first change has waited for long enough."""
        with self._lock:
            while not self._closed:
                if not self._unsynced:
                    self._first_unsynced.wait()
                    continue
                if self._first_unsynced.wait(self._group_seconds):
                    continue  # another group has begun, with a time of its own
                if self._unsynced and not self._closed:
                    try:
                        self.sync()
                    except JournalError:  # the next append tells
                        return

    # ------------------------------------------------------------------ holding on, and letting go

    # The lock is taken and let go of in C: an interrupt in a context manager written in Python could
    # leave it taken, and memory would wait for ever for what the file holds.

    def _own_lock(self) -> RLock:
        """The lock; refused in a forked process, where it may be held by a thread that is not there."""
        self._writer_lock.check()
        return self._lock

    def _get_ready(self, *, to_write: bool = False) -> None:
        """Refuse where there is nothing to be had, and settle what was struck."""
        if self._closed:
            raise JournalError(str(self.path), "it is closed")
        if to_write:
            self._check_writable()
        if self._unsettled:
            self._settle()

    def _check_writable(self, *, thorough: bool = False) -> None:
        if self._problem is None and (problem := self._presence.problem(thorough=thorough)):
            self._turn_read_only(problem)
        if self._problem is not None:
            problem = f"it is read-only, until it is opened again: {self._problem}"
            raise JournalError(str(self.path), problem)

    def _settle(self) -> None:
        """After an append that was struck: roll back what was not committed, and see what was."""
        with suppress(sqlite3.Error):  # nothing is open if it was committed, or had not begun
            self._connection.execute("ROLLBACK")
        self._head = self._trail.head("now")
        if self.durability == "batched":
            self._count_unsynced(closes_group=False)
        self._unsettled = False

    def close(self) -> None:
        """Sync what is not, copy the log into the file, and let go. Raises JournalError."""
        if not self._writer_lock.is_ours():
            return  # it belongs to the process that this one was forked from
        with self._lock:
            if self._closed:
                return
            with reported(str(self.path), "it is closed, but"), ExitStack() as leaving:
                leaving.callback(self._writer_lock.release)
                leaving.callback(self._let_go)
                if self._problem is None:
                    self.sync()
                    self._checkpoint(to_close=True)
                elif self._unsynced or self._presence.problem(thorough=True):
                    last = f"its last {self._unsynced} changes" if self._unsynced else "its changes"
                    problem = f"it is closed, but {last} may not be on the disk: {self._problem}"
                    raise JournalError(str(self.path), problem)

    def _let_go(self) -> None:
        """Close both connections; the guard first only where the log may be copied into the file."""
        self._closed = True
        self._first_unsynced.notify()
        if self._problem is None:
            self._guard.close()
            self._connection.close()
            return
        for connection in (self._connection, self._guard):
            with suppress(sqlite3.Error):  # what is wrong has been told
                connection.close()


def _check_arguments(durability: object, group_size: object, group_seconds: object) -> None:
    if durability not in get_args(Durability):
        raise InvalidOrderError("durability", durability, "'full', 'batched' or 'off'")
    check_positive("group_size", group_size)
    if type(group_seconds) not in (int, float) or not 0 < cast("float", group_seconds) <= _LONGEST_GROUP:
        raise InvalidOrderError("group_seconds", group_seconds, f"a number > 0, at most {_LONGEST_GROUP}")
