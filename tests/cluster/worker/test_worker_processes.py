"""Worker processes on a real cluster: they are killed, stopped, and replaced, and no change is lost."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest

from oms.cluster.jetstream.jetstream_journal import JetStreamJournal
from support.nats_cluster import NatsCluster
from support.worker_process import Processes, within

pytestmark = pytest.mark.long


def post(workers: Processes, name: str, order_id: int) -> httpx.Response:
    """Send an order, and return the response."""
    order = {"order_id": order_id, "symbol": "JPM", "side": "BUY", "amount": 20, "price": 20}
    return workers.request(name, "POST", "/shards/s1/orders", json=order)


def add(workers: Processes, name: str, order_id: int) -> int:
    """Send an order, and return the status of the response."""
    return post(workers, name, order_id).status_code


def ids(workers: Processes, name: str) -> list[int] | None:
    """Return the ids of the resting orders, or None if the worker does not answer for the shard."""
    response = workers.request(name, "GET", "/shards/s1/orders?limit=1000")
    return [each["order_id"] for each in response.json()["orders"]] if response.status_code == 200 else None


def status(nats: NatsCluster) -> tuple[int, dict[str, Any]]:
    """Return the exit code of `oms cluster status`, and its output."""
    servers = [word for url in nats.urls for word in ("--servers", url)]
    command = [sys.executable, "-m", "oms", "cluster", "status", *servers, "--seconds", "2", "--json"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.stderr == ""
    return ended.returncode, json.loads(ended.stdout)


def stored_ids(nats: NatsCluster) -> list[int]:
    """Return the ids of all orders that were ever added, in the order of the log."""
    journal = JetStreamJournal(nats.urls, "s1", monitoring=nats.monitoring, read_only=True)
    events = list(journal.read())
    journal.close()
    return [event.order.order_id for event in events]  # type: ignore[attr-defined]  # only OrderAdded


def test_a_killed_worker_is_replaced_and_every_acknowledged_order_is_there(
    nats: NatsCluster, workers: Processes
) -> None:
    workers.start("w1", "--shards", "1")
    within(20, lambda: workers.is_owner("w1", "s1"))
    acknowledged = [order_id for order_id in range(1, 21) if add(workers, "w1", order_id) == 201]
    assert acknowledged == list(range(1, 21))
    workers.start("z1", "--standby")
    within(20, lambda: ids(workers, "z1") == acknowledged)
    code, before = status(nats)
    assert (code, before["shards"][0]["owner"]) == (0, "w1")
    workers.send("w1", signal.SIGKILL)
    start = time.monotonic()
    within(20, lambda: workers.is_owner("z1", "s1"))
    print(f"the standby has taken over after {time.monotonic() - start:.1f} s, with a lease of 2 s")
    assert ids(workers, "z1") == acknowledged
    assert add(workers, "z1", 21) == 201
    code, after = status(nats)
    assert (code, after["shards"][0]["owner"], after["dead"]) == (0, "z1", ["w1"])
    assert stored_ids(nats) == list(range(1, 22))


def test_a_stopped_worker_that_wakes_after_its_lease_is_fenced(nats: NatsCluster, workers: Processes) -> None:
    workers.start("w1", "--shards", "1")
    within(20, lambda: workers.is_owner("w1", "s1"))
    assert add(workers, "w1", 1) == 201
    workers.start("z1", "--standby")
    within(20, lambda: ids(workers, "z1") == [1])
    workers.send("w1", signal.SIGSTOP)
    within(20, lambda: workers.is_owner("z1", "s1"))
    assert add(workers, "z1", 2) == 201
    workers.send("w1", signal.SIGCONT)
    statuses = {add(workers, "w1", 100 + n) for n in range(5)}
    assert statuses <= {421, 503}
    within(20, lambda: not workers.is_owner("w1", "s1"))
    assert add(workers, "z1", 3) == 201
    within(20, lambda: status(nats)[0] == 0)
    assert stored_ids(nats) == [1, 2, 3]


def test_the_late_writes_of_a_worker_that_was_stopped_under_load_are_rejected(
    nats: NatsCluster, workers: Processes
) -> None:
    """Its clients wait for a response while it is stopped. Each response that they get is true."""
    workers.start("w1", "--shards", "1")
    within(20, lambda: workers.is_owner("w1", "s1"))
    workers.start("z1", "--standby")
    within(20, lambda: ids(workers, "z1") == [])
    responses: dict[int, httpx.Response] = {}
    is_ended = Event()

    def send(first: int) -> None:
        for order_id in count(first, 4):
            if is_ended.is_set():
                return
            responses[order_id] = post(workers, "w1", order_id)

    with ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(send, first) for first in (1, 2, 3, 4)]
        try:
            within(20, lambda: len(responses) >= 100)
            workers.send("w1", signal.SIGSTOP)
            within(20, lambda: workers.is_owner("z1", "s1"))
            stored = ids(workers, "z1")
            assert add(workers, "z1", 1_000_000) == 201
            before = len(responses)
            workers.send("w1", signal.SIGCONT)
            within(20, lambda: len(responses) >= before + 20)
        finally:
            is_ended.set()
        for client in clients:
            client.result()
    acknowledged = {order_id for order_id, each in responses.items() if each.status_code == 201}
    rejected = {order_id: each for order_id, each in responses.items() if each.status_code != 201}
    assert {(each.status_code, each.json()["code"]) for each in rejected.values()} <= {
        (421, "not_owner"),
        (503, "not_ready"),
        (503, "journal_failed"),
    }
    log = stored_ids(nats)
    assert sorted(log) == [*sorted(acknowledged), 1_000_000]
    assert rejected.keys().isdisjoint(log)
    assert stored is not None
    assert sorted(log[: len(stored)]) == stored
    assert log[len(stored)] == 1_000_000  # nothing late came between them


def test_a_worker_that_is_stopped_in_the_normal_way_is_replaced_at_once(
    nats: NatsCluster, workers: Processes
) -> None:
    workers.start("w1", "--shards", "1")
    within(20, lambda: workers.is_owner("w1", "s1"))
    assert add(workers, "w1", 1) == 201
    workers.start("z1", "--standby")
    within(20, lambda: ids(workers, "z1") == [1])
    workers.send("w1", signal.SIGTERM)
    assert workers.processes["w1"].wait(20) == 0
    within(5, lambda: workers.is_owner("z1", "s1"))
    assert ids(workers, "z1") == [1]
    assert status(nats)[1]["dead"] == []


def test_two_workers_share_the_shards_and_each_one_replaces_the_other(
    nats: NatsCluster, workers: Processes
) -> None:
    options = "--shards", "2", "--engine", "--self-trade-prevention", "CANCEL_NEWEST"
    workers.start("w1", *options)
    workers.start("w2", *options)
    within(30, lambda: workers.is_owner("w1", "s1") and workers.is_owner("w2", "s2"))
    body = {"order_id": "a", "symbol": "JPM", "side": "SELL", "amount": 20, "price": 101}
    assert workers.request("w1", "POST", "/shards/s1/submissions", json=body).status_code == 201
    workers.send("w1", signal.SIGKILL)
    within(20, lambda: workers.is_owner("w2", "s1"))
    depth = workers.request("w2", "GET", "/shards/s1/depth?symbol=JPM&side=BUY").json()
    assert depth["levels"] == [{"price": 101, "amount": 20, "orders": 1}]
    workers.start("w1")
    within(30, lambda: workers.is_owner("w1", "s1"))
    assert workers.request("w1", "GET", "/shards/s1/ready").json()["orders"] == 1


def test_a_cluster_whose_workers_are_gone_has_the_exit_code_1(nats: NatsCluster, workers: Processes) -> None:
    workers.start("w1", "--shards", "2")
    within(20, lambda: workers.is_owner("w1", "s1"))
    workers.send("w1", signal.SIGKILL)
    within(20, lambda: status(nats)[0] == 1)
    assert [shard["problem"] for shard in status(nats)[1]["shards"]] == ["no owner", "no owner"]


def test_a_second_worker_with_the_same_name_ends_the_first_one(workers: Processes) -> None:
    workers.start("w1", "--shards", "1")
    within(20, lambda: workers.is_owner("w1", "s1"))
    assert add(workers, "w1", 1) == 201
    first = workers.processes["w1"]
    workers.start("w1")
    assert first.wait(20) == 0
    assert "another worker has started under the name w1" in workers.log("w1")
    assert "Traceback" not in workers.log("w1")
    within(20, lambda: workers.is_owner("w1", "s1"))
    assert ids(workers, "w1") == [1]


def test_the_instruments_of_a_worker_are_those_of_its_shards(
    nats: NatsCluster, workers: Processes, tmp_path: Path
) -> None:
    file = tmp_path / "instruments.json"
    aapl = {"symbol": "AAPL", "tick_size": "0.1", "lot_size": "10"}
    file.write_text(json.dumps({"instruments": [aapl]}))
    given = ("--instrument", "JPM=0.01:1:USD", "--instruments", str(file))
    workers.start("w1", "--shards", "2", "--no-clock", *given)
    within(20, lambda: workers.is_owner("w1", "s1") and workers.is_owner("w1", "s2"))
    for shard, symbol, tick_size in (("s1", "JPM", "0.01"), ("s2", "AAPL", "0.1")):
        response = workers.request("w1", "GET", f"/shards/{shard}/instruments")
        listed = [(each["symbol"], each["tick_size"]) for each in response.json()["instruments"]]
        assert listed == [(symbol, tick_size)]
    assert add(workers, "w1", 1) == 201
    events = workers.request("w1", "GET", "/shards/s1/events").json()["events"]
    assert [event.get("time") for event in events] == [None]
