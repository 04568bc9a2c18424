"""The live workers of a cluster, and the shards that this worker owns.

The problem: when a worker dies, another one must take over its shards, but not while it lives. A worker can
also be stopped for a minute and continue, or lose its connection for a while. Nobody can tell these cases
apart in time, and the clocks of two machines need not agree.

What does not work: a time limit in the entry of a shard, because it would be read with another clock than it
was written with. A lease alone cannot keep the books right either, because a worker can be stopped between a
look at its lease and a write.

The solution: the lease decides only who tries to own a shard. The log keeps the books right, because it
rejects the writes of a former owner. Each worker changes its heartbeat once a second. If another worker has
seen no change for `lease_seconds` by its own monotonic clock, it may claim the shards of the silent worker.
A claim replaces an entry that has the expected revision, so only one worker succeeds. The owner counts from
the moment before its last successful beat, and stops earlier than others can begin.

There is one heartbeat for a worker, and not one for each shard. A process stops and continues as a whole, and
its shards need no writes while nothing changes.

Invariants:

- `owns` is True for at most one worker at a time, if all clocks run at about the same speed.
- After its lease has lapsed, a worker owns nothing until it has replaced the entries of its shards. So if
  another worker is about to claim one of them, only one of the two replacements succeeds.
- No time is ever sent to another machine.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from time import monotonic

from oms.cluster.bucket import Bucket, ConflictError
from oms.cluster.registry import Claim, Heartbeat, ShardReport, read_registry
from oms.cluster.replicated_log import UnavailableError
from oms.cluster.shards import ranked

__all__ = ["Membership", "ReplacedError"]

_log = logging.getLogger("oms.cluster")

_OWN_PART = 0.7  # of the lease, in which a worker considers itself the owner
_FORGOTTEN = 100  # leases after which the entry of a dead worker is deleted


class ReplacedError(Exception):
    """Another worker has started under the same name, so this one must end."""


class Membership:
    """The membership of one worker. `me` is its heartbeat, and `shards` are the names of all shards.

    Call `tick` once a second. All methods except `owns` belong to one thread.
    """

    def __init__(
        self,
        bucket: Bucket,
        me: Heartbeat,
        shards: Sequence[str],
        *,
        lease_seconds: float = 5.0,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.me = me
        self.shards = tuple(shards)
        self.claims: dict[str, Claim] = {shard: Claim(shard) for shard in shards}
        self.owned: frozenset[str] = frozenset()
        self.workers: dict[str, Heartbeat] = {}
        self._bucket = bucket
        self._clock = clock
        self._lease_seconds = lease_seconds
        self._renewed = -math.inf  # when the last successful tick began
        self._seen: dict[str, tuple[Heartbeat, float]] = {}  # the latest heartbeats, and when they were read
        self._free_since: dict[str, float] = {}
        self._released: set[str] = set()  # shards whose release may not be stored yet

    # ------------------------------------------------------------------ the lease

    @property
    def remaining_seconds(self) -> float:
        """How long this worker remains the owner of its shards without another beat. It can be negative."""
        return self._renewed + self._lease_seconds * _OWN_PART - self._clock()

    def owns(self, shard: str) -> bool:
        """Return True if this worker may answer for a shard now. It is thread-safe. O(1)."""
        return shard in self.owned and self.remaining_seconds > 0

    def tick(self, reports: Mapping[str, ShardReport], *, is_leaving: bool = False) -> None:
        """Renew the lease, and read what the other workers have done. `reports` are those of this worker.

        With `is_leaving`, the others no longer expect this worker to claim a shard.

        Raises UnavailableError if the bucket cannot be reached. Raises ReplacedError if another worker has
        the name of this one.
        """
        self.me = self.me._replace(is_leaving=is_leaving)
        began, has_lapsed = self._clock(), self.remaining_seconds <= 0
        self._beat(reports)
        self._refresh()
        for shard in sorted(self._released):
            self._release(shard)
        self.owned = frozenset(shard for shard, claim in self.claims.items() if claim.is_of(self.me))
        if has_lapsed:
            for shard in sorted(self.owned):
                self._replace(self.claims[shard])
        self._renewed = began

    def _beat(self, reports: Mapping[str, ShardReport]) -> None:
        beat = self.me._replace(beats=self.me.beats + 1, shards=reports)
        try:
            revision = self._bucket.put(beat.key, beat.encode(), beat.revision)
        except ConflictError:
            beat = beat._replace(revision=self._revision_after_conflict())
            try:
                revision = self._bucket.put(beat.key, beat.encode(), beat.revision)
            except ConflictError as error:
                raise UnavailableError(f"the heartbeat is being changed: {error}") from error
        self.me = beat._replace(revision=revision)

    def _revision_after_conflict(self) -> int:
        """Return the revision of the own heartbeat, if it has changed without an acknowledgement."""
        entry = self._bucket.get(self.me.key)
        if entry is None:  # another worker has deleted it, because it was old
            return 0
        present = read_registry({entry.key: entry}).workers.get(self.me.name)
        is_own = present is not None and present.incarnation == self.me.incarnation
        if self.me.beats > 0 and not is_own:
            raise ReplacedError(f"another worker has started under the name {self.me.name}")
        return entry.revision

    def _refresh(self) -> None:
        registry, now = read_registry(self._bucket.entries()), self._clock()
        for name, heartbeat in registry.workers.items():
            if name not in self._seen or heartbeat.revision > self._seen[name][0].revision:
                self._seen[name] = heartbeat, now
        for name, (_, changed) in list(self._seen.items()):
            # A read may return an old state, in which a live worker is missing.
            if name not in registry.workers and now - changed >= self._lease_seconds:
                del self._seen[name]
        self.workers = {name: heartbeat for name, (heartbeat, _) in self._seen.items()}
        for shard, claim in registry.claims.items():
            if shard in self.claims:
                self._note(claim)
        for shard in self.shards:
            if self._is_free(shard):
                self._free_since.setdefault(shard, now)
            else:
                self._free_since.pop(shard, None)

    def _note(self, claim: Claim) -> None:
        """Remember a claim, unless a later one is known. A read may return an old state."""
        if claim.revision >= self.claims[claim.shard].revision:
            self.claims[claim.shard] = claim

    # ------------------------------------------------------------------ the others

    def is_live(self, name: str | None) -> bool:
        """Return True if a worker has changed its heartbeat within the lease. O(1)."""
        return name in self.workers and self._clock() - self._seen[name][1] < self._lease_seconds

    def live(self, *, standby: bool) -> list[str]:
        """Return the names of the live standbys, or of the other live workers, sorted. O(n log n).

        A worker that is about to end is left out.
        """
        return sorted(
            name
            for name, worker in self.workers.items()
            if self.is_live(name) and not worker.is_leaving and worker.is_standby is standby
        )

    def owner(self, shard: str) -> Heartbeat | None:
        """Return the heartbeat of the live worker that has claimed a shard, or None."""
        claim = self.claims[shard]
        worker = self.workers.get(claim.worker or "")
        return worker if worker is not None and claim.is_of(worker) and self.is_live(worker.name) else None

    def preferred(self, shard: str) -> str | None:
        """Return the live worker that should own a shard. A standby never is."""
        names = ranked(self.live(standby=False), shard)
        return names[0] if names else None

    # ------------------------------------------------------------------ claims

    def _is_free(self, shard: str) -> bool:
        return self.owner(shard) is None and not self.claims[shard].is_of(self.me)

    def to_claim(self) -> list[str]:
        """Return the free shards that this worker should claim now.

        The first in the ranking of a shard claims it at once, and the others some seconds later, if nobody
        has claimed it. After the loss of an owner, the standbys are first, because they are warm. A shard
        that never had an owner belongs to the other workers first.
        """
        now, chosen = self._clock(), list[str]()
        for shard, since in self._free_since.items():
            groups = [self.live(standby=True), self.live(standby=False)]
            if self.claims[shard].number == 0:
                groups.reverse()
            ranking = [name for group in groups for name in ranked(group, shard)]
            if self.me.name in ranking:
                delay = ranking.index(self.me.name) * self._lease_seconds / 2
                if now - since >= delay:
                    chosen.append(shard)
        return chosen

    def claim(self, shard: str) -> bool:
        """Claim a free shard. Return False if another worker was faster, or if its owner lives after all.

        Raises UnavailableError if the outcome is unknown.
        """
        before = self.claims[shard]
        if self.remaining_seconds <= 0 or not self._is_free(shard) or self._has_woken(before):
            return False
        me = self.me
        after = before._replace(
            worker=me.name, incarnation=me.incarnation, url=me.url, number=before.number + 1
        )
        self._released.discard(shard)
        if not self._replace(after):
            return False
        self._free_since.pop(shard, None)
        _log.info("%s has claimed shard %s", me.name, shard)
        return True

    def _has_woken(self, claim: Claim) -> bool:
        """Return True if the owner of a claim has changed its heartbeat since the last read."""
        entry = None if claim.worker is None else self._bucket.get(Heartbeat(claim.worker, "", "").key)
        if entry is None or claim.worker is None:
            return False
        heartbeat = read_registry({entry.key: entry}).workers.get(claim.worker)
        known = self._seen.get(claim.worker)
        is_same = heartbeat is not None and heartbeat.incarnation == claim.incarnation
        return is_same and (known is None or entry.revision > known[0].revision)

    def release(self, shard: str) -> None:
        """Give a shard up, so that another worker can claim it at once.

        Close its journal before. If the bucket cannot be reached, the next tick releases the shard.
        """
        self.owned -= {shard}
        self._released.add(shard)
        self._release(shard)

    def _release(self, shard: str) -> None:
        claim = self.claims[shard]
        if claim.is_of(self.me):
            self._replace(claim._replace(worker=None, incarnation=None, url=None))
        self._released.discard(shard)

    def _replace(self, claim: Claim) -> bool:
        """Replace the entry of a shard. Return False if another worker has changed it."""
        try:
            revision = self._bucket.put(claim.key, claim.encode(), claim.revision)
        except ConflictError:
            entry = self._bucket.get(claim.key)
            if entry is not None:
                for present in read_registry({entry.key: entry}).claims.values():
                    self._note(present)
            is_stored = self.claims[claim.shard][:5] == claim[:5] and claim.is_of(self.me)
        else:
            self._note(claim._replace(revision=revision))
            is_stored = True
        owned = self.owned - {claim.shard}
        self.owned = owned | {claim.shard} if is_stored and claim.is_of(self.me) else owned
        return is_stored

    def forget(self) -> None:
        """Delete the heartbeats of workers that have been dead for a long time. Raises UnavailableError."""
        for name, worker in self.workers.items():
            if self._clock() - self._seen[name][1] > _FORGOTTEN * self._lease_seconds:
                try:
                    self._bucket.delete(worker.key, worker.revision)
                except ConflictError:
                    continue
