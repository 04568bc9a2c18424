"""The application: a router that any application can mount, and one of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Match, Route

from oms.api.auth import Guard
from oms.api.health import Service
from oms.api.idempotency import Door
from oms.api.openapi import complete
from oms.api.openapi_page import Documents
from oms.api.orders import Orders
from oms.api.page import Page
from oms.api.problems import Refusal, respond
from oms.api.questions import Questions
from oms.api.remembered import Memory, recall
from oms.api.route import answer_head, route_class
from oms.api.server import asked_workers, refuse_workers
from oms.api.sessions import Sessions
from oms.api.settings import Settings
from oms.api.stream import Streams
from oms.api.tape import Tape
from oms.api.trades import Trades
from oms.management import OrderManagement

__all__ = ["create_app", "create_router"]


def create_router(om: OrderManagement, settings: Settings | None = None) -> APIRouter:
    """The endpoints over an OrderManagement, for an application to include.

    Of its settings it heeds the limits; who may come in is that application's business. With a journal
    it reads back what it must remember, in O(events). Raises JournalError.
    """
    settings = settings or Settings()
    router = APIRouter(route_class=route_class(settings), redirect_slashes=False)
    memory, tape = Memory(), Tape()
    recall(om, memory, tape)
    door = Door(om, memory)
    Orders(om, door).add_to(router)
    Trades(door).add_to(router)
    Questions(om).add_to(router)
    Service(om).add_to(router)
    router.add_api_websocket_route("/stream", Streams(om, tape, settings).stream)
    answer_head(router)
    return router


def create_app(om: OrderManagement | None = None, settings: Settings | None = None) -> FastAPI:
    """An application that serves an OrderManagement (None: a new one, without a journal).

    Without settings it takes them from the environment. It wants to be the only one: where uvicorn was
    asked for several workers it refuses. Raises InvalidOrderError and JournalError.

    >>> from fastapi.testclient import TestClient
    >>> with TestClient(create_app()) as client:
    ...     client.get("/symbols").json()
    {'symbols': []}

    """
    refuse_workers(asked_workers())
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
    _complete_document(app, needs_key=settings.api_key is not None)
    sessions = Sessions(settings)
    sessions.add_to(router)
    Page().add_to(router)
    Documents(app.openapi).add_to(router)
    answer_head(router)
    app.include_router(router)
    app.add_middleware(Guard, settings=settings, sessions=sessions)
    if settings.cors_origins:
        _open_to_origins(app, settings.cors_origins)
    app.add_exception_handler(HTTPException, _refusing(router))
    app.add_exception_handler(Exception, _fail)
    return app


def _complete_document(app: FastAPI, *, needs_key: bool) -> None:
    document = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = complete(document(), needs_key=needs_key)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's own documentation has it


def _open_to_origins(app: FastAPI, origins: tuple[str, ...]) -> None:
    app.add_middleware(
        CORSMiddleware,
        allow_origins=origins,
        allow_methods=["GET", "HEAD", "POST", "PATCH", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "Idempotency-Key"],
        expose_headers=["Location", "Idempotent-Replayed"],
    )


def _refusing(router: APIRouter) -> Callable[[Request, Exception], Response]:
    """How to refuse what no endpoint has refused: there is none, or none with this method."""

    def refuse(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        match error.status_code:
            case 404:
                return respond(Refusal("not_found", "there is no such path"))
            case 405:
                allowed = ", ".join(sorted(_methods(router, request)))
                detail = f"{request.method} is not one of {allowed}"
                return respond(Refusal("method_not_allowed", detail, headers={"Allow": allowed}))
            case status:
                detail = str(error.detail)
                return respond(Refusal("http_error", detail, status=status, headers=error.headers))

    return refuse


def _methods(router: APIRouter, request: Request) -> set[str]:
    """The methods of all endpoints at a path; Starlette names those of the first one only."""
    routes = (route for route in router.routes if isinstance(route, Route))
    found = (route.methods or set() for route in routes if route.matches(request.scope)[0] is not Match.NONE)
    return {method for methods in found for method in methods}


def _fail(_request: Request, _error: Exception) -> Response:
    """A fault of ours: it is in the server's log, and nowhere else."""
    return respond(Refusal("internal_error", "the server has failed; what happened is in its log"))
