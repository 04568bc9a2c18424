"""The HTTP service on a replicated log: groups of requests, and retries after a takeover."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient

from oms import OrderManagement, Side, cluster
from oms.api import create_app
from oms.api.first_responses import FirstResponses
from oms.api.idempotency import Change, IdempotentChanges
from oms.api.request_models import NewOrder, NewTrade
from oms.api.restoring import restore
from oms.cluster.log.log_journal import LogJournal
from support.nats_cluster import NatsCluster
from support.replicated_log import ALL_FAULTS, Connection, MemoryLog, impatient

BUY = Side.BUY


class Service:
    """The changes of a service, over a log with faults."""

    def __init__(self, log: MemoryLog, seed: int) -> None:
        self.om = OrderManagement(LogJournal(Connection(log, ALL_FAULTS, seed), patience=impatient(100)))
        responses = FirstResponses()
        restore(self.om, responses)
        self.changes = IdempotentChanges(self.om, responses)

    def add(self, order_id: int) -> Change:
        order = NewOrder(order_id=order_id, symbol="JPM", side=BUY, amount=10, price=20)
        return self.changes.add(order, f"key {order_id}")

    def trade(self, number: int) -> Change:
        return self.changes.trade(NewTrade(symbol="JPM", side=BUY, amount=3), f"trade {number}")


def answers(changes: Sequence[Change]) -> list[Any]:
    """Return the sequence number and the subject of each response."""
    return [(change.sequence, change.subject) for change in changes]


@pytest.mark.parametrize("seed", range(5))
def test_after_a_takeover_a_retry_with_the_same_key_gets_the_first_response(seed: int) -> None:
    log = MemoryLog()
    first = Service(log, seed)
    with ThreadPoolExecutor(8) as pool:
        orders = list(pool.map(first.add, range(1, 41)))
        trades = list(pool.map(first.trade, range(1, 21)))
    second = Service(log, seed + 100)
    log.forget_message_ids()
    assert second.om.state_hash() == first.om.state_hash()
    assert answers([second.add(n) for n in range(1, 41)]) == answers(orders)
    assert answers([second.trade(n) for n in range(1, 21)]) == answers(trades)
    assert second.om.last_sequence == 60
    assert second.om.state_hash() == first.om.state_hash()


@pytest.mark.long
def test_the_service_runs_on_a_real_cluster(nats_cluster: NatsCluster, shard: str) -> None:
    def send(client: TestClient, number: int, expected: int) -> Any:
        body = {"order_id": number, "symbol": "JPM", "side": "BUY", "amount": 10, "price": 20}
        response = client.post("/orders", json=body, headers={"Idempotency-Key": f"key-{number}"})
        assert response.status_code == expected, response.text
        return response.json()

    def open_shard() -> OrderManagement:
        return cluster.open(nats_cluster.urls, shard, monitoring=nats_cluster.monitoring)

    with open_shard() as om, TestClient(create_app(om)) as client, ThreadPoolExecutor(8) as pool:
        first = list(pool.map(lambda number: send(client, number, 201), range(1, 101)))
        with open_shard() as other, TestClient(create_app(other)) as second:
            assert [send(second, number, 200) for number in range(1, 101)] == first
            assert other.state_hash() == om.state_hash()
            body = {"symbol": "JPM", "side": "BUY", "amount": 3}
            assert second.post("/trades", json=body).status_code == 201
            assert client.post("/trades", json=body).status_code == 503
            assert client.get("/ready").status_code == 503
            assert second.get("/ready").status_code == 200
