"""The state of a cluster, as somebody who watches its bucket sees it."""

from __future__ import annotations

import pytest

from oms import Side
from oms.cluster.log.replicated_log import UnavailableError
from oms.cluster.ownership.agreement import agreed
from oms.cluster.ownership.status import ClusterStatus, read_status
from support.memory_bucket import BucketConnection, BucketFaults
from support.worker_cluster import WorkerCluster


@pytest.fixture
def cluster() -> WorkerCluster:
    cluster = WorkerCluster(("s1", "s2"), every=2)
    agreed(BucketConnection(cluster.bucket), cluster.names, engine=False)
    return cluster


def watched(cluster: WorkerCluster, seconds: float = 5.0) -> ClusterStatus:
    """Read the status while the workers run."""

    def pause(_: float) -> None:
        cluster.run(1)

    return read_status(BucketConnection(cluster.bucket), seconds, clock=cluster.clock, pause=pause)


def test_a_cluster_whose_shards_are_served_is_right(cluster: WorkerCluster) -> None:
    cluster.start("a")
    cluster.start("z", standby=True)
    cluster.run(5)
    cluster.books("s1").add_order(1, "JPM", Side.BUY, 20, 20)
    cluster.run(2)
    status = watched(cluster)
    assert status.is_right
    assert (status.live, status.dead, status.engine) == (("a", "z"), (), False)
    first = status.shards[0]
    assert (first.name, first.owner, first.url, first.claims) == ("s1", "a", "http://a:8080", 1)
    assert [
        (copy.worker, copy.is_owner, copy.position, copy.sequence, copy.behind) for copy in first.copies
    ] == [
        ("a", True, 2, 1, 0),
        ("z", False, 2, 1, 0),
    ]


def test_a_dead_worker_owns_nothing(cluster: WorkerCluster) -> None:
    cluster.start("a")
    cluster.run(3)
    cluster.kill("a")
    status = watched(cluster)
    assert not status.is_right
    assert (status.live, status.dead) == ((), ("a",))
    assert [shard.problem for shard in status.shards] == ["no owner", "no owner"]


def test_a_worker_that_leaves_meanwhile_is_neither_live_nor_dead(cluster: WorkerCluster) -> None:
    cluster.start("a")
    cluster.start("b")
    cluster.run(12)

    def pause(_: float) -> None:
        cluster.run(1, "a")
        if "b" in cluster.workers:
            cluster.kill("b").stop()

    bucket = BucketConnection(cluster.bucket)
    status = read_status(bucket, 3.0, clock=cluster.clock, pause=pause)
    assert (status.live, status.dead) == (("a",), ())


def test_a_shard_that_nobody_has_claimed_has_no_owner(cluster: WorkerCluster) -> None:
    status = watched(cluster)
    assert [(shard.owner, shard.claims) for shard in status.shards] == [(None, 0), (None, 0)]
    assert not status.is_right


def test_copies_with_different_states_are_a_problem_of_their_shard(cluster: WorkerCluster) -> None:
    cluster.start("a")
    standby = cluster.start("z", standby=True)
    cluster.run(5)
    standby.replicas["s1"].books._books.next_trade_id = 7  # a bit of its memory has changed
    for order_id in (1, 2):
        cluster.books("s1").add_order(order_id, "JPM", Side.BUY, 20, 20)
    cluster.run(3)
    status = watched(cluster)
    assert not status.is_right
    assert status.shards[0].differs_at == 2
    assert status.shards[0].problem == "state hashes differ after event 2"
    assert status.shards[0].copies[1].problem is not None
    assert status.shards[1].problem is None


def test_a_copy_that_is_refused_for_another_reason_is_a_problem_too(cluster: WorkerCluster) -> None:
    cluster.start("a")
    standby = cluster.start("z", standby=True)
    cluster.run(5)
    standby.replicas["s1"]._refuse("message 7 cannot be applied")
    cluster.run(2)
    assert [shard.problem for shard in watched(cluster).shards] == ["not served by z", None]


def test_the_watch_ends_as_soon_as_everything_is_right(cluster: WorkerCluster) -> None:
    cluster.start("a")
    cluster.run(3)
    before = cluster.clock.now
    watched(cluster, 60.0)
    assert cluster.clock.now - before == 1


def test_an_unreachable_bucket_is_an_error(cluster: WorkerCluster) -> None:
    with pytest.raises(UnavailableError):
        read_status(BucketConnection(cluster.bucket, BucketFaults(unreadable=1.0)))


def test_workers_are_not_called_dead_if_the_servers_have_no_leader(cluster: WorkerCluster) -> None:
    cluster.start("a")
    cluster.run(5)

    def pause(_: float) -> None:
        cluster.clock.now += 1  # the worker cannot write a heartbeat

    with pytest.raises(UnavailableError):
        read_status(
            BucketConnection(cluster.bucket, BucketFaults(no_leader=1.0)), clock=cluster.clock, pause=pause
        )
