"""A gateway, worker processes, and three servers: no acknowledged change is lost, and none is made twice."""

from __future__ import annotations

import signal

import httpx
import pytest

from oms import JournalError, Side
from oms.client import Client
from oms.cluster.gateway import open_gateway
from support.api_server import serving
from support.nats_cluster import NatsCluster
from support.worker_process import Processes, within

pytestmark = pytest.mark.long

BUY = Side.BUY
SYMBOLS = ("JPM", "AAPL", "IBM")  # in the shards s1, s2, and s3


@pytest.fixture
def workers(workers: Processes) -> Processes:
    """Start two workers with three shards."""
    workers.start("w1", "--shards", "3")
    workers.start("w2")
    return workers


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


def test_the_command_serves_a_gateway(workers: Processes) -> None:
    within(30, lambda: all(workers.owner(shard, ("w1", "w2")) for shard in ("s1", "s2", "s3")))
    url = workers.start_gateway()
    process = workers.processes["gateway"]
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(2)]
    assert lines == ["gateway to the shards s1, s2, s3\n", "API key: none\n"]
    within(30, lambda: is_ready(url))
    with Client(url) as om:
        for number, symbol in enumerate(SYMBOLS):
            om.add_order(number, symbol, BUY, 10, 20)
        assert om.symbols() == tuple(sorted(SYMBOLS))
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def test_a_cluster_without_workers_has_no_gateway(nats: NatsCluster) -> None:
    with (
        pytest.raises(JournalError, match="it does not exist; start a worker first"),
        open_gateway(nats.urls),
    ):
        pass
