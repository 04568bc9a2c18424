"""The REST contract that the server and the clients share: limits, names, and problem codes; data only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

__all__ = [
    "IDEMPOTENCY_KEY",
    "IDEMPOTENCY_KEY_HEADER",
    "LARGEST_IN_BODY",
    "MOST_DIGITS_IN_QUERY",
    "PROBLEMS",
    "PROBLEM_MEDIA_TYPE",
    "ProblemKind",
    "REPLAYED_HEADER",
]

LARGEST_IN_BODY = 2**53 - 1
"""The largest integer in a request body. JSON readers that count in floats lose digits beyond it."""

MOST_DIGITS_IN_QUERY = 100
"""The number of digits that an integer in a query string may have."""

IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,255}")
"""An idempotency key is 1 to 255 visible ASCII characters."""

IDEMPOTENCY_KEY_HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotent-Replayed"
PROBLEM_MEDIA_TYPE = "application/problem+json"


class ProblemKind(NamedTuple):
    """What all problems of one code share."""

    status: int
    title: str


PROBLEMS: Final[Mapping[str, ProblemKind]] = {
    "invalid_order": ProblemKind(422, "A field or a question that no book can take"),
    "malformed_json": ProblemKind(422, "The body is no JSON, or says something twice"),
    "idempotency_key_reused": ProblemKind(422, "The key belongs to another request"),
    "duplicate_order": ProblemKind(409, "The order id is used already"),
    "insufficient_liquidity": ProblemKind(409, "The book cannot serve the whole request"),
    "price_bound": ProblemKind(409, "The book can serve it, but not at that price"),
    "order_not_found": ProblemKind(404, "No resting order has the id"),
    "journal_failed": ProblemKind(503, "The change could not be made durable"),
    "not_ready": ProblemKind(503, "Changes are not taken"),
    "too_many_streams": ProblemKind(503, "As many streams are open as may be"),
    "unauthorized": ProblemKind(401, "The API key is missing or wrong"),
    "origin_refused": ProblemKind(403, "Asked from another site"),
    "host_refused": ProblemKind(421, "This host is not served here"),
    "not_found": ProblemKind(404, "Nothing is here"),
    "method_not_allowed": ProblemKind(405, "Not with this method"),
    "request_timeout": ProblemKind(408, "The body took too long"),
    "body_too_large": ProblemKind(413, "The body is too large"),
    "unsupported_media_type": ProblemKind(415, "A body must be application/json"),
    "http_error": ProblemKind(400, "The request was refused"),
    "internal_error": ProblemKind(500, "A fault of the server"),
}
"""Every code, with its status and its title."""
