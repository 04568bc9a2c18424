"""A worker of a cluster: a process that serves some shards, and takes over the shards of a dead worker."""

from oms.cluster.worker.app import create_worker_app
from oms.cluster.worker.replica import Replica
from oms.cluster.worker.worker import Worker

__all__ = ["Replica", "Worker", "create_worker_app"]
