"""The schemas of requests in words, and examples of valid requests.

An example takes its values from the example of the endpoint's response, which has many of the same fields.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

__all__ = ["Schemas"]

_JSON = "application/json"
_DIGITS = re.compile(r"[-0-9^$()|\[\]{},]+")  # the letters of a pattern that matches only digits


class Schemas:
    """The schemas of an OpenAPI document."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._schemas: Mapping[str, Any] = document.get("components", {}).get("schemas", {})

    def resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the schema that a reference points to, or the schema itself if it is not a reference."""
        name = schema.get("$ref", "").rpartition("/")[2]
        return cast("Mapping[str, Any]", self._schemas[name]) if name else schema

    def body(self, operation: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the schema of an operation's body, or None if the operation has no body."""
        if "requestBody" not in operation:
            return None
        return self.resolved(operation["requestBody"]["content"][_JSON]["schema"])

    def choices(self, schema: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the only values that a schema allows, or () if there are too many to list."""
        schema = self.resolved(schema)
        if schema.get("type") == "boolean":
            return ("true", "false")
        return tuple(map(str, schema.get("enum", ())))

    # ------------------------------------------------------------------ words

    def in_words(self, schema: Mapping[str, Any]) -> str:
        """Return a phrase that says which values a schema allows."""
        schema = self.resolved(schema)
        words = " or ".join(dict.fromkeys(self._alternatives(schema)))
        if schema.get("default") not in (None, []):
            words += f", by default {str(schema['default']).lower()}"
        return ". ".join(filter(None, [words, schema.get("description", "").replace("\n", " ")])).rstrip(".")

    def _alternatives(self, schema: Mapping[str, Any]) -> Iterator[str]:
        schema = self.resolved(schema)
        options = schema.get("anyOf") or schema.get("oneOf")
        if options:
            for option in options:
                yield from self._alternatives(option)
        elif self.choices(schema):
            yield from self.choices(schema)
        elif "const" in schema:
            yield str(schema["const"])
        elif schema.get("type") == "array":
            yield f"a list, each {self.in_words(schema.get('items', {}))}"
        elif schema.get("type") == "object":
            fields = ", ".join(schema.get("properties", {}))
            yield f"an object with {fields}" if fields else "an object"
        else:
            yield _scalar(schema)

    # ------------------------------------------------------------------ examples

    def example_body(self, operation: Mapping[str, Any]) -> Any:
        """Return an example of an operation's body, or None if the operation has no body."""
        schema = self.body(operation)
        if schema is None:
            return None
        content = operation["requestBody"]["content"][_JSON]
        return content["example"] if "example" in content else self._example(schema, "", hints_of(operation))

    def example_parameter(self, parameter: Mapping[str, Any], operation: Mapping[str, Any]) -> str:
        """Return an example of a parameter as text, or "" for an optional one."""
        schema = self.resolved(parameter["schema"])
        if not (parameter["required"] or schema.get("type") == "array"):
            return ""
        value = self._example(schema, parameter["name"], hints_of(operation))
        return ", ".join(map(str, cast("Sequence[Any]", value))) if isinstance(value, list) else str(value)

    def _example(self, schema: Mapping[str, Any], name: str, hints: Mapping[str, Any]) -> Any:
        schema = self.resolved(schema)
        hint = hints.get(name)
        match schema:
            case {"anyOf": [first, *_]} | {"oneOf": [first, *_]}:
                return hint if _is_scalar(hint) else self._example(first, name, hints)
            case {"type": "object", "properties": properties}:
                required = schema.get("required", ()) or properties
                shown = [each for each in properties if each in required or each == "price"]
                return {each: self._example(properties[each], each, hints) for each in shown}
            case {"type": "array", "items": items}:
                return hint if _is_list_of_scalars(hint) else [self._example(items, name, hints)]
            case {"const": value} | {"enum": [value, *_]}:
                return hint if hint in schema.get("enum", ()) else value
            case {"type": "boolean"}:
                return schema.get("default", True)
            case _:
                return hint if _is_scalar(hint) else _smallest(schema)


def hints_of(operation: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields in the example of a successful response. Outer fields replace inner ones."""
    hints: dict[str, Any] = {}
    for status, response in sorted(operation["responses"].items()):
        content = response.get("content", {}).get(_JSON, {})
        if status < "300" and "example" in content:
            hints = {**_fields(content["example"]), **hints}
    return hints


def _fields(value: Any) -> dict[str, Any]:
    """Return the fields of a JSON value at any depth. If two have the same name, the outer one counts."""
    outer = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    inner = cast("Sequence[Any]", value) if isinstance(value, list) else outer.values()
    fields: dict[str, Any] = {}
    for each in inner:
        fields = {**_fields(each), **fields}
    return {**fields, **outer}


def _scalar(schema: Mapping[str, Any]) -> str:
    kind = {"integer": "an integer", "number": "a number", "string": "a string", "null": "null"}.get(
        schema.get("type", ""), "any value"
    )
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        return f"{kind} from {least} to {most}"
    if least is not None:
        return f"{kind} of at least {least}"
    if "pattern" in schema:
        has_digits = _DIGITS.fullmatch(schema["pattern"])
        return f"{kind} of digits" if has_digits else f"{kind} that matches {schema['pattern']}"
    return kind


def _smallest(schema: Mapping[str, Any]) -> Any:
    """Return the smallest integer, or a short text."""
    return schema.get("minimum", 1) if schema.get("type") in ("integer", "number") else "text"


def _is_scalar(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _is_list_of_scalars(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_scalar, cast("list[object]", value)))
