"""What a gateway does with each endpoint of the service: a row for each method and path, with a rule.

A test compares the rows with the endpoints of `oms.api.create_app`. A gateway rejects all other paths itself,
because it could not know which shard they concern.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from oms.api.page import PATHS

__all__ = ["BOOKS", "ENGINE", "LISTS", "REAL_SYMBOL", "Rule"]

Routes = Mapping[tuple[str, str], "Rule"]


class Rule(Enum):
    """How a gateway finds the shard of a request. The value is the phrase in the documentation."""

    SYMBOL = "the shard of `symbol`"
    ORDER = "the shard of the order"
    BODY = "the shard of all symbols and orders in the body"
    BODY_OR_CHOSEN = "the shard of `symbol` in the body, or `?shard=`"
    CHOSEN = "`?shard=`, or for a read also `?symbol=`"
    ANY = "any shard"
    ORDERS = "the shard of `symbol`; otherwise all shards, merged"
    SYMBOLS = "all shards, merged"
    INSTRUMENTS = "the shard of `symbol`; otherwise all shards, merged "
    COUNT = "all shards, added"
    HEALTH = "the gateway itself"
    READY = "all shards"


REAL_SYMBOL: Final = frozenset({("DELETE", "/orders"), ("GET", "/stream")})
"""The rows with the rule CHOSEN whose `symbol` is also a parameter of the endpoint."""

LISTS: Final = frozenset({"/orders", "/transactions", "/what-if"})
"""The paths whose bodies can contain lists, and may be longer."""

_QUERIES = (
    "/price",
    "/quote",
    "/prices",
    "/curve",
    "/amount",
    "/available",
    "/within",
    "/best-price",
    "/depth",
)
_SHARED: dict[tuple[str, str], Rule] = {
    **{("GET", path): Rule.SYMBOL for path in _QUERIES},
    ("GET", "/orders"): Rule.ORDERS,
    ("GET", "/symbols"): Rule.SYMBOLS,
    ("GET", "/instruments"): Rule.INSTRUMENTS,
    ("GET", "/count"): Rule.COUNT,
    ("POST", "/transactions"): Rule.BODY,
    ("POST", "/what-if"): Rule.BODY,
    ("GET", "/events"): Rule.CHOSEN,
    ("GET", "/trades"): Rule.CHOSEN,
    ("GET", "/state-hash"): Rule.CHOSEN,
    ("GET", "/metrics"): Rule.CHOSEN,
    ("GET", "/stream"): Rule.CHOSEN,
    ("POST", "/session"): Rule.CHOSEN,
    ("GET", "/session"): Rule.CHOSEN,
    ("DELETE", "/session"): Rule.CHOSEN,
    ("GET", "/health"): Rule.HEALTH,
    ("GET", "/ready"): Rule.READY,
    **{("GET", path): Rule.ANY for path in sorted({"/docs", "/openapi.json", *PATHS})},
}

BOOKS: Final[Routes] = {
    **_SHARED,
    ("POST", "/orders"): Rule.BODY,
    ("POST", "/trades"): Rule.BODY,
    ("GET", "/orders/{order_id}"): Rule.ORDER,
    ("PATCH", "/orders/{order_id}"): Rule.ORDER,
    ("DELETE", "/orders/{order_id}"): Rule.ORDER,
}
"""The rows for shards that serve an OrderManagement."""

_ID = "{order_id:engine_order_id}"

ENGINE: Final[Routes] = {
    **_SHARED,
    ("POST", "/submissions"): Rule.BODY,
    ("POST", "/reductions"): Rule.BODY,
    ("POST", "/day-ends"): Rule.BODY_OR_CHOSEN,
    ("POST", "/expirations"): Rule.CHOSEN,
    ("DELETE", "/orders"): Rule.CHOSEN,
    ("GET", f"/orders/{_ID}"): Rule.ORDER,
    ("PATCH", f"/orders/{_ID}"): Rule.ORDER,
    ("DELETE", f"/orders/{_ID}"): Rule.ORDER,
    ("GET", f"/queue-ahead/{_ID}"): Rule.ORDER,
    ("GET", "/last-price"): Rule.SYMBOL,
}
"""The rows for shards that serve a MatchingEngine."""
