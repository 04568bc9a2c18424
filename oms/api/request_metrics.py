"""The metrics of the requests to an application, in the text format of Prometheus.

Each application has its own registry, so several applications in one process do not share their metrics. The
values of labels are bounded: a route is a template, all unknown paths are one route, and all unknown methods
are one method. So clients cannot create new time series.
"""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

from fastapi import Request, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.exposition import choose_encoder

from oms.api.observation import Observation

__all__ = ["RequestMetrics", "SECONDS"]

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""The buckets of the histograms of times, in seconds."""
_LABELS = ("method", "route", "status")


class _OfRoute(NamedTuple):
    requests: Counter
    seconds: Histogram


class RequestMetrics:
    """The metrics of the requests to an application. `serves` says what the application serves."""

    def __init__(self, serves: str) -> None:
        registry = self._registry = CollectorRegistry()
        self._requests = Counter(
            "oms_requests", "Requests, and opened streams (status 101).", _LABELS, registry=registry
        )
        self._seconds = Histogram(
            "oms_request_seconds",
            "The time from the request to the end of its response.",
            _LABELS,
            buckets=SECONDS,
            registry=registry,
        )
        self._routes: dict[tuple[str, str, int | None], _OfRoute] = {}
        self._streams = Gauge("oms_streams", "Open streams.", registry=registry)
        start = Gauge("oms_start_time_seconds", "The start of the service, since 1970.", registry=registry)
        start.set_to_current_time()
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

    def response(self, request: Request) -> Response:
        """Return all metrics, in the text format of Prometheus. O(s) for s time series."""
        encode, media_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(self._registry), headers={"Content-Type": media_type})


def _version() -> str:
    try:
        return version("oms-orderbook")
    except PackageNotFoundError:  # a checkout that is not installed
        return "unknown"
