"""Without free threads, disk space, or memory, the file contains exactly the acknowledged changes."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest

from oms import journal

NOBODY = 65534
as_root = pytest.mark.skipif(
    not hasattr(os, "getuid") or os.getuid() != 0,
    reason="process limits apply only to unprivileged users, and only root can become one",
)
LIMITED = f"""
import json, os, resource, sys
from oms import Side, journal
path = sys.argv[1]
om = journal.open(path)
om.add_order(1, "J", Side.BUY, 1, 1)
os.setgid({NOBODY}); os.setuid({NOBODY})
resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize(path + "-wal") + 2000, resource.RLIM_INFINITY))
acknowledged, errors = [1], set()
for order_id in range(2, 40):
    try:
        with om.transaction("n"):
            om.add_order(order_id, "J", Side.BUY, 1, 1)
        acknowledged.append(order_id)
    except Exception as error:
        errors.add(type(error).__name__)
print(json.dumps([acknowledged, sorted(errors), [order.order_id for order in om.orders()]]))
sys.stdout.flush(); os._exit(0)
"""
SERVED = f"""
import os, resource, signal, sys
import httpx, uvicorn, oms.api, oms.api.app, oms.cli, oms.cli.serve_plan, oms.journal, encodings.idna
import uvicorn.lifespan.on, uvicorn.loops.auto, uvicorn.protocols.http.auto, uvicorn.protocols.websockets.auto
from oms.__main__ import main
def limit(*_):
    resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize("book.db-wal") + 3000, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
signal.signal(signal.SIGUSR1, limit)
if os.getuid() == 0 and sys.argv[1] == "nobody":
    os.setgid({NOBODY}); os.setuid({NOBODY})
sys.argv[:2] = ["oms"]
sys.exit(main())
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Provide a folder that every user may write to, because the parents of `tmp_path` are private."""
    with TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


@as_root
def test_without_free_threads_and_disk_space_memory_and_the_file_contain_the_same_orders(
    folder: Path,
) -> None:
    command = [sys.executable, "-c", LIMITED, str(folder / "book.db")]
    process = subprocess.run(command, check=False, capture_output=True, timeout=60, text=True)
    assert process.returncode == 0, process.stderr
    acknowledged, errors, resting = json.loads(process.stdout)
    assert errors == ["JournalError"]
    with journal.open(folder / "book.db", verify=True) as reopened:
        stored = [order.order_id for order in reopened.orders()]
    assert stored == acknowledged == resting


@contextmanager
def serving(folder: Path, user: str) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
    """Serve a journal in a separate process, and kill the process at the end."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", SERVED, user, "serve", "--journal", "book.db", "--port", str(port)]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as server:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
                for _ in range(300):
                    try:
                        client.get("/health")
                        break
                    except httpx.HTTPError:
                        assert server.poll() is None, server.stderr and server.stderr.read()
                        time.sleep(0.1)
                yield server, client
        finally:
            server.kill()


def post(client: httpx.Client, order_id: int, note: str = "") -> bool:
    """Return True if the order was acknowledged."""
    order = {"order_id": order_id, "symbol": f"J{note}", "side": "BUY", "amount": 1, "price": 1}
    try:
        return client.post("/orders", json=order).status_code == 201
    except httpx.HTTPError:
        return False


def assert_all_are_in_the_file(folder: Path, acknowledged: list[int]) -> None:
    with journal.open(folder / "book.db", verify=True) as reopened:
        assert [order_id for order_id in acknowledged if order_id not in reopened] == []


@as_root
def test_a_service_without_free_threads_and_disk_space_acknowledges_only_orders_that_are_in_the_file(
    folder: Path,
) -> None:
    with serving(folder, "nobody") as (server, client):
        acknowledged = [order_id for order_id in range(1, 20) if post(client, order_id)]
        assert len(acknowledged) == 19
        server.send_signal(signal.SIGUSR1)
        while "Max processes             1 " not in Path(f"/proc/{server.pid}/limits").read_text():
            time.sleep(0.01)
        acknowledged += [order_id for order_id in range(100, 120) if post(client, order_id)]
        assert client.get("/ready").status_code == 503
    assert_all_are_in_the_file(folder, acknowledged)
    assert len(acknowledged) < 39, "the disk became full"


@pytest.mark.skipif(
    not hasattr(resource, "prlimit"), reason="this system cannot set limits of other processes"
)
def test_a_service_that_runs_out_of_memory_acknowledges_only_orders_that_are_in_the_file(
    folder: Path,
) -> None:
    with serving(folder, "me") as (server, client):
        acknowledged = [order_id for order_id in range(1, 20) if post(client, order_id)]
        assert len(acknowledged) == 19
        used = int(Path(f"/proc/{server.pid}/statm").read_text().split()[0]) * resource.getpagesize()
        resource.prlimit(server.pid, resource.RLIMIT_AS, (used + 2**20, resource.RLIM_INFINITY))
        note = "x" * 60_000
        client.timeout = httpx.Timeout(2)
        failures, order_id = 0, 100
        while failures < 3:
            if post(client, order_id, f"{order_id}{note}"):
                acknowledged.append(order_id)
            else:
                failures += 1
            order_id += 1
            assert order_id < 10_000, "memory should have run out"
    assert_all_are_in_the_file(folder, acknowledged)


WITHOUT_MEMORY = """
import sys, _testcapi
sys.path.insert(0, sys.argv[1])
from support.memory_journal import MemoryJournal
from oms import Order, OrderManagement, Side
B, S = Side.BUY, Side.SELL
def basket(om):
    with om.transaction("basket"):
        om.place_trade("JPM", B, 22); om.remove_order(5)
def hypothetical(om):
    with om.what_if():
        om.place_trade("JPM", B, 22); om.amend_order(5, price=3)
CHANGES = [
    basket,
    hypothetical,
    lambda om: om.add_order(9, "NEW", S, 5, 22),
    lambda om: om.remove_order(2),
    lambda om: om.amend_order(1, price=25),
    lambda om: om.place_trade("JPM", B, 22),
    lambda om: om.remove_orders("JPM"),
    lambda om: om.add_orders([Order(9, "JPM", B, 5, 20), Order(10, "NEW", B, 5, 20)]),
]
ROWS = [(1, "JPM", B, 20, 20), (2, "JPM", B, 1, 20), (4, "JPM", B, 10, 21), (5, "IBM", B, 10, 90)]
def new(durable):
    om = OrderManagement(MemoryJournal() if durable else None)
    om.add_orders(Order(*row) for row in ROWS)
    return om
failures = 0
for durable in (False, True):
    for change in CHANGES:
        changed, before = new(durable), new(durable).state_hash()
        change(changed)
        after, at, successes = changed.state_hash(), 0, 0
        while successes < 20:
            om, failed = new(durable), False
            try:
                _testcapi.set_nomemory(at, at + 1)
                try:
                    change(om)
                finally:
                    _testcapi.remove_mem_hooks()
            except MemoryError:
                failed = True
            om._check()
            state = om.state_hash()
            assert state in (before, after), (durable, at)
            assert not durable or state == OrderManagement(om.journal).state_hash()
            assert failed or state == after
            failures += failed
            successes = 0 if failed else successes + 1
            at += 1
print(failures)
"""


def test_a_change_that_runs_out_of_memory_is_made_as_a_whole_or_not_at_all() -> None:
    pytest.importorskip(
        "_testcapi", reason="only a CPython with its test modules can make an allocation fail"
    )
    command = [sys.executable, "-c", WITHOUT_MEMORY, str(Path(__file__).parents[1])]
    process = subprocess.run(command, check=False, capture_output=True, timeout=100, text=True)
    if process.returncode == -signal.SIGSEGV:
        pytest.skip("this version of CPython crashes when an allocation fails")
    assert process.returncode == 0, process.stderr[-2000:]
    assert int(process.stdout) > 100, "more than 100 allocations should have failed"
