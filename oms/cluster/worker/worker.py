"""The decisions of a worker: which shards it follows, claims, serves, and releases.

Three loops run concurrently, because each of them may have to wait. The first loop renews the lease and makes
the decisions. The second one follows the logs. The third one computes state hashes and saves snapshots. An
executor opens, promotes, and closes the worker's copies (replicas) of shards.

A worker has a copy of each shard that it owns. It also follows the shards that it should own, so that its
copies are warm (almost up to date) when the current owner hands these shards over. A standby follows all
shards.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from functools import partial
from time import monotonic

from oms.cluster.log.replicated_log import UnavailableError
from oms.cluster.ownership.membership import Membership, ReplacedError
from oms.cluster.ownership.registry import ShardReport
from oms.cluster.worker.replica import Replica
from oms.errors import OmsError

__all__ = ["MOST_OPENINGS", "Worker"]

MOST_OPENINGS = 3
"""A worker opens at most this many shards at once. Its executor needs more threads for promotions."""

_log = logging.getLogger("oms.cluster")

_REFUSED_SECONDS = 10.0  # how long a shard is not claimed again after it could not be opened
_MOST_BEHIND = 1_000  # messages that a warm follower may lack when the owner hands a shard over


class Worker:
    """A worker of a cluster: it claims, follows, and serves shards.

    `membership` is the worker's place in the cluster. `open_replica` opens a copy of a shard that follows the
    log. `executor` runs the opening, the promotion, and the closing of copies. Call `step` every
    `membership.beat_seconds` seconds from one thread, `follow` often from another, and `hash` from a third.
    """

    def __init__(
        self,
        membership: Membership,
        open_replica: Callable[[str], Replica],
        executor: Executor,
        *,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.membership = membership
        self.replicas: dict[str, Replica] = {}
        self._open_replica = open_replica
        self._executor = executor
        self._clock = clock
        self._opening: dict[str, Future[Replica]] = {}
        self._promoting: dict[str, Future[None]] = {}
        self._closing: dict[str, Future[None]] = {}
        self._heirs: dict[str, str | None] = {}  # who may claim a shard first, after its copy is closed
        self._refused: dict[str, float] = {}  # when a shard may be claimed again

    def owns(self, shard: str) -> bool:
        """Return True if this worker may serve a shard as its owner now. This method is thread-safe. O(1)."""
        replica = self.replicas.get(shard)
        is_served = replica is not None and replica.is_owner and not replica.is_closed
        return is_served and self.membership.owns(shard)

    @property
    def unable(self) -> list[str]:
        """The sorted shards that this worker failed to open or take over in the last ten seconds."""
        now = self._clock()
        return sorted(shard for shard, end in self._refused.items() if now < end)

    @property
    def is_busy(self) -> bool:
        """True while copies are being opened, promoted, or closed. Then call `step` sooner."""
        return bool(self._opening or self._promoting or self._closing)

    def step(self) -> None:
        """Renew the lease, and open, claim, take over, hand over, and close copies of shards as needed.

        Raises UnavailableError if the bucket cannot be reached, and ReplacedError if another worker has
        started under the same name.
        """
        self.membership.tick(self._reports())
        for shard, replica in self.replicas.items():
            owner = self.membership.owner(shard)
            replica.compare(None if owner is None else owner.shards.get(shard))
        self._finish()
        self._close_unwanted()
        self._claim()
        self._open_wanted()
        self._promote()
        self._hand_over()
        self.membership.forget()

    def follow(self) -> None:
        """Let each follower apply the messages that its owner has appended."""
        for shard, replica in list(self.replicas.items()):
            try:
                replica.follow()
            except OmsError as error:
                if not replica.is_closed:
                    _log.warning("shard %s cannot be followed at present: %s", shard, error)

    def hash(self) -> None:
        """Compute the state hashes that are due, and save the snapshots that are due."""
        for shard, replica in list(self.replicas.items()):
            for call in (replica.compute_hash, replica.save_snapshot):
                try:
                    call()
                except OmsError as error:
                    if not replica.is_closed:
                        _log.warning("shard %s has no state hash or snapshot: %s", shard, error)

    def stop(self) -> None:
        """Release all shards, so that the other workers take over at once."""
        with suppress(UnavailableError, ReplacedError):
            self.membership.tick(self._reports(), is_leaving=True)
        for opening in self._opening.values():
            if not opening.cancel():  # it has begun
                opening.add_done_callback(_close_opened)
        for replica in self.replicas.values():
            replica.close()
        self.replicas.clear()
        try:
            for shard in sorted(self.membership.owned):
                self.membership.release(shard)
        except UnavailableError as error:
            _log.warning("the other workers will take over when the lease expires: %s", error)

    # ------------------------------------------------------------------ the parts of a step

    def _reports(self) -> dict[str, ShardReport]:
        reports: dict[str, ShardReport] = {}
        for shard, replica in self.replicas.items():
            with suppress(OmsError):  # the copy is being closed
                reports[shard] = replica.report()
        return reports

    def _finish(self) -> None:
        """Record which copies the executor has opened, promoted, and closed."""
        for shard, opened in list(self._opening.items()):
            if opened.done():
                del self._opening[shard]
                error = opened.exception()
                if error is None:
                    self.replicas[shard] = opened.result()
                else:
                    self._refuse(shard, "opened", error)
        for shard, promoted in list(self._promoting.items()):
            if promoted.done():
                del self._promoting[shard]
                error = promoted.exception()
                if error is not None:
                    self._refuse(shard, "taken over", error)
        for shard, closed in list(self._closing.items()):
            if closed.done():
                del self._closing[shard]
                if shard in self._heirs:
                    self.membership.release(shard, self._heirs.pop(shard))

    def _refuse(self, shard: str, action: str, error: BaseException) -> None:
        """Release a shard that this worker cannot serve. Another worker may be able to serve it."""
        _log.error("shard %s cannot be %s: %s", shard, action, error)
        self._refused[shard] = self._clock() + _REFUSED_SECONDS
        replica = self.replicas.get(shard)
        if replica is None and shard in self.membership.owned:
            self.membership.release(shard)
        elif replica is not None:
            self._heirs[shard] = None
            self._close(shard, replica)

    def _close_unwanted(self) -> None:
        """Close the copies that are no longer owners, and the copies that this worker no longer needs."""
        for shard, replica in list(self.replicas.items()):
            owned = shard in self.membership.owned
            if replica.is_fenced or (replica.is_owner and not owned):
                _log.warning("shard %s has a new owner", shard)
                self._close(shard, replica)
            elif not owned and not self._follows(shard) and shard not in self._promoting:
                self._close(shard, replica)

    def _close(self, shard: str, replica: Replica) -> None:
        """Close a copy in the executor, because closing waits for the change that is being stored."""
        replica.is_closed = True
        self.replicas.pop(shard, None)
        self._closing[shard] = self._executor.submit(replica.close)

    def _follows(self, shard: str) -> bool:
        me = self.membership.me
        return me.is_standby or self.membership.preferred(shard) == me.name

    def _claim(self) -> None:
        for shard in self.membership.to_claim():
            if self._is_able(shard):
                self.membership.claim(shard)

    def _is_able(self, shard: str) -> bool:
        replica = self.replicas.get(shard)
        return shard not in self.unable and (replica is None or replica.problem is None)

    def _open_wanted(self) -> None:
        owned = self.membership.owned
        for shard in sorted(self.membership.shards, key=lambda shard: shard not in owned):
            is_wanted = shard in owned or self._follows(shard)
            is_known = shard in self.replicas or shard in self._opening or shard in self._closing
            if is_wanted and not is_known and self._is_able(shard):
                if sum(not opening.done() for opening in self._opening.values()) >= MOST_OPENINGS:
                    return
                self._opening[shard] = self._executor.submit(self._open_replica, shard)

    def _promote(self) -> None:
        for shard in sorted(self.membership.owned):
            replica = self.replicas.get(shard)
            if replica is not None and not replica.is_owner and shard not in self._promoting:
                name, owns = self.membership.me.name, partial(self.membership.owns, shard)
                self._promoting[shard] = self._executor.submit(replica.promote, name, owns)

    def _hand_over(self) -> None:
        """Give one shard to the worker that should own it, if that worker is warm."""
        if self.membership.me.is_standby:
            return
        for shard in sorted(self.membership.owned):
            preferred, replica = self.membership.preferred(shard), self.replicas.get(shard)
            if preferred in (None, self.membership.me.name) or replica is None or not replica.is_owner:
                continue
            report = self.membership.workers[str(preferred)].shards.get(shard)
            if report is None or report.is_owner or report.problem is not None:
                continue
            if replica.report().position - report.position <= _MOST_BEHIND:
                _log.info("shard %s is handed over to %s", shard, preferred)
                self._heirs[shard] = preferred
                self._close(shard, replica)
                return


def _close_opened(opening: Future[Replica]) -> None:
    """Close a copy that was still being opened when its worker ended."""
    if opening.exception() is None:
        opening.result().close()
