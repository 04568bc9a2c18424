"""The parts of the REST API that the service and the clients share: limits, headers, and problem codes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import quote

__all__ = [
    "IDEMPOTENCY_KEY",
    "IDEMPOTENCY_KEY_HEADER",
    "LAG_HEADERS",
    "LARGEST_JSON_INTEGER",
    "LONGEST_IDEMPOTENCY_KEY",
    "LONGEST_PAGE",
    "MOST_DIGITS",
    "MOST_ORDERS",
    "MOST_QUESTIONS",
    "MOST_READ",
    "MOST_VERBS",
    "PROBLEMS",
    "PROBLEM_MEDIA_TYPE",
    "PROBLEM_TYPE",
    "ProblemKind",
    "REPLAYED_HEADER",
    "ROLE_HEADER",
    "SHARD_HEADER",
    "STANDBY",
    "as_json_integer",
    "id_as_json",
    "id_as_path",
    "id_from_json",
    "id_from_path",
]

LARGEST_JSON_INTEGER = 2**53 - 1
"""The largest integer that a body contains as a JSON integer. Larger integers are text.

Many JSON parsers use floats, which round some larger integers.
"""

MOST_DIGITS = 100
"""The maximum number of digits of an integer in a query string, or in a body as a string."""

LONGEST_PAGE = 1_000
"""The maximum number of items on one page of `GET /orders`, `GET /events`, or `GET /trades`."""

MOST_ORDERS = 10_000
"""The maximum number of orders in a list that one request or one verb adds."""

MOST_VERBS = 1_000
"""The maximum number of verbs in one `POST /transactions` or `POST /what-if`."""

MOST_QUESTIONS = 200
"""The maximum number of questions in one `POST /what-if`."""

MOST_READ = 100_000
"""The number of orders, price levels, and amounts that all questions of a `POST /what-if` may read together.

Each question counts what it reads. `prices` and `curve` also count the numbers in their responses.
"""

LONGEST_IDEMPOTENCY_KEY = 255
IDEMPOTENCY_KEY = re.compile(rf"[!-~]{{1,{LONGEST_IDEMPOTENCY_KEY}}}")
"""An idempotency key is 1 to 255 visible ASCII characters."""

IDEMPOTENCY_KEY_HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotent-Replayed"
SHARD_HEADER = "Oms-Shard"
"""The header with the name of the shard that has responded, in a cluster's responses."""
ROLE_HEADER, STANDBY = "Oms-Role", "standby"
"""The header and its value in a response from a worker that only follows the shard."""
LAG_HEADERS = ("Oms-Lag-Messages", "Oms-Lag-Events", "Oms-Lag-Seconds")
"""The headers that say how far such a worker lags. A header whose value is unknown is left out."""

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
    "limit_exceeded": ProblemKind(422, "A limit of the engine rejects the order"),
    "rate_limited": ProblemKind(429, "The owner has submitted too many orders"),
    "kill_switch": ProblemKind(409, "A kill switch is on"),
    "order_not_found": ProblemKind(404, "No resting order has the id"),
    "no_longer_available": ProblemKind(410, "The requested events or trades are no longer available"),
    "journal_failed": ProblemKind(503, "The change could not be made durable"),
    "not_ready": ProblemKind(503, "The service is not ready"),
    "across_shards": ProblemKind(422, "The request concerns several shards of the cluster"),
    "shard_required": ProblemKind(422, "The request must name a shard of the cluster"),
    "shard_unavailable": ProblemKind(503, "The shard does not respond at the moment"),
    "not_owner": ProblemKind(421, "The worker does not own the shard"),
    "too_many_requests": ProblemKind(429, "The key or the address has sent too many requests"),
    "too_many_streams": ProblemKind(503, "The maximum number of streams is already open"),
    "unauthorized": ProblemKind(401, "The API key is missing or wrong"),
    "forbidden": ProblemKind(403, "The API key does not allow this request"),
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
    """Return an integer in the form used in requests and responses: above 2^53-1, it is a string.

    >>> as_json_integer(9007199254740991), as_json_integer(9007199254740992)
    (9007199254740991, '9007199254740992')

    """
    return value if abs(value) <= LARGEST_JSON_INTEGER else str(value)


# The ids of a MatchingEngine are ints or strings, so the text of an int could also be an id. A text in double
# quotes is always the string between the quotes. So every id has exactly one form in JSON and one in a path.
# The two functions that read these forms are the inverses of the two that write them.

_INTEGER_TEXT = re.compile(r"0|-?[1-9][0-9]{0,77}", re.ASCII)  # an id has at most 256 bits
_DOT_SEGMENTS = {".", ".."}  # clients and proxies remove these from a path


def id_as_json(order_id: int | str) -> int | str:
    """Return an engine's order id in the form used in a JSON body.

    An int above 2^53-1 becomes a string. A string that could be read as such an int is put in double quotes.

    >>> id_as_json(7), id_as_json("7"), id_as_json(2**60), id_as_json("1152921504606846976")
    (7, '7', '1152921504606846976', '"1152921504606846976"')

    """
    if type(order_id) is not str:
        return as_json_integer(int(order_id))
    return order_id if id_from_json(order_id) == order_id else f'"{order_id}"'


def id_from_json(value: int | str) -> int | str:
    """Return the order id that a JSON body contains.

    >>> id_from_json("7"), id_from_json("1152921504606846976"), id_from_json('"1152921504606846976"')
    ('7', 1152921504606846976, '1152921504606846976')

    """
    order_id = id_from_path(value) if type(value) is str else value
    is_small = type(order_id) is int and abs(order_id) <= LARGEST_JSON_INTEGER
    return value if is_small else order_id


def id_as_path(order_id: int | str) -> str:
    """Return an engine's order id in the form used in a URL path, with percent-encoding.

    An int becomes decimal digits. A string that could be read as an int is put in double quotes.

    >>> id_as_path(7), id_as_path("7"), id_as_path("a/b")
    ('7', '%227%22', 'a%2Fb')

    """
    text = str(order_id)
    if type(order_id) is str and (id_from_path(text) != order_id or text in _DOT_SEGMENTS):
        text = f'"{text}"'
    return quote(text, safe="")


def id_from_path(text: str) -> int | str:
    """Return the order id in a URL path whose percent-encoding was decoded.

    >>> id_from_path("7"), id_from_path('"7"'), id_from_path("007")
    (7, '7', '007')

    """
    if len(text) > 1 and text[0] == text[-1] == '"':
        return text[1:-1]
    return int(text) if _INTEGER_TEXT.fullmatch(text) else text
