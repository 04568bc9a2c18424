"""The addresses of the workers, read from the registry of the cluster."""

from __future__ import annotations

import asyncio

from oms.cluster.gateway.registry_members import RegistryMembers
from oms.cluster.registry import Claim
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
