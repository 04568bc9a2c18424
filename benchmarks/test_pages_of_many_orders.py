"""The time of a page of orders, and of reading all orders, with 1,000,000 resting orders.

Workload: the service runs in a process of its own, as `oms serve` runs it, without a journal. The ids of its
orders do not follow their prices. A client in another process reads single pages from a small and from a
large service, and then all orders of the large one, page by page. The peak memory is that of the client's
process, less its memory before the first page.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from oms import Order, OrderManagement, Side
from oms.api import Settings, create_app, server
from oms.client import Client

FEW, MANY = 1_000, 1_000_000
SYMBOLS = 50
SELECTIONS = {
    "all": {},
    "symbol": {"symbol": "S1"},
    "side": {"side": "BUY"},
    "book": {"symbol": "S1", "side": "SELL"},
}


def serve(count: int) -> None:
    """Run the service with this number of orders. Print its port."""
    om = OrderManagement()
    om.add_orders(
        Order(n * 7919 % count, f"S{n % SYMBOLS}", list(Side)[n // SYMBOLS % 2], 10, 1_000 + n % 3_000)
        for n in range(count)
    )
    app = create_app(om, Settings(checks_host=True))
    with server.listen("127.0.0.1", 0) as listening:
        print(listening.getsockname()[1], flush=True)
        server.run(app, listening)


def read(few: str, many: str) -> None:
    """Read pages and all orders. Print the times and the peak memory as JSON."""
    times: dict[str, dict[str, float]] = {"few": {}, "many": {}}
    with httpx.Client(timeout=60) as http:
        for name, selection in SELECTIONS.items():
            taken: dict[str, list[float]] = {"few": [], "many": []}
            for turn in range(50):  # in turns, so that other work on the machine affects both
                for size, port in (("few", few), ("many", many)):
                    query: dict[str, Any] = {**selection, "limit": 20, "after": turn}
                    begin = time.perf_counter()
                    http.get(f"http://127.0.0.1:{port}/orders", params=query).raise_for_status()
                    taken[size].append(time.perf_counter() - begin)
            for size, seconds in taken.items():
                times[size][name] = min(seconds)
    with Client(f"http://127.0.0.1:{many}", timeout=60) as om:
        begin, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        count = sum(1 for _ in om.orders_by_id())
        elapsed, peak = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({**times, "count": count, "seconds": elapsed, "megabytes": (peak - before) / 1024}))


def code(call: str) -> list[str]:
    return [sys.executable, "-c", f"import test_pages_of_many_orders as here; here.{call}"]


ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}


@contextmanager
def service(count: int) -> Iterator[str]:
    """Run a service with this number of orders. Yield its port."""
    command = code(f"serve({count})")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.kill()


def test_a_page_takes_as_long_with_many_orders_and_all_pages_need_little_memory() -> None:
    with service(FEW) as few, service(MANY) as many:
        result = subprocess.run(
            code(f"read({few!r}, {many!r})"), stdout=subprocess.PIPE, text=True, env=ENVIRONMENT, check=True
        )
    figures = json.loads(result.stdout)
    for name in SELECTIONS:
        small, large = figures["few"][name], figures["many"][name]
        milliseconds = f"{large * 1e3:.2f} ms, of {FEW:,}: {small * 1e3:.2f} ms"
        print(f"a page of 20 of {MANY:,} orders ({name}): {milliseconds}")
        assert large < 5 * small
    print(f"all {MANY:,} orders: {figures['seconds']:.1f} s, peak memory {figures['megabytes']:.1f} MB more")
    assert figures["count"] == MANY
    assert figures["megabytes"] < 50
