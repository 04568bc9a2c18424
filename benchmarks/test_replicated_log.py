"""The speed of a journal in a NATS cluster, compared with nats-py alone, and the time to recover from a kill.

Three servers on this machine share its disk and its processors with the client, and each of them syncs every
message. On three machines, a round trip takes longer, but the servers do not compete for one disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from functools import partial
from itertools import count
from math import inf
from time import perf_counter, sleep

import nats
import pytest
from nats.aio.client import Client

from oms import Event, Order, OrderAdded, OrderManagement, Side, cluster
from oms.cluster import JetStreamJournal
from oms.cluster.jetstream.jetstream_log import JetStreamLog
from oms.events import Journal
from support.nats_cluster import NatsCluster, running_cluster, server_binary
from workloads import SYMBOL, timed

pytestmark = pytest.mark.skipif(server_binary() is None, reason="nats-server is not installed")

MESSAGES, TURNS = 40, 15
NOTE = "a note of the service"


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsCluster]:
    with running_cluster(tmp_path_factory.mktemp("servers")) as cluster:
        yield cluster


class Plain:
    """nats-py alone. It publishes one message after the other, with the headers that fence a writer."""

    def __init__(self, url: str, shard: str) -> None:
        self.shard, self.runner = shard, asyncio.Runner()
        self.client: Client = self.runner.run(nats.connect([url]))
        self.stream = self.client.jetstream()
        self.last = self.runner.run(self.stream.stream_info(f"oms-{shard}")).state.last_seq

    def publish(self, payloads: Sequence[bytes]) -> None:
        self.runner.run(self._publish(payloads))

    async def _publish(self, payloads: Sequence[bytes]) -> None:
        for payload in payloads:
            headers = {"Nats-Expected-Last-Sequence": f"{self.last}", "Nats-Msg-Id": f"{self.last}"}
            subject = f"oms.{self.shard}.symbol.{SYMBOL}"
            self.last = (await self.stream.publish(subject, payload, headers=headers)).seq

    def close(self) -> None:
        self.runner.run(self.client.close())
        self.runner.close()


def led(servers: NatsCluster, shard: str) -> str:
    """Create the log of a shard, and return the URL of the server that leads it.

    A message takes longer through another server, and each shard has its own leader. So all rows of the
    benchmark publish to the leader.
    """
    cluster.open(servers.urls, shard, monitoring=servers.monitoring).close()
    while (leader := servers.leader_of(f"oms-{shard}")) is None:
        sleep(0.1)
    return servers.urls[leader]


def add(om: OrderManagement, first: int, size: int) -> None:
    """Add orders as the service does: one order in a call, and several in a group with one commit."""
    if size == 1:
        om.add_order(first, SYMBOL, Side.BUY, 20, 2_000)
        return
    with om.transaction(NOTE, concurrent_commit=True):
        for number in range(first, first + size):
            om.add_order(number, SYMBOL, Side.BUY, 20, 2_000)


def last_payload(url: str, shard: str) -> bytes:
    with closing(JetStreamLog([url], shard, "the benchmark")) as log:
        message = log.message_at(log.last())
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


@pytest.mark.parametrize(("size", "least_journal", "least_books"), [(1, 0.65, 0.6), (100, 0.5, 0.3)])
def test_a_journal_stores_most_of_the_messages_that_nats_py_alone_can_store(
    size: int, least_journal: float, least_books: float, servers: NatsCluster
) -> None:
    """The row "books" includes the time to change the books, in which no message is in flight.

    The rows take turns, and the fastest turn of each counts.
    """
    urls = {row: led(servers, f"{row}-{size}") for row in ("nats-py", "journal", "books")}
    seconds = dict.fromkeys(urls, inf)
    numbers = count(1, size)
    with ExitStack() as stack:
        plain = stack.enter_context(closing(Plain(urls["nats-py"], f"nats-py-{size}")))
        monitoring = servers.monitoring
        store = stack.enter_context(
            closing(JetStreamJournal(urls["journal"], f"journal-{size}", monitoring=monitoring))
        )
        om = stack.enter_context(
            cluster.open(urls["books"], f"books-{size}", monitoring=monitoring, clock=None)
        )
        store.append(batch(1, size))
        add(om, next(numbers), size)
        payload = last_payload(urls["books"], f"books-{size}")
        for _ in range(TURNS):
            firsts = [next(numbers) for _ in range(MESSAGES)]
            batches = [batch(first, size) for first in firsts]
            for row, call in (
                ("nats-py", partial(plain.publish, [payload] * MESSAGES)),
                ("journal", partial(append_all, store, batches)),
                ("books", partial(add_all, om, firsts, size)),
            ):
                seconds[row] = min(seconds[row], timed(call))
        assert om.last_sequence == store.last_sequence
    print(f"\n{size} a message of {len(payload):,} bytes:")
    for row, each in seconds.items():
        speed = f"{MESSAGES * size / each:8,.0f} commands a second"
        print(f"{row:8} {speed}, {seconds['nats-py'] / each:.0%}, {each / MESSAGES * 1000:.3f} ms a message")
    assert seconds["nats-py"] / seconds["journal"] > least_journal
    assert seconds["nats-py"] / seconds["books"] > least_books


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
