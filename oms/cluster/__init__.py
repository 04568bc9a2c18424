"""Books that survive the loss of a machine, because their journal is a replicated log.

This package requires the `cluster` extra. The log is a NATS JetStream stream. A change is acknowledged when a
majority of the servers have it on disk. If several programs open the same shard, only the last one to open it
can make changes.

>>> from oms import cluster
>>> cluster.open("nats://localhost:4222")  # doctest: +NORMALIZE_WHITESPACE
Traceback (most recent call last):
oms.errors.JournalError: shard main at nats://localhost:4222: nothing says that the servers sync each message
to the disk; pass the system account as system={'user': ..., 'password': ...}, or the monitoring URLs of the
servers as monitoring=[...]

"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import time_ns
from typing import Unpack

from oms import extras
from oms.clock import Clock
from oms.errors import InvalidArgumentError
from oms.instrument import Instrument
from oms.journal.closing import closed_after_an_error
from oms.limits import Limits
from oms.management import OrderManagement
from oms.matching import MatchingEngine
from oms.submission import SelfTradePrevention

try:
    from oms.cluster.jetstream.jetstream_journal import JetStreamJournal, WriterArguments
    from oms.cluster.log.log_journal import LogJournal
except ModuleNotFoundError as error:
    extras.add_note(error, "oms.cluster", "cluster")
    raise

__all__ = ["JetStreamJournal", "WriterArguments", "open", "open_engine", "save_snapshot"]


def open(  # noqa: A001  # as in oms.journal
    servers: str | Sequence[str],
    shard: str = "main",
    *,
    instruments: Mapping[str, Instrument] | None = None,
    clock: Clock | None = time_ns,
    **arguments: Unpack[WriterArguments],
) -> OrderManagement:
    """Open or create a shard's log, and return an OrderManagement with its latest state.

    `oms.journal.open` describes `instruments` and `clock`, and JetStreamJournal describes all other
    arguments. From then on, programs that opened the shard earlier can no longer change it.

    Raises InvalidArgumentError if an argument is invalid. Raises JournalError if the cluster cannot be
    reached, is not safe, or contains a damaged log. With a snapshot, O(n log n + m) for n orders in the
    snapshot and m later events. Without a snapshot, O(m) for all m events.
    """
    store = JetStreamJournal(servers, shard, read_only=False, **arguments)
    with closed_after_an_error(store):
        return OrderManagement(store, instruments=instruments, clock=clock)


def open_engine(
    servers: str | Sequence[str],
    shard: str = "main",
    *,
    self_trade_prevention: SelfTradePrevention = SelfTradePrevention.NONE,
    instruments: Mapping[str, Instrument] | None = None,
    clock: Clock | None = time_ns,
    limits: Limits | None = None,
    **arguments: Unpack[WriterArguments],
) -> MatchingEngine:
    """Open or create a shard's log, and return a MatchingEngine with its latest state.

    `oms.journal.open_engine` describes `self_trade_prevention` and `limits`. `open` describes all other
    arguments, the errors, and the cost. Also raises JournalError if the log belongs to an OrderManagement.
    """
    store = JetStreamJournal(servers, shard, read_only=False, **arguments)
    with closed_after_an_error(store):
        return MatchingEngine(
            store,
            self_trade_prevention=self_trade_prevention,
            instruments=instruments,
            clock=clock,
            limits=limits,
        )


def save_snapshot(om: OrderManagement | MatchingEngine) -> None:
    """Save the state of books whose journal is a replicated log, so that the log opens faster.

    The next program that opens the log reads the latest snapshot, and only the messages after it. A program
    that keeps the shard open for a long time should save a snapshot from time to time. Changes wait while the
    state is copied, but not while the snapshot is stored.

    Raises InvalidArgumentError if the books have no journal, or a different kind of journal. Raises
    JournalError if the snapshot cannot be stored. O(n log n + m) for n orders, and m events since the latest
    extract if the books are served.
    """
    store = om.journal
    if not isinstance(store, LogJournal):
        raise InvalidArgumentError("om", om, "books that were opened with oms.cluster")
    with om.locked():
        saved = store.saved_state(om.snapshot(), om.state_hash())
    store.save(saved)
