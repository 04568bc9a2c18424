"""The read methods of a journal in a replicated log: events, replies, pages, and snapshots.

Invariant: `_state` is replaced in one assignment, and contains everything that a reader needs. So a reader
never waits for a message that is being written. The only exception is a read that must first find out whether
an interrupted write was stored.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from itertools import islice
from threading import RLock

from oms.cluster.log.extracts import Extracts
from oms.cluster.log.log_reader import LogReader
from oms.cluster.log.message import Content, Head
from oms.cluster.log.replicated_log import ReplicatedLog, UnavailableError
from oms.cluster.log.snapshots import SavedState, SnapshotStore, latest_position, newest, save_state
from oms.cluster.log.stored import State, Stored
from oms.cluster.patience import Patience
from oms.errors import InvalidArgumentError, JournalError
from oms.events import Event, Snapshot, TradePlaced
from oms.instrument import Instrument
from oms.journal.engine_replay import trades_of
from oms.journal.extracts import Selection
from oms.journal.pages import EventPage, TradePage
from oms.models import check_positive

__all__ = ["LogArchive"]

_LONG_GAP = 1_024  # messages; reading more of them would take longer than a search


class LogArchive(ABC):
    """The read methods of a LogJournal, which describes the arguments."""

    def __init__(self, log: ReplicatedLog, patience: Patience, snapshots: SnapshotStore | None) -> None:
        self._replicated_log = log
        self.place = log.place
        self._patience = patience
        self._reader = LogReader(log, patience)
        self._lock = RLock()
        self._process = os.getpid()
        self._is_closed = False
        self._state = State(Stored())
        self._snapshots = snapshots
        self._extracts = Extracts(snapshots, self._reader, self.place)
        self._selections: Mapping[str, Selection] = {}  # of the services that use this journal
        self._start, self._first_state = Head(), Snapshot()  # of the snapshot that was loaded at the start

    # ------------------------------------------------------------------ catching up

    def _load_snapshot(self) -> None:
        saved = None if self._snapshots is None else newest(self._snapshots, self._reader, self.place)
        if saved is not None:
            self._start, self._first_state = saved.head, saved.state
            self._state = State(Stored().after(saved.head, saved.instruments, saved.replies))

    def _catch_up(self, most: int | None = None) -> None:
        """Read the messages of other writers, or the next `most` of them."""
        stored = self._state.stored
        for content in islice(self._reader.contents(stored.head), most):
            stored = stored.after(content.head, content.instruments(), content.replies())
            self._state = State(stored)
            self._note(content)

    def _note(self, content: Content) -> None:
        """Ignore a message of another writer. FollowingJournal overrides this to keep the message."""
        del content

    def _catch_up_to(self, least: int) -> None:
        """Read the messages of other writers. The log must have at least `least` messages."""
        for _ in self._patience.attempts():
            self._catch_up()
            if self._state.stored.head.position >= least:
                return
        length = self._state.stored.head.position
        problem = f"it ends with message {length}, but one of the servers has {least}; do not write to it"
        raise JournalError(self.place, f"{problem} until you know which messages are lost")

    # ------------------------------------------------------------------ reading

    @property
    def last_sequence(self) -> int:
        """The sequence number of the last event. See Journal."""
        return self._settled().head.sequence

    def snapshot(self) -> Snapshot:
        """Return the state in the snapshot that this journal was opened with. See Journal."""
        self._current()
        return self._first_state

    def instruments(self) -> Mapping[str, Instrument]:
        """Return the stored instruments by symbol. See InstrumentKeeper. O(n log n) for n instruments."""
        return dict(sorted(self._settled().instruments.items()))

    def read(self, first: int = 1) -> Iterator[Event]:
        """Yield the events from sequence number `first` onward, verifying each message.

        Raises InvalidArgumentError if `first` is invalid. Raises JournalError if a message is damaged or
        missing. Finding the first event is O(log n) for n messages.
        """
        check_positive("first", first, InvalidArgumentError)
        return self._read(first, self._settled().head)

    def _read(self, first: int, end: Head) -> Iterator[Event]:
        for content in self._reader.contents(self._head_before(first, end), end):
            for event in content.events():
                if event.sequence >= first:
                    yield event

    def _head_before(self, first: int, end: Head) -> Head:
        """Return the head of the log before the message that contains the event `first`."""
        if first == self._start.sequence + 1:
            return self._start
        return self._reader.search(end, lambda head: head.sequence < first)

    def history(self) -> Iterator[Event]:
        """Yield all events. No event is ever deleted. See `read`."""
        return self.read()

    def extracted(self, selection: Selection) -> Iterator[Event]:
        """Yield the events in the service's extracts, and all events of messages that no extract covers.

        See ExtractKeeper. From now on, `save` also stores extracts for this service. Raises JournalError if
        the events cannot be read. O(n + m) for n events in the extracts and m events of other messages.
        """
        self._selections = {**self._selections, selection.name: selection}
        return self._extracts.events(selection, self._settled().head)

    def replies(self) -> Iterator[str]:
        """Yield the replies stored by `keep_reply`, oldest first. O(n) for n replies."""
        return iter(self._settled().all_replies())

    def page_of_events(self, after: int | None, limit: int) -> EventPage:
        """Return a page of events. See Archive. Finds its start with O(log n) reads for n messages."""
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
        """Return a page of trades. See Archive. Finds its start with O(log n) reads for n messages."""
        _check_page(after, limit)
        end, before = self._current(), after or 0
        trades: list[TradePlaced] = []
        while len(trades) < limit and before + 1 < end.next_trade_id:
            found = self._trades_after(before, end, limit - len(trades))
            if not found:
                break
            trades += found
            before = found[-1].trade.trade_id
        page = tuple(trades[:limit])
        return TradePage(1, page, bool(page) and page[-1].trade.trade_id + 1 < end.next_trade_id)

    def _trades_after(self, trade_id: int, end: Head, limit: int) -> list[TradePlaced]:
        """Return the next trades, at least `limit` of them, or those before many messages without a trade."""
        latest = self._reader.search(end, lambda head: head.next_trade_id <= trade_id + 1)
        trades: list[TradePlaced] = []
        for content in self._reader.contents(latest, end):
            if content.head.next_trade_id > latest.next_trade_id:
                latest = content.head  # of a message with trades
                found = [trade for event in content.events() for trade in trades_of(event)]
                trades += [trade for trade in found if trade.trade.trade_id > trade_id]
            if len(trades) >= limit or content.head.position - latest.position >= _LONG_GAP:
                break
        return trades

    def stored_after(self, sequence: int) -> Stored:
        """Return the stored state after the last event. Raises JournalError if it is not `sequence`. O(1)."""
        stored = self._settled()
        if sequence != stored.head.sequence:
            problem = f"a state after event {sequence} is not that after event {stored.head.sequence}"
            raise JournalError(self.place, problem)
        return stored

    def saved_state(self, state: Snapshot, state_hash: str) -> SavedState:
        """Return a snapshot to save: the state of the books, and the instruments and replies in the log.

        Raises JournalError if `state` is not the state after the last event. O(n) for n replies.
        """
        return SavedState.of(self.stored_after(state.sequence), state, state_hash)

    def save(self, saved: SavedState) -> None:
        """Store a snapshot, and the extracts of the services, so that the log opens faster.

        Raises JournalError if they cannot be stored. O(n + m) for n orders and m events since the last
        extract.
        """
        store = self._snapshot_store()
        try:
            save_state(store, saved)
            for selection in self._selections.values():
                self._extracts.save(selection, saved.head)
        except UnavailableError as error:
            raise JournalError(self.place, f"the snapshot is not stored: {error}") from error

    def saved_sequence(self) -> int:
        """Return the sequence number up to which a snapshot and all needed extracts are stored, or 0.

        Other programs may have stored them. Raises JournalError if they cannot be read. O(n) for n extracts.
        """
        store = self._snapshot_store()
        try:
            positions = map(self._extracts.position, self._selections.values())
            return self._reader.head_at(min([latest_position(store), *positions])).sequence
        except UnavailableError as error:
            raise JournalError(self.place, f"the snapshots cannot be read: {error}") from error

    def _snapshot_store(self) -> SnapshotStore:
        self._current()
        if self._snapshots is None:
            raise JournalError(self.place, "it was opened without a place for snapshots")
        return self._snapshots

    # ------------------------------------------------------------------ checks and closing

    @abstractmethod
    def _settled(self) -> Stored:
        """Finish an interrupted append, if any. Return the head, the instruments, and the replies."""

    def _current(self) -> Head:
        """Return the end of the log, without waiting for a message that is being written."""
        self._check_process()
        self._check_open()
        return self._state.stored.head

    def _own_lock(self) -> RLock:
        """Return the lock. Raises JournalError in a forked process. See SqliteJournal."""
        self._check_process()
        return self._lock

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


def _check_page(after: object, limit: object) -> None:
    if after is not None and (type(after) is not int or after < 0):
        raise InvalidArgumentError("after", after, "an int >= 0, or None")
    check_positive("limit", limit, InvalidArgumentError)
