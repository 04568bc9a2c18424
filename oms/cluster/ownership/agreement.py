"""The shards of a cluster. All workers and gateways read the same shards from the cluster's bucket."""

from __future__ import annotations

from collections.abc import Sequence

from oms.cluster.log.replicated_log import UnavailableError
from oms.cluster.ownership.bucket import Bucket, ConflictError
from oms.cluster.ownership.registry import CLUSTER, ClusterEntry, read_registry
from oms.cluster.ownership.shards import Shards
from oms.cluster.patience import Patience
from oms.errors import InvalidArgumentError, JournalError

__all__ = ["BUCKET", "agreed", "default_names"]

BUCKET = "oms"
"""The name of the bucket. An account of the NATS servers can contain one cluster."""

_MOST_SHARDS = 1_000


def default_names(count: int) -> tuple[str, ...]:
    """Return the names of `count` shards. Raises InvalidArgumentError unless `count` is 1 to 1,000.

    >>> default_names(3)
    ('s1', 's2', 's3')

    """
    if type(count) is not int or not 1 <= count <= _MOST_SHARDS:
        raise InvalidArgumentError("shards", count, f"an int in 1..{_MOST_SHARDS}")
    return tuple(f"s{number}" for number in range(1, count + 1))


def agreed(
    bucket: Bucket,
    names: Sequence[str] | None,
    *,
    engine: bool | None = None,
    unsafe: bool | None = None,
    patience: Patience | None = None,
) -> ClusterEntry:
    """Return the shards of a cluster. The first program that passes names sets the shards permanently.

    `engine` is True if the shards are matching engines, and `unsafe` if the workers do not check the servers.
    An argument that is None accepts the stored value. `patience` is the longest time to wait for an
    unavailable bucket, for example because the bucket was just created and has no leader yet.

    Raises InvalidArgumentError if the arguments contradict the stored values. Raises JournalError if no
    values are stored yet and `names` or `engine` is None, or if the bucket cannot be reached.
    """
    wanted: ClusterEntry | None = None
    if names is not None and engine is not None:
        wanted = ClusterEntry(Shards(names).names, engine, unsafe is True)
    decided = _decided(bucket, wanted, patience or Patience(30))
    if decided is None:
        problem = "its shards are not decided yet; start a worker with --shards NUMBER first"
        raise JournalError(bucket.place, problem)
    if names is not None and set(names) != set(decided.shards):
        allowed = f"the shards of the cluster: {', '.join(decided.shards)}"
        raise InvalidArgumentError("shards", list(names), allowed, "they cannot change")
    if engine is not None and engine != decided.engine:
        kind = "matching engines" if decided.engine else "books without an engine"
        raise InvalidArgumentError("engine", engine, f"{decided.engine}, because the shards are {kind}")
    if unsafe is not None and unsafe != decided.unsafe:
        others = "do not check" if decided.unsafe else "check"
        allowed = f"{decided.unsafe}, because the other workers {others} the servers"
        raise InvalidArgumentError("unsafe", unsafe, allowed)
    return decided


def _decided(bucket: Bucket, wanted: ClusterEntry | None, patience: Patience) -> ClusterEntry | None:
    """Return the stored entry. If there is none, store `wanted` and return it. Raises JournalError."""
    problem: Exception | None = None
    for _ in patience.attempts():
        try:
            entry = bucket.get(CLUSTER)
            if entry is None and wanted is not None:
                bucket.put(CLUSTER, wanted.encode(), 0)
                return wanted
        except (ConflictError, UnavailableError) as error:  # another program may store its values now
            problem = error
        else:
            return None if entry is None else read_registry({CLUSTER: entry}).cluster
    raise JournalError(bucket.place, f"its shards are unknown: {problem}") from problem
