"""A real cluster loses servers, disks are damaged, and writers are stopped: what was acknowledged is there.

Each test checks the log at the end: every acknowledged change is in it once and in order, and the books that
another writer builds from it have the same state hash.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from oms import JournalError, OrderAdded, OrderManagement, Side, cluster
from oms.cluster import JetStreamJournal
from support.nats_cluster import NatsCluster, running_cluster

pytestmark = pytest.mark.long

BUY = Side.BUY


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsCluster]:
    """A cluster whose servers the tests may kill. Each test leaves three running servers."""
    with running_cluster(tmp_path_factory.mktemp("faults")) as cluster:
        yield cluster


def opened(servers: NatsCluster, shard: str, seconds: float = 60) -> OrderManagement:
    """Open a shard. If a server has not started yet, try again."""
    for _ in range(20):
        try:
            return cluster.open(
                servers.urls, shard, monitoring=servers.monitoring, seconds=seconds, writer="the test"
            )
        except JournalError as error:
            problem = error
            time.sleep(0.5)
    raise problem


def added_ids(om: OrderManagement) -> list[int]:
    """Return the ids of the orders that were added, in the order of the log."""
    assert om.journal is not None
    return [event.order.order_id for event in om.journal.read() if isinstance(event, OrderAdded)]


def check(servers: NatsCluster, shard: str, acknowledged: list[int], state_hash: str | None = None) -> None:
    """Open the log again, and check that it contains exactly the acknowledged orders."""
    with opened(servers, shard) as om:
        assert added_ids(om) == acknowledged
        assert state_hash is None or om.state_hash() == state_hash


# ---------------------------------------------------------------------- servers


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
    check(servers, shard, acknowledged, state_hash)


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
    check(servers, shard, list(range(1, 61)), state_hash)


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


# ---------------------------------------------------------------------- writers

CHILD = """
import sys
from oms import JournalError, Side, cluster
urls, monitoring, shard = sys.argv[1].split(","), sys.argv[2].split(","), sys.argv[3]
om = cluster.open(urls, shard, monitoring=monitoring, writer="the child")
order_id = 0
try:
    while True:
        order_id += 1
        om.add_order(order_id, "JPM", Side.BUY, 1, order_id)
        print(order_id, flush=True)
except JournalError as error:
    print(error, flush=True)
try:
    om.add_order(order_id + 1, "JPM", Side.BUY, 1, 1)
except JournalError as error:
    print(error, len(om), flush=True)
"""


def test_a_writer_that_was_stopped_is_rejected_after_another_has_taken_over(
    servers: NatsCluster, shard: str
) -> None:
    arguments = [",".join(servers.urls), ",".join(servers.monitoring), shard]
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, *arguments], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline().strip() for _ in range(20)]
        child.send_signal(signal.SIGSTOP)
        with opened(servers, shard) as om:
            stored = added_ids(om)
            om.add_order(1_000_000, "JPM", BUY, 1, 1)
            child.send_signal(signal.SIGCONT)
            lines += child.stdout.read().splitlines()  # `communicate` would lose what is already buffered
            om.add_order(1_000_001, "JPM", BUY, 1, 1)
    *acknowledged, error, last = lines
    assert "the change is not stored: another writer has taken over: the test" in error
    assert "read-only until it is opened again: another writer has taken over" in last
    # The child may have been stopped between an acknowledgement and printing it.
    assert [int(line) for line in acknowledged] == stored
    assert last.endswith(f" {len(stored)}")
    check(servers, shard, [*stored, 1_000_000, 1_000_001])


def test_two_writers_that_depose_each_other_store_every_acknowledged_change_once(
    servers: NatsCluster, shard: str
) -> None:
    acknowledged: list[list[int]] = [[], []]

    def write(writer: int) -> None:
        number = writer
        while len(acknowledged[writer]) < 40:
            with opened(servers, shard) as om:
                try:
                    for _ in range(8):
                        number += 2
                        om.add_order(number, "JPM", BUY, 1, 1)
                        acknowledged[writer].append(number)
                except JournalError as error:
                    assert "another writer has taken over" in str(error)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with opened(servers, shard) as om:
        stored = added_ids(om)
    assert sorted(stored) == sorted(acknowledged[0] + acknowledged[1])
    for writer in range(2):
        assert [number for number in stored if number % 2 == writer] == acknowledged[writer]


# ---------------------------------------------------------------------- damage


def damage(servers: NatsCluster, number: int, shard: str, rng: random.Random, *, cuts: bool) -> None:
    """Change a few bits in a stopped server's file with the messages of a stream, or cut off its end."""
    [folder] = [path for path in servers.folder(number).rglob(f"oms-{shard}") if path.is_dir()]
    file: Path = max((folder / "msgs").glob("*.blk"), key=lambda path: path.stat().st_size)
    data = bytearray(file.read_bytes())
    if cuts:
        del data[rng.randrange(len(data)) :]
    for _ in range(0 if cuts else 3):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    file.write_bytes(bytes(data))


@pytest.mark.long
@pytest.mark.parametrize("cuts", [False, True], ids=["bits", "cut off"])
@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(each, marks=pytest.mark.soak) for each in (2, 3))])
def test_a_damaged_file_on_one_server_never_leads_to_a_wrong_answer(
    seed: int, cuts: bool, tmp_path: Path, shard: str
) -> None:
    """The damaged server becomes the leader if it can. The books then stop with an error, or are right."""
    rng, expected = random.Random(seed), list(range(1, 201))
    with running_cluster(tmp_path) as servers:
        with opened(servers, shard) as om:
            for order_id in expected:
                om.add_order(order_id, "JPM", BUY, 1, order_id)
            state_hash = om.state_hash()
        leader = servers.leader_of(f"oms-{shard}")
        assert leader is not None
        victim = leader if seed % 2 else (leader + 1) % 3
        servers.kill(victim)
        damage(servers, victim, shard, rng, cuts=cuts)
        servers.start(victim)
        servers.wait()
        for _ in range(5):
            outcomes = [outcome(servers, shard) for _ in range(4)]
            assert all(each is None or each == (expected, state_hash) for each in outcomes)
            other = servers.leader_of(f"oms-{shard}")
            if other is not None and other != victim:
                servers.kill(other)
                time.sleep(5)
                servers.start(other)
                servers.wait()


def outcome(servers: NatsCluster, shard: str) -> tuple[list[int], str] | None:
    """Return what a reader finds in the log, or None if the reader rejects the log."""
    try:
        store = JetStreamJournal(
            servers.urls, shard, monitoring=servers.monitoring, read_only=True, seconds=10
        )
    except JournalError:
        return None
    with closing(store):
        try:
            om = OrderManagement(store)
        except JournalError:
            return None
        return added_ids(om), om.state_hash()
