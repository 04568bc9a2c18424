"""The OpenAPI document: descriptions of the endpoints, their errors, and the authentication methods."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from oms.api.descriptions import HEALTH, ORDER_ADDED, Description
from oms.api.response_models import Problem
from oms.contract import IDEMPOTENCY_KEY_HEADER, PROBLEM_MEDIA_TYPE, PROBLEM_TYPE, PROBLEMS, REPLAYED_HEADER

__all__ = ["completed", "documented"]

_ALWAYS = (
    "invalid_order",
    "unauthorized",
    "origin_refused",
    "host_refused",
    "too_many_requests",
    "not_ready",
    "internal_error",
)
_REPLAYED = {
    REPLAYED_HEADER: {
        "description": "true if the request is a retry and this is the original response again.",
        "schema": {"type": "string", "enum": ["true"]},
    }
}
_OF_THE_MODEL = "500"
"""The status of the response of /health that has the model of problems. See `documented`."""
_LINKS = {
    name: {"operationId": name, "parameters": {"order_id": "$response.body#/order_id"}}
    for name in ("get_order", "amend_order", "remove_order")
}


def documented(description: Description, endpoint: Callable[..., object]) -> dict[str, Any]:
    """Return the `add_api_route` arguments that describe an endpoint."""
    responses: dict[int | str, dict[str, Any]] = {
        description.status: {
            "model": description.model,
            "description": _first_line(description.model.__doc__),
            "content": {"application/json": {"example": description.example}},
        }
    }
    if "journal_failed" in description.codes:  # the endpoint makes a change, so its response may be replayed
        responses[description.status]["headers"] = dict(_REPLAYED)
    if description is ORDER_ADDED:
        _describe_added_order(responses)
    for code in dict.fromkeys((*description.codes, *_ALWAYS)):
        _add_problem(responses, code)
    # FastAPI makes a validator for each response with a model. With a model for each problem, an application
    # took twice as long to create. One model adds the schema to the document, and all problems refer to it.
    if description is HEALTH:
        responses[int(_OF_THE_MODEL)]["model"] = Problem
    return {
        "status_code": description.status,
        "responses": responses,
        "response_model": None,
        "operation_id": endpoint.__name__,
        "summary": _first_line(endpoint.__doc__),
        "description": "",
    }


def _describe_added_order(responses: dict[int | str, dict[str, Any]]) -> None:
    added = responses[ORDER_ADDED.status]
    added["headers"] |= {
        "Location": {"schema": {"type": "string"}},
        IDEMPOTENCY_KEY_HEADER: {
            "description": "The request's key. Sent only if a request with this key added the order.",
            "schema": {"type": "string"},
        },
    }
    added["links"] = _LINKS
    responses[200] = added | {"description": "The original response, because the order was already added."}


def _add_problem(responses: dict[int | str, dict[str, Any]], code: str) -> None:
    """Document an error code under its HTTP status. Several codes may share a status."""
    status, title = PROBLEMS[code]
    content = {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}
    response = responses.setdefault(status, {"description": "", "content": {PROBLEM_MEDIA_TYPE: content}})
    response["description"] = "; ".join(filter(None, [response["description"], title]))
    response["content"][PROBLEM_MEDIA_TYPE]["examples"][code] = {"value": _example(code)}


def _first_line(docstring: str | None) -> str:
    return (docstring or "").partition("\n")[0]


def _example(code: str) -> dict[str, object]:
    status, title = PROBLEMS[code]
    kind = PROBLEM_TYPE.format(code=code)
    return {"type": kind, "title": title, "status": status, "code": code, "detail": title}


def completed(document: dict[str, Any], *, session_cookie: str | None) -> dict[str, Any]:
    """Return FastAPI's document with the authentication methods added, and one media type per response.

    `session_cookie` is the session cookie's name, or None if the service does not need a key.
    """
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if path == "/health":
                operation["security"] = []
                del operation["responses"][_OF_THE_MODEL]["content"]["application/json"]
    for schema in document["components"]["schemas"].values():
        if "enum" in schema:
            schema["description"] = _first_line(schema["description"])
    if session_cookie is not None:
        document["components"]["securitySchemes"] = {
            "key": {"type": "http", "scheme": "bearer", "description": "The API key."},
            "session": {
                "type": "apiKey",
                "in": "cookie",
                "name": session_cookie,
                "description": "The cookie set by POST /session. With it, a change needs an Origin header.",
            },
        }
        document["security"] = [{"key": []}, {"session": []}]
        without_key: dict[str, list[str]] = {}
        document["paths"]["/ready"]["get"]["security"] = [without_key, *document["security"]]
    return cast("dict[str, Any]", _with_integers(document))


def _with_integers(part: Any) -> Any:
    """Convert whole floats in the document to integers. FastAPI writes integer limits as floats."""
    if isinstance(part, dict):
        return {name: _with_integers(each) for name, each in cast("dict[str, Any]", part).items()}
    if isinstance(part, list):
        return [_with_integers(each) for each in cast("Sequence[Any]", part)]
    return int(part) if isinstance(part, float) and part.is_integer() else part
