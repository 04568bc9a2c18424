"""The shards of a cluster, on which all workers and gateways agree through its bucket."""

from __future__ import annotations

from collections.abc import Sequence

from oms.cluster.bucket import Bucket, ConflictError
from oms.cluster.patience import Patience
from oms.cluster.registry import CLUSTER, ClusterEntry, read_registry
from oms.cluster.replicated_log import UnavailableError
from oms.cluster.shards import Shards
from oms.errors import InvalidArgumentError, JournalError

__all__ = ["BUCKET", "agreed", "default_names"]

BUCKET = "oms"
"""The name of the bucket. There is one cluster in each account of the NATS servers."""

_MOST_SHARDS = 1_000
_PLACE = f"bucket {BUCKET}"


def default_names(count: int) -> tuple[str, ...]:
    """Return the names of so many shards. Raises InvalidArgumentError unless there are 1 to 1,000.

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
    patience: Patience | None = None,
) -> ClusterEntry:
    """Return the shards of a cluster. The first call with names decides them permanently.

    `engine` is True if the shards are matching engines. None accepts what was decided. `patience` is the time
    for which an unavailable bucket is tried, for example because it was just created and has no leader yet.

    Raises InvalidArgumentError if the arguments contradict what was decided. Raises JournalError if nothing
    was decided yet and `names` or `engine` is None, or if the bucket cannot be reached.
    """
    wanted = None if names is None or engine is None else ClusterEntry(Shards(names).names, engine)
    decided = _decided(bucket, wanted, patience or Patience(30))
    if decided is None:
        problem = "its shards are not decided yet; start a worker with --shards NUMBER first"
        raise JournalError(_PLACE, problem)
    if names is not None and set(names) != set(decided.shards):
        allowed = f"the shards of the cluster: {', '.join(decided.shards)}"
        raise InvalidArgumentError("shards", list(names), allowed, "they cannot change")
    if engine is not None and engine != decided.engine:
        kind = "matching engines" if decided.engine else "books without an engine"
        raise InvalidArgumentError("engine", engine, f"{decided.engine}, because the shards are {kind}")
    return decided


def _decided(bucket: Bucket, wanted: ClusterEntry | None, patience: Patience) -> ClusterEntry | None:
    """Return what was decided. If nothing was, decide what is wanted. Raises JournalError."""
    problem: Exception | None = None
    for _ in patience.attempts():
        try:
            entry = bucket.get(CLUSTER)
            if entry is None and wanted is not None:
                bucket.put(CLUSTER, wanted.encode(), 0)
                return wanted
        except (ConflictError, UnavailableError) as error:  # another program decides at the same time
            problem = error
        else:
            return None if entry is None else read_registry({CLUSTER: entry}).cluster
    raise JournalError(_PLACE, f"its shards are unknown: {problem}") from problem
