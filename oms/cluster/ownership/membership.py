"""The live workers of a cluster, and the shards that this worker owns.

The problem: when a worker dies, another worker must take over its shards, but not while the first worker is
alive. A worker can also be paused for a minute and then continue, or lose its connection for a while. The
other workers cannot distinguish these cases in time, and the clocks of two machines can differ.

What does not work: storing an expiry time in the entry of a shard, because one machine would set it by its
own clock, and another machine would compare it with a different clock. A lease alone cannot keep the books
correct either, because a worker can be paused after it has checked its lease and before it writes.

The solution: the lease decides only who tries to own a shard. The log keeps the books correct, because it
rejects the writes of a former owner. Each worker changes its heartbeat once a second, or five times per lease
if the lease is shorter than five seconds. It also watches the heartbeats of the other workers, and measures
the time with its own monotonic clock. When a worker's heartbeat has not changed for `lease_seconds`, the
others may claim the shards of this silent worker. A claim replaces the entry of a shard only if the entry has
the expected revision, so only one worker succeeds. The owner stops serving before any other worker can start,
because the owner's own lease is shorter, and starts before its last successful heartbeat is sent.

There is one heartbeat for each worker, and not one for each shard, because a process pauses and resumes as a
whole. So the entries of the shards need no writes while nothing changes.

While the bucket has no leader, no worker can change its heartbeat. So a worker whose own lease has expired
cannot know whether the others are dead, and waits for the length of another lease before it considers them
dead. Otherwise, each loss of the bucket's leader would move all shards to the worker that reaches the bucket
first.

Invariants:

- `owns` is True for at most one worker at a time, if all clocks run at about the same speed.
- After its lease has expired, a worker owns no shard until it has renewed its claim of the shard. So if
  another worker is about to claim the same shard, only one of the two changes succeeds.
- Heartbeats and claims contain no timestamps, so the clocks of the machines need not be synchronized.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from time import monotonic

from oms.cluster.log.replicated_log import UnavailableError
from oms.cluster.ownership.bucket import Bucket, ConflictError
from oms.cluster.ownership.registry import Claim, Heartbeat, ShardReport, read_registry
from oms.cluster.ownership.shards import ranked

__all__ = ["Membership", "ReplacedError"]

_log = logging.getLogger("oms.cluster")

_LONGEST_BEAT, _BEATS = 1.0, 5  # seconds between two heartbeats, and heartbeats in a short lease
_OWN_PART = 0.7  # the part of the lease for which a worker considers itself the owner
_FORGOTTEN = 100  # leases after which the entry of a dead worker is deleted


class ReplacedError(Exception):
    """Another worker has started under the same name, so this worker must end."""


class Membership:
    """The membership of one worker. `me` is its heartbeat, and `shards` are the names of all shards.

    Call `tick` every `beat_seconds` seconds. All methods except `owns` must be called from the same thread.
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
        self._released: dict[str, str | None] = {}  # releases that may not be stored yet, and heirs

    # ------------------------------------------------------------------ the lease

    @property
    def beat_seconds(self) -> float:
        """The time from one heartbeat to the next: a second, or less if the lease is short."""
        return min(_LONGEST_BEAT, self._lease_seconds / _BEATS)

    @property
    def remaining_seconds(self) -> float:
        """The seconds until this worker's lease ends without another heartbeat. Can be negative."""
        return self._renewed + self._lease_seconds * _OWN_PART - self._clock()

    def owns(self, shard: str) -> bool:
        """Return True if this worker may serve a shard as its owner now. This method is thread-safe. O(1)."""
        return shard in self.owned and self.remaining_seconds > 0

    def tick(self, reports: Mapping[str, ShardReport], *, is_leaving: bool = False) -> None:
        """Renew the lease, and read the entries of the other workers. `reports` are this worker's reports.

        With `is_leaving`, the other workers no longer wait for this worker to claim a shard.

        Raises UnavailableError if the bucket cannot be reached. Raises ReplacedError if another worker has
        started under the same name.
        """
        self.me = self.me._replace(is_leaving=is_leaving)
        began = self._clock()
        self._beat(reports)
        # Not before the heartbeat, which may have taken so long that another worker has claimed the shards.
        has_lapsed = self.remaining_seconds <= 0
        if has_lapsed:
            self._seen = {name: (heartbeat, self._clock()) for name, (heartbeat, _) in self._seen.items()}
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
        """Return the revision of the worker's heartbeat after a change that was not acknowledged."""
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
        """Record a claim, unless a later claim is recorded already. A read may return an old state."""
        if claim.revision >= self.claims[claim.shard].revision:
            self.claims[claim.shard] = claim

    # ------------------------------------------------------------------ the other workers

    def is_live(self, name: str | None) -> bool:
        """Return True if a worker's heartbeat has changed within the length of a lease. O(1)."""
        return name in self.workers and self._clock() - self._seen[name][1] < self._lease_seconds

    def live(self, *, standby: bool) -> list[str]:
        """Return the names of the live standbys, or of the other live workers, sorted. O(n log n).

        Workers that are about to end are not included.
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
        """Return the live worker that should own a shard, or None. It is never a standby."""
        names = ranked(self.live(standby=False), shard)
        return names[0] if names else None

    # ------------------------------------------------------------------ claims

    def _is_free(self, shard: str) -> bool:
        return self.owner(shard) is None and not self.claims[shard].is_of(self.me)

    def to_claim(self) -> list[str]:
        """Return the free shards that this worker should claim now.

        The live workers are ranked for each shard. The first worker in the ranking claims the shard at once.
        If the shard remains free, the others follow one after the other, some seconds apart. If the last
        owner has named an heir, the heir is first. Next are the standbys, because they are warm, and then the
        other workers. If the shard has never had an owner, the standbys are last.
        """
        now, chosen = self._clock(), list[str]()
        for shard, since in self._free_since.items():
            groups = [self.live(standby=True), self.live(standby=False)]
            if self.claims[shard].number == 0:
                groups.reverse()
            ranking = [name for group in groups for name in ranked(group, shard)]
            heir = self.claims[shard].heir
            if heir in ranking:
                ranking = [heir, *(name for name in ranking if name != heir)]
            if self.me.name in ranking:
                delay = ranking.index(self.me.name) * self._lease_seconds / 2
                if now - since >= delay:
                    chosen.append(shard)
        return chosen

    def claim(self, shard: str) -> bool:
        """Claim a free shard. Return False if another worker was faster, or if the last owner is alive.

        Raises UnavailableError if the outcome is unknown.
        """
        before = self.claims[shard]
        if self.remaining_seconds <= 0 or not self._is_free(shard) or self._has_woken(before):
            return False
        me = self.me
        after = before._replace(
            worker=me.name, incarnation=me.incarnation, url=me.url, number=before.number + 1, heir=None
        )
        self._released.pop(shard, None)
        if not self._replace(after):
            return False
        self._free_since.pop(shard, None)
        _log.info("%s has claimed shard %s", me.name, shard)
        return True

    def _has_woken(self, claim: Claim) -> bool:
        """Return True if the heartbeat of a claim's owner has changed since the last read."""
        entry = None if claim.worker is None else self._bucket.get(Heartbeat(claim.worker, "", "").key)
        if entry is None or claim.worker is None:
            return False
        heartbeat = read_registry({entry.key: entry}).workers.get(claim.worker)
        known = self._seen.get(claim.worker)
        is_same = heartbeat is not None and heartbeat.incarnation == claim.incarnation
        return is_same and (known is None or entry.revision > known[0].revision)

    def release(self, shard: str, heir: str | None = None) -> None:
        """Release a shard, so that another worker can claim it at once. `heir` may claim it first.

        Close the shard's journal first. If the bucket cannot be reached, the next tick releases the shard.
        """
        self.owned -= {shard}
        self._released[shard] = heir
        self._release(shard)

    def _release(self, shard: str) -> None:
        claim = self.claims[shard]
        if claim.is_of(self.me):
            heir = self._released.get(shard)
            self._replace(claim._replace(worker=None, incarnation=None, url=None, heir=heir))
        self._released.pop(shard, None)

    def _replace(self, claim: Claim) -> bool:
        """Replace the entry of a shard. Return False if another worker has changed it."""
        is_stored = self._put(claim)
        if not is_stored:
            entry = self._bucket.get(claim.key)
            if entry is not None:
                for present in read_registry({entry.key: entry}).claims.values():
                    self._note(present)
            present = self.claims[claim.shard]
            # An earlier attempt was stored, but not acknowledged. Another worker may have read it since then.
            if present[:5] == claim[:5] and claim.is_of(self.me):
                is_stored = self._put(present)
        owned = self.owned - {claim.shard}
        self.owned = owned | {claim.shard} if is_stored and claim.is_of(self.me) else owned
        return is_stored

    def _put(self, claim: Claim) -> bool:
        """Store a claim. Return False if its entry has another revision."""
        try:
            revision = self._bucket.put(claim.key, claim.encode(), claim.revision)
        except ConflictError:
            return False
        self._note(claim._replace(revision=revision))
        return True

    def forget(self) -> None:
        """Delete the heartbeats of workers that have been dead for a long time. Raises UnavailableError."""
        for name, worker in self.workers.items():
            if self._clock() - self._seen[name][1] > _FORGOTTEN * self._lease_seconds:
                try:
                    self._bucket.delete(worker.key, worker.revision)
                except ConflictError:
                    continue
