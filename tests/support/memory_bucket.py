"""A bucket in memory, with random faults. Several workers can share it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from oms.cluster.log.replicated_log import UnavailableError
from oms.cluster.ownership.bucket import ConflictError, Entry

__all__ = ["BucketConnection", "BucketFaults", "MemoryBucket"]


class BucketFaults(NamedTuple):
    """The probability of each fault, for each call."""

    lost_request: float = 0.0
    lost_acknowledgement: float = 0.0
    late: float = 0.0
    unreadable: float = 0.0
    stale: float = 0.0
    no_leader: float = 0.0  # the copies can be read, but the leader does not answer


class MemoryBucket:
    """The shared part of the bucket: its entries, the former states, and the requests in flight.

    A deleted entry has no value, but keeps its revision, as in NATS until the deletion is purged. `put` with
    revision 0 then succeeds.
    """

    def __init__(self) -> None:
        self.values: dict[str, tuple[bytes | None, int]] = {}
        self.history: list[dict[str, tuple[bytes | None, int]]] = []
        self.late: list[tuple[str, bytes | None, int]] = []
        self._revision = 0

    def store(self, key: str, value: bytes | None, revision: int) -> int:
        before, present = self.values.get(key, (None, 0))
        if revision != present and not (before is None and revision == 0):
            raise ConflictError(f"the revision of {key} is {present}, not {revision}")
        self.history.append(dict(self.values))
        del self.history[:-20]
        self._revision += 1
        self.values[key] = value, self._revision
        return self._revision

    def deliver(self) -> None:
        """Let the oldest late request arrive. Its sender gets no answer."""
        if self.late:
            with suppress(ConflictError):
                self.store(*self.late.pop(0))


class BucketConnection:
    """A connection to a MemoryBucket, with faults. It implements Bucket."""

    def __init__(self, bucket: MemoryBucket, faults: BucketFaults | None = None, seed: int = 0) -> None:
        self.bucket = bucket
        self.place = "bucket oms in memory"
        self.faults = faults or BucketFaults()
        self.is_closed = False
        self._rng = random.Random(seed)

    def entries(self) -> Mapping[str, Entry]:
        self._check_readable()
        values = self.bucket.values
        if self.bucket.history and self._happens(self.faults.stale):
            values = self._rng.choice(self.bucket.history[-5:])
        return {key: Entry(key, value, rev) for key, (value, rev) in values.items() if value is not None}

    def get(self, key: str) -> Entry | None:
        self._check_readable()
        if self._happens(self.faults.no_leader):
            raise UnavailableError("no leader")
        value, revision = self.bucket.values.get(key, (None, 0))
        return None if value is None else Entry(key, value, revision)

    def put(self, key: str, value: bytes, revision: int) -> int:
        return self._put(key, value, revision)

    def delete(self, key: str, revision: int) -> None:
        self._put(key, None, revision)

    def close(self) -> None:
        self.is_closed = True

    def _put(self, key: str, value: bytes | None, revision: int) -> int:
        if self.is_closed or self._happens(self.faults.lost_request):
            raise UnavailableError("no answer")
        if self._happens(self.faults.late):
            self.bucket.late.append((key, value, revision))
            raise UnavailableError("no answer")
        stored = self.bucket.store(key, value, revision)
        if self._happens(self.faults.lost_acknowledgement):
            raise UnavailableError("no answer")
        return stored

    def _check_readable(self) -> None:
        if self.is_closed or self._happens(self.faults.unreadable):
            raise UnavailableError("no leader")

    def _happens(self, probability: float) -> bool:
        return probability > 0 and self._rng.random() < probability
