"""The parts of the REST API that the service and the clients share: limits, headers, and problem codes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

__all__ = [
    "IDEMPOTENCY_KEY",
    "IDEMPOTENCY_KEY_HEADER",
    "LARGEST_JSON_INTEGER",
    "LONGEST_IDEMPOTENCY_KEY",
    "LONGEST_PAGE",
    "MOST_DIGITS",
    "PROBLEMS",
    "PROBLEM_MEDIA_TYPE",
    "PROBLEM_TYPE",
    "ProblemKind",
    "REPLAYED_HEADER",
    "as_json_integer",
]

LARGEST_JSON_INTEGER = 2**53 - 1
"""The largest integer that a body contains as a JSON integer. Larger integers are text.

Many JSON parsers use floats, which round some larger integers.
"""

MOST_DIGITS = 100
"""The maximum number of digits of an integer in a query string, or in a body as a string."""

LONGEST_PAGE = 1_000
"""The maximum number of items on one page of `GET /orders`, `GET /events`, or `GET /trades`."""

LONGEST_IDEMPOTENCY_KEY = 255
IDEMPOTENCY_KEY = re.compile(rf"[!-~]{{1,{LONGEST_IDEMPOTENCY_KEY}}}")
"""An idempotency key is 1 to 255 visible ASCII characters."""

IDEMPOTENCY_KEY_HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotent-Replayed"
PROBLEM_MEDIA_TYPE = "application/problem+json"
PROBLEM_TYPE = "urn:oms:problem:{code}"
"""The `type` field of an error response, which is called a problem (RFC 9457)."""


class ProblemKind(NamedTuple):
    """The HTTP status and the title of all problems with the same code."""

    status: int
    title: str


PROBLEMS: Final[Mapping[str, ProblemKind]] = {
    "invalid_order": ProblemKind(422, "A field or parameter is invalid"),
    "malformed_json": ProblemKind(422, "The body is not valid JSON, or repeats a key"),
    "idempotency_key_reused": ProblemKind(422, "Another request has used the idempotency key"),
    "duplicate_order": ProblemKind(409, "The order id has already been used"),
    "insufficient_liquidity": ProblemKind(409, "The available liquidity is too small"),
    "price_bound": ProblemKind(409, "The total price is worse than the bound"),
    "order_not_found": ProblemKind(404, "No resting order has the id"),
    "no_longer_available": ProblemKind(410, "The requested events or trades are no longer available"),
    "journal_failed": ProblemKind(503, "The change could not be made durable"),
    "not_ready": ProblemKind(503, "The service accepts no changes now"),
    "too_many_streams": ProblemKind(503, "The maximum number of streams is already open"),
    "unauthorized": ProblemKind(401, "The API key is missing or wrong"),
    "origin_refused": ProblemKind(403, "The request comes from another site"),
    "host_refused": ProblemKind(421, "The service does not serve this host"),
    "not_found": ProblemKind(404, "The path does not exist"),
    "method_not_allowed": ProblemKind(405, "The path does not support this method"),
    "request_timeout": ProblemKind(408, "The body took too long to arrive"),
    "body_too_large": ProblemKind(413, "The body is too large"),
    "unsupported_media_type": ProblemKind(415, "The body is not application/json"),
    "http_error": ProblemKind(400, "The request was rejected"),
    "internal_error": ProblemKind(500, "The server failed"),
}
"""Every problem code, with its status and its title."""


def as_json_integer(value: int) -> int | str:
    """Return an integer as a request or a response contains it: as a string above 2^53-1.

    >>> as_json_integer(9007199254740991), as_json_integer(9007199254740992)
    (9007199254740991, '9007199254740992')

    """
    return value if abs(value) <= LARGEST_JSON_INTEGER else str(value)
