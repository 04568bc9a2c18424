"""All programs of a cluster agree on its shards."""

from __future__ import annotations

import pytest

from oms import InvalidArgumentError, JournalError
from oms.cluster.agreement import agreed, default_names
from support.memory_bucket import BucketConnection, BucketFaults, MemoryBucket


def test_the_first_program_with_names_decides_and_the_others_accept_it() -> None:
    bucket = MemoryBucket()
    with pytest.raises(JournalError, match="start a worker with --shards NUMBER first"):
        agreed(BucketConnection(bucket), None)
    decided = agreed(BucketConnection(bucket), default_names(2), engine=True)
    assert decided == (("s1", "s2"), True)
    assert agreed(BucketConnection(bucket), None) == decided
    assert agreed(BucketConnection(bucket), ("s2", "s1"), engine=True) == decided


def test_a_contradiction_is_rejected() -> None:
    bucket = BucketConnection(MemoryBucket())
    agreed(bucket, ("s1", "s2"), engine=False)
    with pytest.raises(InvalidArgumentError, match="the shards of the cluster: s1, s2"):
        agreed(bucket, ("s1",), engine=False)
    with pytest.raises(InvalidArgumentError, match="the shards are books without an engine"):
        agreed(bucket, None, engine=True)


def test_two_programs_that_decide_at_the_same_time_agree() -> None:
    bucket = MemoryBucket()
    first, second = BucketConnection(bucket), BucketConnection(bucket)
    get = first.get
    first.get = lambda key: first.__setattr__("get", get) or (agreed(second, ("s1",), engine=True) and None)  # type: ignore[method-assign, func-returns-value]  # the other decides after the first has looked
    assert agreed(first, ("s1",), engine=True) == (("s1",), True)


def test_an_unreachable_bucket_is_an_error() -> None:
    with pytest.raises(JournalError, match="its shards are unknown: no leader"):
        agreed(BucketConnection(MemoryBucket(), BucketFaults(unreadable=1.0)), ("s1",), engine=False)


@pytest.mark.parametrize("number", [0, 1001, True, "8"])
def test_there_are_1_to_1000_shards(number: object) -> None:
    with pytest.raises(InvalidArgumentError, match=r"shards must be an int in 1\.\.1000"):
        default_names(number)  # type: ignore[arg-type]  # this test passes wrong values
