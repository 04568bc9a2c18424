"""The HTTP application of a worker, which serves each shard under `/shards/NAME`.

Each copy (replica) of a shard is served by an application of `oms.api.create_app`. The worker's application
decides whether a request may reach the copy's application:

- The owner of the shard serves every request, but only while its lease lasts. After the lease, another worker
  may already have changed the books, so even reads are rejected.
- A follower serves reads, with headers that say how far it lags. It rejects changes.
- A stream has headers only at its beginning. So a follower that may be out of date closes its streams.
- A copy whose state differs from the owner's serves no requests.

A rejected request gets the problem `not_owner` (421) if another worker may be able to serve the request, and
`not_ready` (503) if this worker may be able to serve it later. A gateway repeats the request in both cases.
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
from oms.contract import LAG_HEADERS, ROLE_HEADER, SHARD_HEADER, STANDBY

__all__ = ["create_worker_app"]

_PREFIX = "/shards/"
_READS = {"GET", "HEAD", "OPTIONS"}
_QUESTIONS = {"/what-if"}  # POST requests that change nothing
_SOON = {"Retry-After": "1"}  # seconds
_MOVED = 1012
"""The close code of a stream that this worker no longer serves. The client should open a new stream."""

_LONGEST_SILENCE = 10.0  # seconds; after this time without the log or a majority, a follower is not ready


def create_worker_app(
    worker: Worker, settings: Settings | None = None, *, has_owners: bool = False
) -> FastAPI:
    """Return the application of a worker. `settings` contains the API keys for the worker's endpoints.

    `has_owners` is True if the shards are matching engines, whose API keys can belong to owners of orders.
    The endpoints are `/health`, `/ready`, and `/metrics`, and the endpoints of each shard.
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
        problem = self._problem(request)
        if problem is not None:
            return problem_response(ProblemError("not_ready", problem, {"reason": problem}))
        membership = self._worker.membership
        content = {"ready": True, "worker": membership.me.name, "shards": sorted(membership.owned)}
        return json_response(content)

    def _problem(self, request: Request) -> str | None:
        """Return why the worker is not ready, or None."""
        worker = self._worker
        if getattr(request.app.state, "is_shutting_down", False):
            return "the worker is shutting down"
        if worker.membership.remaining_seconds <= 0:
            return "the worker cannot renew its lease"
        if not_served := [shard for shard in sorted(worker.membership.owned) if not worker.owns(shard)]:
            return f"these shards are not served yet: {', '.join(not_served)}"
        if unable := worker.unable:
            return f"these shards could not be opened: {', '.join(unable)}; the log says why"
        if refused := [shard for shard, replica in list(worker.replicas.items()) if replica.problem]:
            return f"the copies of these shards differ from those of their owners: {', '.join(refused)}"
        return None


class _Shards:
    """Middleware that forwards requests for `/shards/NAME` to the application of this shard."""

    def __init__(self, app: ASGIApp, worker: Worker, state: Any) -> None:
        self._app = app
        self._worker = worker
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward a request, or reject it."""
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
        inner = {
            **scope,
            "path": path,
            "raw_path": raw_path[prefix:] or b"/",
            "query_string": _without_shard(scope["query_string"], shard),
            "app": replica.app,
        }
        answer = _with_headers(send, _headers(shard, replica))
        if scope["type"] == "websocket":
            await serve_while(
                lambda: self._may_answer(shard, replica),
                replica.app,
                inner,
                receive,
                answer,
                code=_MOVED,
                reason="this worker no longer serves the shard",
            )
        else:
            await replica.app(inner, receive, answer)

    def _admit(self, shard: str, scope: Scope, path: str) -> Replica:
        """Return the copy that may serve a request. Raises ProblemError."""
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
        if scope["type"] == "websocket" and (silence := _silence(replica)):
            raise _not_ready(shard, silence)
        if not replica.is_owner and not _is_read(scope, path):
            owner = membership.owner(shard)
            where = "; no worker owns it at present" if owner is None else f"; send changes to {owner.url}"
            detail = f"this worker only follows shard {shard}, so it accepts no changes{where}"
            raise ProblemError("not_owner", detail, {"shard": shard})
        return replica

    def _may_answer(self, shard: str, replica: Replica) -> bool:
        if replica.is_owner:
            return self._worker.owns(shard) and self._worker.replicas.get(shard) is replica
        return not replica.is_closed and replica.problem is None and _silence(replica) is None


def _without_shard(query: bytes, shard: str) -> bytes:
    """Return a query without the name of this shard. A client repeats the name that a response contains."""
    return b"&".join(part for part in query.split(b"&") if part != f"shard={shard}".encode())


def _silence(replica: Replica) -> str | None:
    """Return why a follower may be out of date, or None."""
    seconds = replica.silent_seconds
    if seconds <= _LONGEST_SILENCE:
        return None
    return f"for {seconds:.0f} seconds, the worker could not read the log or could not reach a majority"


def _is_read(scope: Scope, path: str) -> bool:
    return scope["type"] == "websocket" or scope["method"] in _READS or path in _QUESTIONS


def _not_ready(shard: str, reason: str) -> ProblemError:
    detail = f"shard {shard}: {reason}"
    return ProblemError("not_ready", detail, {"reason": reason, "shard": shard}, headers=_SOON)


def _ready(replica: Replica, request: HTTPConnection) -> Response:
    """Return 200 and the lag, or 503 if it may be out of date. Without a valid key, hide the numbers."""
    lag, books, keys = replica.lag(), replica.books, replica.app.state.keys
    key = bearer(request)
    hides = keys.is_needed and (key is None or keys.find(key) is None)
    reason = _silence(replica)
    if reason is not None:
        fields = {"reason": reason, "shard": replica.shard, "lag": lag._asdict()}
        return problem_response(ProblemError("not_ready", reason, fields))
    content = {
        "ready": True,
        "durable": True,
        "sequence": None if hides else books.last_sequence,
        "orders": None if hides else len(books),
        "role": STANDBY,
        "lag": lag._asdict(),
    }
    return json_response(content)


def _headers(shard: str, replica: Replica) -> Mapping[str, str]:
    headers = {SHARD_HEADER: shard}
    if not replica.is_owner:
        headers |= {ROLE_HEADER: STANDBY, **_lag_headers(replica.lag())}
    return headers


def _lag_headers(lag: Lag) -> Mapping[str, str]:
    """Return headers that say how far a follower lags. Unknown numbers have no header."""
    texts = (lag.messages, lag.events, f"{lag.seconds:.3f}")
    return {name: str(text) for name, text in zip(LAG_HEADERS, texts, strict=True) if text is not None}


def _with_headers(send: Send, headers: Mapping[str, str]) -> Send:
    async def with_headers(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.accept", "websocket.http.response.start"):
            message.setdefault("headers", [])
            MutableHeaders(scope=message).update(headers)
        await send(message)

    return with_headers
