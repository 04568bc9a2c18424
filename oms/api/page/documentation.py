"""The `/docs` page, which shows the OpenAPI document as plain HTML.

The page contains no scripts and loads no files from other servers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from html import escape
from typing import Any

from fastapi import APIRouter, Response

__all__ = ["Documentation"]

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none';"
    " frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


class Documentation:
    """The `/docs` endpoint."""

    def __init__(self, openapi: Callable[[], Mapping[str, Any]]) -> None:
        self._openapi = openapi

    def add_to(self, router: APIRouter) -> None:
        """Add the endpoint to a router."""
        router.add_api_route("/docs", self.docs, methods=["GET"], include_in_schema=False)

    def docs(self) -> Response:
        """Return the page."""
        html = "\n".join(_html(self._openapi()))
        return Response(html, headers=_HEADERS, media_type="text/html")


def _html(document: Mapping[str, Any]) -> Iterator[str]:
    yield "<!doctype html><html lang=en><meta charset=utf-8><title>oms: the API</title>"
    yield '<meta name=viewport content="width=device-width, initial-scale=1">'
    yield "<link rel=stylesheet href=page/theme.css><link rel=stylesheet href=page/docs.css>"
    yield "<main><h1>oms: the API</h1>"
    yield "<p>Programs can read <a href=openapi.json>openapi.json</a>."
    yield "To follow the changes, open a WebSocket on /stream, optionally with ?symbol=NAME.</p>"
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield f"<section><h2>{method.upper()} {escape(path)}</h2>"
            yield f"<p>{escape(operation['summary'])}</p><dl>"
            yield from _request(operation, document)
            yield from _responses(operation["responses"])
            yield "</dl></section>"
    yield "</main></html>"


def _request(operation: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[str]:
    for parameter in operation.get("parameters", ()):
        optional = "" if parameter["required"] else ", optional"
        schema = _resolved(parameter["schema"], document)
        yield _item(f"{parameter['name']} ({parameter['in']}{optional})", schema)
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        model = _resolved(schema.get("anyOf", [schema])[0], document)  # the first of several forms
        for name, field in model["properties"].items():
            optional = "" if name in model.get("required", ()) else ", optional"
            yield _item(f"{name} (body{optional})", _resolved(field, document))


def _resolved(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema that a reference points to, or the schema itself if it is not a reference."""
    name = schema.get("$ref", "").rpartition("/")[2]
    resolved: Mapping[str, Any] = document["components"]["schemas"][name] if name else schema
    return resolved


def _responses(responses: Mapping[str, Any]) -> Iterator[str]:
    for status, response in sorted(responses.items()):
        yield f"<dt>{escape(status)}: {escape(response['description'])}</dt>"
        for content in response.get("content", {}).values():
            example = content.get("example") or list(content.get("examples", {}))
            yield f"<dd><pre>{escape(json.dumps(example))}</pre></dd>"


def _item(name: str, schema: Mapping[str, Any]) -> str:
    fields = {key: value for key, value in schema.items() if key != "title"}
    return f"<dt>{escape(name)}</dt><dd><code>{escape(json.dumps(fields))}</code></dd>"
