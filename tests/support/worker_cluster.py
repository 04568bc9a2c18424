"""Workers in one process, with a bucket and logs in memory, a clock that tests move, and no threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from itertools import count
from types import SimpleNamespace
from typing import Any

from oms.api.first_responses import FirstResponses
from oms.api.restoring import restore
from oms.cluster.log.following_journal import FollowingJournal
from oms.cluster.ownership.membership import Membership
from oms.cluster.ownership.registry import Heartbeat
from oms.cluster.ownership.shards import Shards
from oms.cluster.worker.replica import Replica
from oms.cluster.worker.worker import Worker
from support.memory_bucket import BucketConnection, BucketFaults, MemoryBucket
from support.replicated_log import (
    Clock,
    Connection,
    Faults,
    MemoryLog,
    MemorySnapshots,
    impatient,
)

__all__ = ["AtOnce", "WorkerCluster"]


class AtOnce(Executor):
    """An executor that makes each call at once, in the thread that submits it."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def light_app(books: Any, _settings: object) -> Any:
    """Return what a copy needs of an application. A real one takes a long time to create."""
    responses = FirstResponses()
    restore(books, responses)
    return SimpleNamespace(state=SimpleNamespace(responses=responses))


class WorkerCluster:
    """The shards `names`, and any number of workers that own and follow them."""

    def __init__(
        self,
        names: tuple[str, ...] = ("s1", "s2"),
        *,
        engine: bool = False,
        faults: Faults | None = None,
        bucket_faults: BucketFaults | None = None,
        create: Callable[[Any, Any], Any] = light_app,
        every: int = 100_000,
        snapshot_every: int = 100_000,
    ) -> None:
        self.names, self.shards = names, Shards(names)
        self.clock = Clock()
        self.bucket = MemoryBucket()
        self.logs = {name: MemoryLog(name) for name in names}
        self.snapshots = {name: MemorySnapshots() for name in names}
        self.workers: dict[str, Worker] = {}
        self.buckets: dict[str, BucketConnection] = {}
        self.connections: list[Connection] = []
        self.faults, self.bucket_faults = faults, bucket_faults
        self._engine, self._create, self._every = engine, create, every
        self._snapshot_every = snapshot_every
        self._numbers = count(1)

    def start(self, name: str, *, standby: bool = False) -> Worker:
        """Start a worker. An earlier one with the same name goes on, as far as it can."""
        number = next(self._numbers)
        bucket = self.buckets[name] = BucketConnection(self.bucket, self.bucket_faults, number)

        def open_replica(shard: str) -> Replica:
            connection = Connection(self.logs[shard], self.faults, next(self._numbers))
            self.connections.append(connection)
            journal = FollowingJournal(connection, patience=impatient(100), snapshots=self.snapshots[shard])
            return Replica(
                shard,
                journal,
                engine=self._engine,
                shards=self.shards,
                event_clock=None,
                clock=self.clock,
                every=self._every,
                snapshot_every=self._snapshot_every,
                create=self._create,
            )

        me = Heartbeat(name, f"life {number}", f"http://{name}:8080", standby)
        membership = Membership(bucket, me, self.names, clock=self.clock)
        self.workers[name] = Worker(membership, open_replica, AtOnce(), clock=self.clock)
        return self.workers[name]

    def run(self, seconds: int = 1, *names: str) -> None:
        """Let some seconds pass, in which these workers, or all, do what they do in this time."""
        for _ in range(seconds):
            self.clock.pause(1.0)
            for name in names or self.workers:
                self.workers[name].step()
                self.workers[name].follow()
                self.workers[name].hash()

    def kill(self, name: str) -> Worker:
        """Let a worker do nothing from now on, and return it."""
        return self.workers.pop(name)

    def symbol(self, shard: str) -> str:
        """Return a symbol of a shard."""
        return next(text for text in map("S{}".format, count()) if self.shards.of(text) == shard)

    def owners(self, shard: str) -> list[str]:
        """Return the names of the workers that may answer for a shard now."""
        return [name for name, worker in self.workers.items() if worker.owns(shard)]

    def owner(self, shard: str) -> Worker:
        """Return the only worker that may answer for a shard now."""
        [name] = self.owners(shard)
        return self.workers[name]

    def books(self, shard: str) -> Any:
        """Return the books of the owner of a shard."""
        return self.owner(shard).replicas[shard].books

    def heal(self) -> None:
        """End all faults."""
        self.faults = self.bucket_faults = None
        for connection in self.connections:
            connection.faults = Faults()
        for bucket in self.buckets.values():
            bucket.faults = BucketFaults()
