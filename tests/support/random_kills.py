"""Random kills of servers and workers while clients change the books, and a check of all copies."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from math import ceil
from typing import NamedTuple

from oms import Event, OrderManagement
from oms.cluster.jetstream.jetstream_journal import open_log
from oms.cluster.log.log_journal import LogJournal
from support.cluster_load import Load
from support.nats_cluster import NatsCluster
from support.worker_process import Processes, within

__all__ = ["Kill", "Kills", "check_copies", "summary"]

KINDS = ("leader", "follower", "worker")


class Kill(NamedTuple):
    """A kill, and the seconds until the next change of a shard was acknowledged.

    A leader and a follower are servers of the shard's log. A worker is the owner of the shard.
    """

    kind: str
    seconds: float


class Kills:
    """Random kills in the cluster of `nats` and `workers`. `options` are those of each worker by its name."""

    def __init__(
        self,
        nats: NatsCluster,
        workers: Processes,
        options: Mapping[str, Sequence[str]],
        shards: Sequence[str],
        seed: int,
    ) -> None:
        self._nats, self._workers, self._options, self._shards = nats, workers, options, shards
        self._rng = random.Random(seed)

    def run(self, count: int, load: Load) -> Iterator[Kill]:
        """Kill so many processes. Each of them starts again after a while, before the next one is killed."""
        kinds = [KINDS[number % len(KINDS)] for number in range(count)]
        self._rng.shuffle(kinds)
        for kind in kinds:
            shard = self._rng.choice(self._shards)
            seconds = (
                self._kill_worker(shard, load) if kind == "worker" else self._kill_server(kind, shard, load)
            )
            yield Kill(kind, seconds)

    def _kill_server(self, kind: str, shard: str, load: Load) -> float:
        """Kill the leader or a follower of the shard's log, and start it again while its shard may wait."""
        leader = within(60, lambda: self._number_of_leader(shard)) - 1
        others = [number for number in range(self._nats.size) if number != leader]
        victim = leader if kind == "leader" else self._rng.choice(others)
        began = time.monotonic()
        self._nats.kill(victim)
        time.sleep(self._rng.random() * 3)
        self._nats.start(victim)
        seconds = load.first_after(shard, began)
        self._nats.wait()
        return seconds

    def _number_of_leader(self, shard: str) -> int:
        leader = self._nats.leader_of(f"oms-{shard}")
        return 0 if leader is None else leader + 1

    def _kill_worker(self, shard: str, load: Load) -> float:
        """Kill the owner of a shard. It starts again at once, or after another worker has taken over."""
        names = list(self._options)
        victim = within(60, lambda: self._workers.owner(shard, names))
        starts_at_once = self._rng.random() < 0.3
        began = time.monotonic()
        self._workers.kill(victim)
        if starts_at_once:
            self._workers.start(victim, *self._options[victim])
        seconds = load.first_after(shard, began)
        if not starts_at_once:
            self._workers.start(victim, *self._options[victim])
        return seconds


def check_copies(nats: NatsCluster, workers: Processes, names: Sequence[str], shard: str) -> list[Event]:
    """Check that all copies of a shard have the state hash of books that are built from the log alone.

    At least two of these workers must have a copy. Return the events of the log.
    """
    log = open_log(nats.urls, shard, monitoring=nats.monitoring, create=False)
    with closing(LogJournal(log, read_only=True)) as journal:  # without a snapshot, so it reads everything
        om = OrderManagement(journal)
        events, expected = list(journal.read()), (om.last_sequence, om.state_hash())
    copies = within(60, lambda: _copies(workers, names, shard, om.last_sequence))
    assert copies == dict.fromkeys(copies, expected)
    return events


def _copies(
    workers: Processes, names: Sequence[str], shard: str, sequence: int
) -> dict[str, tuple[int, str]] | None:
    """Return the state hashes of the copies, or None while there are fewer than two after the last event."""
    copies: dict[str, tuple[int, str]] = {}
    for name in names:
        response = workers.request(name, "GET", f"/shards/{shard}/state-hash")
        if response.status_code == 200:
            copies[name] = response.json()["sequence"], response.json()["state_hash"]
    is_complete = len(copies) >= 2 and all(each == sequence for each, _ in copies.values())
    return copies if is_complete else None


def summary(kills: Sequence[Kill]) -> str:
    """Return the distribution of the seconds after each kind of kill, as lines of text."""
    lines = list[str]()
    for kind in KINDS:
        seconds = sorted(kill.seconds for kill in kills if kill.kind == kind)
        if seconds:
            lines.append(
                f"{kind}: {len(seconds)} kills, next acknowledgement after {seconds[0]:.2f} s at least,"
                f" {statistics.median(seconds):.2f} s in the median,"
                f" {seconds[ceil(0.9 * len(seconds)) - 1]:.2f} s in 90 %, {seconds[-1]:.2f} s at most"
            )
    return "\n".join(lines)
