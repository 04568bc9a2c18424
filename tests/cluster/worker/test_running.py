"""The log lines of a worker that loses the bucket of its cluster, and the end of a worker."""

from __future__ import annotations

import socket
from threading import Event

import pytest
from fastapi import FastAPI

from oms.api import Settings, server
from oms.cluster.worker.running import Steps, serve_worker
from support.memory_bucket import BucketFaults
from support.worker_cluster import WorkerCluster


def test_the_loss_of_the_bucket_the_end_of_the_lease_and_the_return_are_logged_once_each(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cluster = WorkerCluster(("s1",))
    worker = cluster.start("a")
    cluster.run(5)
    steps = Steps(worker, cluster.clock)
    caplog.clear()
    for _ in range(2):
        cluster.buckets["a"].faults = BucketFaults(unreadable=1.0, lost_request=1.0)
        for _ in range(20):
            cluster.clock.pause(1.0)
            steps.step()
        assert not worker.owns("s1")
        cluster.buckets["a"].faults = BucketFaults()
        for _ in range(20):
            cluster.clock.pause(1.0)
            steps.step()
        assert worker.owns("s1")
    lines = [record.getMessage() for record in caplog.records]
    assert [line for line in lines if "bucket" in line or "lease" in line] == 2 * [
        "the bucket of the cluster cannot be reached: no answer",
        "the lease has expired, so this worker serves no shard until it has renewed the lease",
        "the bucket of the cluster can be reached again, after 20 seconds",
    ]


def test_a_worker_that_ends_releases_its_shards_while_a_snapshot_is_being_saved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster, is_saving, is_stopped = WorkerCluster(("s1",)), Event(), Event()
    worker = cluster.start("a")
    cluster.run(4)
    stop = worker.stop
    were_stopped: list[bool] = []

    def save() -> None:
        is_saving.set()
        were_stopped.append(is_stopped.wait(30))

    def stop_at_once() -> None:
        stop()
        is_stopped.set()

    monkeypatch.setattr(worker, "hash", save)
    monkeypatch.setattr(worker, "stop", stop_at_once)
    monkeypatch.setattr(server, "run", lambda *_, **__: is_saving.wait(30))
    with socket.socket() as listening:
        serve_worker(worker, FastAPI(), listening, Settings())
    assert were_stopped == [True]
    assert worker.membership.claims["s1"].worker is None
