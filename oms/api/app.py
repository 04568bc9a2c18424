"""The FastAPI application, and a router that adds its endpoints to another application."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Match, Route

from oms.api.auth import COOKIE, Guard, Sessions
from oms.api.first_responses import FirstResponses, restore
from oms.api.health import Health
from oms.api.idempotency import IdempotentChanges
from oms.api.openapi import completed
from oms.api.orders import Orders
from oms.api.page import Page
from oms.api.page.documentation import Documentation
from oms.api.past import Past
from oms.api.problems import ProblemError, problem_response
from oms.api.questions import Questions
from oms.api.recent import RecentEvents
from oms.api.route import add_head_routes, route_class
from oms.api.server import check_workers, requested_workers
from oms.api.settings import Settings
from oms.api.stream import Streams, Tape
from oms.contract import IDEMPOTENCY_KEY_HEADER, REPLAYED_HEADER
from oms.journal import Archive
from oms.management import OrderManagement

__all__ = ["create_app", "create_router"]


def create_router(om: OrderManagement, settings: Settings | None = None) -> APIRouter:
    """Return a router with all endpoints, to include in your own application.

    The router enforces only the limits in `settings`. Your application must check API keys, hosts, and
    origins itself. If `om` has a journal, this function restores the idempotency keys from it. Raise
    JournalError if the journal cannot be read. O(n) for n events in the journal.
    """
    settings = settings or Settings()
    router = APIRouter(route_class=route_class(settings), redirect_slashes=False)
    responses, tape = FirstResponses(), Tape()
    archive = _restored(om, responses, tape, settings)
    Orders(om, IdempotentChanges(om, responses)).add_to(router)
    Questions(om).add_to(router)
    Past(archive).add_to(router)
    Health(om).add_to(router)
    router.add_api_websocket_route("/stream", Streams(om, tape, settings).stream)
    add_head_routes(router)
    return router


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


def create_app(om: OrderManagement | None = None, settings: Settings | None = None) -> FastAPI:
    """Return an application that serves `om`. The default is a new OrderManagement without a journal.

    By default, the API key comes from the OMS_API_KEY environment variable, if set. Raise
    InvalidArgumentError if uvicorn or gunicorn was started with several workers, because each worker would
    have its own books. Raise JournalError if the journal of `om` cannot be read.

    >>> from fastapi.testclient import TestClient
    >>> with TestClient(create_app()) as client:
    ...     client.get("/symbols").json()
    {'symbols': []}

    """
    check_workers(requested_workers())
    settings = settings or Settings.from_environment()
    app = FastAPI(
        title="oms",
        version="1",
        summary="Exact prices and trades against order books.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    router = create_router(OrderManagement() if om is None else om, settings)
    _complete_openapi(app, session_cookie=None if settings.api_key is None else COOKIE)
    sessions = Sessions(settings)
    sessions.add_to(router)
    Page().add_to(router)
    Documentation(app.openapi).add_to(router)
    add_head_routes(router)
    app.include_router(router)
    app.add_middleware(Guard, settings=settings, sessions=sessions)
    if settings.cors_origins:
        _allow_origins(app, settings.cors_origins)
    app.add_exception_handler(HTTPException, _rejecting(router))
    app.add_exception_handler(Exception, _server_failed)
    return app


def _complete_openapi(app: FastAPI, *, session_cookie: str | None) -> None:
    original = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = completed(original(), session_cookie=session_cookie)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # as the FastAPI documentation recommends


def _allow_origins(app: FastAPI, origins: tuple[str, ...]) -> None:
    app.add_middleware(
        CORSMiddleware,
        allow_origins=origins,
        allow_methods=["GET", "HEAD", "POST", "PATCH", "DELETE"],
        allow_headers=["Authorization", "Content-Type", IDEMPOTENCY_KEY_HEADER],
        expose_headers=["Location", REPLAYED_HEADER],
    )


def _rejecting(router: APIRouter) -> Callable[[Request, Exception], Response]:
    """Return a handler for requests that match no endpoint (an unknown path or an unsupported method)."""

    def reject(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        match error.status_code:
            case 404:
                detail = f"there is no path {request.scope['path'][:100]!r}; GET /docs lists all paths"
                return problem_response(ProblemError("not_found", detail))
            case 405:
                allowed = ", ".join(sorted(_methods(router, request)))
                detail = f"the method must be one of {allowed}, not {request.method}"
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
