"""One worker's copy of a shard: its books, and the HTTP application that serves them.

A copy begins as a follower. Its books, and everything that the application derives from them, such as the
responses to idempotency keys, are kept up to date with each message of the log. So the copy can become the
owner after the last few messages, without creating anything again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Lock
from time import monotonic, time_ns
from typing import NamedTuple

from fastapi import FastAPI

from oms.api import Settings, create_app
from oms.api.first_responses import FirstResponses
from oms.clock import Clock
from oms.cluster.following_journal import FollowingJournal
from oms.cluster.message import Content
from oms.cluster.registry import ShardReport, difference
from oms.cluster.worker.hashes import StateHashes
from oms.durability import DurableLedger
from oms.errors import JournalError, OmsError
from oms.management import OrderManagement
from oms.matching import MatchingEngine

__all__ = ["Lag", "Replica"]

_log = logging.getLogger("oms.cluster")


class Lag(NamedTuple):
    """How far a copy is behind its owner. None is unknown.

    `messages` and `events` are counted from the owner's last report. `seconds` is the time since the log was
    last read.
    """

    messages: int | None
    events: int | None
    seconds: float


class Replica:
    """The copy of the shard `shard`, with the books on this journal. Close it in the end.

    `create` returns the application. `every` and `quiet_seconds` are those of StateHashes.

    Raises JournalError if the journal cannot be read. O(n) for n events in the log.
    """

    def __init__(
        self,
        shard: str,
        journal: FollowingJournal,
        *,
        engine: bool = False,
        settings: Settings | None = None,
        event_clock: Clock | None = time_ns,
        clock: Callable[[], float] = monotonic,
        every: int = 100_000,
        quiet_seconds: float = 3.0,
        create: Callable[[OrderManagement | MatchingEngine, Settings | None], FastAPI] = create_app,
    ) -> None:
        self.shard = shard
        self.books: OrderManagement | MatchingEngine = (
            MatchingEngine(journal, clock=event_clock)
            if engine
            else OrderManagement(journal, clock=event_clock)
        )
        self.app = create(self.books, settings)
        self.is_owner = False
        self.is_closed = False
        self.problem: str | None = None
        self._journal = journal
        self._clock = clock
        self._lock = Lock()  # one thread follows, and another may promote or close
        self._contact = clock()
        self._owner: ShardReport | None = None  # the latest report of the owner
        self._hashes = StateHashes(self.books, every=every, quiet_seconds=quiet_seconds, clock=clock)

    @property
    def is_fenced(self) -> bool:
        """True if this copy was the owner, and its journal no longer accepts changes."""
        try:
            if self.is_owner:
                self._journal.check_writable()
        except JournalError:
            return True
        return False

    def follow(self) -> None:
        """Apply what the owner has appended to the log. Do nothing if this copy is the owner.

        Raises JournalError if the log cannot be read, and the next call then continues. If a message cannot
        be applied, `problem` says why, and the copy must be closed.
        """
        with self._lock:
            if not (self.is_owner or self.is_closed or self.problem):
                self._apply(self._journal.follow())
                self._contact = self._clock()

    def promote(self, writer: str) -> None:
        """Become the owner, after applying the last messages. See FollowingJournal.take_over."""
        with self._lock:
            if self.problem is not None:
                raise JournalError(self._journal.place, f"this copy cannot be the owner: {self.problem}")
            self._apply(self._journal.take_over(writer))
            self.is_owner = True

    def _apply(self, contents: list[Content]) -> None:
        for content in contents:
            try:
                self._apply_one(content)
            except OmsError as error:
                self._refuse(f"message {content.head.position} cannot be applied: {error}")
                raise

    def _apply_one(self, content: Content) -> None:
        ledger, events = self.books._ledger, tuple(content.events())
        assert isinstance(ledger, DurableLedger), "the books have a journal"
        with self.books.locked():
            instruments = dict(sorted({**self.books.instruments, **content.instruments()}.items()))
            ledger.follow(events, instruments)
        responses: FirstResponses = self.app.state.responses
        for reply in content.replies():
            responses.record_reply(reply)

    # ------------------------------------------------------------------ comparison with the owner

    def compute_hash(self) -> None:
        """Compute the state hash that is due, if any. See StateHashes. O(n log n) for n orders."""
        if not self.is_closed:
            self._hashes.compute()

    def compare(self, owner: ShardReport | None) -> None:
        """Note the latest report of the owner. If its state differs after the same event, set `problem`."""
        self._owner = None if self.is_owner else owner
        if owner is None or self.is_owner or self.problem is not None:
            return
        sequence = difference(self._hashes.latest, owner.hashes)
        if sequence is not None:
            own, other = self._hashes.latest[sequence], owner.hashes[sequence]
            self._refuse(
                f"its state after event {sequence} has the hash {own[:16]}..., and that of the owner has"
                f" {other[:16]}...; one of them is wrong, so compare both with a replay of the log"
            )

    def _refuse(self, problem: str) -> None:
        self.problem = problem
        _log.error("the copy of shard %s is not served: %s", self.shard, problem)

    def report(self) -> ShardReport:
        """Return the report for the own heartbeat. O(1)."""
        head = self._journal.head
        return ShardReport(self.is_owner, head.position, head.sequence, self._hashes.latest, self.problem)

    def lag(self) -> Lag:
        """Return how far this copy is behind the owner. O(1)."""
        if self.is_owner:
            return Lag(0, 0, 0.0)
        seconds, owner = max(self._clock() - self._contact, 0.0), self._owner
        if owner is None:
            return Lag(None, None, seconds)
        head = self._journal.head
        behind = max(owner.position - head.position, 0), max(owner.sequence - head.sequence, 0)
        return Lag(*behind, seconds)

    def close(self) -> None:
        """Close the journal. Everything that was acknowledged is stored. A second call does nothing."""
        self.is_closed = True  # the application answers no further request
        with self._lock:
            self._journal.close()
