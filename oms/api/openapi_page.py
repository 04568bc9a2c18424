"""The OpenAPI document as a page: nothing to load from elsewhere, nothing that runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from html import escape
from typing import Any

from fastapi import APIRouter, Response

__all__ = ["Documents"]

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none';"
    " frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


class Documents:
    """Serves `/docs`, made of the OpenAPI document."""

    def __init__(self, openapi: Callable[[], Mapping[str, Any]]) -> None:
        self._openapi = openapi

    def add_to(self, router: APIRouter) -> None:
        """Put the page under a router."""
        router.add_api_route("/docs", self.page, methods=["GET"], include_in_schema=False)

    def page(self) -> Response:
        """What can be asked, and what is answered."""
        html = "\n".join(_html(self._openapi()))
        return Response(html, headers=_HEADERS, media_type="text/html")


def _html(document: Mapping[str, Any]) -> Iterator[str]:
    yield "<!doctype html><html lang=en><meta charset=utf-8><title>oms: the API</title>"
    yield '<meta name=viewport content="width=device-width, initial-scale=1">'
    yield "<link rel=stylesheet href=page/theme.css><link rel=stylesheet href=page/docs.css>"
    yield "<main><h1>oms: the API</h1>"
    yield "<p>For programs: <a href=openapi.json>openapi.json</a>. Streams: WS /stream?symbol=</p>"
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield f"<section><h2>{method.upper()} {escape(path)}</h2>"
            yield f"<p>{escape(operation['summary'])}</p><dl>"
            yield from _asked(operation, document)
            yield from _answered(operation["responses"])
            yield "</dl></section>"
    yield "</main></html>"


def _asked(operation: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[str]:
    for parameter in operation.get("parameters", ()):
        needed = "" if parameter["required"] else ", may be left out"
        schema = _named(parameter["schema"], document)
        yield _item(f"{parameter['name']} ({parameter['in']}{needed})", schema)
    if "requestBody" in operation:
        model = _named(operation["requestBody"]["content"]["application/json"]["schema"], document)
        for name, field in model["properties"].items():
            needed = "" if name in model.get("required", ()) else ", may be left out"
            yield _item(f"{name} (body{needed})", _named(field, document))


def _named(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema itself, where it is given by its name."""
    name = schema.get("$ref", "").rpartition("/")[2]
    found: Mapping[str, Any] = document["components"]["schemas"][name] if name else schema
    return found


def _answered(responses: Mapping[str, Any]) -> Iterator[str]:
    for status, response in sorted(responses.items()):
        yield f"<dt>{escape(status)}: {escape(response['description'])}</dt>"
        for content in response.get("content", {}).values():
            shown = content.get("example") or list(content.get("examples", {}))
            yield f"<dd><pre>{escape(json.dumps(shown))}</pre></dd>"


def _item(name: str, schema: Mapping[str, Any]) -> str:
    shown = {key: value for key, value in schema.items() if key != "title"}
    return f"<dt>{escape(name)}</dt><dd><code>{escape(json.dumps(shown))}</code></dd>"
