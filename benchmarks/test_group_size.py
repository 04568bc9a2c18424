"""The number of commands in a message in a NATS cluster, when several clients wait for each response.

The model of docs/explanation/capacity.md predicts that a group has all of the clients. If other work delays
some of their threads, a group does not wait for them, and may have only half of the clients.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from pathlib import Path
from statistics import mean
from time import perf_counter

import pytest

from oms import Side, cluster
from oms.api.group import Groups, Request
from support.nats_cluster import running_cluster, server_binary
from workloads import SYMBOL

pytestmark = pytest.mark.skipif(server_binary() is None, reason="nats-server is not installed")

CLIENTS = (1, 10, 60)
SECONDS = 2.0  # of each measurement


def group_sizes(servers: list[str], monitoring: list[str], clients: int) -> list[int]:
    """Let clients add orders for some seconds, and return the number of commands in each message."""
    sizes, numbers = list[int](), count(1)
    with cluster.open(servers, f"clients-{clients}", monitoring=monitoring) as om:
        groups: Groups[int] = Groups(om, lambda: om.last_sequence, lambda number: number)
        groups.observers.append(lambda size, _: sizes.append(size))
        end = perf_counter() + SECONDS

        def add(number: int) -> int:
            om.add_order(number, SYMBOL, Side.BUY, 20, 2_000)
            return number

        def work(_client: int) -> None:
            while perf_counter() < end:
                number = next(numbers)
                groups.run(Request(partial(add, number), "a note of the service", frozenset([number])))

        with ThreadPoolExecutor(clients) as threads:
            list(threads.map(work, range(clients)))
    return sizes


def test_a_message_has_the_commands_of_many_of_the_clients_that_wait(tmp_path: Path) -> None:
    with running_cluster(tmp_path) as servers:
        for clients in CLIENTS:
            sizes = group_sizes(servers.urls, servers.monitoring, clients)
            print(f"{clients} clients: {mean(sizes):.1f} commands a message, in {len(sizes)} messages")
            assert mean(sizes) > 0.3 * clients
