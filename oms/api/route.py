"""How an endpoint is reached: what comes in is read strictly, and whatever is refused is a problem."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from typing import Annotated, Any, cast, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.params import Query
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

from oms.api.problems import Refusal, invalid, problem_of, respond
from oms.api.settings import Settings
from oms.errors import OmsError

__all__ = ["answer_head", "check_query", "first_problem", "route_class"]


def route_class(settings: Settings) -> type[APIRoute]:
    """The class of the routes that are set up like this."""

    class Route(_StrictRoute):
        limits = settings

    return Route


def answer_head(router: APIRouter) -> None:
    """Have every path of a router that answers GET answer HEAD too: the same head, and no body.

    A route of its own, because the document lists the methods of those that it shows, and HEAD says nothing
    new there. The server leaves the body out and keeps its length.
    """
    routes = [route for route in router.routes if isinstance(route, APIRoute)]
    answered = {route.path for route in routes if route.methods == {"HEAD"}}
    for route in routes:
        if route.methods == {"GET"} and route.path not in answered:
            router.add_api_route(
                route.path, route.endpoint, methods=["HEAD"], include_in_schema=False, response_model=None
            )


class _StrictRequest(Request):
    """A request whose body is bounded in size and time, and whose JSON means one thing only."""

    limits: Settings

    async def body(self) -> bytes:
        if not hasattr(self, "_body"):
            try:
                async with asyncio.timeout(self.limits.body_seconds):
                    self._body = await self._bounded()
            except TimeoutError:
                refusal = f"the body took more than {self.limits.body_seconds} seconds"
                raise Refusal("request_timeout", refusal, headers={"Connection": "close"}) from None
        return self._body

    async def _bounded(self) -> bytes:
        chunks: list[bytes] = []
        size = 0
        async for chunk in self.stream():  # what a Content-Length promises is nobody's word
            size += len(chunk)
            if size > self.limits.body_limit:
                refusal = f"a body of more than {self.limits.body_limit} bytes"
                raise Refusal("body_too_large", refusal, headers={"Connection": "close"})
            chunks.append(chunk)
        return b"".join(chunks)

    async def json(self) -> Any:
        try:
            text = (await self.body()).decode()
            return json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            detail = "nested too deeply" if isinstance(error, RecursionError) else str(error)
            raise Refusal("malformed_json", detail) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise ValueError(f"the key {twice!r} comes twice")
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


class _StrictRoute(APIRoute):
    limits: Settings

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()
        parameters = _parameters(self.endpoint)

        async def handle(request: Request) -> Response:
            strict = _StrictRequest(request.scope, request.receive)
            strict.limits = self.limits
            try:
                check_query(request.scope["query_string"], parameters)
                _check_key(request)
                if self.body_field is not None:
                    _check_media_type(request)
                if request.method not in ("GET", "HEAD"):
                    await strict.body()  # bounded also where nobody reads it
                return await handler(strict)
            except RequestValidationError as error:
                return respond(first_problem(error.errors()))
            except OmsError as error:
                return respond(problem_of(error))
            except Refusal as refusal:
                return respond(refusal)
            except ClientDisconnect:  # nobody is there to be told
                return Response(status_code=400)

        return handle


def _check_key(request: Request) -> None:
    keys = request.headers.getlist("idempotency-key")
    if len(keys) > 1:
        raise invalid("Idempotency-Key", ", ".join(keys), "given once")


def _parameters(endpoint: Callable[..., Any]) -> dict[str, bool]:
    """The query parameters of an endpoint, and whether each may be repeated."""
    names: dict[str, bool] = {}
    for hint in get_type_hints(endpoint, include_extras=True).values():
        model, *marks = get_args(hint) if get_origin(hint) is Annotated else [hint]
        if any(isinstance(mark, Query) for mark in marks) and inspect.isclass(model):
            for name, field in cast("type[BaseModel]", model).model_fields.items():
                names[name] = get_origin(field.annotation) is list
    return names


def check_query(query: bytes, parameters: dict[str, bool]) -> None:
    """Refuse what is no valid UTF-8, what is not asked for, and what is said twice."""
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict")
    except UnicodeError:
        raise invalid("query", None, "percent-encoded UTF-8") from None
    for name, count in Counter(name for name, _ in pairs).items():
        if name not in parameters:
            raise invalid(name, next(value for each, value in pairs if each == name), _unknown(parameters))
        if count > 1 and not parameters[name]:
            raise invalid(name, [value for each, value in pairs if each == name], "given once")


def _unknown(parameters: dict[str, bool]) -> str:
    known = ", ".join(sorted(parameters)) or "none"
    return f"left out (it is unknown; known are {known})"


def _check_media_type(request: Request) -> None:
    given = request.headers.get("content-type", "")
    if given.partition(";")[0].strip().lower() != "application/json":
        raise Refusal("unsupported_media_type", f"the body must be application/json, not {given[:100]!r}")


def first_problem(errors: Sequence[Any]) -> Refusal:
    """The refusal that the first of several validation errors is; one with a word for it, if there is any.

    A misspelled field is unknown, and the right one is missing: what was written says more.
    """
    error = min(errors, key=lambda each: each["type"] == "missing")
    names = [part for part in error["loc"] if isinstance(part, str)]
    field = names[-1]
    match error["type"]:
        case "missing":
            return invalid(field, None, "given")
        case "extra_forbidden":
            return invalid(field, error["input"], "left out (it is unknown)")
        case "value_error":
            return invalid(field, error["input"], str(error["ctx"]["error"]))
        case _:
            return invalid(field, error["input"], "a JSON object" if field == "body" else error["msg"])
