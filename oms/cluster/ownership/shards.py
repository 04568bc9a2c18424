"""The shards of a cluster, and the shard of each symbol.

The problem: all gateways and workers must agree on the shard of each symbol without asking each other, even
for a symbol that was never used before.

What does not work: Python's `hash()`, which differs between processes. A stable hash modulo the number of
shards is the same everywhere, but with one more shard, almost all symbols would move.

The solution is rendezvous hashing. For each symbol, every shard gets a weight: the SHA-256 hash of the names
of the shard and the symbol. The symbol belongs to the shard with the highest weight. If a shard is added,
only the symbols for which it has the highest weight move to it: about 1/n of all symbols for n shards. No
other symbol moves.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256

from oms.cluster.log.subjects import check_shard
from oms.errors import InvalidArgumentError

__all__ = ["Shards", "ranked"]

_CACHED = 100_000  # symbols
_LONGEST = 100  # characters of a cached symbol, so that long symbols cannot fill the memory


class Shards:
    """The names of a cluster's shards, sorted. They are fixed when the cluster is created.

    Raises InvalidArgumentError if there is no name, if two names are equal, or if a name contains characters
    other than A-Z, a-z, 0-9, `_`, and `-`.

    >>> shards = Shards(["s1", "s2", "s3"])
    >>> [shards.of(symbol) for symbol in ("AAPL", "IBM", "JPM")]
    ['s2', 's3', 's1']

    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(sorted(names))
        if not self.names or len(set(self.names)) < len(self.names):
            raise InvalidArgumentError("shards", list(self.names), "one or more different names")
        for name in self.names:
            check_shard(name)
        self._cached = lru_cache(_CACHED)(self._heaviest)

    def of(self, symbol: str) -> str:
        """Return the name of the symbol's shard. O(n) for n shards, and O(1) for a cached symbol.

        >>> Shards(["s1", "s2"]).of("AAPL")
        's2'

        """
        return self._cached(symbol) if len(symbol) <= _LONGEST else self._heaviest(symbol)

    def _heaviest(self, symbol: str) -> str:
        return max(self.names, key=lambda name: _weight(name, symbol))

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"Shards({list(self.names)})"


def ranked(names: Iterable[str], key: str) -> list[str]:
    """Return the names sorted by their weights for a key, highest first. O(n log n).

    If a name is removed, the order of the other names does not change.

    >>> ranked(["s1", "s2", "s3"], "AAPL")
    ['s2', 's3', 's1']

    """
    return sorted(names, key=lambda name: _weight(name, key), reverse=True)


def _weight(name: str, key: str) -> bytes:
    # The names contain no slash, so different pairs of a name and a key have different texts.
    return sha256(f"{name}/{key}".encode()).digest()
