"""The lease of a worker, and its claims of shards, with a bucket in memory and a clock that tests move."""

from __future__ import annotations

from typing import Any

import pytest

from oms.cluster.log.replicated_log import UnavailableError
from oms.cluster.ownership.bucket import ConflictError, Entry
from oms.cluster.ownership.membership import Membership, ReplacedError
from support.members import SHARDS, Members, step
from support.memory_bucket import BucketFaults


@pytest.fixture
def cluster() -> Members:
    return Members()


def test_a_single_worker_claims_all_shards(cluster: Members) -> None:
    only = cluster.start("a")
    step(only)
    assert only.owned == set(SHARDS)
    assert all(only.owns(shard) for shard in SHARDS)


def test_each_shard_has_one_owner_when_several_workers_start_together(cluster: Members) -> None:
    members = [cluster.start(name) for name in "abc"]
    for member in members:
        member.tick({})
    cluster.run(6, *members)
    owned = [shard for member in members for shard in member.owned]
    assert sorted(owned) == list(SHARDS)
    for member in members:
        assert all(member.preferred(shard) == member.me.name for shard in member.owned)


def test_the_shards_of_a_silent_worker_are_claimed_when_its_lease_has_ended(cluster: Members) -> None:
    first, second = cluster.start("a"), cluster.start("b")
    cluster.run(1, first)
    cluster.run(1, second)
    cluster.run(4, second)
    assert second.owned == set()
    cluster.run(8, second)
    assert second.owned == set(SHARDS)


@pytest.mark.parametrize("lease", [1.0, 1.4, 2.0, 5.0, 300.0])
def test_an_owner_keeps_its_shards_and_is_replaced_when_it_dies_whatever_the_length_of_the_lease(
    cluster: Members, lease: float
) -> None:
    first, second = (cluster.start(name, lease_seconds=lease) for name in "ab")

    def run(leases: int, *members: Membership) -> None:
        end = cluster.clock.now + leases * lease
        while cluster.clock.now < end:
            cluster.clock.pause(first.beat_seconds)
            assert all(member.owns(shard) for member in members for shard in member.owned)
            step(*members)

    step(first)
    run(10, first, second)
    assert first.owned == set(SHARDS)
    run(4, second)
    assert second.owned == set(SHARDS)


def test_a_worker_no_longer_owns_its_shards_before_others_may_claim_them(cluster: Members) -> None:
    first, second = cluster.start("a"), cluster.start("b")
    cluster.run(1, first, second)
    cluster.run(1, first, second)
    [shard, *_] = first.owned | second.owned
    owner, other = (first, second) if first.owns(shard) else (second, first)
    seconds = 0
    while owner.owns(shard):
        cluster.run(1, other)
        assert not other.owns(shard)
        seconds += 1
    assert seconds == 4
    cluster.run(4, other)
    assert other.owns(shard)


def test_a_worker_that_wakes_after_its_lease_owns_nothing_that_another_one_has_claimed(
    cluster: Members,
) -> None:
    first, second = cluster.start("a"), cluster.start("b")
    cluster.run(1, first)
    cluster.run(12, second)
    assert second.owned == set(SHARDS)
    assert first.owned == set(SHARDS)  # it has not looked yet
    assert not any(first.owns(shard) for shard in SHARDS)
    first.tick({})
    assert first.owned == set()


def test_a_worker_that_wakes_before_anybody_has_claimed_its_shards_keeps_them(cluster: Members) -> None:
    first = cluster.start("a")
    cluster.run(1, first)
    cluster.clock.pause(100)
    assert not first.owns("s1")
    first.tick({})
    assert first.owned == set(SHARDS)
    assert first.owns("s1")


def test_a_worker_that_wakes_at_the_last_moment_keeps_its_shards_and_the_claim_of_the_other_fails(
    cluster: Members,
) -> None:
    first, second = cluster.start("a"), cluster.start("b")
    cluster.run(1, first)
    cluster.run(5, second)
    cluster.clock.pause(1.0)
    second.tick({})
    assert second.owner("s1") is None
    first.tick({})  # between the last read of the other worker and its claims
    assert not any(second.claim(shard) for shard in SHARDS)
    assert all(first.owns(shard) for shard in SHARDS)


def test_a_worker_whose_lease_expires_during_its_heartbeat_owns_nothing_that_another_one_has_claimed(
    cluster: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = cluster.start("a"), cluster.start("b")
    cluster.run(1, first)
    second.tick({})
    cluster.run(3, second)
    connection = cluster.connections[0]
    put, entries = connection.put, connection.entries()

    def slow(key: str, value: bytes, revision: int) -> int:
        monkeypatch.setattr(connection, "put", put)  # only once
        cluster.run(3, second)
        return put(key, value, revision)

    monkeypatch.setattr(connection, "put", slow)
    monkeypatch.setattr(connection, "entries", lambda: entries)  # a server that lags behind
    first.tick({})
    assert second.owned == set(SHARDS)
    assert first.owned == set()


def test_a_renewal_that_was_not_acknowledged_is_repeated_so_that_no_other_worker_replaces_it(
    cluster: Members,
) -> None:
    first = cluster.start("a")
    cluster.run(1, first)
    claim = first.claims["s1"]
    stored = cluster.bucket.store(claim.key, claim.encode(), claim.revision)  # without an acknowledgement
    cluster.connections[0].entries = lambda: before  # type: ignore[method-assign]  # a server that lags behind
    before = {claim.key: Entry(claim.key, claim.encode(), claim.revision)}
    cluster.clock.pause(100)
    first.tick({})
    assert first.owns("s1")
    with pytest.raises(ConflictError):
        cluster.bucket.store(claim.key, b"the claim of another worker", stored)


def test_a_claim_is_rejected_if_the_owner_renews_its_claims_during_it(cluster: Members) -> None:
    first, second = cluster.start("a"), cluster.start("b")
    cluster.run(1, first)
    cluster.run(5, second)
    cluster.clock.pause(1.0)
    second.tick({})
    assert second.owner("s1") is None
    connection = cluster.connections[1]
    get = connection.get

    def late(key: str) -> Any:
        entry = get(key)
        connection.get = get  # type: ignore[method-assign]  # only once
        first.tick({})
        return entry

    connection.get = late  # type: ignore[method-assign]  # see above
    assert not second.claim("s1")
    assert first.owns("s1")


def test_a_worker_that_starts_again_under_its_name_does_not_own_the_shards_that_it_had_before(
    cluster: Members,
) -> None:
    first = cluster.start("a")
    cluster.run(1, first)
    again = cluster.start("a")
    again.tick({})
    assert again.owned == set()
    cluster.run(1, again)
    assert again.owned == set(SHARDS)
    with pytest.raises(ReplacedError, match="another worker has started under the name a"):
        first.tick({})
    assert not first.owns("s1") or cluster.clock.now < 5


def test_a_released_shard_is_claimed_at_once_by_the_worker_that_should_own_it(cluster: Members) -> None:
    first = cluster.start("w1")
    cluster.run(1, first)
    second = cluster.start("w2")
    cluster.run(2, first, second)
    shard = next(shard for shard in SHARDS if first.preferred(shard) == "w2")
    first.release(shard)
    assert not first.owns(shard)
    cluster.run(1, first, second)
    assert second.owns(shard)


def test_a_shard_that_is_handed_over_goes_to_its_heir_although_a_standby_waits(cluster: Members) -> None:
    first = cluster.start("w1")
    cluster.run(1, first)
    second, standby = cluster.start("w2"), cluster.start("z", standby=True)
    cluster.run(2, standby, first, second)
    first.release("s1", "w2")
    cluster.run(2, standby, first, second)
    assert second.owns("s1")
    assert second.claims["s1"].heir is None


def test_a_standby_claims_a_shard_whose_heir_is_dead(cluster: Members) -> None:
    first = cluster.start("w1")
    cluster.run(1, first)
    standby = cluster.start("z", standby=True)
    cluster.run(2, standby, first)
    first.release("s1", "w2")
    cluster.run(1, standby, first)
    assert standby.owns("s1")


def test_a_release_that_could_not_be_stored_is_stored_by_the_next_tick(cluster: Members) -> None:
    first = cluster.start("a")
    cluster.run(1, first)
    cluster.connections[0].faults = BucketFaults(lost_request=1.0)
    with pytest.raises(UnavailableError):
        first.release("s1")
    assert not first.owns("s1")
    cluster.connections[0].faults = BucketFaults()
    first.tick({})
    assert "s1" not in first.owned
    assert first.claims["s1"].worker is None


def test_a_claim_whose_acknowledgement_was_lost_is_found_by_the_next_tick(cluster: Members) -> None:
    first = cluster.start("a")
    first.tick({})
    cluster.connections[0].faults = BucketFaults(lost_acknowledgement=1.0)
    with pytest.raises(UnavailableError):
        first.claim("s1")
    cluster.connections[0].faults = BucketFaults()
    first.tick({})
    assert first.owns("s1")


def test_the_standby_claims_the_shards_of_a_dead_worker_before_the_others(cluster: Members) -> None:
    first, second = cluster.start("a"), cluster.start("b")
    standby = cluster.start("z", standby=True)
    for member in (first, second, standby):
        member.tick({})
    cluster.run(6, first, second, standby)
    lost = first.owned
    assert standby.owned == set()
    cluster.run(7, second, standby)
    assert standby.owned == lost


def test_a_standby_alone_claims_shards_that_never_had_an_owner(cluster: Members) -> None:
    standby = cluster.start("z", standby=True)
    cluster.run(1, standby)
    assert standby.owned == set(SHARDS)


def test_the_others_do_not_wait_for_a_worker_that_leaves_to_claim_a_shard(cluster: Members) -> None:
    first, second = cluster.start("a"), cluster.start("b")
    cluster.run(3, first, second)
    first.tick({}, is_leaving=True)
    for shard in sorted(first.owned):
        first.release(shard)
    cluster.run(1, second)
    assert second.owned == set(SHARDS)
    assert not first.owned


def test_the_heartbeat_of_a_worker_that_is_dead_for_long_is_deleted(cluster: Members) -> None:
    first, second = cluster.start("a"), cluster.start("b")
    cluster.run(1, first, second)
    cluster.run(520, second)
    second.forget()
    assert cluster.connections[0].get("worker.a") is None
    first.tick({})  # it wakes after all
    assert cluster.connections[0].get("worker.a") is not None


def test_a_stale_read_does_not_make_a_live_worker_dead(cluster: Members) -> None:
    first, second = cluster.start("a"), cluster.start("b")
    cluster.run(2, first, second)
    owned = first.owned, second.owned
    entries = cluster.connections[1].entries()
    for _ in range(8):
        cluster.clock.pause(1.0)
        first.tick({})
        connection = cluster.connections[1]
        connection.entries = lambda: entries  # type: ignore[method-assign]  # the state of long ago
        step(second)
    assert (first.owned, second.owned) == owned


def test_a_bucket_without_a_leader_moves_no_shards(cluster: Members) -> None:
    first, second = cluster.start("a"), cluster.start("b", standby=True)
    cluster.run(3, first, second)
    for connection in cluster.connections:
        connection.faults = BucketFaults(lost_request=1.0)
    for _ in range(20):
        cluster.clock.pause(1.0)
        for member in (first, second):
            with pytest.raises(UnavailableError):
                member.tick({})
    for connection in cluster.connections:
        connection.faults = BucketFaults()
    cluster.run(2, second)  # it reaches the bucket first
    assert second.owned == set()
    cluster.run(1, first, second)
    assert all(first.owns(shard) for shard in SHARDS)


def test_a_worker_that_dies_while_the_bucket_has_no_leader_is_replaced_after_another_lease(
    cluster: Members,
) -> None:
    first, second = cluster.start("a"), cluster.start("b")
    cluster.run(1, first)
    cluster.run(1, second)
    cluster.connections[1].faults = BucketFaults(lost_request=1.0)
    cluster.clock.pause(10.0)
    with pytest.raises(UnavailableError):
        second.tick({})
    cluster.connections[1].faults = BucketFaults()
    cluster.run(5, second)
    assert second.owned == set()
    cluster.run(8, second)
    assert second.owned == set(SHARDS)


def test_an_unreachable_bucket_ends_the_lease_until_the_next_heartbeat(cluster: Members) -> None:
    only = cluster.start("a")
    cluster.run(1, only)
    cluster.connections[0].faults = BucketFaults(lost_request=1.0)
    for _ in range(5):
        cluster.clock.pause(1.0)
        with pytest.raises(UnavailableError):
            only.tick({})
    assert not only.owns("s1")
    cluster.connections[0].faults = BucketFaults()
    only.tick({})
    assert only.owns("s1")
