"""The ASGI application of a gateway."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
from fastapi import APIRouter, FastAPI
from starlette.exceptions import HTTPException

from oms.api.access_log import AccessLog
from oms.api.app import BOOKS_ROUTES, ENGINE_ROUTES, allow_origins, rejecting
from oms.api.auth import Guard
from oms.api.key_ring import KeyRing
from oms.api.observation import Observed
from oms.api.problems import RejectionLog
from oms.api.sessions import Sessions
from oms.api.settings import Settings
from oms.cluster.gateway.directory import CachedDirectory, Directory
from oms.cluster.gateway.front import Front
from oms.cluster.gateway.members import Members
from oms.cluster.gateway.placement import Placement
from oms.cluster.gateway.routes import BOOKS, ENGINE
from oms.cluster.gateway.streams import Streams
from oms.cluster.gateway.workers import Workers
from oms.cluster.shards import Shards

__all__ = ["create_gateway"]

_MOST_CONNECTIONS = 1_000
_IDLE_SECONDS = 3.0  # a worker closes an idle connection after 5 seconds


def create_gateway(
    shards: Shards,
    directory: Directory,
    members: Members,
    settings: Settings | None = None,
    *,
    engine: bool = False,
    patience: float = 8.0,
    attempt_seconds: float = 30.0,
    transport: httpx.AsyncBaseTransport | None = None,
) -> FastAPI:
    """Return an application that forwards each request to the worker of the shard that it concerns.

    The workers serve `oms.api.create_app`, each with the books of one shard. Pass `engine=True` if the shards
    are matching engines. `settings` has the limits of requests, and says which sites may send them and
    whether they are logged. If it contains API keys, the gateway checks them before it claims an order id.
    The workers check the key of each request in any case.

    If a shard has no worker, a request waits for one, for at most `patience` seconds. A worker may work on a
    request for at most `attempt_seconds` seconds. `transport` replaces the network.
    """
    settings = settings or Settings()
    transport = transport or httpx.AsyncHTTPTransport(
        limits=httpx.Limits(max_connections=_MOST_CONNECTIONS, keepalive_expiry=_IDLE_SECONDS)
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        yield
        await transport.aclose()

    app = FastAPI(title="oms cluster", openapi_url=None, redirect_slashes=False, lifespan=lifespan)
    workers = Workers(members, transport, patience, attempt_seconds)
    placement = Placement(shards, CachedDirectory(directory))
    front = Front(shards, placement, workers, settings, engine=engine)
    router = APIRouter(redirect_slashes=False)
    for (method, path), rule in (ENGINE if engine else BOOKS).items():
        if path == "/stream":
            router.add_websocket_route(path, Streams(shards, members, settings, patience).stream)
        else:
            methods = ["GET", "HEAD"] if method == "GET" else [method]
            router.add_route(path, front.endpoint(rule), methods)
    app.include_router(router)
    app.state.shards = shards
    _guard(app, settings, engine=engine)
    if settings.cors_origins:
        allow_origins(app, settings.cors_origins)
    if settings.access_log:
        app.add_middleware(Observed, routes=router.routes, observers=[AccessLog()])  # the outermost, so last
    other_routes = BOOKS_ROUTES if engine else ENGINE_ROUTES
    app.add_exception_handler(HTTPException, rejecting(router, other_routes))
    return app


def _guard(app: FastAPI, settings: Settings, *, engine: bool) -> None:
    """Check the host, the origin, the API key, and the rate of requests, if the settings say so."""
    keys, rejections = KeyRing(settings, has_owners=engine), RejectionLog()
    app.state.keys, app.state.rejections = keys, rejections
    sessions = Sessions(keys, rejections)
    app.add_middleware(Guard, settings=settings, keys=keys, sessions=sessions, rejections=rejections)
