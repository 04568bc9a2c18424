"""The rules by which a gateway handles the endpoints of the service: a row for each method and path.

A test compares the rows with the endpoints of `oms.api.create_app`. A gateway rejects all other paths,
because it cannot know which shard they concern.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from oms.api.page import PATHS

__all__ = ["BOOKS", "ENGINE", "LISTS", "Rule"]

Routes = Mapping[tuple[str, str], "Rule"]


class Rule(Enum):
    """How a gateway finds the shard of a request. The values are the phrases in the documentation.

    With SHARD_OR_SYMBOL, `symbol` is also a parameter of the endpoint. With SHARD_OR_ANY_SYMBOL, it only
    chooses the shard.
    """

    SYMBOL = "the shard of `symbol`"
    ORDER = "the shard of the order"
    BODY = "the shard of all symbols and orders in the body"
    BODY_OR_SHARD = "the shard of `symbol` in the body, or `?shard=`"
    SHARD = "`?shard=`"
    SHARD_OR_SYMBOL = "`?shard=`, or the shard of `symbol`"
    SHARD_OR_ANY_SYMBOL = "`?shard=`, or the shard of `?symbol=`"
    ORDERS = "the shard of `symbol`; otherwise all shards, merged"
    SYMBOLS = "all shards, merged"
    INSTRUMENTS = "the shard of `symbol`; otherwise all shards, each for its own symbols"
    COUNT = "all shards, added"
    METRICS = "`?shard=`, or the shard of `?symbol=`; otherwise the gateway itself"
    OWN = "the gateway itself"
    READY = "all shards"


LISTS: Final = frozenset({"/orders", "/transactions", "/what-if"})
"""The paths whose bodies can contain lists, and may therefore be longer."""

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
    ("GET", "/events"): Rule.SHARD_OR_ANY_SYMBOL,
    ("GET", "/trades"): Rule.SHARD_OR_ANY_SYMBOL,
    ("GET", "/state-hash"): Rule.SHARD_OR_ANY_SYMBOL,
    ("GET", "/metrics"): Rule.METRICS,
    ("GET", "/stream"): Rule.SHARD_OR_SYMBOL,
    ("POST", "/session"): Rule.OWN,
    ("GET", "/session"): Rule.OWN,
    ("DELETE", "/session"): Rule.OWN,
    ("GET", "/health"): Rule.OWN,
    ("GET", "/ready"): Rule.READY,
    **{("GET", path): Rule.OWN for path in sorted({"/docs", "/openapi.json", *PATHS})},
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
    ("POST", "/day-ends"): Rule.BODY_OR_SHARD,
    ("POST", "/expirations"): Rule.SHARD,
    ("DELETE", "/orders"): Rule.SHARD_OR_SYMBOL,
    ("GET", f"/orders/{_ID}"): Rule.ORDER,
    ("PATCH", f"/orders/{_ID}"): Rule.ORDER,
    ("DELETE", f"/orders/{_ID}"): Rule.ORDER,
    ("GET", f"/queue-ahead/{_ID}"): Rule.ORDER,
    ("GET", "/last-price"): Rule.SYMBOL,
}
"""The rows for shards that serve a MatchingEngine."""
