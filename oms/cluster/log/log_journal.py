"""A journal in a replicated log.

The problem: two processes may both believe that they are the only writer of a shard. For example, one process
was paused for a minute, and the other one has taken over. Clocks and leases cannot prevent this, because a
process can be paused between any check and the write that follows.

The solution: each message names the position that it follows, and the log accepts only one message at each
position. To open the log, a writer reads it to its end, and appends a message that records the opening. From
then on, the next message of the previous writer names a position that is already taken, so the log rejects
this message. The previous writer then finds the new writer's message at this position, and rejects all
further changes.

Invariants:

- A message contains all events of one `append`, so a transaction or a group (requests that are stored
  together) is stored completely or not at all. At most one message is in flight at a time.
- `_state` is replaced in one assignment. It contains the end of the log, and the message whose outcome is not
  yet known, if any. So after an interrupt, the next call sends the same message again, for the same position.
- If the outcome of an `append` remains unknown, the journal rejects all further changes.
- A JournalError that says that a change is not stored is raised only if the change can never be stored later.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from secrets import token_hex

from oms.call_stack import callers
from oms.cluster.log.log_archive import LogArchive
from oms.cluster.log.message import Content, Draft, decode, encode
from oms.cluster.log.replicated_log import RejectedError, ReplicatedLog, UnknownOutcomeError
from oms.cluster.log.snapshots import SnapshotStore
from oms.cluster.log.stored import State, Stored
from oms.cluster.log.storing import OvertakenError, Prepared, store
from oms.cluster.log.subjects import subject_of
from oms.cluster.patience import Patience
from oms.errors import JournalError
from oms.events import Event
from oms.instrument import Instrument
from oms.journal.replies import check_reply
from oms.reference_data import check_instruments

__all__ = ["LogJournal"]

_log = logging.getLogger("oms.cluster")

_WRITERS = {"_write", "_settle"}  # while one of these runs, the same thread must not enter another method


class LogJournal(LogArchive):
    """A journal in a replicated log. Closing the journal also closes the log.

    `writer` is the name of this writer in the error messages of other writers. By default, it consists of the
    machine's name and the process id. With `read_only`, nothing is written, and `refresh` reads the messages
    of other writers. `patience` is the longest time to wait for an unavailable log. `snapshots` is the store
    in which snapshots are saved, or None. `least` is the minimum length of the log, in messages. Pass the
    length that a machine has reported, so that a log that has lost its latest messages is detected.

    Opening the journal reads the latest snapshot and all messages after it. Raises JournalError if the log is
    damaged or unavailable. O(n log n + m) for n orders in the snapshot and m later events.
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
        super().__init__(log, patience or Patience(30), snapshots)
        self._state = State(Stored())
        self._is_writing = False  # True during a write, and after an interrupted one
        self._is_read_only = read_only
        self._problem: str | None = "it was opened to be read" if read_only else None
        with ExitStack() as undo:
            undo.callback(log.close)
            self._load_snapshot()
            self._catch_up_to(least)
            if not read_only:
                self._take_over(writer or f"{socket.gethostname()}, process {os.getpid()}")
            undo.pop_all()

    def _take_over(self, writer: str) -> None:
        """Append a message after which the log rejects all appends of earlier writers."""
        for _ in self._patience.attempts():
            prepared, stored = self._prepare(Draft(opened=(writer, token_hex(16))))
            try:
                store(self._replicated_log, prepared, self._patience)
            except OvertakenError:
                self._catch_up()
            except (RejectedError, UnknownOutcomeError) as error:
                raise JournalError(self.place, f"it cannot be opened for writing: {error}") from error
            else:
                self._state, self._problem = State(stored), None
                _log.info("%s is open, and its last event is %d", self.place, stored.head.sequence)
                return
        problem = "it cannot be opened for writing: other writers append to it all the time; stop them first"
        raise JournalError(self.place, problem)

    def refresh(self) -> int:
        """Read the messages of other writers, and return the sequence number of the last event.

        Raises JournalError if the journal was not opened with `read_only`, or if a message is damaged. O(n)
        for n new events.
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
        """Store a batch as one message on a quorum of machines. See Journal. O(n) for its n orders."""
        if batch:
            self._append(Draft(batch))

    def keep_instruments(self, instruments: Mapping[str, Instrument], batch: Sequence[Event] = ()) -> None:
        """Store instruments and a batch as one message. See InstrumentKeeper.

        Raises InvalidArgumentError if an instrument is invalid. O(n + m) for n instruments and m orders in
        the batch.
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
            self._state = State(self._state.stored)
            raise JournalError(self.place, f"{JournalError.OUTCOME_UNKNOWN}: {unknown}") from unknown
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
        """Store a message. Return a JournalError if it can never be stored. Raises UnknownOutcomeError."""
        before, (prepared, after) = self._state.stored, pending
        self._state = State(before, pending)
        try:
            store(self._replicated_log, prepared, self._patience)
        except OvertakenError as error:
            self._turn_read_only(f"another writer has taken over: {_writer_of(error)}")
            self._state = State(before)
            return JournalError(self.place, f"the change is not stored: {self._problem}")
        except RejectedError as error:
            self._state = State(before)
            return JournalError(self.place, f"the change is not stored: {error}")
        self._state = State(after)
        return None

    def _turn_read_only(self, problem: str) -> None:
        self._problem = problem
        _log.error("%s is read-only until it is opened again: %s", self.place, problem)

    # ------------------------------------------------------------------ interrupted writes

    def _settled(self) -> Stored:
        """Finish an interrupted append, if any. Return the head, the instruments, and the replies."""
        with self._own_lock():
            self._get_ready()
            return self._state.stored

    def _get_ready(self, *, to_write: bool = False) -> None:
        """Finish an interrupted append.

        Raises JournalError if the journal is closed, or if `to_write` is True and the journal is read-only.
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


def _writer_of(error: OvertakenError) -> str:
    try:
        content: Content = decode(error.message, "the log")
    except JournalError as damage:
        return str(damage)
    opened_by = content.opened_by()
    return f"message {content.head.position}" if opened_by is None else opened_by
