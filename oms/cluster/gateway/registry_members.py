"""The addresses of the workers, as the registry of the cluster has them.

A thread reads the registry several times a second. If it cannot be read, the last known addresses stay valid,
because a worker that no longer owns its shard rejects requests itself.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from threading import Event, Thread

from oms.cluster.bucket import Bucket
from oms.cluster.gateway.members import Addresses
from oms.cluster.registry import read_registry, shard_address
from oms.cluster.replicated_log import UnavailableError

__all__ = ["RegistryMembers"]

_log = logging.getLogger("oms.cluster")


class RegistryMembers(Addresses):
    """The addresses of the workers that have claimed `shards`. The registry is read each `seconds` seconds.

    The first read happens at once. Close the object to end its thread.
    """

    def __init__(self, bucket: Bucket, shards: Sequence[str], *, seconds: float = 0.2) -> None:
        super().__init__()
        self._bucket = bucket
        self._seconds = seconds
        self._revisions = dict.fromkeys(shards, 0)
        self._stopped = Event()
        self.refresh()
        self._thread = Thread(target=self._run, name="oms cluster members", daemon=True)
        self._thread.start()

    def refresh(self) -> None:
        """Read the registry once. O(n) for n entries."""
        try:
            claims = read_registry(self._bucket.entries()).claims
        except UnavailableError as error:
            _log.debug("the owners of the shards cannot be read: %s", error)
            return
        for shard, claim in claims.items():
            # A read may return an old state.
            if shard in self._revisions and claim.revision > self._revisions[shard]:
                self._revisions[shard] = claim.revision
                self.set(shard, None if claim.url is None else shard_address(claim.url, shard))

    def close(self) -> None:
        """End the thread. A second call does nothing."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._seconds):
            self.refresh()
