"""A bucket of a real cluster and one in memory do what a bucket promises."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from oms import JournalError
from oms.cluster.bucket import Bucket, ConflictError, Entry
from oms.cluster.jetstream_bucket import JetStreamBucket
from oms.cluster.replicated_log import UnavailableError
from support.memory_bucket import BucketConnection, MemoryBucket
from support.nats_cluster import NatsCluster


@pytest.fixture(params=["memory", pytest.param("cluster", marks=pytest.mark.long)])
def bucket(request: pytest.FixtureRequest, shard: str) -> Iterator[Bucket]:
    if request.param == "memory":
        yield BucketConnection(MemoryBucket())
        return
    cluster: NatsCluster = request.getfixturevalue("nats_cluster")
    bucket = JetStreamBucket(cluster.urls, shard)
    yield bucket
    bucket.close()


def settled(bucket: Bucket, length: int) -> dict[str, Entry]:
    """Return all entries, after the machine that answers has got the latest ones."""
    while len(entries := dict(bucket.entries())) != length:
        pass
    return entries


def test_an_entry_is_read_as_it_was_put(bucket: Bucket) -> None:
    assert (dict(bucket.entries()), bucket.get("worker.a")) == ({}, None)
    revision = bucket.put("worker.a", b"1", 0)
    assert bucket.get("worker.a") == Entry("worker.a", b"1", revision)
    assert settled(bucket, 1) == {"worker.a": Entry("worker.a", b"1", revision)}


def test_only_an_entry_with_the_expected_revision_is_replaced(bucket: Bucket) -> None:
    first = bucket.put("a", b"1", 0)
    with pytest.raises(ConflictError):
        bucket.put("a", b"2", 0)
    second = bucket.put("a", b"3", first)
    assert second > first
    with pytest.raises(ConflictError):
        bucket.put("a", b"4", first)
    with pytest.raises(ConflictError):
        bucket.delete("a", first)
    assert bucket.get("a") == Entry("a", b"3", second)


def test_a_deleted_entry_can_be_created_again(bucket: Bucket) -> None:
    bucket.put("b", b"kept", 0)
    revision = bucket.put("a", b"1", 0)
    bucket.delete("a", revision)
    assert bucket.get("a") is None
    assert settled(bucket, 1).keys() == {"b"}
    assert bucket.put("a", b"2", 0) > revision
    assert settled(bucket, 2)["a"].value == b"2"


def test_a_closed_bucket_is_unavailable(bucket: Bucket) -> None:
    bucket.close()
    bucket.close()
    for call in (bucket.entries, lambda: bucket.get("a"), lambda: bucket.put("a", b"", 0)):
        with pytest.raises(UnavailableError):
            call()


@pytest.mark.long
def test_a_bucket_that_is_only_read_must_exist(nats_cluster: NatsCluster, shard: str) -> None:
    with pytest.raises(JournalError, match="it does not exist; start a worker first"):
        JetStreamBucket(nats_cluster.urls, shard, create=False)


@pytest.mark.long
def test_two_programs_can_create_a_bucket_at_the_same_time(nats_cluster: NatsCluster, shard: str) -> None:
    first, second = (JetStreamBucket(nats_cluster.urls, shard) for _ in range(2))
    revision = first.put("a", b"1", 0)
    assert second.get("a") == Entry("a", b"1", revision)
    first.close()
    second.close()
