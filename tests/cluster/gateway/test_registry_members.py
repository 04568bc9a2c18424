"""The addresses of the workers, read from the registry of the cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from oms.cluster.gateway.registry_members import RegistryMembers
from oms.cluster.ownership.registry import Claim, Heartbeat, ShardReport
from support.memory_bucket import BucketConnection, BucketFaults, MemoryBucket


def put(bucket: MemoryBucket, shard: str, url: str | None) -> None:
    """Let a worker claim a shard, or release it."""
    claim = Claim(shard, None if url is None else "w", "life", url)
    _, revision = bucket.values.get(claim.key, (None, 0))
    bucket.store(claim.key, claim.encode(), revision)


def test_the_address_of_a_shard_is_that_of_the_worker_that_has_claimed_it() -> None:
    bucket = MemoryBucket()
    put(bucket, "s1", "http://one:8081")
    put(bucket, "other", "http://one:8081")
    members = RegistryMembers(BucketConnection(bucket), ["s1", "s2"], seconds=60)
    try:
        addresses = [members.address(shard) for shard in ("s1", "s2", "other")]
        assert addresses == ["http://one:8081/shards/s1", None, None]
        put(bucket, "s1", None)
        put(bucket, "s2", "http://two:8081")
        members.refresh()
        assert [members.address(shard) for shard in ("s1", "s2")] == [None, "http://two:8081/shards/s2"]
    finally:
        members.close()


def test_an_old_state_of_the_registry_does_not_bring_back_a_former_owner() -> None:
    bucket = MemoryBucket()
    for number in range(6):
        put(bucket, "s1", f"http://worker-{number}")
    connection = BucketConnection(bucket, BucketFaults())
    members = RegistryMembers(connection, ["s1"], seconds=60)
    try:
        connection.faults = BucketFaults(stale=1.0)
        for _ in range(20):
            members.refresh()
            assert members.address("s1") == "http://worker-5/shards/s1"
    finally:
        members.close()


def test_the_last_addresses_stay_valid_while_the_registry_cannot_be_read() -> None:
    bucket = MemoryBucket()
    put(bucket, "s1", "http://one")
    connection = BucketConnection(bucket)
    members = RegistryMembers(connection, ["s1"], seconds=60)
    try:
        connection.faults = BucketFaults(unreadable=1.0)
        members.refresh()
        assert members.address("s1") == "http://one/shards/s1"
    finally:
        members.close()


def test_a_waiting_request_continues_when_another_worker_has_claimed_the_shard() -> None:
    bucket = MemoryBucket()
    members = RegistryMembers(BucketConnection(bucket), ["s1"], seconds=0.001)
    try:

        async def main() -> None:
            waiting = asyncio.create_task(members.changed("s1", None))
            await asyncio.sleep(0)
            put(bucket, "s1", "http://one")
            await asyncio.wait_for(waiting, 30)

        asyncio.run(main())
        assert members.address("s1") == "http://one/shards/s1"
    finally:
        members.close()
    members.close()


class Beating:
    """Standbys whose heartbeats are in a bucket, and the members that read them. Time passes in `pause`."""

    def __init__(self) -> None:
        self.bucket, self.now = MemoryBucket(), 0.0
        self.connection = BucketConnection(self.bucket)
        self.members = RegistryMembers(self.connection, ["s1", "s2"], seconds=60, clock=lambda: self.now)

    def beat(self, name: str, **fields: Any) -> None:
        """Replace a heartbeat. By default, it is that of a standby that follows only the shard s1."""
        shards = fields.pop("shards", {"s1": ShardReport(False, 1, 1)})
        heartbeat = Heartbeat(name, "life", f"http://{name}", True, shards=shards)._replace(**fields)
        _, revision = self.bucket.values.get(heartbeat.key, (None, 0))
        self.bucket.store(heartbeat.key, heartbeat.encode(), revision)
        self.members.refresh()

    def pause(self, seconds: float) -> None:
        self.now += seconds
        self.members.refresh()

    @property
    def standbys(self) -> list[str | None]:
        return [self.members.standby(shard) for shard in ("s1", "s2")]


@pytest.fixture
def beating() -> Iterator[Beating]:
    beating = Beating()
    yield beating
    beating.members.close()


def test_a_standby_is_read_from_while_its_heartbeat_changes(beating: Beating) -> None:
    assert beating.standbys == [None, None]
    beating.beat("z")
    for _ in range(5):
        beating.pause(4.0)
        assert beating.standbys == ["http://z/shards/s1", None]
        beating.beat("z")
    beating.pause(5.0)
    assert beating.standbys == [None, None]
    beating.beat("z")
    assert beating.standbys == ["http://z/shards/s1", None]


def test_a_standby_is_silent_while_the_registry_cannot_be_read(beating: Beating) -> None:
    beating.beat("z")
    beating.connection.faults = BucketFaults(unreadable=1.0)
    beating.pause(4.0)
    assert beating.standbys == ["http://z/shards/s1", None]
    beating.pause(1.0)
    assert beating.standbys == [None, None]
    beating.connection.faults = BucketFaults()
    beating.beat("z")
    assert beating.standbys == ["http://z/shards/s1", None]


def test_of_several_standbys_each_shard_has_one_until_it_is_silent(beating: Beating) -> None:
    reports = {shard: ShardReport(False, 1, 1) for shard in ("s1", "s2")}
    for name in ("w", "x", "y", "z"):
        beating.beat(name, shards=reports)
    before = beating.standbys
    beating.pause(1.0)
    assert beating.standbys == before
    assert None not in before
    for name in ("w", "x", "y", "z"):
        if before[0] != f"http://{name}/shards/s1":
            beating.beat(name, shards=reports)
    beating.pause(4.5)
    assert beating.standbys[0] not in (None, before[0])


@pytest.mark.parametrize(
    "fields",
    [
        {"is_standby": False},
        {"is_leaving": True},
        {"shards": {}},
        {"shards": {"s1": ShardReport(True, 1, 1)}},
        {"shards": {"s1": ShardReport(False, 1, 1, problem="its state differs")}},
    ],
    ids=["worker", "leaving", "empty", "owner", "wrong"],
)
def test_only_a_following_standby_without_a_problem_is_read_from(
    beating: Beating, fields: dict[str, Any]
) -> None:
    beating.beat("z", **fields)
    assert beating.standbys == [None, None]
