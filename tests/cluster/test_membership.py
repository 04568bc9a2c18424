"""The lease of a worker, and its claims of shards, with a bucket in memory and a clock that tests move."""

from __future__ import annotations

from contextlib import suppress
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from oms.cluster.membership import Membership, ReplacedError
from oms.cluster.registry import Heartbeat
from oms.cluster.replicated_log import UnavailableError
from support.memory_bucket import BucketConnection, BucketFaults, MemoryBucket
from support.replicated_log import Clock

SHARDS = ("s1", "s2", "s3")


class Members:
    """A bucket, a clock, and the memberships that share both."""

    def __init__(self) -> None:
        self.bucket, self.clock, self.lives = MemoryBucket(), Clock(), count(1)
        self.connections: list[BucketConnection] = []

    def start(self, name: str, *, standby: bool = False, faults: BucketFaults | None = None) -> Membership:
        number = next(self.lives)
        connection = BucketConnection(self.bucket, faults, number)
        self.connections.append(connection)
        me = Heartbeat(name, f"life {number}", f"http://{name}", standby)
        return Membership(connection, me, SHARDS, clock=self.clock)

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


def test_a_worker_stops_to_own_its_shards_before_others_may_claim_them(cluster: Members) -> None:
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
    cluster.run(4, second)
    cluster.clock.pause(5.0)
    second.tick({})
    first.tick({})  # between the last read of the other worker and its claims
    assert not any(second.claim(shard) for shard in SHARDS)
    assert all(first.owns(shard) for shard in SHARDS)


def test_a_claim_is_rejected_if_the_owner_renews_its_claims_during_it(cluster: Members) -> None:
    first, second = cluster.start("a"), cluster.start("b")
    cluster.run(1, first)
    cluster.run(4, second)
    cluster.clock.pause(5.0)
    second.tick({})
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


def test_a_worker_that_starts_again_under_its_name_does_not_own_the_shards_of_its_former_life(
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


def test_a_worker_that_leaves_is_expected_to_claim_nothing(cluster: Members) -> None:
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
    cluster.clock.pause(600)
    second.tick({})
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


def test_an_unreachable_bucket_ends_the_lease_and_the_claims_come_back_with_it(cluster: Members) -> None:
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


FAULTS = BucketFaults(*[0.1] * len(BucketFaults._fields))


class MembershipMachine(RuleBasedStateMachine):
    """Workers that step, are stopped for any time, and start again, over a bucket with faults."""

    def __init__(self) -> None:
        super().__init__()
        self.cluster = Members()
        self.members = {
            name: self.cluster.start(name, standby=name == "z", faults=FAULTS) for name in ("a", "b", "z")
        }

    @rule(seconds=st.sampled_from([0.1, 0.5, 1.0, 2.0, 4.0, 10.0]))
    def time_passes(self, seconds: float) -> None:
        self.cluster.clock.pause(seconds)

    @rule(name=st.sampled_from("abz"))
    def ticks(self, name: str) -> None:
        with suppress(UnavailableError):
            self.members[name].tick({})

    @rule(name=st.sampled_from("abz"))
    def claims(self, name: str) -> None:
        """A worker may also claim what it has read long ago."""
        member = self.members[name]
        with suppress(UnavailableError):
            for shard in member.to_claim():
                member.claim(shard)

    @rule(name=st.sampled_from("abz"), shard=st.sampled_from(SHARDS))
    def releases(self, name: str, shard: str) -> None:
        if shard in self.members[name].owned:
            with suppress(UnavailableError):
                self.members[name].release(shard)

    @rule(name=st.sampled_from("abz"))
    def starts_again(self, name: str) -> None:
        self.members[name] = self.cluster.start(name, standby=name == "z", faults=FAULTS)

    @rule()
    def a_late_request_arrives(self) -> None:
        self.cluster.bucket.deliver()

    @invariant()
    def each_shard_has_at_most_one_owner(self) -> None:
        for shard in SHARDS:
            owners = [name for name, member in self.members.items() if member.owns(shard)]
            assert len(owners) <= 1, (shard, owners)

    def teardown(self) -> None:
        """Without faults, each shard gets an owner."""
        for connection in self.cluster.connections:
            connection.faults = BucketFaults()
        while self.cluster.bucket.late:
            self.cluster.bucket.deliver()
        self.cluster.run(20, *self.members.values())
        for shard in SHARDS:
            assert sum(member.owns(shard) for member in self.members.values()) == 1


@pytest.mark.parametrize("examples", [30, pytest.param(500, marks=pytest.mark.long)])
def test_at_most_one_worker_owns_a_shard_at_any_time_and_in_the_end_one_does(examples: int) -> None:
    limits = settings(max_examples=examples, stateful_step_count=60, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(MembershipMachine, settings=limits)
