"""Open a worker: check the NATS servers, and open the bucket of the cluster and the logs of shards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from secrets import token_hex
from time import time_ns
from typing import Any, NamedTuple

from oms.api import Settings
from oms.clock import Clock
from oms.cluster.jetstream.jetstream_bucket import JetStreamBucket
from oms.cluster.jetstream.jetstream_journal import check_proof, open_log, server_reports
from oms.cluster.jetstream.object_store import ObjectSnapshots
from oms.cluster.jetstream.requirements import check_servers
from oms.cluster.jetstream.urls import without_passwords
from oms.cluster.log.following_journal import FollowingJournal
from oms.cluster.log.subjects import check_shard
from oms.cluster.ownership.agreement import BUCKET
from oms.cluster.ownership.bucket import Bucket
from oms.cluster.ownership.membership import Membership
from oms.cluster.ownership.registry import ClusterEntry, Heartbeat
from oms.cluster.ownership.shards import Shards
from oms.cluster.patience import Patience
from oms.cluster.worker.replica import Replica
from oms.cluster.worker.saving import EVERY
from oms.cluster.worker.worker import Worker
from oms.errors import InvalidArgumentError
from oms.instrument import Instrument
from oms.journal.closing import closed_after_an_error
from oms.submission import SelfTradePrevention

__all__ = ["Place", "open_worker"]

_STARTING_SECONDS = 30.0  # how long a worker waits for servers that are still starting
_SECONDS = 10.0  # how long to repeat an append or a read while the servers are unavailable


class Place(NamedTuple):
    """The servers of a cluster, and the arguments with which they are checked. See JetStreamJournal."""

    servers: Sequence[str]
    replicas: int = 3
    system: Mapping[str, Any] | None = None
    monitoring: Sequence[str] = ()
    unsafe: bool = False

    def open_bucket(self) -> JetStreamBucket:
        """Check the servers, and open the bucket of the cluster. Raises JournalError."""
        self.check()
        return JetStreamBucket(self.servers, BUCKET, replicas=self.replicas, unsafe=self.unsafe)

    def check(self) -> None:
        """Raise JournalError unless a majority of the servers report that they are safe, or with `unsafe`."""
        if not self.unsafe:
            place = f"the cluster at {without_passwords(self.servers)}"
            reports = partial(server_reports, self.servers, self.system, self.monitoring, place)
            check_proof(self.system, self.monitoring, place)
            check_servers(reports, self.replicas, place, Patience(_STARTING_SECONDS))

    def open_journal(self, shard: str) -> FollowingJournal:
        """Open a journal that follows a shard.

        Raises JournalError, for example if one server's copy is longer than the log that the servers agree
        on. O(n log n + m) for n orders in the snapshot and m later events.
        """
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
            log,
            patience=Patience(_SECONDS),
            snapshots=ObjectSnapshots(log, self.replicas),
            least=log.known_length,
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
    prevention: SelfTradePrevention = SelfTradePrevention.NONE,
    instruments: Mapping[str, Instrument] | None = None,
    event_clock: Clock | None = time_ns,
    settings: Settings | None = None,
    lease_seconds: float = 5.0,
    snapshot_every: int = EVERY,
) -> Worker:
    """Return a worker named `name` that serves shards at `url`.

    `prevention` is the self-trade prevention policy of the engines. Each instrument is set in the shard of
    its symbol. `event_clock` returns the time of each event, or is None. `snapshot_every` is the number of
    events between two snapshots of a shard.

    Raises InvalidArgumentError unless the name has 1 to 64 of the characters A-Z, a-z, 0-9, _, and -.
    """
    try:
        check_shard(name)
    except InvalidArgumentError as error:
        raise InvalidArgumentError("name", name, error.allowed) from None

    shards = Shards(cluster.shards)

    def open_replica(shard: str) -> Replica:
        own = {symbol: each for symbol, each in (instruments or {}).items() if shards.of(symbol) == shard}
        journal = place.open_journal(shard)
        with closed_after_an_error(journal):
            return Replica(
                shard,
                journal,
                engine=cluster.engine,
                shards=shards,
                prevention=prevention,
                instruments=own,
                event_clock=event_clock,
                settings=settings,
                snapshot_every=snapshot_every,
            )

    me = Heartbeat(name, token_hex(8), url, standby)
    return Worker(Membership(bucket, me, cluster.shards, lease_seconds=lease_seconds), open_replica, executor)
