"""The time of a request through the gateway of a cluster, compared with the same request to the worker.

Workload: one client sends 1,000 requests of each kind over one open connection on the same machine. The kinds
take turns of 50 requests, so that other work on the machine affects all of them. Three workers and the
gateway are separate processes. The workers have no journal, and the directory of order ids is in the
gateway's memory. So the difference is the time of the gateway alone, without the replicated log and the
claims.

Six processes share two processors with other work, so the percentiles are noisy. The test has three attempts.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path
from statistics import median

import pytest

from oms import Order, OrderManagement, Side
from oms.api import Settings, create_app, server
from oms.cluster.gateway import Addresses, create_gateway
from oms.cluster.ownership.shards import Shards
from support.clusters import NAMES, MemoryDirectory
from timed_requests import connect, send

TURNS, IN_A_TURN, ATTEMPTS = 20, 50, 3


def serve_worker() -> None:
    """Run a worker with 1,000 orders on 100 levels."""
    om = OrderManagement()
    om.add_orders(Order(n, "JPM", Side.BUY, 10, 100 + n % 100) for n in range(1_000))
    with server.listen("127.0.0.1", 0) as listening:
        print(listening.getsockname()[1], flush=True)
        server.run(create_app(om, Settings(access_log=False)), listening)


def serve_gateway(*ports: str) -> None:
    """Run a gateway to the workers at these ports."""
    addresses = Addresses()
    for name, port in zip(NAMES, ports, strict=True):
        addresses.set(name, f"http://127.0.0.1:{port}")
    with server.listen("127.0.0.1", 0) as listening:
        print(listening.getsockname()[1], flush=True)
        server.run(create_gateway(Shards(NAMES), MemoryDirectory(), addresses), listening)


@pytest.fixture(scope="module")
def ports() -> Iterator[tuple[int, int]]:
    """The ports of the worker of JPM, and of the gateway."""
    folder = Path(__file__).parent
    path = os.pathsep.join([str(folder), str(folder.parent / "tests"), *sys.path])
    with ExitStack() as stack:

        def start(call: str) -> str:
            command = [sys.executable, "-c", f"import test_what_a_gateway_costs as here; here.{call}"]
            environment = {**os.environ, "PYTHONPATH": path}
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
            stack.enter_context(process)
            stack.callback(process.kill)
            assert process.stdout is not None
            return process.stdout.readline().strip()

        workers = [start("serve_worker()") for _ in NAMES]
        gateway = start(f"serve_gateway{tuple(workers)}")
        yield int(workers[0]), int(gateway)


def test_a_request_through_a_gateway_takes_at_most_a_few_times_as_long(ports: tuple[int, int]) -> None:
    ids = count(10_000)
    worker, gateway = map(connect, ports)

    def order() -> str:
        return json.dumps({"order_id": next(ids), "symbol": "JPM", "side": "BUY", "amount": 5, "price": 7})

    def price(connection: socket.socket) -> float:
        return send(connection, "GET", "/price?symbol=JPM&side=BUY&amount=2000")

    kinds: dict[str, Callable[[], float]] = {
        "GET /price, worker": lambda: price(worker),
        "GET /price, gateway": lambda: price(gateway),
        "POST /orders, worker": lambda: send(worker, "POST", "/orders", order()),
        "POST /orders, gateway": lambda: send(gateway, "POST", "/orders", order()),
        "GET /orders, worker": lambda: send(worker, "GET", "/orders?limit=100"),
        "GET /orders, gateway": lambda: send(gateway, "GET", "/orders?limit=100"),
    }
    with closing(worker), closing(gateway):
        for _ in range(ATTEMPTS):
            ratios = measured(kinds)
            if max(ratios.values()) < 10:
                break
    assert max(ratios.values()) < 10, f"times as long: {ratios}"


def measured(kinds: dict[str, Callable[[], float]]) -> dict[str, float]:
    """Measure and print each kind of request. Return how many times as long the gateway takes, by path."""
    seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(TURNS):
        for kind, request in kinds.items():
            seconds[kind] += [request() for _ in range(IN_A_TURN)]
    print()
    for kind, times in seconds.items():
        print(f"{kind:25} median {1_000 * median(times):5.2f} ms, 99 % {1_000 * sorted(times)[-10]:6.2f} ms")
    return {
        path: median(seconds[f"{path}, gateway"]) / median(seconds[f"{path}, worker"])
        for path in ("GET /price", "POST /orders", "GET /orders")
    }
