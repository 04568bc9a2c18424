"""The time of an HTTP request, compared with a request to an empty endpoint.

Workload: one client sends 1,000 requests of each kind over one open connection on the same machine. The kinds
take turns of 50 requests, so that other work on the machine affects all of them. The client is written by
hand, so that it takes little time itself. The server is a separate process, as `oms serve` runs it, without a
journal. The empty endpoint is a plain FastAPI function in the same process. It runs in a thread too, but
without the API's security checks and strict parsing.

Client and server share two processors with other work, so the percentiles are noisy.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from fastapi import FastAPI

from oms import Order, OrderManagement, Side
from oms.api import Settings, create_app, server
from timed_requests import connect, send

TURNS, IN_A_TURN = 20, 50


@pytest.fixture(scope="module")
def connection() -> Iterator[socket.socket]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    command = [sys.executable, "-c", "import test_what_the_api_costs as here; here.serve()"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stdout is not None
        with connect(int(server.stdout.readline())) as connection:
            yield connection
        server.kill()


def serve() -> None:
    """Run the server with 1,000 orders on 100 levels and with the empty endpoint."""
    om = OrderManagement()
    om.add_orders(Order(n, "JPM", Side.BUY, 10, 100 + n % 100) for n in range(1_000))
    app = FastAPI()

    @app.get("/empty")
    def empty() -> dict[str, int]:
        return {}

    app.mount("/book", create_app(om, Settings(checks_host=True)))
    with server.listen("127.0.0.1", 0) as listening:
        print(listening.getsockname()[1], flush=True)
        server.run(app, listening)


def test_a_request_takes_at_most_a_few_times_as_long_as_an_empty_request(connection: socket.socket) -> None:
    ids = count(10_000)

    def order() -> str:
        return json.dumps({"order_id": next(ids), "symbol": "IBM", "side": "BUY", "amount": 5, "price": 7})

    kinds: dict[str, Callable[[], float]] = {
        "empty endpoint": lambda: send(connection, "GET", "/empty"),
        "GET /price": lambda: send(connection, "GET", "/book/price?symbol=JPM&side=BUY&amount=2000"),
        "POST /orders": lambda: send(connection, "POST", "/book/orders", order()),
    }
    durations: dict[str, list[float]] = {name: [] for name in kinds}
    for turn in range(TURNS + 1):
        for name, call in kinds.items():
            times = [call() for _ in range(IN_A_TURN)]
            if turn:  # the first turn is a warm-up
                durations[name] += times
    median = {name: sorted(times)[len(times) // 2] for name, times in durations.items()}
    for name, times in durations.items():
        p99 = sorted(times)[len(times) * 99 // 100]
        ratio = median[name] / median["empty endpoint"]
        print(f"{name:15} p50 {median[name] * 1e3:6.2f} ms  p99 {p99 * 1e3:6.2f} ms  {ratio:4.1f} x empty")
    assert median["GET /price"] < 4 * median["empty endpoint"]
    assert median["POST /orders"] < 6 * median["empty endpoint"]
