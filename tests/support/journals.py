"""The journals that must behave alike: one in memory, one in a file, and one in a cluster of NATS servers."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from oms import Event, Instrument
from oms.cluster import JetStreamJournal
from oms.cluster.log.log_journal import LogJournal
from oms.events import InstrumentKeeper, Journal
from oms.journal import Archive, ReplyKeeper, SqliteJournal
from support.nats_cluster import NatsCluster
from support.replicated_log import Connection, Faults, MemoryLog, impatient

__all__ = ["ClusterPlace", "FilePlace", "FullJournal", "MemoryPlace", "Place", "contents"]


class FullJournal(Journal, InstrumentKeeper, ReplyKeeper, Archive, Protocol):
    """A journal that stores everything that can be stored."""


class Place(Protocol):
    """A place where a journal can be opened again and again."""

    def open(self) -> FullJournal:
        """Open the journal for writing."""
        ...


class MemoryPlace:
    """A replicated log in memory. Each opening has the next seed of its faults."""

    def __init__(self, faults: Faults | None = None, seed: int = 0) -> None:
        self.log = MemoryLog()
        self.faults, self.seed = faults, seed

    def open(self) -> LogJournal:
        self.seed += 1
        return LogJournal(Connection(self.log, self.faults, self.seed), patience=impatient(30))


class FilePlace:
    """An SQLite file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self) -> SqliteJournal:
        return SqliteJournal(self.path)


class ClusterPlace:
    """A shard in a cluster of NATS servers."""

    def __init__(self, cluster: NatsCluster, shard: str) -> None:
        self.cluster, self.shard = cluster, shard

    def open(self) -> JetStreamJournal:
        return JetStreamJournal(self.cluster.urls, self.shard, monitoring=self.cluster.monitoring)


def contents(journal: FullJournal) -> tuple[list[Event], dict[str, Instrument], list[str]]:
    """Return everything that is stored in a journal."""
    return list(journal.read()), dict(journal.instruments()), list(journal.replies())
