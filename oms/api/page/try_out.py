"""The forms of the `/docs` page. Each form sends one request, whose parameters and body are its fields."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from oms.api.page.request_examples import Schemas

__all__ = ["form"]


def form(
    anchor: str, method: str, path: str, operation: Mapping[str, Any], schemas: Schemas
) -> Iterator[str]:
    """Yield the HTML of an endpoint's form. The fields contain an example, and optional ones are empty."""
    yield f'<form class=request data-method={method.upper()} data-path="{escape(path)}" novalidate'
    yield f' autocomplete=off aria-label="Request: {method.upper()} {escape(path)}">'
    for number, parameter in enumerate(operation.get("parameters", ())):
        yield _field(f"{anchor}-{number}", parameter, operation, schemas)
    body = schemas.example_body(operation)
    if body is not None:
        text = json.dumps(body, indent=2)
        yield f"<div class=whole><label for={anchor}-body>Body, as JSON</label>"
        yield f"<textarea id={anchor}-body data-in=body spellcheck=false rows={text.count(chr(10)) + 1}>"
        yield f"{escape(text)}</textarea></div>"
    if method != "get":
        yield "<p class='note whole'>This request changes the books of this service.</p>"
    yield "<button class='primary whole'>Send</button>"
    yield "<div class='response whole' role=status></div></form>"


def _field(anchor: str, parameter: Mapping[str, Any], operation: Mapping[str, Any], schemas: Schemas) -> str:
    name, place = escape(parameter["name"]), parameter["in"]
    optional = "" if parameter["required"] else ", optional"
    label = f"<label for={anchor}>{name} ({place}{optional})</label>"
    example = schemas.example_parameter(parameter, operation)
    attributes = f'id={anchor} name="{name}" data-in={place}'
    choices = schemas.choices(parameter["schema"])
    if choices:
        options = "".join(_option(choice, example) for choice in ("", *choices))
        return f"<div>{label}<select {attributes}>{options}</select></div>"
    if schemas.resolved(parameter["schema"]).get("type") == "array":
        attributes += " data-list"
    return f'<div>{label}<input {attributes} spellcheck=false value="{escape(example)}"></div>'


def _option(choice: str, example: str) -> str:
    return f"<option{' selected' if choice == example else ''}>{escape(choice)}</option>"
