"""A state machine of workers that are stopped and start again: a shard never has two owners."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from oms.cluster.log.replicated_log import UnavailableError
from support.members import SHARDS, Members
from support.memory_bucket import BucketFaults

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
