"""Pages of the orders of all shards.

The problem: a page contains at most `limit` orders. If every shard returned a page of this length, n shards
would return n times as many orders as the page needs. The cursor must also stay valid while the shards
change, and gateways keep no state between two pages.

What does not work: requesting one nth of the page from each of n shards, because all orders of the page may
be in one shard.

The solution for an OrderManagement: the gateway merges chunks of the shards' orders by order id. Each shard
first returns a chunk of about one nth of the page. A chunk is incomplete if its shard has more orders after
the chunk. The bound is the smallest last id of an incomplete chunk. All orders with ids up to the bound are
known, because later chunks contain only larger ids. While the page needs more orders than are known, the
gateway reads the next chunk from the shard whose chunk ends at the bound. So all shards together return at
most 2 * limit + n orders. The cursor is an order id, as in a single service.

The solution for matching engines: arrival numbers of different engines cannot be compared. So the pages
contain all orders of the first shard, then those of the second shard, and so on. The orders of each shard are
in order of arrival. The cursor is `index * 2**63 + arrival` of the last order, where `index` is the index of
the order's shard in the sorted list of names. So the cursor increases from page to page.

Invariants:
- All chunks of a shard in a page have the same sequence number. If a shard changes between two chunks, the
  page is read again, with one chunk of `limit` orders from each shard.
- `sequence` is the sum of the shards' sequence numbers. It increases with each change of any shard, so a
  reader can tell that something has changed between two pages.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

__all__ = ["Chunk", "ReadChunk", "page_of_arrivals", "page_of_ids"]

Json = dict[str, Any]
Chunk = tuple[int | None, int]
"""The cursor after which a chunk begins, and the maximum number of orders in the chunk."""

ReadChunk = Callable[[Mapping[str, Chunk]], Awaitable[Mapping[str, Json]]]
"""A function that reads a chunk of each of these shards, and returns their pages by shard."""

_ARRIVALS: Final = 2**63  # more than the largest arrival number


async def page_of_ids(names: Sequence[str], after: int | None, limit: int, read: ReadChunk) -> Json:
    """Return a page in order of id. O(limit + n) for n shards."""
    size = -(-limit // len(names))
    page = await _merged(names, after, limit, size, read)
    return page if page is not None else await _read_at_once(names, after, limit, read)


async def _read_at_once(names: Sequence[str], after: int | None, limit: int, read: ReadChunk) -> Json:
    page = await _merged(names, after, limit, limit, read)
    assert page is not None, "chunks of this length need no second request"
    return page


async def _merged(
    names: Sequence[str], after: int | None, limit: int, size: int, read: ReadChunk
) -> Json | None:
    """Merge chunks of this size. Return None if a shard has changed between two of its chunks."""
    first = pages = await read(dict.fromkeys(names, (after, size)))
    orders = [order for page in pages.values() for order in page["orders"]]
    cursors = {name: _integer(page["next"]) for name, page in pages.items()}
    while True:
        incomplete = {name: cursor for name, cursor in cursors.items() if cursor is not None}
        certain = sorted(
            (order for order in orders if not incomplete or _id(order) <= min(incomplete.values())), key=_id
        )
        if len(certain) >= limit or not incomplete:
            break
        lowest = min(incomplete, key=incomplete.__getitem__)
        pages = await read({lowest: (incomplete[lowest], size)})
        if pages[lowest]["sequence"] != first[lowest]["sequence"]:
            return None
        orders += pages[lowest]["orders"]
        cursors[lowest] = _integer(pages[lowest]["next"])
    shown = certain[:limit]
    has_more = bool(incomplete) or len(certain) > limit
    return {**_sums(first), "orders": shown, "next": shown[-1]["order_id"] if has_more else None}


async def page_of_arrivals(names: Sequence[str], after: int | None, limit: int, read: ReadChunk) -> Json:
    """Return a page of orders, sorted by shard and then by arrival. O(limit + n) for n shards."""
    index, arrival = divmod(after or 0, _ARRIVALS)
    pages = dict(await _read_totals(names[:index], read))
    orders: list[Json] = []
    following: int | None = None
    for place in range(index, len(names)):
        name, missing = names[place], limit - len(orders)
        pages |= await read({name: (arrival if place == index else None, missing)})
        orders += pages[name]["orders"]
        if len(orders) == limit:
            later = names[place + 1 :]
            pages |= await _read_totals(later, read)
            last = _integer(pages[name]["next"])
            if last is not None:
                following = place * _ARRIVALS + last
            elif any(_int(pages[each]["total"]) for each in later):
                following = (place + 1) * _ARRIVALS
            break
    return {**_sums(pages), "orders": orders, "next": following}


async def _read_totals(names: Sequence[str], read: ReadChunk) -> Mapping[str, Json]:
    """Read the shortest possible page of each shard, for its sequence number and its total."""
    return await read(dict.fromkeys(names, (None, 1)))


def _sums(pages: Mapping[str, Json]) -> Json:
    return {field: sum(_int(page[field]) for page in pages.values()) for field in ("sequence", "total")}


def _id(order: Json) -> int:
    return int(order["order_id"])


def _int(value: int | str) -> int:
    return int(value)  # an integer above 2^53-1 is a string


def _integer(value: int | str | None) -> int | None:
    return None if value is None else int(value)
