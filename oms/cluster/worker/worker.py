"""The decisions of a worker: which shards it follows, claims, serves, and gives up.

Three loops run beside each other, because each of them may have to wait: one renews the lease and decides,
one follows the logs, and one computes hashes. Copies are opened, promoted, and closed by an executor.

A worker holds a copy of each shard that it owns. It also follows the shards that it should own, so that it is
warm when the present owner hands over. A standby follows all shards.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from time import monotonic

from oms.cluster.membership import Membership
from oms.cluster.registry import ShardReport
from oms.cluster.replicated_log import UnavailableError
from oms.cluster.worker.replica import Replica
from oms.errors import OmsError

__all__ = ["Worker"]

_log = logging.getLogger("oms.cluster")

_REFUSED_SECONDS = 10.0  # for which a shard is not claimed again after it could not be opened
_MOST_BEHIND = 1_000  # messages that a follower may lack when the owner hands over


class Worker:
    """A worker with this membership. `open_replica` opens a follower of a shard.

    `executor` opens, promotes, and closes copies. Call `step` once a second from one thread, `follow` often
    from another, and `hash` from a third one.
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
        self._handed_over: set[str] = set()  # shards to release when they are closed
        self._refused: dict[str, float] = {}  # when a shard may be claimed again

    def owns(self, shard: str) -> bool:
        """Return True if this worker may answer for a shard now. It is thread-safe. O(1)."""
        replica = self.replicas.get(shard)
        is_served = replica is not None and replica.is_owner and not replica.is_closed
        return is_served and self.membership.owns(shard)

    def step(self) -> None:
        """Renew the lease, and do what follows from the state of the cluster.

        Raises UnavailableError if the bucket cannot be reached, and ReplacedError if another worker has the
        name of this one.
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
        """Let each follower read what its owner has appended."""
        for shard, replica in list(self.replicas.items()):
            try:
                replica.follow()
            except OmsError as error:
                if not replica.is_closed:
                    _log.warning("shard %s cannot be followed at present: %s", shard, error)

    def hash(self) -> None:
        """Compute the state hashes that are due."""
        for shard, replica in list(self.replicas.items()):
            try:
                replica.compute_hash()
            except OmsError as error:
                _log.warning("the state hash of shard %s is not known: %s", shard, error)

    def stop(self) -> None:
        """Give up all shards, and leave. The other workers take over at once."""
        with suppress(UnavailableError):
            self.membership.tick(self._reports(), is_leaving=True)
        for replica in self.replicas.values():
            replica.close()
        self.replicas.clear()
        try:
            for shard in sorted(self.membership.owned):
                self.membership.release(shard)
        except UnavailableError as error:
            _log.warning("the others will take over when the lease ends: %s", error)

    # ------------------------------------------------------------------ the parts of a step

    def _reports(self) -> dict[str, ShardReport]:
        reports: dict[str, ShardReport] = {}
        for shard, replica in self.replicas.items():
            with suppress(OmsError):  # it is being closed
                reports[shard] = replica.report()
        return reports

    def _finish(self) -> None:
        """Take what the executor has finished."""
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
                if shard in self._handed_over:
                    self._handed_over.discard(shard)
                    self.membership.release(shard)

    def _refuse(self, shard: str, action: str, error: BaseException) -> None:
        """Give up a shard that cannot be served here. Another worker may be able to serve it."""
        _log.error("shard %s cannot be %s: %s", shard, action, error)
        self._refused[shard] = self._clock() + _REFUSED_SECONDS
        replica = self.replicas.get(shard)
        if replica is None and shard in self.membership.owned:
            self.membership.release(shard)
        elif replica is not None:
            self._handed_over.add(shard)
            self._close(shard, replica)

    def _close_unwanted(self) -> None:
        """Close the copies that were replaced by another owner, and those that nobody needs here."""
        for shard, replica in list(self.replicas.items()):
            owned = shard in self.membership.owned
            if replica.is_fenced or (replica.is_owner and not owned):
                _log.warning("shard %s has another owner now", shard)
                self._close(shard, replica)
            elif not owned and not self._follows(shard) and shard not in self._promoting:
                self._close(shard, replica)

    def _close(self, shard: str, replica: Replica) -> None:
        """Close a copy. This waits for the change that is being stored, so the executor does it."""
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
        is_refused = self._clock() < self._refused.get(shard, -math.inf)
        return not is_refused and (replica is None or replica.problem is None)

    def _open_wanted(self) -> None:
        for shard in self.membership.shards:
            is_wanted = shard in self.membership.owned or self._follows(shard)
            is_known = shard in self.replicas or shard in self._opening or shard in self._closing
            if is_wanted and not is_known and self._is_able(shard):
                self._opening[shard] = self._executor.submit(self._open_replica, shard)

    def _promote(self) -> None:
        for shard in sorted(self.membership.owned):
            replica = self.replicas.get(shard)
            if replica is not None and not replica.is_owner and shard not in self._promoting:
                name = self.membership.me.name
                self._promoting[shard] = self._executor.submit(replica.promote, name)

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
                self._handed_over.add(shard)
                self._close(shard, replica)
                return
