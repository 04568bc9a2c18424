"""The HTTP application of a worker, which serves each shard under `/shards/NAME`.

Each copy of a shard has the application of `oms.api.create_app`. This application decides whether a request
may reach it:

- The owner answers everything, but only while its lease lasts. After that, another worker may already have
  changed the books, so even a read is rejected.
- A follower answers reads, and says in headers how far it lags. It rejects changes.
- A copy whose state differs from that of its owner answers nothing.

A rejected request gets the problem `not_owner` (421) if another worker may be able to answer it, or
`not_ready` (503) if this worker will be. A gateway repeats the request in both cases.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from oms.api import Settings
from oms.api.auth import Guard
from oms.api.credentials import bearer
from oms.api.key_ring import KeyRing
from oms.api.problems import ProblemError, RejectionLog, deny, problem_response
from oms.api.response_models import json_response
from oms.api.revocation import serve_while
from oms.api.sessions import Sessions
from oms.cluster.worker.figures import WorkerMetrics
from oms.cluster.worker.replica import Lag, Replica
from oms.cluster.worker.worker import Worker
from oms.contract import SHARD_HEADER

__all__ = ["create_worker_app"]

_PREFIX = "/shards/"
_READS = {"GET", "HEAD", "OPTIONS"}
_QUESTIONS = {"/what-if"}  # they change nothing
_SOON = {"Retry-After": "1"}  # seconds
_MOVED = 1012
"""The close code of a stream whose shard has moved. The client should open a new stream."""

_LONGEST_SILENCE = 10.0  # seconds without contact to the log, after which a follower is not ready


def create_worker_app(
    worker: Worker, settings: Settings | None = None, *, has_owners: bool = False
) -> FastAPI:
    """Return the application of a worker. `settings` contains the API keys for its own endpoints.

    `has_owners` is True if the shards are matching engines, so that keys may have owners. The endpoints are
    `/health`, `/ready`, and `/metrics`, and those of each shard.
    """
    settings = settings or Settings()
    app = FastAPI(title="oms worker", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    router = APIRouter(redirect_slashes=False)
    endpoints = _Endpoints(worker)
    router.add_api_route("/health", endpoints.health, methods=["GET"])
    router.add_api_route("/ready", endpoints.ready, methods=["GET"])
    router.add_api_route("/metrics", WorkerMetrics(worker).metrics, methods=["GET"])
    app.include_router(router)
    keys, rejections = KeyRing(settings, has_owners=has_owners), RejectionLog()
    app.state.keys, app.state.rejections = keys, rejections
    sessions = Sessions(keys, rejections)
    app.add_middleware(Guard, settings=settings, keys=keys, sessions=sessions, rejections=rejections)
    app.add_middleware(_Shards, worker=worker, state=app.state)  # the outermost, so added last
    return app


class _Endpoints:
    """The endpoints of the worker itself."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def health(self) -> Response:
        """Return 200 if the process is alive."""
        return json_response({"alive": True})

    async def ready(self, request: Request) -> Response:
        """Return 200 if the worker has its lease and serves every shard that it has claimed."""
        worker = self._worker
        problem: str | None = None
        if getattr(request.app.state, "is_shutting_down", False):
            problem = "the worker is shutting down"
        elif worker.membership.remaining_seconds <= 0:
            problem = "the worker cannot renew its lease"
        owned = sorted(worker.membership.owned)
        not_served = [shard for shard in owned if not worker.owns(shard)]
        refused = [shard for shard, replica in list(worker.replicas.items()) if replica.problem]
        if problem is None and not_served:
            problem = f"these shards are not served yet: {', '.join(not_served)}"
        elif problem is None and refused:
            problem = f"the copies of these shards differ from those of their owners: {', '.join(refused)}"
        if problem is not None:
            return problem_response(ProblemError("not_ready", problem, {"reason": problem}))
        content = {"ready": True, "worker": worker.membership.me.name, "shards": owned}
        return json_response(content)


class _Shards:
    """Middleware that passes the requests to `/shards/NAME` on to the application of this shard."""

    def __init__(self, app: ASGIApp, worker: Worker, state: Any) -> None:
        self._app = app
        self._worker = worker
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or reject it."""
        if scope["type"] == "lifespan" or not scope["path"].startswith(_PREFIX):
            await self._app(scope, receive, send)
            return
        shard, slash, rest = scope["path"].removeprefix(_PREFIX).partition("/")
        path = slash + rest or "/"
        try:
            replica = self._admit(shard, scope, path)
        except ProblemError as error:
            if scope["type"] == "websocket":
                await deny(WebSocket(scope, receive, send), error)
            else:
                await problem_response(error)(scope, receive, send)
            return
        replica.app.state.is_shutting_down = getattr(self._state, "is_shutting_down", False)
        if path == "/ready" and not replica.is_owner and scope["type"] == "http":
            response = await run_in_threadpool(_ready, replica, HTTPConnection(scope))
            await response(scope, receive, send)
            return
        prefix = len(_PREFIX + shard)
        raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
        inner = {**scope, "path": path, "raw_path": raw_path[prefix:] or b"/", "app": replica.app}
        answer = _with_headers(send, _headers(shard, replica))
        if scope["type"] == "websocket":
            await serve_while(
                lambda: self._may_answer(shard, replica),
                replica.app,
                inner,
                receive,
                answer,
                code=_MOVED,
                reason="the shard has moved",
            )
        else:
            await replica.app(inner, receive, answer)

    def _admit(self, shard: str, scope: Scope, path: str) -> Replica:
        """Return the copy that may answer a request. Raises ProblemError."""
        worker, membership = self._worker, self._worker.membership
        replica = worker.replicas.get(shard)
        if shard in membership.owned and not worker.owns(shard):
            if membership.remaining_seconds <= 0:
                reason = "the worker cannot renew its lease, so another worker may own the shard"
            else:
                reason = "the worker is taking the shard over"
            raise _not_ready(shard, reason)
        if replica is None or replica.is_closed or (replica.is_owner and not worker.owns(shard)):
            raise ProblemError("not_owner", f"this worker does not serve shard {shard}", {"shard": shard})
        if replica.problem is not None:
            raise _not_ready(shard, f"this copy is not served: {replica.problem}")
        if not replica.is_owner and not _is_read(scope, path):
            owner = membership.owner(shard)
            where = "; it has no owner at present" if owner is None else f"; send changes to {owner.url}"
            detail = f"this worker only follows shard {shard}, so it accepts no changes{where}"
            raise ProblemError("not_owner", detail, {"shard": shard})
        return replica

    def _may_answer(self, shard: str, replica: Replica) -> bool:
        if replica.is_owner:
            return self._worker.owns(shard) and self._worker.replicas.get(shard) is replica
        return not replica.is_closed and replica.problem is None


def _is_read(scope: Scope, path: str) -> bool:
    return scope["type"] == "websocket" or scope["method"] in _READS or path in _QUESTIONS


def _not_ready(shard: str, reason: str) -> ProblemError:
    detail = f"shard {shard}: {reason}"
    return ProblemError("not_ready", detail, {"reason": reason, "shard": shard}, headers=_SOON)


def _ready(replica: Replica, request: HTTPConnection) -> Response:
    """Return whether a follower can be read, and how far it lags. Without a valid key, hide the numbers."""
    lag, books, keys = replica.lag(), replica.books, replica.app.state.keys
    key = bearer(request)
    hides = keys.is_needed and (key is None or keys.find(key) is None)
    if lag.seconds > _LONGEST_SILENCE:
        reason = f"the log could not be read for {lag.seconds:.0f} seconds"
        fields = {"reason": reason, "shard": replica.shard, "lag": lag._asdict()}
        return problem_response(ProblemError("not_ready", reason, fields))
    content = {
        "ready": True,
        "durable": True,
        "sequence": None if hides else books.last_sequence,
        "orders": None if hides else len(books),
        "role": "standby",
        "lag": lag._asdict(),
    }
    return json_response(content)


def _headers(shard: str, replica: Replica) -> Mapping[str, str]:
    headers = {SHARD_HEADER: shard}
    if not replica.is_owner:
        headers |= {"Oms-Role": "standby", **_lag_headers(replica.lag())}
    return headers


def _lag_headers(lag: Lag) -> Mapping[str, str]:
    """Return headers that say how far a follower lags. What is unknown is left out."""
    numbers = {"Oms-Lag-Messages": lag.messages, "Oms-Lag-Events": lag.events}
    known = {name: str(number) for name, number in numbers.items() if number is not None}
    return {**known, "Oms-Lag-Seconds": f"{lag.seconds:.3f}"}


def _with_headers(send: Send, headers: Mapping[str, str]) -> Send:
    async def with_headers(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.accept", "websocket.http.response.start"):
            message.setdefault("headers", [])
            MutableHeaders(scope=message).update(headers)
        await send(message)

    return with_headers
