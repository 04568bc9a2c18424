"""A real cluster loses servers: what was acknowledged is there.

Each test checks the log at the end: every acknowledged change is in it once and in order, and the books that
another writer builds from it have the same state hash.
"""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from oms import JournalError, Side
from support.nats_cluster import NatsCluster, running_cluster
from support.real_logs import added_ids, check_log, opened

pytestmark = pytest.mark.long

BUY = Side.BUY


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsCluster]:
    """A cluster whose servers the tests may kill. Each test leaves three running servers."""
    with running_cluster(tmp_path_factory.mktemp("faults")) as cluster:
        yield cluster


def kill_one(servers: NatsCluster, stream: str, rng: random.Random) -> None:
    """Kill the leader of the stream or a follower, wait for a while, and start it again."""
    leader = servers.leader_of(stream)
    victim = leader if leader is not None and rng.random() < 0.7 else rng.randrange(3)
    servers.kill(victim)
    time.sleep(rng.random() * 3)
    servers.start(victim)
    servers.wait()


@pytest.mark.parametrize(
    "kills", [1, pytest.param(5, marks=pytest.mark.long), pytest.param(100, marks=pytest.mark.soak)]
)
def test_what_was_acknowledged_while_servers_were_killed_is_in_the_log(
    kills: int, servers: NatsCluster, shard: str
) -> None:
    rng, ended, acknowledged = random.Random(kills), threading.Event(), list[int]()
    om = opened(servers, shard)

    def work() -> None:
        while not ended.is_set():
            order_id = len(acknowledged) + 1
            om.add_order(order_id, "JPM", BUY, 1, order_id)
            acknowledged.append(order_id)

    errors = list[BaseException]()

    def collect() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=collect)
    thread.start()
    for _ in range(kills):
        kill_one(servers, f"oms-{shard}", rng)
    before = len(acknowledged)
    while len(acknowledged) < before + 10 and thread.is_alive():
        time.sleep(0.01)
    ended.set()
    thread.join()
    assert errors == []
    state_hash = om.state_hash()
    om.close()
    check_log(servers, shard, acknowledged, state_hash)


@pytest.mark.parametrize(
    "signal_number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.long)]
)
def test_the_whole_cluster_can_be_restarted(
    signal_number: signal.Signals, servers: NatsCluster, shard: str
) -> None:
    with opened(servers, shard) as om:
        for order_id in range(1, 51):
            om.add_order(order_id, "JPM", BUY, 1, order_id)
        servers.kill(signal_number=signal_number)
        servers.start()
        for order_id in range(51, 61):  # the same writer goes on when the servers are back
            om.add_order(order_id, "JPM", BUY, 1, order_id)
        state_hash = om.state_hash()
    servers.wait()
    check_log(servers, shard, list(range(1, 61)), state_hash)


@pytest.mark.long
def test_without_a_majority_nothing_is_acknowledged_and_the_outcome_is_unknown(
    servers: NatsCluster, shard: str
) -> None:
    with opened(servers, shard, seconds=3) as om:
        om.add_order(1, "JPM", BUY, 1, 1)
        servers.kill(0, 1)
        try:
            with pytest.raises(JournalError, match="unknown until the journal is opened again"):
                om.add_order(2, "JPM", BUY, 1, 1)
            with pytest.raises(JournalError, match="read-only"):
                om.add_order(2, "JPM", BUY, 1, 1)
            assert len(om) == 1
        finally:
            servers.start(0, 1)
            servers.wait()
    with opened(servers, shard) as om:
        assert added_ids(om) in ([1], [1, 2])
