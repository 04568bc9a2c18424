"""The route class that every endpoint uses. It validates requests strictly and turns errors into problems."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from copy import copy
from itertools import pairwise
from typing import Annotated, Any, TypeVar, cast, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl, unquote

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.params import Query
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from oms.api import threads, turns
from oms.api.callers import can_change
from oms.api.problems import (
    ProblemError,
    at_element,
    from_exception,
    invalid_field,
    log_rejection,
    problem_response,
)
from oms.api.settings import Settings
from oms.api.threads import CHANGES, READS, in_thread
from oms.api.turns import waiting
from oms.contract import IDEMPOTENCY_KEY_HEADER
from oms.errors import OmsError

__all__ = [
    "StrictRequest",
    "accepting_lists",
    "add_head_routes",
    "check_head",
    "check_query",
    "first_problem",
    "route_class",
]

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

_LISTS = {"orders", "verbs", "questions"}  # the lists of JSON objects in a body
_SMALL = 64 * 1024  # bytes of JSON that are parsed in about a millisecond


def route_class(settings: Settings) -> type[APIRoute]:
    """Return a Route subclass that enforces the limits in these settings."""

    class Route(_StrictRoute):
        limits = settings

    return Route


def accepting_lists(endpoint: Endpoint) -> Endpoint:
    """Mark an endpoint whose body can contain a list. Its limit is `bulk_body_limit`, not `body_limit`."""
    endpoint.accepts_lists = True  # type: ignore[attr-defined]  # a function can have any attribute
    return endpoint


def add_head_routes(router: APIRouter) -> None:
    """Add a HEAD route for every GET route in a router. HEAD returns the same headers without a body.

    If the GET routes themselves accepted HEAD, the OpenAPI document would list HEAD as a second method. The
    server leaves out the body, but still sends its Content-Length.
    """
    routes = [route for route in router.routes if isinstance(route, APIRoute)]
    paths_with_head = {route.path for route in routes if route.methods == {"HEAD"}}
    for route in routes:
        if route.methods == {"GET"} and route.path not in paths_with_head:
            head = copy(route)  # making a second route from the endpoint takes as long as making the first
            head.methods, head.include_in_schema = {"HEAD"}, False
            router.routes.append(head)


class StrictRequest(Request):
    """A request. Its body must be short, arrive in time, and be JSON without duplicate keys."""

    limits: Settings
    body_limit: int

    async def body(self) -> bytes:
        """Return the body. Raise ProblemError if it is too long or takes too long to arrive."""
        if not hasattr(self, "_body"):
            try:
                async with asyncio.timeout(self.limits.body_seconds):
                    self._body = await self._limited_body()
            except TimeoutError:
                seconds = self.limits.body_seconds
                detail = f"the body must arrive within {seconds} seconds, but part of it is missing"
                raise ProblemError("request_timeout", detail, headers={"Connection": "close"}) from None
        return self._body

    async def _limited_body(self) -> bytes:
        chunks: list[bytes] = []
        size = 0
        async for chunk in self.stream():
            size += len(chunk)  # not Content-Length, which may be absent or wrong
            if size > self.body_limit:
                detail = f"the body must be at most {self.body_limit} bytes long, but it is longer"
                raise ProblemError("body_too_large", detail, headers={"Connection": "close"})
            chunks.append(chunk)
        return b"".join(chunks)

    async def json(self) -> Any:
        """Return the content of a JSON body. Raise ProblemError if it is malformed. O(n)."""
        body = await self.body()
        if len(body) <= _SMALL:
            return _parsed(body)
        async with waiting():
            return await run_in_threadpool(_parsed, body)


def _parsed(body: bytes) -> Any:
    """Return the content of a JSON body. A large body must not be parsed on the event loop. O(n)."""
    try:
        return json.loads(
            body.decode(),
            object_pairs_hook=_json_object,
            parse_constant=_reject_constant,
            parse_int=_read_int,
        )
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        detail = f"the body must be valid JSON in UTF-8 without repeated keys: {reason}"
        raise ProblemError("malformed_json", detail) from None


def _json_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        repeated = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise ValueError(f"the key {repeated!r} is repeated")
    return values


def _reject_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _read_int(digits: str) -> int:
    try:
        return int(digits)
    except ValueError:  # int() accepts at most 4,300 digits, and its own message is specific to Python
        raise ValueError(f"it contains an integer with {len(digits)} digits") from None


class _StrictRoute(APIRoute):
    limits: Settings

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        is_change = any(can_change(method, path) for method in options["methods"])
        pool = CHANGES if is_change else threads.PAGES if path in turns.PAGES else READS
        super().__init__(path, in_thread(endpoint, pool), **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()
        parameters = _parameters(self.endpoint)
        accepts_lists = getattr(self.endpoint, "accepts_lists", False)
        body_limit = self.limits.bulk_body_limit if accepts_lists else self.limits.body_limit

        async def handle(request: Request) -> Response:
            strict = StrictRequest(request.scope, request.receive)
            strict.limits, strict.body_limit = self.limits, body_limit
            try:
                check_head(request, parameters, has_body=self.body_field is not None)
                if request.method not in ("GET", "HEAD"):
                    await strict.body()  # enforces the limits even if the endpoint needs no body
                return await handler(strict)
            except RequestValidationError as error:
                return problem_response(first_problem(error.errors()))
            except OmsError as error:
                return problem_response(from_exception(error))
            except ProblemError as error:
                log_rejection(request, error)
                return problem_response(error)
            except ClientDisconnect:  # the client does not receive this response
                return Response(status_code=400)

        return handle


def check_head(request: Request, parameters: dict[str, bool], *, has_body: bool) -> None:
    """Raise ProblemError if the path, the query, the idempotency key, or the media type is invalid."""
    _check_path(request)
    check_query(request.scope["query_string"], parameters)
    _check_idempotency_key(request)
    if has_body:
        _check_media_type(request)


def _check_idempotency_key(request: Request) -> None:
    keys = request.headers.getlist(IDEMPOTENCY_KEY_HEADER)
    if len(keys) > 1:
        raise invalid_field(IDEMPOTENCY_KEY_HEADER, ", ".join(keys), "given once", "send one key per request")


def _parameters(endpoint: Callable[..., Any]) -> dict[str, bool]:
    """Return a dict that maps each of an endpoint's query parameters to True if it may be repeated."""
    parameters: dict[str, bool] = {}
    for hint in get_type_hints(endpoint, include_extras=True).values():
        model, *annotations = get_args(hint) if get_origin(hint) is Annotated else [hint]
        if any(isinstance(annotation, Query) for annotation in annotations) and inspect.isclass(model):
            for name, field in cast("type[BaseModel]", model).model_fields.items():
                parameters[name] = get_origin(field.annotation) is list
    return parameters


def _check_path(request: Request) -> None:
    """Raise ProblemError if the path is not UTF-8. Servers replace invalid bytes with a character."""
    path = request.scope.get("raw_path") or b""
    try:
        unquote(path, errors="strict")
    except UnicodeError:
        raise invalid_field("path", path.decode("ascii", "replace"), "percent-encoded UTF-8") from None


def check_query(query: bytes, parameters: dict[str, bool]) -> None:
    """Raise ProblemError if a query is not UTF-8 or has an unknown or repeated parameter."""
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict")
    except UnicodeError:
        text = query.decode("ascii", "backslashreplace")
        raise invalid_field("query", text, "percent-encoded UTF-8") from None
    for name, count in Counter(name for name, _ in pairs).items():
        values = [value for each, value in pairs if each == name]
        if name not in parameters:
            names = ", ".join(sorted(parameters)) or "none"
            raise invalid_field(name, values[0], f"left out (unknown parameter; allowed: {names})")
        if count > 1 and not parameters[name]:
            raise invalid_field(name, values, "given once")


def _check_media_type(request: Request) -> None:
    media_type = request.headers.get("content-type", "")
    if media_type.partition(";")[0].strip().lower() != "application/json":
        detail = f"the Content-Type header must be application/json, not {media_type[:100]!r}"
        raise ProblemError("unsupported_media_type", detail)


def first_problem(errors: Sequence[Any]) -> ProblemError:
    """Return the problem for the first validation error, preferring errors other than missing fields.

    A misspelled field causes two errors, one for an unknown field and one for a missing field. The error for
    the unknown field is more helpful, because it contains the misspelled name. For an element of a list in
    the body, the problem also contains its index.
    """
    error = min(errors, key=lambda each: each["type"] == "missing")
    problem = _problem(error)
    for name, index in reversed(list(_elements(error["loc"]))):
        problem = at_element(problem, name.removesuffix("s"), index)
    return problem


def _problem(error: Mapping[str, Any]) -> ProblemError:
    field = _field(error["loc"])
    context = error.get("ctx", {})
    match error["type"]:
        case "missing":
            return _missing(field)
        case "extra_forbidden":
            return invalid_field(field, error["input"], "left out (unknown field)")
        case "value_error":
            return invalid_field(field, error["input"], str(context["error"]))
        case "union_tag_not_found" if isinstance(error["input"], dict):
            return _missing(context["discriminator"].strip("'"))
        case "union_tag_invalid":
            field = context["discriminator"].strip("'")
            return invalid_field(field, error["input"][field], f"one of {context['expected_tags']}")
        case kind:
            is_object = field == "body" or kind.startswith("model_")
            return invalid_field(field, error["input"], "a JSON object" if is_object else error["msg"])


def _field(location: Sequence[str | int]) -> str:
    """Return a field's name. For an element of a list of objects, it is the list's name in the singular."""
    name = [part for part in location if isinstance(part, str)][-1]
    return name if name == location[-1] or name not in _LISTS else name.removesuffix("s")


def _missing(field: str) -> ProblemError:
    fields = {"field": field, "allowed": "given", "value": None}
    return ProblemError("invalid_order", f"{field} must be given, but it is missing", fields)


def _elements(location: Sequence[str | int]) -> Iterator[tuple[str, int]]:
    """Yield the lists in the location of an error, each with the index of the element in it."""
    for name, index in pairwise(location):
        if isinstance(index, int) and name in _LISTS:
            yield str(name), index
