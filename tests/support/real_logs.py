"""Logs in a cluster of real servers, opened again and compared with what was acknowledged."""

from __future__ import annotations

import time

from oms import JournalError, OrderAdded, OrderManagement, cluster
from support.nats_cluster import NatsCluster

__all__ = ["added_ids", "check_log", "opened"]


def opened(servers: NatsCluster, shard: str, seconds: float = 60) -> OrderManagement:
    """Open a shard. If a server has not started yet, try again."""
    for _ in range(20):
        try:
            return cluster.open(
                servers.urls, shard, monitoring=servers.monitoring, seconds=seconds, writer="the test"
            )
        except JournalError as error:
            problem = error
            time.sleep(0.5)
    raise problem


def added_ids(om: OrderManagement) -> list[int]:
    """Return the ids of the orders that were added, in the order of the log."""
    assert om.journal is not None
    return [event.order.order_id for event in om.journal.read() if isinstance(event, OrderAdded)]


def check_log(
    servers: NatsCluster, shard: str, acknowledged: list[int], state_hash: str | None = None
) -> None:
    """Open the log again, and check that it contains exactly the acknowledged orders."""
    with opened(servers, shard) as om:
        assert added_ids(om) == acknowledged
        assert state_hash is None or om.state_hash() == state_hash
