"""Lists in the bodies of requests, which are validated in the thread of the endpoint.

The event loop does not validate a list, because 10,000 orders take more than 50 ms.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from pydantic import BeforeValidator, FailFast, Field, PlainValidator, TypeAdapter, ValidationError

from oms.api.integers import reject
from oms.api.route import first_problem

__all__ = ["checked_by", "list_of", "unchecked"]


def list_of(least: int, most: int, name: str) -> tuple[object, ...]:
    """Return the annotations of a list of `least` to `most` elements. Validation stops at the first error."""

    def read(value: object) -> object:
        if not isinstance(value, list) or not least <= len(cast("list[object]", value)) <= most:
            reject(f"a list of {least} to {most} {name}")
        return cast("list[object]", value)

    return FailFast(), BeforeValidator(read), Field(min_length=least, max_length=most)


def checked_by(kind: Any, name: str = "body") -> Callable[[Any], Any]:
    """Return a function that validates the content of a body, in the calling thread. O(n).

    `kind` is a model or a list of models. `name` is the name of the list, for the index in a problem. The
    function raises ProblemError.
    """
    adapter = TypeAdapter[Any](kind)

    def check(content: Any) -> Any:
        try:
            return adapter.validate_python(content)
        except ValidationError as error:
            errors = [
                {**each, "loc": (name, *each["loc"]) if each["loc"] else ("body",)} for each in error.errors()
            ]
            raise first_problem(errors) from None

    return check


def unchecked(kind: Any) -> PlainValidator:
    """Return an annotation for `Any` that accepts any value, but has the JSON schema of `kind`."""
    return PlainValidator(lambda value: value, json_schema_input_type=kind)
