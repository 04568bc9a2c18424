"""The directory of order ids: which shard each id belongs to.

The problem: an order id is used only once in the whole cluster, and a request with only an order id must find
its shard. No shard knows the ids of the others.

What does not work: asking all shards, because each request would then cost as much as all shards together,
and would fail whenever one of them has no worker. Recording the id after the order was added does not work
either: two shards could add orders with the same id at the same time, and a crash in between would lose the
record.

The solution: before an order is forwarded, its id is claimed for the shard of its symbol. The first claim of
an id wins. A claim is permanent, so a gateway may cache it, and it needs no cleanup.

Invariants:
- A shard only stores orders whose ids are claimed for it, unless it is the only shard of the cluster.
- An id never changes its shard, even if the shard then rejects the order.
- Claiming an id again for the same shard succeeds, so a claim whose acknowledgement was lost can be repeated.

A claim is never withdrawn. Before a withdrawal, another request with the same id could have found the claim,
and would then rely on it. So if one id of a list is rejected, the other ids may stay claimed for the shard
that they were sent to. They can still be used there.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Protocol

from oms.cluster.replicated_log import UnavailableError
from oms.contract import id_as_json
from oms.submission import OrderId

__all__ = ["CachedDirectory", "ClaimedError", "Directory", "UnavailableError", "id_key"]

_LONGEST_KEY = 200  # characters
_CACHED = 200_000  # ids


class ClaimedError(Exception):
    """An id that is claimed for another shard. `order_id` and `shard` name both."""

    def __init__(self, order_id: OrderId, shard: str) -> None:
        super().__init__(order_id, shard)
        self.order_id = order_id
        self.shard = shard

    def __str__(self) -> str:
        return f"order id {id_as_json(self.order_id)} belongs to shard {self.shard}"


class Directory(Protocol):
    """The claimed ids. An int and a str are different ids, also if they look the same."""

    async def claim(self, order_ids: Sequence[OrderId], shard: str) -> None:
        """Claim ids for a shard. Ids that are already claimed for it stay so.

        Raises ClaimedError for the first id that belongs to another shard. If the directory already knew this
        at the beginning of the call, no other id was claimed. Raises UnavailableError if the directory does
        not respond; then some of the ids may be claimed.
        """
        ...

    async def find(self, order_ids: Sequence[OrderId]) -> Mapping[OrderId, str]:
        """Return the shard of each id that is claimed. Raises UnavailableError."""
        ...


class CachedDirectory:
    """A directory that remembers claims. They are permanent, so they cannot be stale."""

    def __init__(self, directory: Directory, size: int = _CACHED) -> None:
        self._directory = directory
        self._size = size
        self._shards: OrderedDict[OrderId, str] = OrderedDict()  # oldest first

    async def claim(self, order_ids: Sequence[OrderId], shard: str) -> None:
        """Claim ids, as `Directory.claim` does. O(n) for n ids."""
        unknown: list[OrderId] = []
        for order_id in order_ids:
            owner = self._shards.get(order_id)
            if owner is None:
                unknown.append(order_id)
            elif owner != shard:
                raise ClaimedError(order_id, owner)
        if unknown:
            await self._directory.claim(unknown, shard)
            self._remember(dict.fromkeys(unknown, shard))

    async def find(self, order_ids: Sequence[OrderId]) -> Mapping[OrderId, str]:
        """Return the shards of ids, as `Directory.find` does. O(n) for n ids."""
        shards = {each: self._shards[each] for each in order_ids if each in self._shards}
        unknown = [each for each in order_ids if each not in shards]
        if unknown:
            found = await self._directory.find(unknown)
            self._remember(found)
            shards.update(found)
        return shards

    def _remember(self, shards: Mapping[OrderId, str]) -> None:
        self._shards.update(shards)
        while len(self._shards) > self._size:
            self._shards.popitem(last=False)


def id_key(order_id: OrderId) -> str:
    """Return an order id as a key of letters, digits, `_`, and `-`. Different ids have different keys.

    >>> id_key(7), id_key("7"), id_key(-7)
    ('i7', 'sNw', 'i-7')

    """
    if type(order_id) is int:
        return f"i{order_id}"
    content = str(order_id).encode()
    if len(content) > _LONGEST_KEY // 2:
        return f"h{sha256(content).hexdigest()}"
    return f"s{urlsafe_b64encode(content).decode().rstrip('=')}"
