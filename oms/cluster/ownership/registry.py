"""The entries of a cluster's bucket: its shards, its workers, and who owns which shard.

- `cluster` contains the names of the shards, whether they are matching engines, and whether the servers are
  checked. This entry never changes.
- `worker.NAME` is the heartbeat of a worker. Only this worker changes it, about once a second.
- `shard.NAME` is the claim of a shard: it names the worker that owns the shard. It changes when a worker
  claims or releases the shard, and when the owner renews its claim after its lease has expired.

An entry is a JSON object. A worker that starts again under the same name has a different `incarnation`, which
is a random text. So it does not own the shards that it claimed before it was restarted.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from oms.cluster.ownership.bucket import Entry

__all__ = [
    "CLUSTER",
    "Claim",
    "ClusterEntry",
    "Heartbeat",
    "Registry",
    "ShardReport",
    "difference",
    "read_registry",
    "shard_address",
]

_log = logging.getLogger("oms.cluster")

CLUSTER, _WORKER, _SHARD = "cluster", "worker.", "shard."


class ShardReport(NamedTuple):
    """The report of a worker on its copy (replica) of a shard.

    `position` is the position of the last message that the worker has applied, and `sequence` is the sequence
    number of the last event. `hashes` maps the sequence numbers of some recent events to the state hashes
    after these events. `problem` is the reason why the worker does not serve the shard, or None.
    """

    is_owner: bool
    position: int
    sequence: int
    hashes: Mapping[int, str] = {}
    problem: str | None = None


class Heartbeat(NamedTuple):
    """The entry of a worker. `beats` grows with each heartbeat. `revision` is the revision of the entry.

    `is_leaving` is True while the worker releases its shards before it ends.
    """

    name: str
    incarnation: str
    url: str
    is_standby: bool = False
    is_leaving: bool = False
    beats: int = 0
    shards: Mapping[str, ShardReport] = {}
    revision: int = 0

    @property
    def key(self) -> str:
        """The key of the entry."""
        return _WORKER + self.name

    def encode(self) -> bytes:
        """Return the value of the entry. O(n) for n shards."""
        shards = {shard: report._asdict() for shard, report in self.shards.items()}
        fields = {**self._asdict(), "shards": shards}
        return json.dumps({name: value for name, value in fields.items() if name != "revision"}).encode()


class Claim(NamedTuple):
    """The entry of a shard. `worker` is None after the owner has released it. `heir` may claim it first.

    `number` grows with each claim. `revision` is the revision of the entry, or 0 if there is none.
    """

    shard: str
    worker: str | None = None
    incarnation: str | None = None
    url: str | None = None
    number: int = 0
    heir: str | None = None
    revision: int = 0

    @property
    def key(self) -> str:
        """The key of the entry."""
        return _SHARD + self.shard

    def encode(self) -> bytes:
        """Return the value of the entry."""
        return json.dumps({name: getattr(self, name) for name in self._fields[:-1]}).encode()

    def is_of(self, heartbeat: Heartbeat) -> bool:
        """Return True if the worker with this heartbeat has made the claim."""
        return (self.worker, self.incarnation) == (heartbeat.name, heartbeat.incarnation)


class ClusterEntry(NamedTuple):
    """The entry `cluster`: the names of the shards, and True if each shard is a matching engine.

    `unsafe` is True if the workers do not check the servers.
    """

    shards: tuple[str, ...]
    engine: bool = False
    unsafe: bool = False

    def encode(self) -> bytes:
        """Return the value of the entry."""
        return json.dumps(self._asdict()).encode()


class Registry(NamedTuple):
    """All entries of a bucket. `cluster` is None before the first worker has started."""

    cluster: ClusterEntry | None
    workers: Mapping[str, Heartbeat]
    claims: Mapping[str, Claim]


def read_registry(entries: Mapping[str, Entry]) -> Registry:
    """Return the content of a bucket. An invalid entry is skipped with a warning. O(n) for n entries."""
    cluster: ClusterEntry | None = None
    workers: dict[str, Heartbeat] = {}
    claims: dict[str, Claim] = {}
    for key, entry in entries.items():
        try:
            fields: dict[str, Any] = json.loads(entry.value)
            if key == CLUSTER:
                cluster = ClusterEntry(tuple(fields["shards"]), fields["engine"], fields.get("unsafe", False))
            elif key.startswith(_WORKER):
                workers[key.removeprefix(_WORKER)] = _heartbeat(fields, entry.revision)
            elif key.startswith(_SHARD):
                claims[key.removeprefix(_SHARD)] = Claim(**fields, revision=entry.revision)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            _log.warning("the entry %s of the bucket is ignored: %s", key, error)
    return Registry(cluster, workers, claims)


def _heartbeat(fields: dict[str, Any], revision: int) -> Heartbeat:
    shards = {shard: _report(report) for shard, report in fields.pop("shards").items()}
    return Heartbeat(**fields, shards=shards, revision=revision)


def _report(fields: dict[str, Any]) -> ShardReport:
    hashes = {int(sequence): str(text) for sequence, text in fields.pop("hashes").items()}
    return ShardReport(**fields, hashes=hashes)


def shard_address(url: str, shard: str) -> str:
    """Return the address at which a worker serves a shard.

    >>> shard_address("http://127.0.0.1:8081", "s1")
    'http://127.0.0.1:8081/shards/s1'

    """
    return f"{url}/shards/{shard}"


def difference(own: Mapping[int, str], other: Mapping[int, str]) -> int | None:
    """Return the first event after which two copies differ, or None. O(n) for n hashes."""
    return min((each for each in own.keys() & other.keys() if own[each] != other[each]), default=None)
