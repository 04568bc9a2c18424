"""Client requests, and the limits on their values.

An integer has at most 100 digits. In a request body, an integer above 2^53-1 is sent as a string.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, cast
from urllib.parse import urlencode
from uuid import uuid4

from oms.contract import IDEMPOTENCY_KEY, MOST_DIGITS, as_json_integer
from oms.errors import InvalidArgumentError, InvalidOrderError
from oms.models import is_text

__all__ = ["Request", "change_request", "check_shard", "query_request", "to_json"]

_LONGEST_QUERY = 60_000  # bytes; servers accept about 64 KiB for the request line and all headers


class Request(NamedTuple):
    """A request to the service.

    `key` is the idempotency key of a change, or None for a query. `echoed` maps the fields that the response
    must repeat to their values. `parameters` contains the values in the query, for a what-if.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: Mapping[str, object] | list[dict[str, object]] | None = None
    key: str | None = None
    echoed: Mapping[str, object] = MappingProxyType({})
    parameters: Mapping[str, object] = MappingProxyType({})

    @property
    def name(self) -> str:
        """The method and path, for error messages."""
        return f"{self.method} {self.path}"


def change_request(
    method: str, path: str, key: str | None, body: Mapping[str, object] | None = None
) -> Request:
    """Return a request that changes the books. If `key` is None, generate an idempotency key.

    Raises InvalidArgumentError for a malformed key, and InvalidOrderError for an integer that is too long.
    """
    for field, value in (body or {}).items():
        _check_length(field, value)
    if key is not None and not (type(key) is str and IDEMPOTENCY_KEY.fullmatch(key)):
        raise InvalidArgumentError("idempotency_key", key, "a str of 1 to 255 visible ASCII characters")
    content = None if body is None else {field: to_json(value) for field, value in body.items()}
    return Request(method, path, body=content, key=key or uuid4().hex)


def query_request(path: str, **fields: int | str | list[int] | None) -> Request:
    """Return a read-only request. Fields that are None are left out.

    Raises InvalidOrderError if an integer or a list is too long for a query string.
    """
    query = [
        (field, _as_text(field, item))
        for field, value in fields.items()
        for item in (value if isinstance(value, list) else [value])
        if item is not None
    ]
    if len(urlencode(query)) > _LONGEST_QUERY:
        longest = max(fields, key=lambda field: sum(len(text) for name, text in query if name == field))
        allowed = f"short enough for a query string of {_LONGEST_QUERY:,} bytes"
        split = f"split {longest} over several calls" if isinstance(fields[longest], list) else ""
        raise InvalidOrderError(longest, fields[longest], allowed, split)
    parameters = {field: to_json(value) for field, value in fields.items() if value is not None}
    return Request("GET", path, tuple(query), parameters=parameters)


def check_shard(shard: object) -> None:
    """Raise InvalidArgumentError unless the value is None or can be the name of a shard."""
    if shard is not None and not is_text(shard):
        raise InvalidArgumentError("shard", shard, "the name of a shard (a str), or None")


def to_json(value: object) -> object:
    """Return a value in the form used in a JSON body: integers above 2^53-1 are strings, even in a list."""
    if type(value) is list:
        return [to_json(item) for item in cast("list[object]", value)]
    return as_json_integer(value) if type(value) is int else value


def _as_text(field: str, value: int | str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    _check_length(field, value)
    return str(value)


def _check_length(field: str, value: object) -> None:
    if type(value) is int and value >= 10**MOST_DIGITS:
        raise InvalidOrderError(field, value, f"an int of at most {MOST_DIGITS} digits")
