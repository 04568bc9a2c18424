"""The choice of a shard by a query, with `?symbol=` or `?shard=`."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl, unquote_plus

from oms.api.problems import invalid_field
from oms.cluster.gateway.problems import shard_required
from oms.cluster.shards import Shards
from oms.errors import InvalidOrderError
from oms.models import check_symbol

__all__ = ["CHOOSER", "chosen_shard", "shard_of_symbol", "without"]

CHOOSER: Final = "shard"
"""The query parameter that names a shard. The workers never see it."""


def shard_of_symbol(shards: Shards, query: bytes) -> str | None:
    """Return the shard of the symbol in a query, or None if there is not exactly one valid symbol. O(n)."""
    symbol = _parameter(query, "symbol")
    try:
        check_symbol(symbol)
    except InvalidOrderError:
        return None
    return shards.of(str(symbol))


def chosen_shard(shards: Shards, method: str, path: str, query: bytes, *, by_symbol: bool = True) -> str:
    """Return the shard that a query names, or the only shard. Raise ProblemError if it names none. O(n).

    If `by_symbol` is False, only `?shard=` names a shard. A change of a whole shard must not look like a
    change of one symbol.
    """
    name = _parameter(query, CHOOSER)
    if name is not None:
        if name not in shards.names:
            raise invalid_field(CHOOSER, name, f"one of {', '.join(shards.names)}")
        return name
    if len(shards) == 1:
        return shards.names[0]
    shard = shard_of_symbol(shards, query) if by_symbol else None
    if shard is None:
        raise shard_required(method, path, shards.names, by_symbol=by_symbol)
    return shard


def without(query: bytes, *names: str) -> bytes:
    """Return a query without some of its parameters. The others stay as they are. O(n)."""
    return b"&".join(part for part in query.split(b"&") if _name(part) not in names)


def _parameter(query: bytes, name: str) -> str | None:
    """Return a parameter, or None if it is missing, repeated, or not UTF-8."""
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict")
    except UnicodeError:
        return None
    values = [value for each, value in pairs if each == name]
    return values[0] if len(values) == 1 else None


def _name(part: bytes) -> str:
    return unquote_plus(part.partition(b"=")[0].decode("latin-1"))
