"""The `/metrics` endpoint, which returns the service's metrics in the text format of Prometheus."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client import Gauge, Histogram

from oms.api.book_figures import BookFigures
from oms.api.callers import CallersOwner, check_operator
from oms.api.group import Groups
from oms.api.request_metrics import SECONDS, RequestMetrics
from oms.facade import Facade
from oms.matching import MatchingEngine

__all__ = ["Metrics"]

_GROUP_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics(RequestMetrics):
    """An observer that collects an application's metrics, from its requests and the groups of its changes."""

    def __init__(self, books: Facade, groups: Groups[Any]) -> None:
        super().__init__("engine" if isinstance(books, MatchingEngine) else "books")
        registry = self._registry
        self._group_sizes = Histogram(
            "oms_group_size",
            "Requests in one group, whose changes are stored together.",
            buckets=_GROUP_SIZES,
            registry=registry,
        )
        self._group_seconds = Histogram(
            "oms_group_seconds",
            "The time to make one group's changes, and to store and sync them in the journal.",
            buckets=SECONDS,
            registry=registry,
        )
        groups.observers.append(self.observe_group)
        waiting = Gauge(
            "oms_waiting_changes", "Requests that wait until their changes are stored.", registry=registry
        )
        waiting.set_function(lambda: len(groups))
        self.figures = BookFigures(books)
        registry.register(self.figures)

    def observe_group(self, size: int, seconds: float) -> None:
        """Count a group of requests whose changes were stored together. O(1)."""
        self._group_sizes.observe(size)
        self._group_seconds.observe(seconds)

    def add_to(self, router: APIRouter) -> None:
        """Add the endpoint to a router."""
        router.add_api_route("/metrics", self.metrics, methods=["GET"], include_in_schema=False)

    def metrics(self, request: Request, caller: CallersOwner) -> Response:
        """Return all metrics. O(s) for s time series."""
        check_operator(caller)
        return self.response(request)
