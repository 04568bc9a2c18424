"""The `/metrics` endpoint, which returns the service's metrics in the text format of Prometheus.

Each application has its own registry, so several applications in one process do not share their metrics. The
values of labels are bounded: a route is a template, all unknown paths are one route, and all unknown methods
are one method. So clients cannot create new time series.
"""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.exposition import choose_encoder

from oms.api.book_figures import BookFigures
from oms.api.callers import CallersOwner, check_operator
from oms.api.group import Groups
from oms.api.observation import Observation
from oms.facade import Facade
from oms.matching import MatchingEngine

__all__ = ["Metrics"]

_LABELS = ("method", "route", "status")
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_GROUP_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class _OfRoute(NamedTuple):
    requests: Counter
    seconds: Histogram


class Metrics:
    """The metrics of one application. It is an observer of its requests, and of the groups of its changes."""

    def __init__(self, books: Facade, groups: Groups[Any]) -> None:
        registry = self._registry = CollectorRegistry()
        self._requests = Counter(
            "oms_requests", "Requests, and opened streams (status 101).", _LABELS, registry=registry
        )
        self._seconds = Histogram(
            "oms_request_seconds",
            "The time from the request to the end of its response.",
            _LABELS,
            buckets=_SECONDS,
            registry=registry,
        )
        self._routes: dict[tuple[str, str, int | None], _OfRoute] = {}
        self._streams = Gauge("oms_streams", "Open streams.", registry=registry)
        self._group_sizes = Histogram(
            "oms_group_size",
            "Requests in one group, whose changes are stored together.",
            buckets=_GROUP_SIZES,
            registry=registry,
        )
        self._group_seconds = Histogram(
            "oms_group_seconds",
            "The time to make one group's changes, and to store and sync them in the journal.",
            buckets=_SECONDS,
            registry=registry,
        )
        groups.observers.append(self.observe_group)
        waiting = Gauge(
            "oms_waiting_changes", "Requests that wait until their changes are stored.", registry=registry
        )
        waiting.set_function(lambda: len(groups))
        start = Gauge("oms_start_time_seconds", "The start of the service, since 1970.", registry=registry)
        start.set_to_current_time()
        self.figures = BookFigures(books)
        registry.register(self.figures)
        serves = "engine" if isinstance(books, MatchingEngine) else "books"
        build = Info("oms_build", "The version of the service, and what it serves.", registry=registry)
        build.info({"version": _version(), "python": platform.python_version(), "serves": serves})

    def observe(self, observation: Observation) -> None:
        """Count a request or a stream. O(1)."""
        event, method, route, status, seconds, *_ = observation
        if event == "stream_closed":
            self._streams.dec()
            return
        of_route = self._of_route(method, route, status)
        of_route.requests.inc()
        if event == "stream_opened":
            self._streams.inc()
        else:
            of_route.seconds.observe(seconds)

    def _of_route(self, method: str, route: str, status: int | None) -> _OfRoute:
        """Return the metrics with these labels. A dict is faster than the lookup of prometheus_client."""
        key = method, route, status
        if key not in self._routes:
            labels = method, route, "none" if status is None else str(status)
            self._routes[key] = _OfRoute(self._requests.labels(*labels), self._seconds.labels(*labels))
        return self._routes[key]

    def observe_group(self, size: int, seconds: float) -> None:
        """Count a group of requests whose changes were stored together. O(1)."""
        self._group_sizes.observe(size)
        self._group_seconds.observe(seconds)

    def add_to(self, router: APIRouter) -> None:
        """Add the endpoint to a router."""
        router.add_api_route("/metrics", self.metrics, methods=["GET"], include_in_schema=False)

    def metrics(self, request: Request, caller: CallersOwner) -> Response:
        """Return all metrics, in the text format of Prometheus. O(s) for s time series."""
        check_operator(caller)
        encode, media_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(self._registry), headers={"Content-Type": media_type})


def _version() -> str:
    try:
        return version("oms-orderbook")
    except PackageNotFoundError:  # a checkout that is not installed
        return "unknown"
