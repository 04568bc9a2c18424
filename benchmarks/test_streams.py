"""How long a small request waits while streams send large messages.

Workload: the server is a separate process, as `oms serve` runs it, without a journal. Another process reads
50 streams. This process sends one `GET /health` after another over one open connection, and notes the longest
time in each of these cases:

- nothing else happens,
- a trade of 30,000 fills is placed, without streams,
- a trade of 30,000 fills is placed, and 50 streams send it,
- one stream sends a snapshot of 1,000,000 orders.

Each number is the median of the longest times of several rounds. All processes share the processors with
other work, so the times are compared with those of the same run.
"""

from __future__ import annotations

import os
import selectors
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import pytest

from oms import Order, OrderManagement, Side
from oms.api import Settings, create_app, server
from timed_requests import connect, send

STREAMS, FILLS, ORDERS, ROUNDS = 50, 30_000, 1_000_000, 5
IDLE_SECONDS = 1.0


class Service(NamedTuple):
    """The server, its port, and the process that reads the streams."""

    server: subprocess.Popen[str]
    port: int
    readers: subprocess.Popen[str]


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with _here("serve()") as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        with _here(f"read({port})") as readers:
            yield Service(server, port, readers)
            readers.kill()
        server.kill()


def _here(call: str) -> subprocess.Popen[str]:
    """Run a function of this file in another process."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    command = [sys.executable, "-c", f"import test_streams as here; here.{call}"]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )


def serve() -> None:
    """Run the server with 1,000,000 orders of one symbol. Add 30,000 of the symbol in each line of stdin."""
    om = OrderManagement()
    om.add_orders(Order(n, "LARGE", Side.SELL, 10, 100 + n % 1_000) for n in range(ORDERS))

    def add() -> None:
        for line in sys.stdin:
            symbol = line.strip()
            om.add_orders(Order(ORDERS + n, symbol, Side.BUY, 10, 100 + n % 1_000) for n in range(FILLS))
            print("added", flush=True)

    Thread(target=add, daemon=True).start()
    with server.listen("127.0.0.1", 0) as listening:
        print(listening.getsockname()[1], flush=True)
        server.run(create_app(om, Settings()), listening)


def read(port: int) -> None:
    """Open as many streams as each line of stdin says, and read until each has received so many bytes.

    A line has the symbol, the number of streams, and one or more numbers of bytes. Print a line when the
    streams are open, and a line when each stream has received one of these numbers, and then the next one.
    """
    for line in sys.stdin:
        symbol, streams, *sizes = line.split()
        missing: dict[socket.socket, int] = {}
        for _ in range(int(streams)):
            connection = socket.create_connection(("127.0.0.1", port))
            connection.sendall(_upgrade(symbol))
            connection.recv(65536)
            missing[connection] = 0
        print("open", flush=True)
        with selectors.DefaultSelector() as selector:
            for connection in missing:
                selector.register(connection, selectors.EVENT_READ)
            for size in sizes:
                missing = {connection: more + int(size) for connection, more in missing.items()}
                _receive(selector, missing)
                print("received", flush=True)
        for connection in missing:
            connection.close()


def _receive(selector: selectors.BaseSelector, missing: dict[socket.socket, int]) -> None:
    """Read until each connection has received as many bytes as are missing."""
    buffer = bytearray(2**20)
    while any(size > 0 for size in missing.values()):
        for key, _ in selector.select():
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            missing[connection] -= connection.recv_into(buffer)


def _upgrade(symbol: str) -> bytes:
    request = f"GET /stream?symbol={symbol} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\n"
    upgrade = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    return f"{request}{upgrade}Sec-WebSocket-Key: c2l4dGVlbiBieXRlcy4uLg==\r\n\r\n".encode()


def longest_wait(port: int, work: Callable[[], object]) -> float:
    """Return the longest time of a `GET /health`, in milliseconds, until `work` has ended."""
    working = Thread(target=work)
    waits = []
    with connect(port) as connection:
        send(connection, "GET", "/health")
        working.start()
        while working.is_alive():
            waits.append(send(connection, "GET", "/health"))
    return max(waits) * 1_000


def trade(service: Service, symbol: str) -> None:
    with connect(service.port) as connection:
        body = f'{{"symbol":"{symbol}","side":"BUY","amount":{FILLS * 10}}}'
        send(connection, "POST", "/trades", body)


def add_orders(service: Service, symbol: str) -> None:
    """Add the orders of one trade. A new symbol has no earlier trades, which a snapshot would contain."""
    assert service.server.stdin is not None
    assert service.server.stdout is not None
    service.server.stdin.write(f"{symbol}\n")
    service.server.stdin.flush()
    assert service.server.stdout.readline() == "added\n"


def opened(service: Service, symbol: str, streams: int, *sizes: int) -> Callable[[], None]:
    """Open streams. Return a function that waits until each has received the next number of bytes."""
    readers = service.readers
    assert readers.stdin is not None
    assert readers.stdout is not None
    readers.stdin.write(f"{symbol} {streams} {' '.join(map(str, sizes))}\n")
    readers.stdin.flush()
    assert readers.stdout.readline() == "open\n"

    def wait() -> None:
        assert readers.stdout is not None
        assert readers.stdout.readline() == "received\n"

    return wait


def test_large_messages_to_many_streams_hardly_delay_a_small_request(service: Service) -> None:
    port = service.port
    idle, alone, streamed = [], [], []
    for turn in range(ROUNDS):
        first, second = f"A{turn}", f"B{turn}"
        idle.append(longest_wait(port, lambda: time.sleep(IDLE_SECONDS)))
        add_orders(service, first)
        alone.append(longest_wait(port, partial(trade, service, first)))
        received = opened(service, second, STREAMS, 1, FILLS * 60, FILLS * 40)
        received()  # the snapshots
        add_orders(service, second)
        received()
        streamed.append(longest_wait(port, partial(_trade_and_wait, service, second, received)))
    waits = {"idle": idle, "trade": alone, f"trade, {STREAMS} streams": streamed}
    _report(waits)
    medians = {name: statistics.median(times) for name, times in waits.items()}
    assert medians[f"trade, {STREAMS} streams"] <= medians["idle"] + 50


def test_a_snapshot_of_a_million_orders_hardly_delays_a_small_request(service: Service) -> None:
    idle = longest_wait(service.port, lambda: time.sleep(IDLE_SECONDS))
    start = time.perf_counter()
    received = opened(service, "LARGE", 1, ORDERS * 60)
    snapshot = longest_wait(service.port, received)
    print(f"\nsnapshot of {ORDERS:,} orders: {time.perf_counter() - start:.1f} s")
    _report({"idle": [idle], "snapshot": [snapshot]})
    assert snapshot <= idle + 50


def _trade_and_wait(service: Service, symbol: str, received: Callable[[], None]) -> None:
    trade(service, symbol)
    received()


def _report(waits: dict[str, list[float]]) -> None:
    print("\nlongest wait of GET /health in ms: median (all rounds)")
    for name, times in waits.items():
        print(f"{name:20} {statistics.median(times):6.1f} ({', '.join(f'{each:.1f}' for each in times)})")
