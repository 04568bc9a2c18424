"""Servers that are not checked: each log line and each JournalError contains the word UNSAFE."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from oms import JournalError, Side
from oms.client import Client
from oms.cluster.jetstream.unsafe import UNSAFE, marked_lines
from oms.cluster.ownership.agreement import agreed
from support.memory_bucket import BucketConnection, BucketFaults, MemoryBucket
from support.nats_cluster import NatsCluster, running_cluster, server_binary
from support.replicated_log import Faults, impatient
from support.worker_cluster import WorkerCluster
from support.worker_process import Processes, running_processes, within


def lines_of_a_takeover(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the log lines of workers that take over, lose their bucket, and cannot open a log."""
    caplog.clear()
    cluster = WorkerCluster()
    cluster.start("a")
    cluster.run(4)
    cluster.start("z", standby=True)
    cluster.run(4)
    former = cluster.kill("a")
    cluster.run(12)
    former.follow()
    former.step()
    cluster.connections[-1].faults = Faults(unreadable=1.0)
    cluster.run(2)
    cluster.workers["z"].replicas["s1"]._refuse("its state differs")
    cluster.buckets["z"].faults = BucketFaults(lost_request=1.0)
    cluster.workers["z"].stop()
    return [record.getMessage() for record in caplog.records if record.name == "oms.cluster"]


def test_each_line_of_a_worker_contains_the_word_unsafe_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "oms.cluster"):
        usual = lines_of_a_takeover(caplog)
        with marked_lines(unsafe=True), marked_lines(unsafe=True):
            marked = lines_of_a_takeover(caplog)
        with marked_lines(unsafe=False):
            assert lines_of_a_takeover(caplog) == usual
    assert len(usual) > 5
    assert not any("UNSAFE" in line for line in usual)
    assert marked == [f"{line} ({UNSAFE})" for line in usual]


def test_a_line_that_contains_the_word_already_stays_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "oms.cluster"), marked_lines(unsafe=True):
        logging.getLogger("oms.cluster").warning("%s is not checked", f"shard s1 ({UNSAFE})")
    assert caplog.messages == [f"shard s1 ({UNSAFE}) is not checked"]


def test_the_error_of_a_bucket_names_its_place() -> None:
    bucket = BucketConnection(MemoryBucket(), BucketFaults(unreadable=1.0))
    bucket.place = f"bucket oms ({UNSAFE})"
    with pytest.raises(JournalError, match=UNSAFE):
        agreed(bucket, ("s1",), engine=False, unsafe=True, patience=impatient())
    bucket.faults = BucketFaults()
    with pytest.raises(JournalError, match=UNSAFE):
        agreed(bucket, None)


@pytest.fixture
def single(tmp_path: Path) -> Iterator[NatsCluster]:
    """One server that syncs every two minutes."""
    if server_binary() is None:
        pytest.skip("nats-server is not installed")
    with running_cluster(tmp_path / "nats", sync="2m", size=1) as server:
        yield server


@pytest.fixture
def workers(single: NatsCluster, tmp_path: Path) -> Iterator[Processes]:
    with running_processes(single, tmp_path) as processes:
        yield processes


@pytest.mark.long
def test_a_worker_that_should_check_the_servers_does_not_start_with_one_that_is_not_safe(
    workers: Processes,
) -> None:
    with pytest.raises(AssertionError, match="set sync_interval: always"):  # its log, as it does not start
        workers.start("w1", "--shards", "1")
    assert workers.processes["w1"].wait(20) == 2


@pytest.mark.long
def test_each_line_and_each_error_of_a_worker_and_a_gateway_says_that_one_server_is_not_safe(
    workers: Processes, single: NatsCluster
) -> None:
    unsafe = "--unsafe", "--replicas", "1"
    workers.start("w1", "--shards", "1", *unsafe)
    workers.start("z1", "--standby", *unsafe)
    within(30, lambda: workers.is_owner("w1", "s1"))
    within(30, lambda: workers.request("z1", "GET", "/shards/s1/ready").status_code == 200)
    url = workers.start_gateway("--no-access-log")
    within(30, lambda: workers.request("gateway", "GET", "/ready").status_code == 200)
    with Client(url) as om:
        om.add_order(1, "JPM", Side.BUY, 20, 20)
    workers.kill("w1")
    within(30, lambda: workers.is_owner("z1", "s1"))
    single.kill()
    within(30, lambda: "has lost the connection" in workers.log("gateway"))
    order = {"order_id": 2, "symbol": "JPM", "side": "BUY", "amount": 20, "price": 20}

    def failed() -> bool:
        response = workers.request("z1", "POST", "/shards/s1/orders", json=order)
        return response.json()["code"] == "journal_failed" and UNSAFE in response.json()["place"]

    within(60, failed)
    for name in ("w1", "z1", "gateway"):
        lines = [line for line in workers.log(name).splitlines() if "oms.cluster" in line]
        assert lines, name
        assert all("UNSAFE" in line for line in lines), workers.log(name)
