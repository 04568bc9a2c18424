"""The middleware that observes each request, as an ASGI application of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from oms.api.observation import Observation, Observed, note_sequence


class Kept:
    """An observer that keeps all observations."""

    def __init__(self) -> None:
        self.all: list[Observation] = []

    def observe(self, observation: Observation) -> None:
        self.all.append(observation)


async def _unused() -> Any:
    raise AssertionError("the application calls neither receive nor send")


def _scope(path: str, kind: str = "http") -> Scope:
    return {"type": kind, "method": "GET", "path": path, "headers": [], "query_string": b"secret"}


def observed(app: ASGIApp, path: str = "/a/1", kind: str = "http") -> list[Observation]:
    """Return the observations of one request. An exception of the application is ignored."""
    kept = Kept()

    async def send(_message: Any) -> None:
        await asyncio.sleep(0)

    async def call() -> None:
        routes = [Route("/a/{number}", lambda _: Response())]
        await asyncio.gather(
            Observed(app, routes, [kept])(_scope(path, kind), _unused, send), return_exceptions=True
        )

    asyncio.run(call())
    return kept.all


def responding(status: int) -> ASGIApp:
    return Response(status_code=status)


def test_a_request_that_was_rejected_before_the_router_has_its_route() -> None:
    (known,) = observed(responding(401))
    assert (known.route, known.status) == ("/a/{number}", 401)
    (unknown,) = observed(responding(401), "/b/1")
    assert unknown.route == "unknown"


def failing(error: BaseException) -> ASGIApp:
    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise error

    return app


@pytest.mark.parametrize(
    ("error", "status"), [(RuntimeError(), 500), (asyncio.CancelledError(), None)], ids=["error", "canceled"]
)
def test_a_request_that_fails_or_is_canceled_is_observed_once(
    error: BaseException, status: int | None
) -> None:
    (observation,) = observed(failing(error))
    assert (observation.event, observation.status) == ("request", status)


def test_an_error_after_the_start_of_the_response_keeps_its_status() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(status_code=200)(scope, receive, send)
        raise RuntimeError

    (observation,) = observed(app)
    assert observation.status == 200


def test_the_lifespan_of_the_application_is_not_observed() -> None:
    assert observed(responding(200), kind="lifespan") == []


def noting(sequence: int) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0)
        await run_in_threadpool(note_sequence, sequence)
        await Response()(scope, receive, send)

    return app


def test_a_thread_notes_the_sequence_number_of_its_own_request() -> None:
    kept = Kept()

    async def send(_message: Any) -> None:
        await asyncio.sleep(0)

    async def call() -> None:
        calls: list[Awaitable[None]] = [
            Observed(noting(number), [], [kept])(_scope(f"/{number}"), _unused, send) for number in range(20)
        ]
        await asyncio.gather(*calls)

    asyncio.run(call())
    assert sorted(observation.sequence or 0 for observation in kept.all) == list(range(20))


def test_outside_of_a_request_nothing_is_noted() -> None:
    note_sequence(7)
    (observation,) = observed(responding(200))
    assert observation.sequence is None


def test_the_application_sees_the_same_scope() -> None:
    scopes: list[Scope] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        scopes.append(scope)

    given = _scope("/")
    call: Callable[..., Awaitable[None]] = Observed(app, [], [])
    asyncio.run(call(given, _unused, _unused))  # type: ignore[arg-type]  # an awaitable of the middleware
    assert scopes[0] is given
