"""The ASGI application of a gateway."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Literal

import httpx
from fastapi import APIRouter, FastAPI
from starlette.exceptions import HTTPException

from oms.api.access_log import AccessLog
from oms.api.app import BOOKS_ROUTES, ENGINE_ROUTES, allow_origins, rejecting
from oms.api.auth import Guard
from oms.api.key_ring import KeyRing
from oms.api.observation import Observed, Observer
from oms.api.page import Page
from oms.api.page.documentation import Documentation
from oms.api.problems import RejectionLog
from oms.api.route import add_head_routes, route_class
from oms.api.settings import Settings
from oms.cluster.gateway.credentials import Credentials, GatewaySessions
from oms.cluster.gateway.directory import CachedDirectory, Directory
from oms.cluster.gateway.documents import document_of
from oms.cluster.gateway.front import Front
from oms.cluster.gateway.gateway_metrics import GatewayMetrics
from oms.cluster.gateway.members import Members
from oms.cluster.gateway.placement import Placement
from oms.cluster.gateway.routes import BOOKS, ENGINE, Rule
from oms.cluster.gateway.streams import Streams
from oms.cluster.gateway.workers import Workers
from oms.cluster.ownership.shards import Shards
from oms.contract import STANDBY

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
    reads_from: Literal["owner", "standby"] = "owner",
    patience: float = 8.0,
    attempt_seconds: float = 30.0,
    transport: httpx.AsyncBaseTransport | None = None,
) -> FastAPI:
    """Return an application that forwards each request to the worker of the right shard.

    Each worker serves the books of its shards with `oms.api.create_app`. Pass `engine=True` if the shards are
    matching engines. `settings` limits the requests, and says which sites may send requests and whether
    requests are logged. If the settings contain API keys, the gateway checks the key of a request before it
    claims an order id (records permanently which shard the id belongs to). The workers check the key of each
    request in any case.

    With `reads_from="standby"`, a standby serves read-only requests about the books, and the streams. Its
    responses say how far it lags. If no standby responds, the owner of the shard serves the request.

    If a shard has no worker, a request waits at most `patience` seconds for a worker. A worker may process a
    request for at most `attempt_seconds` seconds. Tests pass a `transport` to replace the network.
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
    keys, rejections = KeyRing(settings, has_owners=engine), RejectionLog()
    sessions = GatewaySessions(keys, rejections)
    credentials = Credentials(keys, sessions)
    workers = Workers(members, transport, patience, attempt_seconds, from_standbys=reads_from == STANDBY)
    placement = Placement(shards, CachedDirectory(directory))
    metrics = GatewayMetrics(shards, members)
    front = Front(shards, placement, workers, settings, credentials, metrics, engine=engine)
    router = APIRouter(route_class=route_class(settings), redirect_slashes=False)
    for (method, path), rule in (ENGINE if engine else BOOKS).items():
        if path == "/stream":
            streams = Streams(shards, members, workers, settings, credentials, patience)
            router.add_websocket_route(path, streams.stream)
        elif rule is not Rule.OWN:
            methods = ["GET", "HEAD"] if method == "GET" else [method]
            router.add_route(path, front.endpoint(rule), methods)
    router.add_route("/health", front.health, ["GET", "HEAD"])
    sessions.add_to(router)
    Page("engine" if engine else "books", of_shards=True).add_to(router)
    Documentation(document_of(shards, settings, engine=engine)).add_to(router)
    add_head_routes(router)
    app.router.routes.extend(router.routes)  # `include_router` would make each route again, which is slow
    app.state.shards, app.state.keys, app.state.rejections = shards, keys, rejections
    app.add_middleware(Guard, settings=settings, keys=keys, sessions=sessions, rejections=rejections)
    if settings.cors_origins:
        allow_origins(app, settings.cors_origins)
    observers: list[Observer] = [metrics, AccessLog()] if settings.access_log else [metrics]
    app.add_middleware(Observed, routes=router.routes, observers=observers)  # the outermost, so added last
    other_routes = BOOKS_ROUTES if engine else ENGINE_ROUTES
    app.add_exception_handler(HTTPException, rejecting(router, other_routes))
    return app
