"""Memberships in one process, with a bucket in memory and a clock that tests move."""

from __future__ import annotations

from itertools import count

from oms.cluster.ownership.membership import Membership
from oms.cluster.ownership.registry import Heartbeat
from support.memory_bucket import BucketConnection, BucketFaults, MemoryBucket
from support.replicated_log import Clock

__all__ = ["SHARDS", "Members", "step"]

SHARDS = ("s1", "s2", "s3")


class Members:
    """A bucket, a clock, and the memberships that share both."""

    def __init__(self) -> None:
        self.bucket, self.clock, self.lives = MemoryBucket(), Clock(), count(1)
        self.connections: list[BucketConnection] = []

    def start(
        self,
        name: str,
        *,
        standby: bool = False,
        faults: BucketFaults | None = None,
        lease_seconds: float = 5.0,
    ) -> Membership:
        number = next(self.lives)
        connection = BucketConnection(self.bucket, faults, number)
        self.connections.append(connection)
        me = Heartbeat(name, f"life {number}", f"http://{name}", standby)
        return Membership(connection, me, SHARDS, lease_seconds=lease_seconds, clock=self.clock)

    def run(self, seconds: int, *members: Membership) -> None:
        """Let some seconds pass, in which these members renew their leases and claim what is free."""
        for _ in range(seconds):
            self.clock.pause(1.0)
            step(*members)


def step(*members: Membership) -> None:
    for member in members:
        member.tick({})
    for member in members:
        for shard in member.to_claim():
            member.claim(shard)
