"""Servers and workers are killed at random while clients change the books through a gateway."""

from __future__ import annotations

import time

import pytest

from oms.cluster.ownership.agreement import default_names
from oms.cluster.ownership.shards import Shards
from support.cluster_load import running_load
from support.nats_cluster import NatsCluster
from support.random_kills import Kills, check_copies, summary
from support.worker_process import Processes, within

pytestmark = pytest.mark.long

SHARDS = Shards(default_names(2))
WORKERS = {"w1": ("--shards", "2"), "w2": (), "z1": ("--standby",)}


@pytest.fixture
def url(workers: Processes) -> str:
    """Start two workers, a standby, and a gateway, and return the URL of the gateway."""
    for name, options in WORKERS.items():
        workers.start(name, *options)
    gateway = workers.start_gateway("--no-access-log")
    within(60, lambda: workers.request("gateway", "GET", "/ready").status_code == 200)
    return gateway


@pytest.mark.parametrize("count", [5, pytest.param(100, marks=pytest.mark.soak)])
def test_after_random_kills_each_acknowledged_change_is_in_the_log_once_and_all_copies_agree(
    count: int, nats: NatsCluster, workers: Processes, url: str
) -> None:
    kills, done, began = Kills(nats, workers, WORKERS, SHARDS.names, seed=count), [], time.monotonic()
    with running_load(url, SHARDS, seed=count) as load:
        for kill in kills.run(count, load):
            print(f"{time.monotonic() - began:.0f} s: {kill}", flush=True)
            done.append(kill)
        load.stop()
    logs = {shard: check_copies(nats, workers, list(WORKERS), shard) for shard in SHARDS.names}
    load.check(logs)
    rejected = sum(outcome.sequence is None for outcome in load.outcomes)
    repeated = sum(outcome.attempts > 1 for outcome in load.outcomes)
    print(
        f"{count} kills in {time.monotonic() - began:.0f} s; {len(load.outcomes)} changes, of which"
        f" {rejected} were rejected and {repeated} repeated by their clients\n{summary(done)}"
    )


def test_after_a_restart_of_all_servers_and_workers_the_clients_go_on_and_nothing_is_lost(
    nats: NatsCluster, workers: Processes, url: str
) -> None:
    with running_load(url, SHARDS, seed=1) as load:
        for shard in SHARDS.names:
            load.first_after(shard, time.monotonic())
        for name in WORKERS:
            workers.kill(name)
        nats.kill()
        nats.start()
        nats.wait()
        began = time.monotonic()
        for name, options in WORKERS.items():
            workers.start(name, *options)
        for shard in SHARDS.names:
            load.first_after(shard, began)
        load.stop()
    load.check({shard: check_copies(nats, workers, list(WORKERS), shard) for shard in SHARDS.names})
