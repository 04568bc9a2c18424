"""The `/metrics` of a worker, in the text format of Prometheus.

The metrics of a shard's service have their own endpoint, below the path of the shard.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fastapi import Request, Response
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from oms.api.callers import CallersOwner, check_operator
from oms.cluster.worker.worker import Worker
from oms.errors import OmsError

__all__ = ["WorkerMetrics"]

_OF_SHARD = {
    "oms_shard_owner": "1 if this worker owns the shard, or 0 if it follows it.",
    "oms_shard_refused": "1 if the copy is not served, because its state is wrong.",
    "oms_shard_position": "The position of the last message of the log that the copy has.",
    "oms_shard_sequence": "The sequence number of the last event that the copy has.",
    "oms_shard_lag_messages": "The messages that the copy lacks.",
    "oms_shard_lag_seconds": "The time since the log could be read and a majority could be reached.",
}


class WorkerMetrics(Collector):
    """The metrics of a worker, and of each of its copies, with the label `shard`."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def metrics(self, request: Request, caller: CallersOwner) -> Response:
        """Return all metrics. O(n) for n shards."""
        check_operator(caller)
        encode, media_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(self._registry), headers={"Content-Type": media_type})

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics. O(n) for n shards."""
        worker = self._worker
        yield GaugeMetricFamily(
            "oms_lease_seconds",
            "How much longer the worker owns its shards if it sends no further heartbeat.",
            max(worker.membership.remaining_seconds, 0.0),
        )
        families = {
            name: GaugeMetricFamily(name, description, labels=["shard"])
            for name, description in _OF_SHARD.items()
        }
        for shard, replica in sorted(worker.replicas.items()):
            try:
                report, lag = replica.report(), replica.lag()
            except OmsError:  # the copy is being closed
                continue
            values = {
                "oms_shard_owner": worker.owns(shard),
                "oms_shard_refused": report.problem is not None,
                "oms_shard_position": report.position,
                "oms_shard_sequence": report.sequence,
                "oms_shard_lag_messages": lag.messages,
                "oms_shard_lag_seconds": lag.seconds,
            }
            for name, value in values.items():
                if value is not None:
                    families[name].add_metric([shard], float(value))
        yield from families.values()

    def describe(self) -> Iterable[Metric]:
        """Return no metrics. They would only help to find duplicate names, and this is the only collector."""
        return ()
