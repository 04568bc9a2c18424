"""A journal over a replicated log.

The problem: two processes may both believe that they are the only writer of a shard. For example, one of them
was stopped for a minute, and another one has taken over. Clocks and leases cannot prevent this, because a
process can be stopped between any check and the following write.

The solution: each message names the position that it follows, and the log accepts one message at each
position. To open the log, a writer reads it up to its end, and appends a message that says so. From then on,
every message of an earlier writer names a position that is taken, so the log rejects it. The earlier writer
then finds the message of the other writer at this position, and rejects all further changes.

Invariants:

- A message contains all events of one `append`, so a transaction or a group is stored completely or not at
  all. One message is in flight at a time.
- `_state` is replaced in one assignment. It contains the end of the log, and the message whose outcome is not
  yet known, if any. So after an interrupt, the next call stores the same message again, at the same position.
- If the outcome of an `append` stays unknown, the journal rejects all further changes.
- A JournalError for a change that is not stored is raised only if the change can never be stored later.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from secrets import token_hex
from threading import RLock
from typing import NamedTuple

from oms.call_stack import callers
from oms.cluster.log_reader import LogReader
from oms.cluster.message import Content, Draft, Head, decode, encode
from oms.cluster.patience import Patience
from oms.cluster.replicated_log import (
    RejectedError,
    ReplicatedLog,
    UnavailableError,
    UnknownOutcomeError,
)
from oms.cluster.snapshots import SavedState, SnapshotStore, encode_saved, newest
from oms.cluster.stored import Stored
from oms.cluster.storing import OvertakenError, Prepared, store
from oms.cluster.subjects import subject_of
from oms.errors import InvalidArgumentError, JournalError
from oms.events import Event, Snapshot, TradePlaced
from oms.instrument import Instrument
from oms.journal.engine_replay import trades_of
from oms.journal.pages import EventPage, TradePage
from oms.journal.replies import check_reply
from oms.models import check_positive
from oms.reference_data import check_instruments

__all__ = ["LogJournal"]

_log = logging.getLogger("oms.cluster")

_UNKNOWN = "whether the change is stored is unknown until the journal is opened again"
_WRITERS = {"_write", "_settle"}  # no other method may run in the middle of these methods


class _State(NamedTuple):
    """The state of the journal. `pending` is a message whose outcome is unknown, and the state with it."""

    stored: Stored
    pending: tuple[Prepared, Stored] | None = None


class LogJournal:
    """A journal in a replicated log. The journal closes the log when it is closed.

    `writer` is a name that other writers see in error messages. By default, it consists of the names of the
    machine and the process. With `read_only`, nothing is written, and `refresh` reads what others have
    written. `patience` is the time for which an unavailable log is tried. `snapshots` is the place for
    snapshots, or None. One of the machines has `least` messages, so the log must have them too.

    Opening reads the latest snapshot and all messages after it, in O(orders and later events). Raises
    JournalError if the log is damaged or unavailable.
    """

    def __init__(
        self,
        log: ReplicatedLog,
        *,
        writer: str | None = None,
        read_only: bool = False,
        patience: Patience | None = None,
        snapshots: SnapshotStore | None = None,
        least: int = 0,
    ) -> None:
        self._replicated_log = log
        self.place = log.place
        self._patience = patience or Patience(30)
        self._reader = LogReader(log, self._patience)
        self._lock = RLock()
        self._process = os.getpid()
        self._is_closed = False
        self._is_writing = False  # True during a write, and after an interrupted one
        self._is_read_only = read_only
        self._problem: str | None = "it was opened to be read" if read_only else None
        self._state = _State(Stored())
        self._snapshots = snapshots
        self._start, self._first_state = Head(), Snapshot()  # of the snapshot with which this journal starts
        with ExitStack() as undo:
            undo.callback(log.close)
            self._load_snapshot()
            self._catch_up_to(least)
            if not read_only:
                self._take_over(writer or f"{socket.gethostname()}, process {os.getpid()}")
            undo.pop_all()

    def _load_snapshot(self) -> None:
        saved = None if self._snapshots is None else newest(self._snapshots, self._reader, self.place)
        if saved is not None:
            self._start, self._first_state = saved.head, saved.state
            self._state = _State(Stored().after(saved.head, saved.instruments, saved.replies))

    def _catch_up(self) -> None:
        """Read the messages that others have written."""
        stored = self._state.stored
        for content in self._reader.contents(stored.head):
            stored = stored.after(content.head, content.instruments(), content.replies())
            self._state = _State(stored)
            self._note(content)

    def _note(self, content: Content) -> None:
        """Do nothing with a message that another writer has written. A FollowingJournal keeps it."""

    def _catch_up_to(self, least: int) -> None:
        """Read the messages that others have written. The log must have at least `least` messages."""
        for _ in self._patience.attempts():
            self._catch_up()
            if self._state.stored.head.position >= least:
                return
        length = self._state.stored.head.position
        problem = f"it ends with message {length}, but one of the servers has {least}; do not write to it"
        raise JournalError(self.place, f"{problem} until you know which messages are lost")

    def _take_over(self, writer: str) -> None:
        """Append the message that deposes all earlier writers."""
        for _ in self._patience.attempts():
            prepared, stored = self._prepare(Draft(opened=(writer, token_hex(16))))
            try:
                store(self._replicated_log, prepared, self._patience)
            except OvertakenError:
                self._catch_up()
            except (RejectedError, UnknownOutcomeError) as error:
                raise JournalError(self.place, f"it cannot be opened for writing: {error}") from error
            else:
                self._state, self._problem = _State(stored), None
                _log.info("%s is open, and its last event is %d", self.place, stored.head.sequence)
                return
        raise JournalError(self.place, "it cannot be opened for writing: other writers are opening it")

    # ------------------------------------------------------------------ reading

    @property
    def last_sequence(self) -> int:
        """The sequence number of the last event. See Journal."""
        return self._settled().head.sequence

    def snapshot(self) -> Snapshot:
        """Return the state of the snapshot with which this journal has started. See Journal."""
        self._current()
        return self._first_state

    def instruments(self) -> Mapping[str, Instrument]:
        """Return the stored instruments by symbol. See InstrumentKeeper. O(n log n) for n instruments."""
        return dict(sorted(self._settled().instruments.items()))

    def read(self, first: int = 1) -> Iterator[Event]:
        """Yield the events from sequence number `first` onward, verifying each message.

        Raises InvalidArgumentError if `first` is invalid. Raises JournalError if a message is damaged or
        missing. O(log n) for the first of n messages.
        """
        check_positive("first", first, InvalidArgumentError)
        return self._read(first, self._settled().head)

    def _read(self, first: int, end: Head) -> Iterator[Event]:
        for content in self._reader.contents(self._head_before(first, end), end):
            for event in content.events():
                if event.sequence >= first:
                    yield event

    def _head_before(self, first: int, end: Head) -> Head:
        """Return the end of the log before the message with event number `first`."""
        if first == self._start.sequence + 1:
            return self._start
        return self._reader.search(end, lambda head: head.sequence < first)

    def history(self) -> Iterator[Event]:
        """Yield all events. None is ever deleted. See `read`."""
        return self.read()

    def replies(self) -> Iterator[str]:
        """Yield the replies stored by `keep_reply`, oldest first. O(replies)."""
        return iter(self._settled().all_replies())

    def page_of_events(self, after: int | None, limit: int) -> EventPage:
        """Return a page of events. See Archive. O(log n) messages are read before the page."""
        _check_page(after, limit)
        end, before = self._current(), after or 0
        events: list[Event] = []
        if before < end.sequence:
            for event in self._read(before + 1, end):
                events.append(event)
                if len(events) == limit:
                    break
        return EventPage(1, tuple(events), bool(events) and events[-1].sequence < end.sequence)

    def page_of_trades(self, after: int | None, limit: int) -> TradePage:
        """Return a page of trades. See Archive. O(log n) messages are read before the page."""
        _check_page(after, limit)
        end, before = self._current(), after or 0
        trades: list[TradePlaced] = []
        if before + 1 < end.next_trade_id:
            start = self._reader.search(end, lambda head: head.next_trade_id <= before + 1)
            for content in self._reader.contents(start, end):
                found = [trade for event in content.events() for trade in trades_of(event)]
                trades += [trade for trade in found if trade.trade.trade_id > before]
                if len(trades) >= limit:
                    break
        page = tuple(trades[:limit])
        return TradePage(1, page, bool(page) and page[-1].trade.trade_id + 1 < end.next_trade_id)

    def saved_state(self, state: Snapshot, state_hash: str) -> SavedState:
        """Return a snapshot to save: the state of the books with this journal, and what else is stored.

        Raises JournalError if the state is not that after the last event. O(replies).
        """
        stored = self._settled()
        if state.sequence != stored.head.sequence:
            problem = f"a state after event {state.sequence} is not that after event {stored.head.sequence}"
            raise JournalError(self.place, problem)
        return SavedState(stored.head, state, state_hash, stored.instruments, stored.all_replies())

    def save(self, saved: SavedState) -> None:
        """Store a snapshot, so that the log opens faster. Raises JournalError if it cannot be stored."""
        self._current()
        if self._snapshots is None:
            raise JournalError(self.place, "it was opened without a place for snapshots")
        try:
            self._snapshots.save(saved.name, encode_saved(saved))
        except UnavailableError as error:
            raise JournalError(self.place, f"the snapshot is not stored: {error}") from error

    def refresh(self) -> int:
        """Read what other writers have written, and return the number of the last event.

        Raises JournalError unless the journal was opened with `read_only`, or if a message is damaged.
        O(new events).
        """
        with self._own_lock():
            self._check_open()
            if not self._is_read_only or self._problem is None:
                raise JournalError(self.place, "it was not opened with read_only=True")
            self._catch_up()
            return self._state.stored.head.sequence

    # ------------------------------------------------------------------ writing

    def check_writable(self) -> None:
        """Raise JournalError if the journal would reject every append. This method does not wait."""
        self._check_process()
        self._check_open()
        if self._problem is not None:
            raise JournalError(self.place, f"it is read-only until it is opened again: {self._problem}")

    def append(self, batch: Sequence[Event]) -> None:
        """Store a batch as one message on a quorum of machines. See Journal. O(orders in the batch)."""
        if batch:
            self._append(Draft(batch))

    def keep_instruments(self, instruments: Mapping[str, Instrument], batch: Sequence[Event] = ()) -> None:
        """Store instruments and a batch as one message. See InstrumentKeeper.

        Raises InvalidArgumentError if an instrument is invalid. O(instruments and orders in the batch).
        """
        check_instruments(instruments)
        if batch or instruments:
            self._append(Draft(batch, dict(instruments)))

    def keep_reply(self, reply: str) -> None:
        """Store a reply as one message. See ReplyKeeper. O(1).

        Raises InvalidArgumentError unless the reply is a str of valid Unicode.
        """
        check_reply(reply)
        self._append(Draft(replies=(reply,)))

    def _append(self, draft: Draft) -> None:
        with self._own_lock():
            self._get_ready(to_write=True)
            sequence = self._state.stored.head.sequence
            for before, event in enumerate(draft.events, sequence):
                if event.sequence != before + 1:
                    raise JournalError(self.place, f"event {event.sequence} cannot follow event {before}")
            self._write(draft)

    def _write(self, draft: Draft) -> None:
        self._is_writing = True
        try:
            error = self._store(self._prepare(draft))
        except UnknownOutcomeError as unknown:
            self._turn_read_only(str(unknown))
            self._state = _State(self._state.stored)
            raise JournalError(self.place, f"{_UNKNOWN}: {unknown}") from unknown
        finally:
            self._is_writing = False
        if error is not None:
            raise error

    def _prepare(self, draft: Draft) -> tuple[Prepared, Stored]:
        stored = self._state.stored
        payload, head = encode(stored.head, draft)
        subject = subject_of(self._replicated_log.name, draft.events)
        return Prepared(subject, payload, head), stored.after(head, draft.instruments, draft.replies)

    def _store(self, pending: tuple[Prepared, Stored]) -> JournalError | None:
        """Store a message. Return an error if it is not stored. Raises UnknownOutcomeError."""
        before, (prepared, after) = self._state.stored, pending
        self._state = _State(before, pending)
        try:
            store(self._replicated_log, prepared, self._patience)
        except OvertakenError as error:
            self._turn_read_only(f"another writer has taken over: {_writer_of(error)}")
            self._state = _State(before)
            return JournalError(self.place, f"the change is not stored: {self._problem}")
        except RejectedError as error:
            self._state = _State(before)
            return JournalError(self.place, f"the change is not stored: {error}")
        self._state = _State(after)
        return None

    def _turn_read_only(self, problem: str) -> None:
        self._problem = problem
        _log.error("%s is read-only until it is opened again: %s", self.place, problem)

    # ------------------------------------------------------------------ locking and closing

    def _settled(self) -> Stored:
        """Return the end of the log, and the instruments and replies in it, after an interrupted append."""
        with self._own_lock():
            self._get_ready()
            return self._state.stored

    def _current(self) -> Head:
        """Return the end of the log, without waiting for a message that is being written."""
        self._check_process()
        self._check_open()
        return self._state.stored.head

    def _own_lock(self) -> RLock:
        """Return the lock. Raises JournalError in a forked process. See SqliteJournal."""
        self._check_process()
        return self._lock

    def _get_ready(self, *, to_write: bool = False) -> None:
        """Finish an interrupted append.

        Raises JournalError if the journal is closed, or if `to_write` is True and it is read-only.
        """
        self._check_open()
        pending = self._state.pending
        if self._is_writing or pending is not None:
            if any(owner is self and name in _WRITERS for name, owner in callers()):
                problem = (
                    "this thread is in the middle of a write; in a signal handler or finalizer, set a flag"
                )
                raise JournalError(self.place, problem)
            if pending is not None:
                self._settle(pending)
            self._is_writing = False
        if to_write:
            self.check_writable()

    def _settle(self, pending: tuple[Prepared, Stored]) -> None:
        try:
            self._store(pending)
        except UnknownOutcomeError as error:
            problem = f"whether an interrupted change is stored is not known yet: {error}"
            raise JournalError(self.place, problem) from error
        _log.info("%s is recovered from an interrupted write", self.place)

    def _check_process(self) -> None:
        if os.getpid() != self._process:
            raise JournalError(self.place, "it belongs to a parent process; a forked process cannot use it")

    def _check_open(self) -> None:
        if self._is_closed:
            raise JournalError(self.place, "it is closed")

    def close(self) -> None:
        """Close the connection. Everything that was acknowledged is stored. A second call does nothing."""
        if os.getpid() != self._process:
            return  # a forked process must not close its parent's journal
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                self._replicated_log.close()


def _writer_of(error: OvertakenError) -> str:
    try:
        content: Content = decode(error.message, "the log")
    except JournalError as damage:
        return str(damage)
    opened_by = content.opened_by()
    return f"message {content.head.position}" if opened_by is None else opened_by


def _check_page(after: object, limit: object) -> None:
    if after is not None and (type(after) is not int or after < 0):
        raise InvalidArgumentError("after", after, "an int >= 0, or None")
    check_positive("limit", limit, InvalidArgumentError)
