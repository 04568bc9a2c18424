"""The problems that only a gateway reports: requests across shards, and shards without a worker."""

from __future__ import annotations

from collections.abc import Sequence

from oms.api.problems import ProblemError
from oms.cluster.gateway.directory import ClaimedError, UnavailableError
from oms.cluster.gateway.workers import NoResponseError
from oms.contract import IDEMPOTENCY_KEY_HEADER, id_as_json
from oms.submission import OrderId

__all__ = [
    "across_shards",
    "claimed_elsewhere",
    "concerns_everything",
    "directory_unavailable",
    "order_subject",
    "shard_required",
    "shard_unavailable",
]

_RETRY_AFTER = {"Retry-After": "1"}  # seconds


def across_shards(first: tuple[str, str], second: tuple[str, str]) -> ProblemError:
    """Return the problem of a request that concerns two shards. Each pair is a subject and its shard.

    A subject is the text that names a symbol or an order.
    """
    (subject, shard), (other, other_shard) = first, second
    detail = (
        f"all symbols and orders of a request must be in one shard, but {subject} is in shard {shard},"
        f" and {other} is in shard {other_shard}; send one request for each shard"
    )
    fields = {"subjects": [subject, other], "shards": [shard, other_shard]}
    return ProblemError("across_shards", detail, fields)


def concerns_everything(subject: str, names: Sequence[str]) -> ProblemError:
    """Return the problem of a request with a part that concerns the symbols of all shards."""
    detail = (
        f"all symbols and orders of a request must be in one shard, but {subject} concerns all {len(names)}"
        " shards; send one request for each shard"
    )
    return ProblemError("across_shards", detail, {"subjects": [subject], "shards": list(names)})


def shard_required(method: str, path: str, names: Sequence[str], *, by_symbol: bool) -> ProblemError:
    """Return the problem of a request that must name a shard."""
    remedy = f"add ?shard=NAME with one of {', '.join(names)}"
    if by_symbol:
        remedy += ", or ?symbol=SYMBOL for the shard of a symbol"
    detail = f"{method} {path} concerns one shard; {remedy}"
    return ProblemError("shard_required", detail, {"shards": list(names)})


def claimed_elsewhere(error: ClaimedError, shard: str) -> ProblemError:
    """Return the problem response for a new order whose id and symbol belong to different shards."""
    detail = (
        f"{error}, because it was first sent with a symbol of that shard, but the symbol of this order is in"
        f" shard {shard}; use a new order id"
    )
    return ProblemError("duplicate_order", detail, {"order_id": id_as_json(error.order_id)})


def directory_unavailable(error: UnavailableError) -> ProblemError:
    """Return the problem of a request whose order ids could not be looked up. Nothing has changed."""
    detail = f"the order ids could not be looked up: {error}; nothing has changed: repeat the request"
    fields = {"may_have_changed": False}
    return ProblemError("shard_unavailable", detail, fields, headers=_RETRY_AFTER)


def shard_unavailable(error: NoResponseError, key: str | None, *, may_change: bool) -> ProblemError:
    """Return the problem of a request that no worker has responded to.

    `key` is the idempotency key that was sent to the workers, or None. `may_change` is True if the request
    can change the books.
    """
    detail = f"shard {error.shard} does not respond: {error.reason}"
    changed = may_change and error.may_have_arrived
    fields: dict[str, object] = {"shard": error.shard, "may_have_changed": changed}
    if changed and key is not None:
        detail += f"; the change may have been made: repeat the request with {IDEMPOTENCY_KEY_HEADER}: {key}"
        fields["idempotency_key"] = key
    elif changed:
        detail += "; the change may have been made: repeat the same request"
    else:
        detail += "; nothing has changed: repeat the request"
    return ProblemError("shard_unavailable", detail, fields, headers=_RETRY_AFTER)


def order_subject(order_id: OrderId) -> str:
    """Return the text that names an order in a problem.

    >>> order_subject(7)
    'order 7'

    """
    return f"order {id_as_json(order_id)}"
