"""What a request costs on the way to the book and back, beside an endpoint that does nothing.

Workload: one client on one kept connection of the loopback, written by hand so that it costs little itself;
1,000 requests of each kind, in turns of 50, so that what else the machine does meets all of them. The server
is a process of its own, as `oms serve` runs it, without a journal; the empty endpoint is a plain FastAPI
function (`def`, so in a thread, as ours) in the same process, without our guard or our strict reading.

Doubt: client and server share two processors, and the percentiles are of a machine that is not quiet.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

TURNS, IN_A_TURN = 20, 50


@pytest.fixture(scope="module")
def connection() -> Iterator[socket.socket]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    command = [sys.executable, "-c", "import test_what_the_api_costs as here; here.serve()"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stdout is not None
        with socket.create_connection(("127.0.0.1", int(server.stdout.readline()))) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            yield connection
        server.kill()


def serve() -> None:
    """The server's process: 1,000 orders on 100 levels, and the empty endpoint beside them."""
    from fastapi import FastAPI  # noqa: PLC0415  # the client needs none of it

    from oms import Order, OrderManagement, Side  # noqa: PLC0415  # as above
    from oms.api import (  # noqa: PLC0415  # as above
        Settings,
        create_app,
        server,  # as above
    )

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


def ask(connection: socket.socket, method: str, path: str, body: str = "") -> float:
    """The seconds that an answer takes."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json"]
    sent = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", body]).encode()
    start = time.perf_counter()
    connection.sendall(sent)
    answer = b""
    while b"\r\n\r\n" not in answer or answer[-1:] != b"}":
        answer += connection.recv(65536)
    taken = time.perf_counter() - start
    assert answer[9:11] == b"20", answer
    return taken


def test_what_a_request_costs_beside_an_empty_one(connection: socket.socket) -> None:
    ids = count(10_000)

    def order() -> str:
        return json.dumps({"order_id": next(ids), "symbol": "IBM", "side": "BUY", "amount": 5, "price": 7})

    kinds: dict[str, Callable[[], float]] = {
        "empty endpoint": lambda: ask(connection, "GET", "/empty"),
        "GET /price": lambda: ask(connection, "GET", "/book/price?symbol=JPM&side=BUY&amount=2000"),
        "POST /orders": lambda: ask(connection, "POST", "/book/orders", order()),
    }
    taken: dict[str, list[float]] = {name: [] for name in kinds}
    for turn in range(TURNS + 1):
        for name, request in kinds.items():
            times = [request() for _ in range(IN_A_TURN)]
            if turn:  # the first warms up
                taken[name] += times
    median = {name: sorted(times)[len(times) // 2] for name, times in taken.items()}
    for name, times in taken.items():
        p99 = sorted(times)[len(times) * 99 // 100]
        ratio = median[name] / median["empty endpoint"]
        print(f"{name:15} p50 {median[name] * 1e3:6.2f} ms  p99 {p99 * 1e3:6.2f} ms  {ratio:4.1f} x empty")
    assert median["GET /price"] < 4 * median["empty endpoint"]
    assert median["POST /orders"] < 6 * median["empty endpoint"]
