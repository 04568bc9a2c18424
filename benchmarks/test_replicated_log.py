"""The speed of a journal in a NATS cluster, compared with nats-py alone, and the time to recover from a kill.

Three servers on this machine share its disk and its processors with the client, and each of them syncs every
message. On three machines, a round trip takes longer, but the servers do not compete for one disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import count
from time import perf_counter

import nats
import pytest

from oms import Event, Order, OrderAdded, OrderManagement, Side, cluster
from oms.cluster import JetStreamJournal
from oms.cluster.jetstream_log import JetStreamLog
from oms.events import Journal
from support.nats_cluster import NatsCluster, running_cluster, server_binary
from workloads import SYMBOL, timed

pytestmark = pytest.mark.skipif(server_binary() is None, reason="nats-server is not installed")

MESSAGES, TURNS = 100, 4
NOTE = "a note of the service"


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsCluster]:
    with running_cluster(tmp_path_factory.mktemp("servers")) as cluster:
        yield cluster


class Plain:
    """nats-py alone. It publishes one message after the other, with the headers that fence a writer."""

    def __init__(self, servers: NatsCluster, shard: str) -> None:
        self.servers, self.shard, self.last = servers, shard, 0
        cluster.open(servers.urls, shard, monitoring=servers.monitoring).close()

    def publish(self, payloads: Sequence[bytes]) -> float:
        """Return the seconds for these messages."""
        return asyncio.run(self._publish(payloads))

    async def _publish(self, payloads: Sequence[bytes]) -> float:
        client = await nats.connect(self.servers.urls)
        stream = client.jetstream()
        self.last = self.last or (await stream.stream_info(f"oms-{self.shard}")).state.last_seq
        start = perf_counter()
        for payload in payloads:
            headers = {"Nats-Expected-Last-Sequence": f"{self.last}", "Nats-Msg-Id": f"{self.last}"}
            subject = f"oms.{self.shard}.symbol.{SYMBOL}"
            self.last = (await stream.publish(subject, payload, headers=headers)).seq
        seconds = perf_counter() - start
        await client.close()
        return seconds


def add(om: OrderManagement, first: int, size: int) -> None:
    """Add orders as the service does: one order in a call, and several in a group with one commit."""
    if size == 1:
        om.add_order(first, SYMBOL, Side.BUY, 20, 2_000)
        return
    with om.transaction(NOTE, concurrent_commit=True):
        for number in range(first, first + size):
            om.add_order(number, SYMBOL, Side.BUY, 20, 2_000)


def last_payload(servers: NatsCluster, shard: str) -> bytes:
    log = JetStreamLog(servers.urls, shard, "the benchmark")
    message = log.message_at(log.last())
    log.close()
    assert message is not None
    return message.payload


def batch(first: int, size: int) -> list[Event]:
    """Return the events of such a group."""
    return [OrderAdded(Order(n, SYMBOL, Side.BUY, 20, 2_000), n, NOTE) for n in range(first, first + size)]


def append_all(store: Journal, batches: Sequence[Sequence[Event]]) -> None:
    for events in batches:
        store.append(events)


def add_all(om: OrderManagement, firsts: Sequence[int], size: int) -> None:
    for first in firsts:
        add(om, first, size)


@pytest.mark.parametrize("size", [1, 100])
def test_a_journal_stores_most_of_the_messages_that_nats_py_alone_can_store(
    size: int, servers: NatsCluster
) -> None:
    """The row "books" includes the time to change the books, in which no message is on its way."""
    plain = Plain(servers, f"plain-{size}")
    store = JetStreamJournal(servers.urls, f"journal-{size}", monitoring=servers.monitoring)
    om = cluster.open(servers.urls, f"books-{size}", monitoring=servers.monitoring, clock=None)
    seconds: dict[str, list[float]] = {"nats-py": [], "journal": [], "books": []}
    numbers = count(1, size)
    with closing(store), om:
        store.append(batch(1, size))
        add(om, next(numbers), size)
        payload = last_payload(servers, f"books-{size}")
        for _ in range(TURNS):
            firsts = [next(numbers) for _ in range(MESSAGES)]
            batches = [batch(first, size) for first in firsts]
            seconds["nats-py"].append(plain.publish([payload] * MESSAGES))
            seconds["journal"].append(timed(partial(append_all, store, batches)))
            seconds["books"].append(timed(partial(add_all, om, firsts, size)))
        assert om.last_sequence == store.last_sequence
    best = {name: min(each) for name, each in seconds.items()}
    print(f"\n{size} a message of {len(payload):,} bytes:")
    for name, each in best.items():
        print(f"{name:8} {MESSAGES * size / each:8,.0f} commands a second, {best['nats-py'] / each:.0%}")
    assert best["nats-py"] / best["journal"] > 0.5
    assert best["nats-py"] / best["books"] > 0.3


def test_a_change_is_acknowledged_again_after_the_leader_was_killed(servers: NatsCluster) -> None:
    seconds: list[float] = []
    with cluster.open(servers.urls, "kills", monitoring=servers.monitoring) as om:
        for number in range(1, 4):
            om.add_order(number, SYMBOL, Side.BUY, 20, 2_000)
            leader = servers.leader_of("oms-kills")
            assert leader is not None
            start = perf_counter()
            servers.kill(leader)
            om.add_order(number + 10, SYMBOL, Side.BUY, 20, 2_000)
            seconds.append(perf_counter() - start)
            servers.start(leader)
            servers.wait()
    print(
        f"\nthe next acknowledgement after a kill of the leader: {', '.join(f'{s:.1f} s' for s in seconds)}"
    )
    assert max(seconds) < 25


def test_opening_a_log_takes_time_in_proportion_to_its_messages(servers: NatsCluster) -> None:
    with cluster.open(servers.urls, "long", monitoring=servers.monitoring) as om:
        for first in range(1, 200_001, 100):
            add(om, first, 100)
        state_hash = om.state_hash()
    start = perf_counter()
    with cluster.open(servers.urls, "long", monitoring=servers.monitoring) as om:
        seconds = perf_counter() - start
        assert om.state_hash() == state_hash
    print(f"\nopening a log of 200,000 events in 2,000 messages: {seconds:.1f} s")
    assert seconds < 60
