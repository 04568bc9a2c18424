"""The `/metrics` of a gateway itself. With `?shard=`, the shard's worker returns the metrics instead.

A sum over the shards would hide which shard is slow, and would be wrong while a shard cannot be reached. So
the gateway reports only its own metrics: its requests, its streams, and which shards have a worker.
"""

from __future__ import annotations

from functools import partial

from fastapi import Request, Response
from prometheus_client import Gauge

from oms.api.callers import check_operator, owner_of
from oms.api.request_metrics import RequestMetrics
from oms.cluster.gateway.members import Members
from oms.cluster.ownership.shards import Shards

__all__ = ["GatewayMetrics"]


class GatewayMetrics(RequestMetrics):
    """The metrics of a gateway."""

    def __init__(self, shards: Shards, members: Members) -> None:
        super().__init__("gateway")
        has_worker = Gauge(
            "oms_shard_has_worker",
            "1 if the gateway knows the worker that owns the shard, or 0.",
            ["shard"],
            registry=self._registry,
        )
        for name in shards.names:
            has_worker.labels(name).set_function(partial(_has_worker, members, name))

    def metrics(self, request: Request) -> Response:
        """Return all metrics. Raise ProblemError unless the request comes from the operator. O(n)."""
        check_operator(owner_of(request))
        return self.response(request)


def _has_worker(members: Members, shard: str) -> float:
    return float(members.address(shard) is not None)
