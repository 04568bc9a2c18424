"""The OpenAPI document, and the `/docs` page, which shows it as HTML with a form to try each endpoint.

Both texts are created once, in a worker thread, because each takes longer than most requests.

The page loads no files from other servers. Its script sends a form's request only to this server.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from html import escape
from typing import Any

from fastapi import APIRouter, Request, Response

from oms.api.page import HEADERS
from oms.api.page.request_examples import Schemas
from oms.api.page.try_out import form

__all__ = ["Documentation"]

_METHODS = ("get", "post", "patch", "put", "delete")
_HEAD = """\
<!doctype html><html lang=en><meta charset=utf-8><title>oms: the API</title>
<meta name=viewport content="width=device-width, initial-scale=1">
<meta name=color-scheme content="light dark">
<link rel=icon href=page/icon.svg type=image/svg+xml>
<link rel=stylesheet href=page/theme.css><link rel=stylesheet href=page/forms.css>
<link rel=stylesheet href=page/docs.css>
<script type=module src=page/docs.js></script>
<main><h1>oms: the API</h1>
<p>Programs can read <a href=openapi.json>openapi.json</a>. People can use the <a href=.>page</a>.
To follow the changes, open a WebSocket on /stream, optionally with ?symbol=NAME.</p>"""
_KEY = """\
<form id=credentials autocomplete=off><label for=key>API key for the requests of this page, optional</label>
<input id=key type=password autocomplete=off spellcheck=false aria-describedby=key-note>
<p id=key-note class=note>Without a key, the requests use your session. The page does not store the key.</p>
</form>"""


class Documentation:
    """The `/docs` and `/openapi.json` endpoints. The document must not change after the first request."""

    def __init__(self, openapi: Callable[[], Mapping[str, Any]]) -> None:
        self._openapi = openapi
        self._page: bytes | None = None
        self._document: tuple[str, bytes] | None = None  # the root path and the text

    def add_to(self, router: APIRouter) -> None:
        """Add the endpoints to a router."""
        for path, endpoint in (("/docs", self.docs), ("/openapi.json", self.openapi_json)):
            router.add_api_route(path, endpoint, methods=["GET"], include_in_schema=False)

    def docs(self) -> Response:
        """Return the page. O(1) after the first request."""
        if self._page is None:
            self._page = "\n".join(_html(self._openapi())).encode()
        return Response(self._page, headers=HEADERS, media_type="text/html")

    def openapi_json(self, request: Request) -> Response:
        """Return the document. It names the root path as the server. O(1) after the first request."""
        root_path = request.scope.get("root_path", "").rstrip("/")
        document = self._document
        if document is None or document[0] != root_path:
            servers = {"servers": [{"url": root_path}]} if root_path else {}
            text = json.dumps({**self._openapi(), **servers}, ensure_ascii=False, separators=(",", ":"))
            document = self._document = root_path, text.encode()
        return Response(document[1], media_type="application/json")


def _html(document: Mapping[str, Any]) -> Iterator[str]:
    yield _HEAD
    if "security" in document:
        yield _KEY
    yield "<nav aria-label=Endpoints><ul>"
    for method, path, _ in _operations(document):
        yield f"<li><a href=#{_anchor(method, path)}>{_title(method, path)}</a></li>"
    yield "</ul></nav>"
    schemas = Schemas(document)
    for method, path, operation in _operations(document):
        yield from _section(method, path, operation, schemas)
    yield "</main></html>"


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, operations in document["paths"].items():
        for method in _METHODS:
            if method in operations:
                yield method, path, operations[method]


def _anchor(method: str, path: str) -> str:
    """Return the id of a section, which contains only letters, digits, and hyphens."""
    return "-".join("".join(c if c.isalnum() else " " for c in f"{method} {path}").split())


def _title(method: str, path: str) -> str:
    return f"<b class=method data-method={method}>{method.upper()}</b> {escape(path)}"


def _section(method: str, path: str, operation: Mapping[str, Any], schemas: Schemas) -> Iterator[str]:
    anchor = _anchor(method, path)
    yield f"<section id={anchor} aria-labelledby={anchor}-title>"
    yield f"<h2 id={anchor}-title>{_title(method, path)}</h2><p>{escape(operation['summary'])}</p>"
    yield from _request(operation, schemas)
    yield "<details><summary>Responses</summary><dl>"
    yield from _responses(operation["responses"])
    yield "</dl></details><details class=try><summary>Try it</summary>"
    yield from form(anchor, method, path, operation, schemas)
    yield "</details></section>"


def _request(operation: Mapping[str, Any], schemas: Schemas) -> Iterator[str]:
    """Yield the parameters, and the fields of the body."""
    items = [
        _item(each["name"], each["in"], each["schema"], each["required"], each.get("description"), schemas)
        for each in operation.get("parameters", ())
    ]
    body = schemas.body(operation)
    if body is not None:
        required = body.get("required", ())
        items += [
            _item(name, "body", field, name in required, None, schemas)
            for name, field in body.get("properties", {}).items()
        ]
        if not body.get("properties"):
            items.append(f"<dt>body</dt><dd>{escape(schemas.in_words(body))}</dd>")
    if items:
        yield f"<dl>{''.join(items)}</dl>"


def _item(
    name: str,
    place: str,
    schema: Mapping[str, Any],
    required: bool,
    description: str | None,
    schemas: Schemas,
) -> str:
    optional = "" if required else ", optional"
    sentences = f". {description}" if description else ""
    return (
        f"<dt><code>{escape(name)}</code> ({place}{optional})</dt>"
        f"<dd>{escape(schemas.in_words(schema))}{escape(sentences)}</dd>"
    )


def _responses(responses: Mapping[str, Any]) -> Iterator[str]:
    for status, response in sorted(responses.items()):
        yield f"<dt>{escape(status)}: {escape(response['description'])}</dt>"
        for content in response.get("content", {}).values():
            example = content.get("example") or list(content.get("examples", {}))
            yield f"<dd><pre>{escape(json.dumps(example))}</pre></dd>"
