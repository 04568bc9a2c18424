"""Books that survive the loss of a machine, because their journal is a replicated log.

This package requires the `cluster` extra. The log is a NATS JetStream stream. A change is acknowledged when a
majority of the servers have it on disk. If several programs open the same shard, only the last one can make
changes.

>>> from oms import cluster
>>> cluster.open("nats://localhost:4222")  # doctest: +NORMALIZE_WHITESPACE
Traceback (most recent call last):
oms.errors.JournalError: shard main at nats://localhost:4222: nothing says that the servers sync each message
to the disk; pass the system account as system={'user': ..., 'password': ...}, or the monitoring URLs of the
servers as monitoring=[...]

"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from time import time_ns
from typing import Any

from oms import extras
from oms.clock import Clock
from oms.errors import InvalidArgumentError, JournalError
from oms.instrument import Instrument
from oms.limits import Limits
from oms.management import OrderManagement
from oms.matching import MatchingEngine
from oms.submission import SelfTradePrevention

try:
    from oms.cluster.jetstream_journal import JetStreamJournal
    from oms.cluster.log_journal import LogJournal
except ModuleNotFoundError as error:
    extras.add_note(error, "oms.cluster", "cluster")
    raise

__all__ = ["JetStreamJournal", "open", "open_engine", "save_snapshot"]


def open(  # noqa: A001  # as in oms.journal
    servers: str | Sequence[str],
    shard: str = "main",
    *,
    replicas: int = 3,
    system: Mapping[str, Any] | None = None,
    monitoring: Sequence[str] = (),
    unsafe: bool = False,
    options: Mapping[str, Any] | None = None,
    writer: str | None = None,
    seconds: float = 30.0,
    instruments: Mapping[str, Instrument] | None = None,
    clock: Clock | None = time_ns,
) -> OrderManagement:
    """Open or create a shard's log, and return an OrderManagement with its latest state.

    JetStreamJournal describes the arguments before `instruments`, and `oms.journal.open` the others. Every
    other program that has the shard open for writing can then no longer change it.

    Raises InvalidArgumentError if an argument is invalid. Raises JournalError if the cluster cannot be
    reached, is not safe, or contains a damaged log. O(orders and later events), if there is a snapshot, and
    O(events) otherwise.
    """
    store = JetStreamJournal(
        servers,
        shard,
        replicas=replicas,
        system=system,
        monitoring=monitoring,
        unsafe=unsafe,
        options=options,
        writer=writer,
        seconds=seconds,
    )
    with _closed_after_an_error(store):
        return OrderManagement(store, instruments=instruments, clock=clock)


def open_engine(
    servers: str | Sequence[str],
    shard: str = "main",
    *,
    replicas: int = 3,
    system: Mapping[str, Any] | None = None,
    monitoring: Sequence[str] = (),
    unsafe: bool = False,
    options: Mapping[str, Any] | None = None,
    writer: str | None = None,
    seconds: float = 30.0,
    self_trade_prevention: SelfTradePrevention = SelfTradePrevention.NONE,
    instruments: Mapping[str, Instrument] | None = None,
    clock: Clock | None = time_ns,
    limits: Limits | None = None,
) -> MatchingEngine:
    """Open or create a shard's log, and return a MatchingEngine with its latest state.

    JetStreamJournal describes the arguments before `self_trade_prevention`, and `oms.journal.open_engine` the
    others. Raises the errors that `open` raises, and JournalError for the log of an OrderManagement.
    The cost is that of `open`.
    """
    store = JetStreamJournal(
        servers,
        shard,
        replicas=replicas,
        system=system,
        monitoring=monitoring,
        unsafe=unsafe,
        options=options,
        writer=writer,
        seconds=seconds,
    )
    with _closed_after_an_error(store):
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
    that keeps the shard open should save a snapshot from time to time. Changes wait while the state is
    copied, but not while it is stored.

    Raises InvalidArgumentError if the books have another journal, or none. Raises JournalError if the
    snapshot cannot be stored. O(n log n) for n orders.
    """
    store = om.journal
    if not isinstance(store, LogJournal):
        raise InvalidArgumentError("om", om, "books that were opened with oms.cluster")
    with om.locked():
        saved = store.saved_state(om.snapshot(), om.state_hash())
    store.save(saved)


@contextmanager
def _closed_after_an_error(store: JetStreamJournal) -> Generator[None]:
    try:
        yield
    except BaseException:
        with suppress(JournalError):  # raise the original error, not this one
            store.close()
        raise
