"""What a client sends: requests, and what they cannot carry.

In a body an integer is at most 2^53-1, in a query it has at most 100 digits.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlencode
from uuid import uuid4

from oms.contract import IDEMPOTENCY_KEY, LARGEST_IN_BODY, MOST_DIGITS_IN_QUERY
from oms.errors import InvalidOrderError

__all__ = ["Request", "change", "question"]

_LONGEST_QUERY = 60_000  # bytes; a server takes some 64 KiB for a request's head


class Request(NamedTuple):
    """What is asked of the service. One that may change something has a `key`.

    `repeated` are the fields that the answer must repeat, with the values that they must have.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: Mapping[str, object] | None = None
    key: str | None = None
    repeated: Mapping[str, object] = MappingProxyType({})

    @property
    def name(self) -> str:
        """The request, as errors call it."""
        return f"{self.method} {self.path}"


def change(method: str, path: str, key: str | None, body: Mapping[str, object] | None = None) -> Request:
    """A request that changes something; without a key of the caller's it gets one of its own."""
    for field, value in (body or {}).items():
        if type(value) is int and value > LARGEST_IN_BODY:
            raise InvalidOrderError(field, value, f"an int of at most {LARGEST_IN_BODY} in a request")
    if key is not None and not (type(key) is str and IDEMPOTENCY_KEY.fullmatch(key)):
        raise InvalidOrderError("idempotency_key", key, "1 to 255 visible ASCII characters")
    return Request(method, path, body=body, key=key or uuid4().hex)


def question(path: str, **asked: int | str | list[int] | None) -> Request:
    """A request that changes nothing; None is left out."""
    query = [
        (field, _written(field, each))
        for field, value in asked.items()
        for each in (value if isinstance(value, list) else [value])
        if each is not None
    ]
    if len(urlencode(query)) > _LONGEST_QUERY:
        field = max(asked, key=lambda name: sum(len(text) for each, text in query if each == name))
        allowed = f"short enough for a query of {_LONGEST_QUERY} bytes"
        raise InvalidOrderError(field, asked[field], allowed)
    return Request("GET", path, tuple(query))


def _written(field: str, value: int | str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and value >= 10**MOST_DIGITS_IN_QUERY:
        raise InvalidOrderError(field, value, f"an int of at most {MOST_DIGITS_IN_QUERY} digits")
    return str(value)
