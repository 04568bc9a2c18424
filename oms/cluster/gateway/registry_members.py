"""The addresses of the workers, read from the registry of the cluster.

A thread reads the registry several times a second. If the registry cannot be read, the gateway continues to
use the last known addresses of owners. This is safe, because a worker that no longer owns a shard rejects
requests.

The gateway reads from a standby only while the standby's heartbeat keeps changing. A standby that cannot
reach the servers cannot change its heartbeat. So readers get its old state for at most `silent_seconds`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from threading import Event, Thread
from time import monotonic

from oms.cluster.gateway.members import Addresses
from oms.cluster.log.replicated_log import UnavailableError
from oms.cluster.ownership.bucket import Bucket
from oms.cluster.ownership.registry import Heartbeat, read_registry, shard_address
from oms.cluster.ownership.shards import ranked

__all__ = ["RegistryMembers"]

_log = logging.getLogger("oms.cluster")


class RegistryMembers(Addresses):
    """The addresses of the workers that have claimed `shards`. The registry is read every `seconds` seconds.

    The registry is first read in the constructor. A standby whose heartbeat has not changed for
    `silent_seconds` seconds is not used. Close the object to end its thread.
    """

    def __init__(
        self,
        bucket: Bucket,
        shards: Sequence[str],
        *,
        seconds: float = 0.2,
        silent_seconds: float = 5.0,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        super().__init__()
        self._bucket = bucket
        self._seconds = seconds
        self._silent_seconds = silent_seconds
        self._clock = clock
        self._workers: Mapping[str, Heartbeat] = {}  # in the last registry that could be read
        self._beats: dict[str, tuple[int, float]] = {}  # the revision of each heartbeat, and its arrival
        self._revisions = dict.fromkeys(shards, 0)
        self._stopped = Event()
        self.refresh()
        self._thread = Thread(target=self._run, name="oms cluster members", daemon=True)
        self._thread.start()

    def refresh(self) -> None:
        """Read the registry once. O(n) for n entries."""
        try:
            registry = read_registry(self._bucket.entries())
        except UnavailableError as error:
            _log.debug("the owners of the shards cannot be read: %s", error)
            self._set_standbys(self._workers)  # they become silent
            return
        self._workers = registry.workers
        self._set_standbys(registry.workers)
        for shard, claim in registry.claims.items():
            # A read may return an old state.
            if shard in self._revisions and claim.revision > self._revisions[shard]:
                self._revisions[shard] = claim.revision
                self.set(shard, None if claim.url is None else shard_address(claim.url, shard))

    def _set_standbys(self, workers: Mapping[str, Heartbeat]) -> None:
        now = self._clock()
        for name, worker in workers.items():
            if worker.revision > self._beats.get(name, (0, 0.0))[0]:  # a read may return an old state
                self._beats[name] = worker.revision, now
        live = {name: each for name, each in workers.items() if self._is_live(name, now)}
        for shard in self._revisions:
            names = [name for name, worker in live.items() if _can_be_read(worker, shard)]
            first = next(iter(ranked(names, shard)), None)
            self.set_standby(shard, None if first is None else shard_address(live[first].url, shard))

    def _is_live(self, name: str, now: float) -> bool:
        return now - self._beats[name][1] < self._silent_seconds

    def close(self) -> None:
        """End the thread. A second call does nothing."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._seconds):
            self.refresh()


def _can_be_read(worker: Heartbeat, shard: str) -> bool:
    report = worker.shards.get(shard)
    is_standby = worker.is_standby and not worker.is_leaving
    return is_standby and report is not None and not report.is_owner and report.problem is None
