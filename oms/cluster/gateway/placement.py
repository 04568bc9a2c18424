"""The one shard of all symbols and orders that a request names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from oms.cluster.gateway.concerns import Concerns
from oms.cluster.gateway.directory import ClaimedError, Directory, UnavailableError
from oms.cluster.gateway.problems import (
    across_shards,
    claimed_elsewhere,
    concerns_everything,
    directory_unavailable,
    order_subject,
)
from oms.cluster.ownership.shards import Shards
from oms.submission import OrderId

__all__ = ["Placement"]


class Placement:
    """The shards of the symbols and orders that requests name."""

    def __init__(self, shards: Shards, directory: Directory) -> None:
        self._shards = shards
        self._directory = directory

    async def of_order(self, order_id: OrderId) -> str | None:
        """Return the shard of an order, or None if no order has ever had this id. Raises ProblemError."""
        return (await self._find([order_id])).get(order_id)

    async def of(self, concerns: Concerns, *, claims: bool) -> str | None:
        """Return the shard of a body's symbols and orders, or None if it contains only unknown orders.

        If `claims` is True, claim the ids of the new orders for this shard. Raises ProblemError if the body
        concerns several shards, or if the id of a new order belongs to another shard.
        O(n) for n symbols and orders.
        """
        if concerns.everything is not None:
            raise concerns_everything(concerns.everything, self._shards.names)
        added = set(concerns.added)
        known = await self._find([each for each in concerns.orders if each not in added])
        shard = _only(self._subjects(concerns.symbols, known))
        if shard is None or not added:
            return shard
        try:
            if claims:
                await self._directory.claim(concerns.added, shard)
            else:
                await self._check(concerns.added, shard)
        except ClaimedError as error:
            raise claimed_elsewhere(error, shard) from None
        except UnavailableError as error:
            raise directory_unavailable(error) from None
        return shard

    def _subjects(self, symbols: Sequence[str], known: Mapping[OrderId, str]) -> Iterable[tuple[str, str]]:
        for symbol in symbols:
            yield f"symbol {symbol!r}", self._shards.of(symbol)
        for order_id, shard in known.items():
            yield order_subject(order_id), shard

    async def _check(self, order_ids: Sequence[OrderId], shard: str) -> None:
        """Raise ClaimedError if an id belongs to another shard, as `claim` does, but claim nothing."""
        for order_id, owner in (await self._directory.find(order_ids)).items():
            if owner != shard:
                raise ClaimedError(order_id, owner)

    async def _find(self, order_ids: Sequence[OrderId]) -> Mapping[OrderId, str]:
        if not order_ids:
            return {}
        try:
            return await self._directory.find(order_ids)
        except UnavailableError as error:
            raise directory_unavailable(error) from None


def _only(subjects: Iterable[tuple[str, str]]) -> str | None:
    """Return the subjects' shard, or None without subjects. Raise ProblemError if they have two shards."""
    first: tuple[str, str] | None = None
    for subject in subjects:
        if first is None:
            first = subject
        elif subject[1] != first[1]:
            raise across_shards(first, subject)
    return None if first is None else first[1]
