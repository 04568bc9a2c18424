"""The directory of order ids, which maps each order id to its shard.

The problem: an order id must be unique in the whole cluster, and the gateway must find the shard of a request
that contains only an order id. No shard knows the order ids of the other shards.

What does not work: sending the request to all shards. Each request would then cost as much as a request to
every shard, and would fail whenever one of the shards has no worker. Recording the id after the order was
added does not work either. Two shards could add orders with the same id at the same time, and a crash between
the two steps would lose the record.

The solution: before the gateway forwards a new order, it claims the order's id. A claim is an entry in the
directory that says that the id belongs to the shard of the order's symbol. The first claim of an id wins. A
claim is permanent, so a gateway may cache it, and no cleanup is needed.

Invariants:
- A shard only stores orders whose ids are claimed for it, unless it is the only shard of the cluster.
- An id never changes its shard, even if the shard then rejects the order.
- Claiming an id again for the same shard succeeds, so a claim whose acknowledgement was lost can be repeated.

A claim is never withdrawn, because another request with the same id could already have found the claim, and
would rely on it. So if one id of a list is rejected, the other ids may remain claimed for the shard of the
list. They can still be used in this shard.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Protocol

from oms.cluster.log.replicated_log import UnavailableError
from oms.contract import id_as_json
from oms.submission import OrderId

__all__ = ["CachedDirectory", "ClaimedError", "Directory", "UnavailableError", "id_key"]

_LONGEST_KEY = 200  # characters
_CACHED = 200_000  # ids
_LONGEST_CACHED = 100  # characters of an id, so that long ids cannot fill the memory


class ClaimedError(Exception):
    """The id `order_id` is already claimed for another shard, `shard`."""

    def __init__(self, order_id: OrderId, shard: str) -> None:
        super().__init__(order_id, shard)
        self.order_id = order_id
        self.shard = shard

    def __str__(self) -> str:
        return f"order id {id_as_json(self.order_id)} belongs to shard {self.shard}"


class Directory(Protocol):
    """The claimed ids. An int and a str are different ids, even if they look the same."""

    async def claim(self, order_ids: Sequence[OrderId], shard: str) -> None:
        """Claim ids for a shard. Ids that are already claimed for this shard stay claimed.

        Raises ClaimedError for the first id that belongs to another shard. If the directory contained this
        claim before the call, the call claims no other id. Raises UnavailableError if the directory does not
        respond. In this case, some of the ids may be claimed.
        """
        ...

    async def find(self, order_ids: Sequence[OrderId]) -> Mapping[OrderId, str]:
        """Return the shard of each id that is claimed. Raises UnavailableError."""
        ...


class CachedDirectory:
    """A directory that caches claims. Claims are permanent, so a cached claim cannot be stale."""

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
        self._shards.update(
            (each, shard) for each, shard in shards.items() if len(str(each)) <= _LONGEST_CACHED
        )
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
