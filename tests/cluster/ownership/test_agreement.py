"""All programs of a cluster agree on its shards."""

from __future__ import annotations

import pytest

from oms import InvalidArgumentError, JournalError
from oms.cluster.ownership.agreement import agreed, default_names
from oms.cluster.ownership.registry import ClusterEntry
from support.memory_bucket import BucketConnection, BucketFaults, MemoryBucket
from support.replicated_log import impatient


def test_the_first_program_with_names_decides_and_the_others_accept_it() -> None:
    bucket = MemoryBucket()
    with pytest.raises(JournalError, match="start a worker with --shards NUMBER first"):
        agreed(BucketConnection(bucket), None)
    decided = agreed(BucketConnection(bucket), default_names(2), engine=True)
    assert decided == ClusterEntry(("s1", "s2"), engine=True)
    assert agreed(BucketConnection(bucket), None) == decided
    assert agreed(BucketConnection(bucket), ("s2", "s1"), engine=True) == decided


def test_a_contradiction_is_rejected() -> None:
    bucket = BucketConnection(MemoryBucket())
    agreed(bucket, ("s1", "s2"), engine=False)
    with pytest.raises(InvalidArgumentError, match="the shards of the cluster: s1, s2"):
        agreed(bucket, ("s1",), engine=False)
    with pytest.raises(InvalidArgumentError, match="the shards are books without an engine"):
        agreed(bucket, None, engine=True)
    with pytest.raises(InvalidArgumentError, match="False, because the other workers check the servers"):
        agreed(bucket, None, unsafe=True)
    unchecked = BucketConnection(MemoryBucket())
    agreed(unchecked, ("s1",), engine=False, unsafe=True)
    assert agreed(unchecked, None).unsafe
    with pytest.raises(InvalidArgumentError, match="True, because the other workers do not check"):
        agreed(unchecked, None, unsafe=False)


def test_two_programs_that_decide_at_the_same_time_agree() -> None:
    bucket = MemoryBucket()
    first, second = BucketConnection(bucket), BucketConnection(bucket)
    get = first.get
    first.get = lambda key: first.__setattr__("get", get) or (agreed(second, ("s1",), engine=True) and None)  # type: ignore[method-assign, func-returns-value]  # the other decides after the first has looked
    assert agreed(first, ("s1",), engine=True) == ClusterEntry(("s1",), engine=True)


def test_an_unreachable_bucket_is_tried_for_some_time_and_is_then_an_error() -> None:
    bucket = BucketConnection(MemoryBucket(), BucketFaults(unreadable=1.0))
    with pytest.raises(JournalError, match="its shards are unknown: no leader"):
        agreed(bucket, ("s1",), engine=False, patience=impatient())
    flaky = BucketConnection(MemoryBucket(), BucketFaults(0.5, 0.5, 0.0, 0.5), seed=1)
    assert agreed(flaky, ("s1",), engine=False, patience=impatient(100)) == ClusterEntry(("s1",))


@pytest.mark.parametrize("number", [0, 1001, True, "8"])
def test_there_are_1_to_1000_shards(number: object) -> None:
    with pytest.raises(InvalidArgumentError, match=r"shards must be an int in 1\.\.1000"):
        default_names(number)  # type: ignore[arg-type]  # this test passes wrong values
