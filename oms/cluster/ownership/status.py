"""The state of a cluster, which is determined by watching the bucket for a few seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from time import monotonic, sleep
from typing import NamedTuple

from oms.cluster.ownership.bucket import Bucket
from oms.cluster.ownership.registry import (
    CLUSTER,
    Claim,
    Heartbeat,
    Registry,
    ShardReport,
    difference,
    read_registry,
)

__all__ = ["ClusterStatus", "CopyStatus", "ShardStatus", "read_status"]

_PAUSE = 0.25  # seconds between two reads


class CopyStatus(NamedTuple):
    """One worker's copy (replica) of a shard.

    `behind` is the number of messages that the copy lacks, or None if the number is unknown.
    """

    worker: str
    is_owner: bool
    position: int
    sequence: int
    behind: int | None
    hash_sequence: int | None
    state_hash: str | None
    problem: str | None


class ShardStatus(NamedTuple):
    """A shard. `owner` is None if no live worker serves it.

    `claims` is the number of times that the shard was claimed. `differs_at` is the sequence number of the
    first event after which two copies have different state hashes, or None.
    """

    name: str
    owner: str | None
    url: str | None
    claims: int
    differs_at: int | None
    copies: tuple[CopyStatus, ...]

    @property
    def problem(self) -> str | None:
        """A description of what is wrong with the shard, or None."""
        if self.owner is None:
            return "no owner"
        if self.differs_at is not None:
            return f"state hashes differ after event {self.differs_at}"
        refused = [copy.worker for copy in self.copies if copy.problem is not None]
        return f"not served by {', '.join(refused)}" if refused else None


class ClusterStatus(NamedTuple):
    """The state of a cluster. `live` and `dead` name workers, except those that were stopped normally."""

    engine: bool
    live: tuple[str, ...]
    dead: tuple[str, ...]
    shards: tuple[ShardStatus, ...]

    @property
    def is_right(self) -> bool:
        """True if there are shards, each of them has an owner, and no copy is known to be wrong."""
        return bool(self.shards) and all(shard.problem is None for shard in self.shards)


def read_status(
    bucket: Bucket,
    seconds: float = 5.0,
    *,
    clock: Callable[[], float] = monotonic,
    pause: Callable[[float], object] = sleep,
) -> ClusterStatus:
    """Watch a cluster for `seconds` seconds, or until it is healthy, and return its state.

    A worker whose heartbeat does not change in this time is reported as dead. Raises UnavailableError if the
    bucket cannot be reached, or if no worker is live and the servers have no majority. Each read is O(n) for
    n entries.
    """
    end = clock() + seconds
    registry = first = read_registry(bucket.entries())
    live: set[str] = set()
    while True:
        status = _status(registry, {name: registry.workers[name] for name in sorted(live)})
        if clock() >= end or (status.is_right and not status.dead):
            if not live:
                bucket.get(CLUSTER)  # only the leader can answer this, and there is none without a majority
            return status
        pause(_PAUSE)
        registry = read_registry(bucket.entries())
        for name, heartbeat in registry.workers.items():
            before = first.workers.get(name)
            if heartbeat.is_leaving:
                live.discard(name)
            elif before is None or heartbeat.revision > before.revision:
                live.add(name)
        live &= set(registry.workers)


def _status(registry: Registry, live: Mapping[str, Heartbeat]) -> ClusterStatus:
    names = registry.cluster.shards if registry.cluster is not None else ()
    shards = tuple(_shard(registry.claims.get(name, Claim(name)), live) for name in names)
    dead = tuple(
        name for name, worker in sorted(registry.workers.items()) if not (name in live or worker.is_leaving)
    )
    engine = registry.cluster is not None and registry.cluster.engine
    return ClusterStatus(engine, tuple(live), dead, shards)


def _shard(claim: Claim, live: Mapping[str, Heartbeat]) -> ShardStatus:
    reports = [
        (worker, live[worker].shards[claim.shard]) for worker in live if claim.shard in live[worker].shards
    ]
    owner = live.get(claim.worker or "")
    if owner is not None and not (claim.is_of(owner) and _serves(owner, claim.shard)):
        owner = None
    end = None if owner is None else owner.shards[claim.shard].position
    copies = tuple(_copy(worker, report, end) for worker, report in reports)
    name, url = (None, None) if owner is None else (owner.name, owner.url)
    return ShardStatus(claim.shard, name, url, claim.number, _differs([r for _, r in reports]), copies)


def _serves(worker: Heartbeat, shard: str) -> bool:
    report = worker.shards.get(shard)
    return report is not None and report.is_owner


def _copy(worker: str, report: ShardReport, end: int | None) -> CopyStatus:
    last = max(report.hashes, default=None)
    return CopyStatus(
        worker,
        report.is_owner,
        report.position,
        report.sequence,
        None if end is None else max(end - report.position, 0),
        last,
        None if last is None else report.hashes[last],
        report.problem,
    )


def _differs(reports: Sequence[ShardReport]) -> int | None:
    pairs = combinations(reports, 2)
    found = [difference(one.hashes, other.hashes) for one, other in pairs]
    return min((sequence for sequence in found if sequence is not None), default=None)
