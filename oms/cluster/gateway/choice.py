"""The shard that a query chooses with `?symbol=` or `?shard=`."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl, unquote_plus

from oms.api.problems import invalid_field
from oms.cluster.gateway.problems import shard_required
from oms.cluster.ownership.shards import Shards
from oms.errors import InvalidOrderError
from oms.models import check_symbol

__all__ = ["CHOOSER", "chosen_shard", "names_shard", "shard_of_symbol", "without"]

CHOOSER: Final = "shard"
"""The query parameter that names a shard. It is not forwarded to the workers."""


def shard_of_symbol(shards: Shards, query: bytes) -> str | None:
    """Return the shard of the symbol in a query, or None without exactly one valid symbol. O(n)."""
    symbol = _parameter(query, "symbol")
    try:
        check_symbol(symbol)
    except InvalidOrderError:
        return None
    return shards.of(str(symbol))


def chosen_shard(shards: Shards, method: str, path: str, query: bytes, *, by_symbol: bool = True) -> str:
    """Return the shard that a query names, or the only shard. Otherwise, raise ProblemError. O(n).

    If `by_symbol` is False, `?symbol=` does not name a shard. This is for changes to a whole shard, which
    must not look like changes to one symbol. If a query names both a shard and a symbol of another shard, it
    is rejected, because the named shard has no orders of this symbol.
    """
    names = _values(query, CHOOSER)
    shard = shard_of_symbol(shards, query) if by_symbol else None
    if len(names) > 1:
        raise invalid_field(CHOOSER, names, "given once")
    for name in names:
        if name not in shards.names:
            raise invalid_field(CHOOSER, name, f"one of {', '.join(shards.names)}")
        if shard not in (None, name):
            raise invalid_field("symbol", _parameter(query, "symbol"), f"a symbol of shard {name}")
        return name
    if len(shards) == 1:
        return shards.names[0]
    if shard is None:
        raise shard_required(method, path, shards.names, by_symbol=by_symbol)
    return shard


def names_shard(query: bytes) -> bool:
    """Return True if a query has the parameter `shard` or `symbol`. O(n)."""
    return any(_name(part) in (CHOOSER, "symbol") for part in query.split(b"&"))


def without(query: bytes, *names: str) -> bytes:
    """Return a query without some of its parameters. The others remain unchanged. O(n)."""
    return b"&".join(part for part in query.split(b"&") if _name(part) not in names)


def _parameter(query: bytes, name: str) -> str | None:
    """Return a parameter, or None if it is missing, repeated, or not UTF-8."""
    values = _values(query, name)
    return values[0] if len(values) == 1 else None


def _values(query: bytes, name: str) -> list[str]:
    """Return all values of a parameter, or none if the query is not UTF-8."""
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict")
    except UnicodeError:
        return []
    return [value for each, value in pairs if each == name]


def _name(part: bytes) -> str:
    return unquote_plus(part.partition(b"=")[0].decode("latin-1"))
