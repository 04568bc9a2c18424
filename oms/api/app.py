"""The FastAPI application, and a router that adds its endpoints to another application."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Match, Route

from oms.api.access_log import AccessLog
from oms.api.auth import Guard
from oms.api.credentials import COOKIE
from oms.api.engine.changes import EngineChanges
from oms.api.engine.order_index import index_of_engine
from oms.api.engine.past import EngineArchive, EnginePast, JournalArchive, RecentTrades
from oms.api.engine.stream import EngineFeed, EngineTape
from oms.api.engine.submissions import Submissions
from oms.api.engine.transactions import EngineTransactions
from oms.api.feed import BookFeed, Tape
from oms.api.first_responses import FirstResponses
from oms.api.group import Groups
from oms.api.health import Health
from oms.api.idempotency import IdempotentChanges
from oms.api.key_ring import KeyRing
from oms.api.metrics import Metrics
from oms.api.observation import Observed, Observer
from oms.api.openapi import completed
from oms.api.order_index import index_of_books
from oms.api.orders import Orders
from oms.api.page import Page
from oms.api.page.documentation import Documentation
from oms.api.past import Past
from oms.api.problems import ProblemError, RejectionLog, problem_response
from oms.api.questions import Questions
from oms.api.recent import RecentEvents
from oms.api.restoring import restore
from oms.api.route import add_head_routes, route_class
from oms.api.server import check_workers, requested_workers
from oms.api.sessions import Sessions
from oms.api.settings import Settings
from oms.api.stream import Streams
from oms.api.transactions import BulkChanges, Transactions
from oms.api.turns import Turns
from oms.api.what_if import WhatIf, WhatIfs
from oms.contract import (
    IDEMPOTENCY_KEY_HEADER,
    LAG_HEADERS,
    REPLAYED_HEADER,
    ROLE_HEADER,
    SHARD_HEADER,
)
from oms.journal import Archive
from oms.management import OrderManagement
from oms.matching import MatchingEngine

__all__ = ["BOOKS_ROUTES", "ENGINE_ROUTES", "allow_origins", "create_app", "create_router", "rejecting"]


def create_router(om: OrderManagement | MatchingEngine, settings: Settings | None = None) -> APIRouter:
    """Return a router with all endpoints, to include in your own application.

    The router enforces only the limits in `settings`. Your application must check API keys, hosts, and
    origins itself. The router treats each request as a request from the operator. If `om` has a journal, this
    function restores the idempotency keys from it. Raise JournalError if the journal cannot be read. O(n) for
    n events in the journal.
    """
    settings = settings or Settings()
    router = APIRouter(route_class=route_class(settings), redirect_slashes=False)
    _add_endpoints(router, om, settings, FirstResponses())
    return router


def _add_endpoints(
    router: APIRouter,
    om: OrderManagement | MatchingEngine,
    settings: Settings,
    responses: FirstResponses,
) -> Groups[Any]:
    """Add all endpoints to a router, and return the queue of the requests that change the books."""
    if isinstance(om, MatchingEngine):
        groups = _add_engine(router, om, settings, responses)
    else:
        groups = _add_books(router, om, settings, responses)
    add_head_routes(router)
    return groups


def _add_books(
    router: APIRouter, om: OrderManagement, settings: Settings, responses: FirstResponses
) -> Groups[Any]:
    tape = Tape()
    archive = _restored(om, responses, tape, settings)

    def count(_caller: str | None) -> int:
        return len(om)

    index = index_of_books(om)
    questions, changes = Questions(om, count), IdempotentChanges(om, responses)
    bulk = BulkChanges(om, responses, changes.once)
    Orders(om, index, changes, bulk).add_to(router)
    Transactions(bulk).add_to(router)
    questions.add_to(router)
    WhatIfs(om, responses, questions).add_to(router)
    Past(archive).add_to(router)
    Health(om, count).add_to(router)
    router.add_api_websocket_route("/stream", Streams(om, BookFeed(om, tape), settings).stream)
    return changes.groups


def _add_engine(
    router: APIRouter, engine: MatchingEngine, settings: Settings, responses: FirstResponses
) -> Groups[Any]:
    tape = EngineTape()
    archive = _restored_engine(engine, responses, tape, settings)
    index = index_of_engine(engine)

    def count(caller: str | None) -> int:
        with engine.locked(to_read=True):
            return len(engine) if caller is None else index.count(caller)

    questions, changes = Questions(engine, count), EngineChanges(engine, responses)
    Submissions(engine, index, changes).add_to(router)
    questions.add_to(router)
    EngineTransactions(engine, changes.once, WhatIf(engine, responses, questions)).add_to(router)
    EnginePast(archive).add_to(router)
    Health(engine, count).add_to(router)
    feed = EngineFeed(engine, tape, index)
    router.add_api_websocket_route("/stream", Streams(engine, feed, settings).stream)
    return changes.groups


def _restored_engine(
    engine: MatchingEngine, responses: FirstResponses, tape: EngineTape, settings: Settings
) -> EngineArchive:
    """Restore the responses and the tape. Return the source of past events and trades."""
    if isinstance(engine.journal, Archive):
        restore(engine, responses, tape)
        return JournalArchive(engine.journal)
    recent = RecentTrades(settings.recent_changes)
    with engine.locked():
        restore(engine, responses, tape, recent)
        recent.continue_at(engine.last_sequence + 1, engine._books.next_trade_id)
    return recent


def _restored(om: OrderManagement, responses: FirstResponses, tape: Tape, settings: Settings) -> Archive:
    """Restore the responses and the tape. Return the source of past events: the journal or RecentEvents."""
    if isinstance(om.journal, Archive):
        restore(om, responses, tape)
        return om.journal
    recent = RecentEvents(settings.recent_changes)
    with om.locked():
        restore(om, responses, tape, recent)
        sequence, next_trade_id, *_ = om.snapshot()
        recent.continue_at(sequence + 1, next_trade_id)
    return recent


def create_app(
    om: OrderManagement | MatchingEngine | None = None, settings: Settings | None = None
) -> FastAPI:
    """Return an application that serves `om`. The default is a new OrderManagement without a journal.

    The application of a MatchingEngine has different endpoints for orders, because these orders can trade. By
    default, the API key comes from the OMS_API_KEY environment variable, if set. Raise InvalidArgumentError
    if uvicorn or gunicorn was started with several workers, because each worker would have its own books.
    Raise the same error if the file of keys is invalid, or if a key has an owner and `om` is not a
    MatchingEngine. Raise JournalError if the journal of `om` cannot be read.

    >>> from fastapi.testclient import TestClient
    >>> with TestClient(create_app()) as client:
    ...     client.get("/symbols").json()
    {'symbols': []}

    """
    check_workers(requested_workers())
    settings = settings or Settings.from_environment()
    keys = KeyRing(settings, has_owners=isinstance(om, MatchingEngine))
    app = FastAPI(
        title="oms",
        version="1",
        summary="Exact prices and trades against order books.",
        openapi_url=None,  # Documentation serves the document without encoding it for each request
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    books = OrderManagement() if om is None else om
    router, responses = APIRouter(route_class=route_class(settings), redirect_slashes=False), FirstResponses()
    groups = _add_endpoints(router, books, settings, responses)
    metrics = Metrics(books, groups)
    metrics.add_to(router)
    _complete_openapi(app, session_cookie=COOKIE if keys.is_needed else None)
    rejections = RejectionLog()
    app.state.keys, app.state.rejections, app.state.responses = keys, rejections, responses
    sessions = Sessions(keys, rejections)
    sessions.add_to(router)
    Page("engine" if isinstance(om, MatchingEngine) else "books").add_to(router)
    Documentation(app.openapi).add_to(router)
    add_head_routes(router)
    app.router.routes.extend(router.routes)  # `include_router` would make each route again, which is slow
    app.add_middleware(Guard, settings=settings, keys=keys, sessions=sessions, rejections=rejections)
    if settings.cors_origins:
        allow_origins(app, settings.cors_origins)
    app.add_middleware(Turns)
    observers: list[Observer] = [metrics, AccessLog()] if settings.access_log else [metrics]
    app.add_middleware(Observed, routes=router.routes, observers=observers)  # the outermost, so added last
    other_routes = BOOKS_ROUTES if isinstance(om, MatchingEngine) else ENGINE_ROUTES
    app.add_exception_handler(HTTPException, rejecting(router, other_routes))
    app.add_exception_handler(Exception, _server_failed)
    return app


def _complete_openapi(app: FastAPI, *, session_cookie: str | None) -> None:
    original, lock = app.openapi, Lock()

    def openapi() -> dict[str, Any]:
        with lock:  # because `original` stores the incomplete document
            if app.openapi_schema is None:
                app.openapi_schema = completed(original(), session_cookie=session_cookie)
            return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # as the FastAPI documentation recommends


def allow_origins(app: FastAPI, origins: tuple[str, ...]) -> None:
    """Let the pages of other sites send requests to an application and read its responses."""
    app.add_middleware(
        CORSMiddleware,
        allow_origins=origins,
        allow_methods=["GET", "HEAD", "POST", "PATCH", "DELETE"],
        allow_headers=["Authorization", "Content-Type", IDEMPOTENCY_KEY_HEADER],
        expose_headers=[
            "Location",
            "Retry-After",
            REPLAYED_HEADER,
            SHARD_HEADER,
            ROLE_HEADER,
            *LAG_HEADERS,
        ],
    )


_USE_ENGINE = "this service has no MatchingEngine; start it with oms serve --engine, or use {}"
_USE_BOOKS = "this service has a MatchingEngine, in which orders can trade; use {}"
ENGINE_ROUTES: Mapping[tuple[str, str], str] = {
    ("POST", "/submissions"): _USE_ENGINE.format("POST /orders and POST /trades"),
    ("POST", "/reductions"): _USE_ENGINE.format("PATCH /orders/{order_id}"),
    ("POST", "/expirations"): _USE_ENGINE.format("DELETE /orders/{order_id}"),
    ("POST", "/day-ends"): _USE_ENGINE.format("DELETE /orders/{order_id}"),
    ("GET", "/last-price"): _USE_ENGINE.format("GET /trades"),
}
"""The endpoints that only a MatchingEngine has, each with the hint for a client that expects one."""

BOOKS_ROUTES: Mapping[tuple[str, str], str] = {
    ("POST", "/orders"): _USE_BOOKS.format("POST /submissions"),
    ("POST", "/trades"): _USE_BOOKS.format("POST /submissions"),
}
"""The endpoints that only an OrderManagement has."""


def rejecting(
    router: APIRouter, other_routes: Mapping[tuple[str, str], str]
) -> Callable[[Request, Exception], Response]:
    """Return a handler for requests that match no endpoint (an unknown path or an unsupported method)."""

    def reject(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        hint = other_routes.get((request.method, path))
        match error.status_code:
            case 404:
                remedy = hint or "GET /docs lists all paths"
                detail = f"there is no path {request.scope['path'][:100]!r}; {remedy}"
                return problem_response(ProblemError("not_found", detail))
            case 405:
                allowed = ", ".join(sorted(_methods(router, request)))
                remedy = f"; {hint}" if hint else ""
                detail = f"the method must be one of {allowed}, not {request.method}{remedy}"
                return problem_response(
                    ProblemError("method_not_allowed", detail, headers={"Allow": allowed})
                )
            case status:
                detail = str(error.detail)
                return problem_response(
                    ProblemError("http_error", detail, status=status, headers=error.headers)
                )

    return reject


def _methods(router: APIRouter, request: Request) -> set[str]:
    """Return the methods of all routes at the requested path.

    Starlette itself reports only the first matching route's methods.
    """
    routes = (route for route in router.routes if isinstance(route, Route))
    matching = (
        route.methods or set() for route in routes if route.matches(request.scope)[0] is not Match.NONE
    )
    return {method for methods in matching for method in methods}


def _server_failed(_request: Request, _error: Exception) -> Response:
    """Return an error response without the reason, which is only in the server log."""
    detail = "the server failed; the reason is in its log"
    return problem_response(ProblemError("internal_error", detail))
