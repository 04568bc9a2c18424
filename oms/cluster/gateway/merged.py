"""Responses that are merged from the responses of all shards."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from oms.cluster.gateway.lag import worst_lag
from oms.cluster.gateway.pages import Chunk, page_of_arrivals, page_of_ids
from oms.cluster.gateway.workers import Outgoing, Reply, Workers
from oms.cluster.ownership.shards import Shards

__all__ = ["Merged", "NotMergedError"]

Json = dict[str, Any]


class NotMergedError(Exception):
    """A shard's response that is not 200, such as 401. It becomes the response to the whole request."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply)
        self.reply = reply


class Merged:
    """The response to one request, merged from the responses of all shards.

    The methods raise NotMergedError and NoResponseError.
    """

    def __init__(self, shards: Shards, workers: Workers, *, engine: bool) -> None:
        self._shards = shards
        self._workers = workers
        self._engine = engine
        self._replies: list[Reply] = []

    @property
    def headers(self) -> dict[str, str]:
        """The headers that say how far the response lags, if standbys have responded."""
        return worst_lag(self._replies)

    async def symbols(self, request: Outgoing) -> Json:
        """Return the sorted symbols that have resting orders in any shard. O(n log n) for n symbols."""
        pages = await self._read_all(request)
        return {"symbols": sorted({symbol for page in pages.values() for symbol in page["symbols"]})}

    async def instruments(self, request: Outgoing) -> Json:
        """Return the instruments, sorted by symbol, each from the shard of its symbol. O(n log n)."""
        pages = await self._read_all(request)
        instruments = [
            instrument
            for name, page in pages.items()
            for instrument in page["instruments"]
            if self._shards.of(instrument["symbol"]) == name
        ]
        return {"instruments": sorted(instruments, key=lambda instrument: instrument["symbol"])}

    async def count(self, request: Outgoing) -> Json:
        """Return the number of resting orders in all shards."""
        pages = await self._read_all(request)
        return {"count": sum(int(page["count"]) for page in pages.values())}

    async def orders(self, request: Outgoing, after: int | None, limit: int) -> Json:
        """Return a page of the orders of all shards. See `oms.cluster.gateway.pages`."""
        path, _, query = request.target.partition(b"?")
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True)
        selection = [(name, value) for name, value in pairs if name not in ("after", "limit")]

        def part(cursor: int | None, size: int) -> Outgoing:
            fields = [*selection, ("limit", str(size))]
            if cursor is not None:
                fields.append(("after", str(cursor)))
            return request._replace(target=path + b"?" + urlencode(fields).encode())

        async def read(chunks: Mapping[str, Chunk]) -> Mapping[str, Json]:
            return await self._read({name: part(*chunk) for name, chunk in chunks.items()})

        merge = page_of_arrivals if self._engine else page_of_ids
        return await merge(self._shards.names, after, limit, read)

    async def _read_all(self, request: Outgoing) -> Mapping[str, Json]:
        return await self._read(dict.fromkeys(self._shards.names, request))

    async def _read(self, requests: Mapping[str, Outgoing]) -> Mapping[str, Json]:
        """Send requests to all shards concurrently, and return the JSON objects by shard."""
        calls = [self._workers.read(name, request) for name, request in requests.items()]
        replies = await asyncio.gather(*calls)
        self._replies += replies
        for reply in replies:
            if reply.status != 200:
                raise NotMergedError(reply)
        return {reply.shard: reply.json() for reply in replies}
