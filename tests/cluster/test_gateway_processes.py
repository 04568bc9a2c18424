"""A gateway, worker processes, and three servers: no acknowledged change is lost, and none is made twice."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from oms import JournalError, Side
from oms.client import Client
from oms.cluster.gateway import open_gateway
from support.api_server import serving
from support.nats_cluster import NatsCluster, running_cluster, server_binary
from support.worker_process import Processes, running_processes, within

pytestmark = pytest.mark.long

BUY = Side.BUY
SYMBOLS = ("JPM", "AAPL", "IBM")  # in the shards s1, s2, and s3


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[NatsCluster]:
    if server_binary() is None:
        pytest.skip("nats-server is not installed")
    with running_cluster(tmp_path / "nats") as cluster:
        yield cluster


@pytest.fixture
def workers(nats: NatsCluster, tmp_path: Path) -> Iterator[Processes]:
    with running_processes(nats, tmp_path) as processes:
        processes.start("w1", "--shards", "3")
        processes.start("w2")
        yield processes


def is_ready(url: str) -> bool:
    return httpx.get(f"{url}/ready", timeout=5).status_code == 200


def test_clients_notice_neither_a_killed_worker_nor_one_that_was_stopped(
    nats: NatsCluster, workers: Processes
) -> None:
    with open_gateway(nats.urls, patience=30) as app, serving(app) as address:
        within(30, lambda: is_ready(address.http))
        with Client(address.http, timeout=60) as om:
            for number in range(60):
                symbol = SYMBOLS[number % 3]
                om.add_order(number, symbol, BUY, 10, 20)
                assert om.place_trade(symbol, BUY, 1).amount == 1
                if number == 20:
                    workers.send("w1", signal.SIGKILL)
                if number == 35:
                    workers.start("w3")
                    workers.send("w2", signal.SIGSTOP)
                if number == 50:
                    workers.send("w2", signal.SIGCONT)
            # Each order has 10 lots, and each of the 20 trades of a symbol has filled one lot of the oldest.
            amounts = {order.order_id: order.amount for order in om.orders()}
            assert amounts == dict.fromkeys(range(6, 60), 10)
            for symbol in SYMBOLS:
                assert om.available_amount(symbol, BUY) == 20 * 10 - 20
            om.remove_order(59)
            assert 59 not in om


def test_the_command_serves_a_gateway(nats: NatsCluster, workers: Processes, tmp_path: Path) -> None:
    within(30, lambda: all(any(workers.is_owner(w, s) for w in ("w1", "w2")) for s in ("s1", "s2", "s3")))
    servers = [word for url in nats.urls for word in ("--cluster", url)]
    command = [sys.executable, "-m", "oms", "serve", "--port", "0", *servers]
    with (tmp_path / "gateway.log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        lines = [process.stdout.readline() for _ in range(2)]
        assert lines == ["gateway to the shards s1, s2, s3\n", "API key: none\n"]
        within(30, lambda: is_ready(url))
        with Client(url) as om:
            for number, symbol in enumerate(SYMBOLS):
                om.add_order(number, symbol, BUY, 10, 20)
            assert om.symbols() == tuple(sorted(SYMBOLS))
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_a_cluster_without_workers_has_no_gateway(nats: NatsCluster) -> None:
    with (
        pytest.raises(JournalError, match="it does not exist; start a worker first"),
        open_gateway(nats.urls),
    ):
        pass
