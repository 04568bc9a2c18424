"""Integers in JSON bodies. An integer above 2^53-1 is text.

The problem: JavaScript and many other JSON parsers use floats for numbers, which round integers above 2^53-1.
Order ids of venues are often larger, for example 8389765612825190229.

The solution: a response or a stream message contains larger integers as text, such as "8389765612825190229".
Smaller integers are JSON integers. In a request, an integer is a JSON integer up to 2^53-1, or text. Larger
JSON integers are rejected, because the client may have rounded them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Annotated, Any, NoReturn

from pydantic import PlainValidator, WithJsonSchema

from oms.contract import LARGEST_JSON_INTEGER, MOST_DIGITS, as_json_integer
from oms.models import MAX_INT

__all__ = [
    "ResponseInteger",
    "body_integer",
    "body_integer_schema",
    "json_text",
    "query_integer",
    "reject",
]

_DIGITS = re.compile(r"[0-9]+", re.ASCII)
_CANONICAL = re.compile(r"0|[1-9][0-9]*", re.ASCII)
_MAYBE_LARGE = re.compile(r"[0-9]{16}")  # 2^53-1 has 16 digits


def reject(allowed: str) -> NoReturn:
    """Raise the error of a Pydantic validator. Its message describes the allowed values."""
    raise ValueError(allowed)


# ---------------------------------------------------------------------- requests


def body_integer(least: int, most: int | None = MAX_INT) -> Callable[[object], int]:
    """Return a reader of an integer in `least..most` in a request body.

    If `most` is None, the integer may have up to 100 digits.
    """
    limit = 10**MOST_DIGITS - 1 if most is None else most
    allowed = f"an int >= {least}" if most is None else f"an int in {least}..{most}"

    def read(value: object) -> int:
        if type(value) is str and len(value) <= MOST_DIGITS and _CANONICAL.fullmatch(value):
            number = int(value)
        elif type(value) is int:
            number = value
        else:
            reject(f"{allowed}, as a JSON integer or as text of at most {len(str(limit))} digits")
        if not least <= number <= limit:
            reject(allowed if number < least or most else f"{allowed} with at most {MOST_DIGITS} digits")
        if type(value) is int and value > LARGEST_JSON_INTEGER:
            reject(f'text, such as "{value}", if it is above {LARGEST_JSON_INTEGER}')
        return number

    return read


def body_integer_schema(least: int, most: int | None = MAX_INT) -> dict[str, Any]:
    """Return the JSON schema of an integer that `body_integer` reads."""
    digits = MOST_DIGITS if most is None else len(str(most))
    canonical = f"[1-9][0-9]{{0,{digits - 1}}}"
    return {
        "anyOf": [
            {"type": "integer", "minimum": least, "maximum": LARGEST_JSON_INTEGER},
            {"type": "string", "pattern": f"^(0|{canonical})$" if least == 0 else f"^{canonical}$"},
        ]
    }


def query_integer(least: int) -> Callable[[object], int]:
    """Return a reader of an integer >= `least` in a query string or a path."""

    def read(text: object) -> int:
        if not (type(text) is str and len(text) <= MOST_DIGITS and _DIGITS.fullmatch(text)):
            reject(f"an int >= {least}, written with 1 to {MOST_DIGITS} ASCII digits only")
        number = int(text)
        if number < least:
            reject(f"an int >= {least}")
        return number

    return read


# ---------------------------------------------------------------------- responses


def json_text(content: object) -> str:
    """Return the JSON text of a response or a message, with integers above 2^53-1 as text.

    >>> json_text({"order_id": 8389765612825190229, "amount": 20})
    '{"order_id":"8389765612825190229","amount":20}'

    """
    text = _dump(content)
    return _dump(json.loads(text, parse_int=_as_json_integer)) if _MAYBE_LARGE.search(text) else text


def _dump(content: object) -> str:
    return json.dumps(content, allow_nan=False, separators=(",", ":"))


def _as_json_integer(digits: str) -> int | str:
    return as_json_integer(int(digits))


def _read_response_integer(value: object) -> int:
    if type(value) is str and _CANONICAL.fullmatch(value) and int(value) > LARGEST_JSON_INTEGER:
        return int(value)
    if type(value) is not int or not 0 <= value <= LARGEST_JSON_INTEGER:
        reject(f"an int, as text above {LARGEST_JSON_INTEGER}")
    return value


ResponseInteger = Annotated[
    int,
    PlainValidator(_read_response_integer),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": LARGEST_JSON_INTEGER},
                {"type": "string", "pattern": "^[1-9][0-9]{15,}$"},
            ]
        }
    ),
]
"""An integer in a response."""
