"""Integers in JSON bodies. Integers above 2^53-1 are strings.

The problem: JavaScript and many other JSON parsers read numbers as floats, which rounds integers above
2^53-1. Trading venues often use larger order ids, for example 8389765612825190229.

The solution: in responses and stream messages, larger integers are strings, such as "8389765612825190229".
Smaller integers are JSON integers. In a request, any integer can be a string. JSON integers above 2^53-1 are
rejected, because the client may have rounded them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Annotated, Any, NoReturn, cast

from pydantic import PlainValidator, WithJsonSchema
from typing_extensions import TypeAliasType

from oms.contract import LARGEST_JSON_INTEGER, MOST_DIGITS, as_json_integer, id_from_json
from oms.models import MAX_INT
from oms.submission_checks import check_order_key

__all__ = [
    "Change",
    "EngineOrderId",
    "Integer",
    "body_integer",
    "body_integer_schema",
    "json_text",
    "query_integer",
    "reject",
]

_DIGITS = re.compile(r"[0-9]+", re.ASCII)
_CANONICAL = re.compile(r"0|[1-9][0-9]*", re.ASCII)
_PIECE = 500  # items of a list, which take less than a millisecond
_MAYBE_LARGE = re.compile(r"[0-9][0-9]{15}")  # 2^53-1 has 16 digits; twice as fast as [0-9]{16}


def reject(allowed: str) -> NoReturn:
    """Raise the error that Pydantic expects from a validator. `allowed` describes the allowed values."""
    raise ValueError(allowed)


# ---------------------------------------------------------------------- requests


def body_integer(least: int, most: int | None = MAX_INT) -> Callable[[object], int]:
    """Return a function that reads an integer from `least` to `most` in a request body.

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
            reject(f"{allowed}, as a JSON integer or a string of at most {len(str(limit))} digits")
        if not least <= number <= limit:
            reject(allowed if number < least or most else f"{allowed} with at most {MOST_DIGITS} digits")
        if type(value) is int and value > LARGEST_JSON_INTEGER:
            reject(f'a string, such as "{value}", if it is above {LARGEST_JSON_INTEGER}')
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
    """Return a function that reads an integer >= `least` in a query string or a path."""

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
    """Return a response or a message as JSON text, with integers above 2^53-1 as strings.

    Other threads can run in between, because a long list is written piece by piece. Python's `json` module
    writes a whole text without a pause.

    >>> json_text({"order_id": 8389765612825190229, "amount": 20})
    '{"order_id":"8389765612825190229","amount":20}'

    """
    if isinstance(content, dict):
        fields = cast("dict[str, object]", content)
        if _has_containers(fields):
            return f"{{{','.join(f'{_dump(name)}:{json_text(value)}' for name, value in fields.items())}}}"
    elif isinstance(content, list):
        items = cast("list[object]", content)
        if items and _has_containers(items[0]):  # such as trades; all objects of a list are alike
            return f"[{','.join(map(json_text, items))}]"
        if len(items) > _PIECE:
            pieces = (items[start : start + _PIECE] for start in range(0, len(items), _PIECE))
            return f"[{','.join(_piece(piece)[1:-1] for piece in pieces)}]"
    return _piece(content)  # pyright: ignore[reportUnknownArgumentType]  # a list or a dict of any content


def _has_containers(content: object) -> bool:
    if not isinstance(content, dict):
        return False
    return any(isinstance(value, (dict, list)) for value in cast("dict[str, object]", content).values())


def _piece(content: object) -> str:
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
        reject(f"an int, as a string if above {LARGEST_JSON_INTEGER}")
    return value


Integer = TypeAliasType(
    "Integer",
    Annotated[
        int,
        PlainValidator(_read_response_integer),
        WithJsonSchema(
            {
                "description": "An integer, sent as a string if it is above 2^53-1.",
                "anyOf": [
                    {"type": "integer", "minimum": 0, "maximum": LARGEST_JSON_INTEGER},
                    {"type": "string", "pattern": "^[1-9][0-9]{15,}$"},
                ],
            }
        ),
    ],
)
"""An integer in a response. The alias has a name, so it is one schema in the OpenAPI document."""


def _read_response_change(value: object) -> int:
    if type(value) is str and value.startswith("-"):
        return -_read_response_integer(value[1:])
    return (
        -_read_response_integer(-value) if type(value) is int and value < 0 else _read_response_integer(value)
    )


Change = TypeAliasType(
    "Change",
    Annotated[
        int,
        PlainValidator(_read_response_change),
        WithJsonSchema(
            {
                "description": "An integer that may be negative, sent as a string if it is above 2^53-1.",
                "anyOf": [{"type": "integer"}, {"type": "string", "pattern": "^-?[1-9][0-9]{15,}$"}],
            }
        ),
    ],
)
"""A change of an amount in a response."""


def _read_response_id(value: object) -> int | str:
    if type(value) is not int and type(value) is not str:
        reject("an int or a string")
    order_id = id_from_json(value)
    check_order_key(order_id)
    return order_id


EngineOrderId = TypeAliasType(
    "EngineOrderId",
    Annotated[
        int | str,
        PlainValidator(_read_response_id),
        WithJsonSchema(
            {
                "description": "An order id of a MatchingEngine: an integer, sent as a string if it is above"
                " 2^53-1, or any other string.",
                "anyOf": [{"type": "integer"}, {"type": "string", "minLength": 1}],
            }
        ),
    ],
)
"""An order id of a MatchingEngine in a response."""
