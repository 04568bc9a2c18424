"""One worker's copy (replica) of a shard: its books, and the HTTP application that serves them.

A copy begins as a follower. It applies each message of the log to its books, and to everything that the
application derives from the books, such as the responses for idempotency keys. So to become the owner, the
copy only needs to apply the last few messages. Neither the books nor the application are created again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from threading import Lock
from time import monotonic, time_ns
from typing import NamedTuple

from fastapi import FastAPI

from oms.api import Settings, create_app
from oms.api.first_responses import FirstResponses
from oms.clock import Clock
from oms.cluster.log.following_journal import MOST, FollowingJournal
from oms.cluster.log.message import Content, Head
from oms.cluster.ownership.registry import ShardReport, difference
from oms.cluster.ownership.shards import Shards
from oms.cluster.worker.hashes import StateHashes
from oms.cluster.worker.saving import EVERY, Saving
from oms.cluster.worker.shard_books import ShardBooks, ShardEngine, symbol_check
from oms.durability import DurableLedger
from oms.errors import JournalError
from oms.instrument import Instrument
from oms.management import OrderManagement
from oms.matching import MatchingEngine
from oms.submission import SelfTradePrevention

__all__ = ["Lag", "Replica"]

_log = logging.getLogger("oms.cluster")

_PARTS = 32  # of a backlog that are applied before the other shards of the worker have their turn


class Lag(NamedTuple):
    """How far a copy is behind the owner of its shard. A number is None if it is unknown.

    `messages` and `events` are measured against the owner's last report, which arrives about once a second.
    `seconds` is the time since the log was last read.
    """

    messages: int | None
    events: int | None
    seconds: float


class Replica:
    """The copy of the shard `shard`, whose books use `journal`. Close the copy at the end.

    With `shards`, the books reject orders in symbols of other shards. `prevention` is the self-trade
    prevention policy of an engine. `instruments` are set when the copy becomes the owner, if the log does not
    contain them yet. `create` returns the HTTP application. StateHashes describes `every` and
    `quiet_seconds`. `snapshot_every` is the argument `every` of Saving.

    Raises JournalError if the journal cannot be read. Raises InvalidArgumentError if an instrument has a
    different tick size or lot size in the log, and orders depend on it. O(n log n + m + k) for n orders in
    the snapshot, m events in extracts, and k later events.
    """

    def __init__(
        self,
        shard: str,
        journal: FollowingJournal,
        *,
        engine: bool = False,
        shards: Shards | None = None,
        prevention: SelfTradePrevention = SelfTradePrevention.NONE,
        instruments: Mapping[str, Instrument] | None = None,
        settings: Settings | None = None,
        event_clock: Clock | None = time_ns,
        clock: Callable[[], float] = monotonic,
        every: int = 100_000,
        quiet_seconds: float = 3.0,
        snapshot_every: int = EVERY,
        create: Callable[[OrderManagement | MatchingEngine, Settings | None], FastAPI] = create_app,
    ) -> None:
        self.shard, check = shard, symbol_check(shard, shards or Shards([shard]))
        self.books: OrderManagement | MatchingEngine = (
            ShardEngine(journal, check, self_trade_prevention=prevention, clock=event_clock)
            if engine
            else ShardBooks(journal, check, clock=event_clock)
        )
        self._instruments = instruments or {}
        with self.books.what_if():  # detect errors early, without writing to the log
            self._set_instruments()
        self.app = create(self.books, settings)
        self.is_owner = False
        self.is_closed = False
        self.problem: str | None = None
        self._journal = journal
        self._clock = clock
        self._lock = Lock()  # one thread follows, and another may promote or close
        self._contact = self._compared = clock()
        self._applied = journal.head  # the last message that the books contain, until this copy is the owner
        self._owner: ShardReport | None = None  # the latest report of the owner
        self._saving = Saving(self.books, journal, self._lock, snapshot_every)
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
        """Apply the messages that the owner has appended, or a part of a long backlog.

        If this copy is the owner, do nothing.

        Raises JournalError if the log cannot be read. The next call then continues at the same message. If a
        message cannot be applied, `problem` contains the reason, and the copy must be closed.
        """
        has_more = True
        for _ in range(_PARTS):
            with self._lock:
                if not has_more or self.is_owner or self.is_closed or self.problem:
                    return
                has_more = self._follow()
                self._contact = self._clock()

    def _follow(self) -> bool:
        """Apply the next messages. Return True if there may be more."""
        contents = self._journal.follow()
        self._apply(contents)
        return len(contents) >= MOST

    def promote(self, writer: str, may_own: Callable[[], bool] = lambda: True) -> None:
        """Become the owner, after applying the last messages. See FollowingJournal.take_over.

        Do nothing if `may_own` then returns False, because another worker has claimed the shard meanwhile.
        """
        with self._lock:
            if self.problem is not None:
                raise JournalError(self._journal.place, f"this copy cannot be the owner: {self.problem}")
            while self._follow():
                continue
            if not may_own():
                return
            self._apply(self._journal.take_over(writer))
            self._set_instruments()
            self.is_owner = True

    def _set_instruments(self) -> None:
        """Set all instruments, or none. One by one, they would take O(s * s log s) for s instruments."""
        self.books._declare(self._instruments)

    def _apply(self, contents: list[Content]) -> None:
        for content in contents:
            try:
                self._apply_one(content)
            except Exception as error:  # the messages after it are not returned again
                self._refuse(f"message {content.head.position} cannot be applied: {error}")
                raise
            self._applied = content.head

    def _apply_one(self, content: Content) -> None:
        ledger, events, new = self.books._ledger, tuple(content.events()), content.instruments()
        assert isinstance(ledger, DurableLedger), "the books have a journal"
        with self.books.locked():
            instruments = ledger.books.instruments
            if new:  # few messages have instruments, and there can be thousands of instruments
                instruments = dict(sorted({**instruments, **new}.items()))
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
        """Record the owner's latest report. If the states after the same event differ, set `problem`."""
        self._owner, self._compared = None if self.is_owner else owner, self._clock()
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

    def save_snapshot(self) -> None:
        """Save a snapshot if one is due. Saving.run describes the cost. Raises JournalError."""
        if not self.is_closed and self.problem is None:
            self._saving.run(is_owner=self.is_owner)

    def report(self) -> ShardReport:
        """Return the report on this copy for the worker's heartbeat. O(1)."""
        head = self._head()
        return ShardReport(self.is_owner, head.position, head.sequence, self._hashes.latest, self.problem)

    def _head(self) -> Head:
        """Return the last message that the books contain. The journal of a follower may be ahead of them."""
        return self._journal.head if self.is_owner else self._applied

    @property
    def silent_seconds(self) -> float:
        """The seconds since the last read of the log or the last `compare`, whichever is longer ago.

        This is 0 for the owner. A server that is cut off from the majority still returns its part of the log.
        But it stores no heartbeat, so the worker does not call `compare`.
        """
        return 0.0 if self.is_owner else max(self._clock() - min(self._contact, self._compared), 0.0)

    def lag(self) -> Lag:
        """Return how far this copy is behind the owner. O(1)."""
        if self.is_owner:
            return Lag(0, 0, 0.0)
        seconds, owner = self.silent_seconds, self._owner
        if owner is None:
            return Lag(None, None, seconds)
        head = self._head()
        behind = max(owner.position - head.position, 0), max(owner.sequence - head.sequence, 0)
        return Lag(*behind, seconds)

    def close(self) -> None:
        """Close the journal. Everything that was acknowledged is stored. A second call does nothing."""
        self.is_closed = True  # the application serves no further requests
        with self._lock:
            self._journal.close()
