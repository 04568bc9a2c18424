"""Opening what a worker needs: its place in the cluster, and its copies of shards in NATS JetStream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from secrets import token_hex
from typing import Any, NamedTuple

from oms.api import Settings
from oms.cluster.bucket import Bucket
from oms.cluster.following_journal import FollowingJournal
from oms.cluster.jetstream_journal import open_log
from oms.cluster.membership import Membership
from oms.cluster.object_store import ObjectSnapshots
from oms.cluster.patience import Patience
from oms.cluster.registry import ClusterEntry, Heartbeat
from oms.cluster.subjects import check_shard
from oms.cluster.worker.replica import Replica
from oms.cluster.worker.worker import Worker
from oms.errors import InvalidArgumentError, JournalError

__all__ = ["Place", "open_worker"]

_SECONDS = 10.0  # for which an append or a read is repeated while the servers are unavailable


class Place(NamedTuple):
    """The servers of a cluster, and the proof that they are safe. See JetStreamJournal."""

    servers: Sequence[str]
    replicas: int = 3
    system: Mapping[str, Any] | None = None
    monitoring: Sequence[str] = ()
    unsafe: bool = False

    def open_journal(self, shard: str) -> FollowingJournal:
        """Open a journal that follows a shard. Raises JournalError. O(orders and later events)."""
        log = open_log(
            self.servers,
            shard,
            replicas=self.replicas,
            system=self.system,
            monitoring=self.monitoring,
            unsafe=self.unsafe,
            seconds=_SECONDS,
        )
        return FollowingJournal(
            log, patience=Patience(_SECONDS), snapshots=ObjectSnapshots(log, self.replicas)
        )


def open_worker(
    bucket: Bucket,
    place: Place,
    cluster: ClusterEntry,
    executor: Executor,
    *,
    name: str,
    url: str,
    standby: bool = False,
    settings: Settings | None = None,
    lease_seconds: float = 5.0,
) -> Worker:
    """Return a worker that serves shards at `url`, and that other workers know as `name`.

    Raises InvalidArgumentError unless the name has 1 to 64 of the characters A-Z, a-z, 0-9, _, and -.
    """
    try:
        check_shard(name)
    except InvalidArgumentError as error:
        raise InvalidArgumentError("name", name, error.allowed) from None

    def open_replica(shard: str) -> Replica:
        journal = place.open_journal(shard)
        try:
            return Replica(shard, journal, engine=cluster.engine, settings=settings)
        except BaseException:
            with suppress(JournalError):  # raise the original error, not this one
                journal.close()
            raise

    me = Heartbeat(name, token_hex(8), url, standby)
    return Worker(Membership(bucket, me, cluster.shards, lease_seconds=lease_seconds), open_replica, executor)
