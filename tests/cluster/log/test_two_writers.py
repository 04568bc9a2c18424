"""Two writers of one log on a real cluster: one of them was stopped, or both write at once.

Each test checks the log at the end: every acknowledged change is in it once and in order, no rejected change
is, and the books that another writer builds from it have the same state hash.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from oms import JournalError, Side
from support.nats_cluster import NatsCluster
from support.real_logs import added_ids, check_log, opened
from support.worker_process import within

pytestmark = pytest.mark.long

BUY = Side.BUY


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
    nats_cluster: NatsCluster, shard: str
) -> None:
    arguments = [",".join(nats_cluster.urls), ",".join(nats_cluster.monitoring), shard]
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, *arguments], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline().strip() for _ in range(20)]
        child.send_signal(signal.SIGSTOP)
        with opened(nats_cluster, shard) as om:
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
    check_log(nats_cluster, shard, [*stored, 1_000_000, 1_000_001])


def test_two_writers_that_depose_each_other_store_every_acknowledged_change_once(
    nats_cluster: NatsCluster, shard: str
) -> None:
    acknowledged: list[list[int]] = [[], []]

    def write(writer: int) -> None:
        number = writer
        while len(acknowledged[writer]) < 40:
            with opened(nats_cluster, shard) as om:
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
    with opened(nats_cluster, shard) as om:
        stored = added_ids(om)
    assert sorted(stored) == sorted(acknowledged[0] + acknowledged[1])
    for writer in range(2):
        assert [number for number in stored if number % 2 == writer] == acknowledged[writer]


RACER = """
import random
import sys
import threading
import time
from oms import JournalError, Side, cluster
urls, monitoring, shard = sys.argv[1].split(","), sys.argv[2].split(","), sys.argv[3]
order_id = int(sys.argv[4])
ended = threading.Event()
threading.Thread(target=lambda: sys.stdin.read() or ended.set(), daemon=True).start()
while not ended.is_set():
    try:
        om = cluster.open(urls, shard, monitoring=monitoring)
    except JournalError:
        continue  # the other one opens it all the time
    with om:
        try:
            while not ended.is_set():
                order_id += 2
                om.add_order(order_id, "JPM", Side.BUY, 1, 1)
                print("stored", order_id, flush=True)
                time.sleep(random.random() / 20)  # nobody can take over from a writer that never pauses
        except JournalError as error:
            print("unknown" if error.outcome_unknown else "rejected", order_id, flush=True)
"""


class Racer:
    """A process that writes to a log until `stop`, and opens it again whenever it is deposed.

    `ids` contains the ids of its orders by their outcome. The order ids are all even or all odd.
    """

    def __init__(self, nats_cluster: NatsCluster, shard: str, first_id: int) -> None:
        self.ids: dict[str, list[int]] = {"stored": [], "rejected": [], "unknown": []}
        arguments = [",".join(nats_cluster.urls), ",".join(nats_cluster.monitoring), shard, str(first_id)]
        self._process = subprocess.Popen(
            [sys.executable, "-c", RACER, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            outcome, order_id = line.split()
            self.ids[outcome].append(int(order_id))

    def has_raced(self) -> bool:
        """Return True after some changes of this process were stored, and some rejected."""
        assert self._process.poll() is None
        return len(self.ids["stored"]) >= 20 and len(self.ids["rejected"]) >= 2

    def stop(self) -> None:
        """Let the process end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        assert self._process.wait(60) == 0
        self._reader.join()
        self._process.stdout.close()


def test_two_processes_that_write_at_once_store_every_acknowledged_change_once_and_no_rejected_one(
    nats_cluster: NatsCluster, shard: str
) -> None:
    racers = [Racer(nats_cluster, shard, first_id) for first_id in (0, 1)]
    try:
        within(300, lambda: all(racer.has_raced() for racer in racers))
    finally:
        for racer in racers:
            racer.stop()
    with opened(nats_cluster, shard) as om:
        stored = added_ids(om)
    assert len(set(stored)) == len(stored)
    for parity, racer in enumerate(racers):
        own = [order_id for order_id in stored if order_id % 2 == parity]
        assert [order_id for order_id in own if order_id not in racer.ids["unknown"]] == racer.ids["stored"]
    print({outcome: [len(racer.ids[outcome]) for racer in racers] for outcome in racers[0].ids})
