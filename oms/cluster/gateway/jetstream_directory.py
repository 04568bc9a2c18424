"""The directory of order ids in NATS JetStream buckets. See `oms.cluster.gateway.directory`.

Each order id is the key of an entry whose value is the name of the id's shard. The servers create an entry
only if the key does not exist yet, so the first claim of an id wins, whichever gateway sends it. Entries
cannot be changed or deleted.

There is one bucket for each shard, and the hash of an id chooses the bucket of its entry. So the throughput
of claims grows with the number of shards. The ids of a list are claimed with concurrent requests.

The leader of a bucket has all entries. Another server may lack the latest entries, but entries never change,
so each entry that it has is valid. So several ids are first looked up on any server. Only the ids that this
server does not have are then looked up on the leader.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from oms.cluster.gateway.directory import ClaimedError, id_key
from oms.cluster.jetstream.jetstream_connection import (
    FAILURES,
    ApiError,
    JetStreamConnection,
    text_of,
)
from oms.cluster.jetstream.unsafe import marked_place
from oms.cluster.jetstream.urls import without_passwords
from oms.cluster.log.replicated_log import UnavailableError
from oms.cluster.ownership.shards import Shards
from oms.cluster.patience import Patience
from oms.errors import JournalError
from oms.submission import OrderId

__all__ = ["JetStreamDirectory"]

T = TypeVar("T")

_IN_FLIGHT = 256  # requests
_AT_ONCE = 500  # keys in one request; the servers return at most 1,024 entries
_PAUSE = 0.1  # seconds


class JetStreamDirectory(JetStreamConnection):
    """The directory in the cluster at `servers`. Missing buckets are created.

    `replicas` is the number of machines that store each entry. A claim is repeated for at most
    `patience_seconds` seconds. JetStreamConnection describes the other arguments.

    Raises JournalError if the cluster cannot be reached, or if it does not accept the buckets.
    """

    def __init__(
        self,
        servers: Sequence[str],
        shards: Shards,
        *,
        replicas: int = 3,
        unsafe: bool = False,
        options: Mapping[str, Any] | None = None,
        request_seconds: float = 1.0,
        open_seconds: float = 30.0,
        patience_seconds: float = 5.0,
    ) -> None:
        self._shards = shards
        self._patience = patience_seconds
        self._places = asyncio.Semaphore(_IN_FLIGHT)
        place = f"directory at {without_passwords(servers)}"
        super().__init__(
            servers,
            "oms directory",
            marked_place(place, unsafe=unsafe),
            options=options,
            request_seconds=request_seconds,
            open_seconds=open_seconds,
        )
        try:
            for shard in shards.names:
                self._open(shard, replicas, Patience(open_seconds))
        except BaseException:
            self.close()
            raise

    def _open(self, shard: str, replicas: int, patience: Patience) -> None:
        """Create a bucket if it does not exist."""
        stream = _stream(shard)
        problem: Exception | None = None
        for _ in patience.attempts():
            try:
                self.request(f"$JS.API.STREAM.INFO.{stream}")
            except UnavailableError as error:
                problem = error
            except ApiError as error:
                problem = error
                if error.has_no_stream:
                    try:
                        self.request(f"$JS.API.STREAM.CREATE.{stream}", _config(shard, replicas))
                    except (ApiError, UnavailableError) as failure:
                        problem = failure
                    else:
                        return
            else:
                return
        raise JournalError(self.place, f"the bucket of shard {shard} cannot be opened: {problem}")

    # ------------------------------------------------------------------ the directory

    async def claim(self, order_ids: Sequence[OrderId], shard: str) -> None:
        """Claim ids for a shard. See Directory. O(n) for n ids."""
        await self._in_loop(partial(self._claim, list(dict.fromkeys(order_ids)), shard))

    async def find(self, order_ids: Sequence[OrderId]) -> Mapping[OrderId, str]:
        """Return the shard of each id that is claimed. See Directory. O(n) for n ids."""
        return await self._in_loop(partial(self._find, list(dict.fromkeys(order_ids))))

    async def _in_loop(self, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a function in the event loop of the connection. Await its result in the caller's loop."""
        try:
            return await asyncio.shield(asyncio.wrap_future(self._loop.start(function)))
        except FAILURES as error:
            raise UnavailableError(text_of(error)) from error

    async def _claim(self, order_ids: list[OrderId], shard: str) -> None:
        known = await self._stored(order_ids) if len(order_ids) > 1 else {}
        _check(order_ids, known, shard)  # before anything is claimed
        unknown = [order_id for order_id in order_ids if order_id not in known]
        owners = await asyncio.gather(*(self._create(order_id, shard) for order_id in unknown))
        _check(unknown, dict(zip(unknown, owners, strict=True)), shard)

    async def _find(self, order_ids: list[OrderId]) -> dict[OrderId, str]:
        found = await self._stored(order_ids) if len(order_ids) > 1 else {}
        unknown = [order_id for order_id in order_ids if order_id not in found]
        owners = await asyncio.gather(*(self._repeated(partial(self._owner, each)) for each in unknown))
        return found | {each: owner for each, owner in zip(unknown, owners, strict=True) if owner is not None}

    # ------------------------------------------------------------------ requests

    async def _create(self, order_id: OrderId, shard: str) -> str:
        """Create an entry if there is none, and return the shard in the entry."""
        stream, subject = self._place(order_id)
        headers = {"Nats-Expected-Stream": stream, "Nats-Expected-Last-Subject-Sequence": "0"}

        async def attempt() -> str:
            try:
                await self._answer(subject, shard.encode(), headers)
            except ApiError as error:
                owner = await self._owner(order_id) if error.is_conflict else None
                if owner is None:
                    raise
                return owner
            return shard

        return await self._repeated(attempt)

    async def _owner(self, order_id: OrderId) -> str | None:
        """Return the shard in the leader's version of an entry, or None if there is no entry."""
        stream, subject = self._place(order_id)
        request = json.dumps({"last_by_subj": subject}).encode()
        try:
            answer = await self._answer(f"$JS.API.STREAM.MSG.GET.{stream}", request)
            return base64.b64decode(answer["message"]["data"]).decode()
        except ApiError as error:
            if error.has_no_message:
                return None
            raise
        except (LookupError, TypeError, binascii.Error) as error:
            raise OSError(f"the response is not valid: {error}") from error

    async def _stored(self, order_ids: Sequence[OrderId]) -> dict[OrderId, str]:
        """Return the shards of the ids that any one server finds. The latest claims may be missing."""
        by_stream: defaultdict[str, dict[str, OrderId]] = defaultdict(dict)
        for order_id in order_ids:
            stream, subject = self._place(order_id)
            by_stream[stream][subject] = order_id
        found: dict[OrderId, str] = {}
        for stream, ids in by_stream.items():
            subjects = list(ids)
            for start in range(0, len(subjects), _AT_ONCE):
                part = subjects[start : start + _AT_ONCE]
                read = partial(self._batch, stream, {"multi_last": part}, len(part))
                for stored in await self._repeated(read):
                    found[ids[stored.headers["Nats-Subject"]]] = stored.payload.decode()
        return found

    async def _repeated(self, attempt: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Repeat an attempt until it succeeds. Raises UnavailableError when the time limit ends."""
        now = asyncio.get_running_loop().time
        end = now() + self._patience
        while True:
            try:
                async with self._places:
                    return await attempt()
            except (ApiError, *FAILURES) as error:
                if now() >= end:
                    raise UnavailableError(text_of(error)) from error
                await asyncio.sleep(_PAUSE)

    def _place(self, order_id: OrderId) -> tuple[str, str]:
        """Return the stream and the subject of the entry of an id."""
        key = id_key(order_id)
        bucket = self._shards.of(key)
        return _stream(bucket), f"{_prefix(bucket)}{key}"


def _check(order_ids: Sequence[OrderId], owners: Mapping[OrderId, str], shard: str) -> None:
    """Raise ClaimedError for the first id that belongs to another shard."""
    for order_id in order_ids:
        if owners.get(order_id, shard) != shard:
            raise ClaimedError(order_id, owners[order_id])


def _stream(shard: str) -> str:
    return f"KV_oms-ids-{shard}"


def _prefix(shard: str) -> str:
    return f"$KV.oms-ids-{shard}."


def _config(shard: str, replicas: int) -> dict[str, Any]:
    """Return the configuration of a bucket whose entries never change."""
    return {
        "name": _stream(shard),
        "subjects": [f"{_prefix(shard)}>"],
        "num_replicas": replicas,
        "storage": "file",
        "discard": "new",
        "max_msgs_per_subject": 1,
        "discard_new_per_subject": True,
        "deny_delete": True,
        "deny_purge": True,
        "allow_direct": True,
    }
