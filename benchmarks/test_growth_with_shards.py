"""How many changes a second several shards store together, compared with nats-py alone.

Each shard has a process of its own, as with workers. The processes and three servers share this machine's
processors and its disk, so the growth ends when one of them is busy. On more machines, it goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from itertools import count
from multiprocessing import get_context
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier
from time import perf_counter
from typing import NamedTuple

import nats
import pytest

from oms import OrderManagement, Side, cluster
from support.nats_cluster import NatsCluster, running_cluster, server_binary
from workloads import SYMBOL

pytestmark = pytest.mark.skipif(server_binary() is None, reason="nats-server is not installed")

SHARDS = (1, 2, 4, 8)
SECONDS = 1.0  # of each measurement
BYTES = {1: 299, 100: 11_698}  # of a message with so many added orders


class Place(NamedTuple):
    """The addresses of the servers, and the shard of one process."""

    urls: list[str]
    monitoring: list[str]
    shard: str


Storing = Callable[[Place, int, Barrier], float]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsCluster]:
    with running_cluster(tmp_path_factory.mktemp("servers")) as cluster:
        yield cluster


def plain(place: Place, size: int, start: Barrier) -> float:
    """Publish with nats-py alone, one message after the other, and return the messages per second."""
    return asyncio.run(_plain(place, size, start))


async def _plain(place: Place, size: int, start: Barrier) -> float:
    client = await nats.connect(place.urls)
    stream = client.jetstream()
    last = (await stream.stream_info(f"oms-{place.shard}")).state.last_seq
    start.wait()
    first, begin = last, perf_counter()
    while perf_counter() < begin + SECONDS:
        headers = {"Nats-Expected-Last-Sequence": f"{last}", "Nats-Msg-Id": f"{last}"}
        last = (await stream.publish(f"oms.{place.shard}.symbol.A", b"x" * BYTES[size], headers=headers)).seq
    speed = (last - first) / (perf_counter() - begin)
    await client.close()
    return speed


def books(place: Place, size: int, start: Barrier) -> float:
    """Add orders to the books of a shard, `size` in each group, and return the groups per second."""
    numbers = count(1, size)
    with cluster.open(place.urls, place.shard, monitoring=place.monitoring, clock=None) as om:
        add(om, next(numbers), size)
        start.wait()
        begin, groups = perf_counter(), 0
        while perf_counter() < begin + SECONDS:
            add(om, next(numbers), size)
            groups += 1
        return groups / (perf_counter() - begin)


def add(om: OrderManagement, first: int, size: int) -> None:
    with om.transaction(concurrent_commit=True):
        for number in range(first, first + size):
            om.add_order(number, SYMBOL, Side.BUY, 20, 2_000)


def run(store: Storing, place: Place, size: int, start: Barrier, speeds: SimpleQueue[float]) -> None:
    speeds.put(store(place, size, start))


def together(store: Storing, servers: NatsCluster, shards: int, size: int) -> float:
    """Return the changes per second of several processes together, each with its own shard."""
    context = get_context("spawn")
    start, speeds = context.Barrier(shards), context.SimpleQueue()
    names = [f"{store.__name__}-{size}-{shards}-{number}" for number in range(shards)]
    places = [Place(servers.urls, servers.monitoring, name) for name in names]
    for place in places:
        cluster.open(place.urls, place.shard, monitoring=place.monitoring).close()
    processes = [context.Process(target=run, args=(store, place, size, start, speeds)) for place in places]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    messages: float = sum(speeds.get() for _ in processes)
    return size * messages


@pytest.mark.parametrize("size", [1, 100])
def test_eight_shards_store_more_changes_a_second_than_one(size: int, servers: NatsCluster) -> None:
    alone = {shards: together(plain, servers, shards, size) for shards in SHARDS}
    stored = {shards: together(books, servers, shards, size) for shards in SHARDS}
    print(f"\n{size} a message; shards, changes a second with nats-py alone, and with books:")
    for shards in SHARDS:
        print(f"{shards} {alone[shards]:8,.0f} {stored[shards]:8,.0f}")
    assert stored[8] > stored[1]
    assert stored[8] / alone[8] > 0.3
