"""The snapshots of a shard, in a bucket of the object store of NATS JetStream."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import ObjectStoreConfig, StorageType
from nats.js.errors import BucketNotFoundError, NotFoundError
from nats.js.object_store import ObjectStore

from oms.cluster.jetstream_log import JetStreamLog
from oms.cluster.subjects import stream_of

__all__ = ["ObjectSnapshots"]

T = TypeVar("T")

_KEPT = 2  # snapshots
_SECONDS = 60.0  # for one snapshot


class ObjectSnapshots:
    """The snapshots of a log. The bucket is created with the first snapshot, and has `replicas` replicas."""

    def __init__(self, log: JetStreamLog, replicas: int) -> None:
        self._log = log
        self._bucket = stream_of(log.name)
        self._replicas = replicas

    def names(self) -> Sequence[str]:
        """Return the names of all snapshots. See SnapshotStore."""
        return self._use(_names, default=())

    def load(self, name: str) -> bytes:
        """Return the content of a snapshot. See SnapshotStore."""

        async def load(bucket: ObjectStore) -> bytes:
            return (await bucket.get(name)).data or b""

        return self._use(load, default=b"")

    def save(self, name: str, content: bytes) -> None:
        """Store a snapshot, and delete all but the two latest. See SnapshotStore."""

        async def save(client: Client) -> None:
            stream = JetStreamContext(client)
            try:
                bucket = await stream.object_store(self._bucket)
            except BucketNotFoundError:
                config = ObjectStoreConfig(self._bucket, storage=StorageType.FILE, replicas=self._replicas)
                bucket = await stream.create_object_store(  # pyright: ignore[reportUnknownMemberType]  # **params
                    self._bucket, config
                )
            await bucket.put(name, content)
            for old in sorted(await _names(bucket))[:-_KEPT]:
                with suppress(NotFoundError):  # the server that answers may lag behind the others
                    await bucket.delete(old)

        self._log.call(save, _SECONDS)

    def _use(self, function: Callable[[ObjectStore], Awaitable[T]], default: T) -> T:
        """Call an asynchronous function with the bucket, or return the default if there is no bucket."""

        async def use(client: Client) -> T:
            try:
                bucket = await JetStreamContext(client).object_store(self._bucket)
            except BucketNotFoundError:
                return default
            return await function(bucket)

        return self._log.call(use, _SECONDS)


async def _names(bucket: ObjectStore) -> Sequence[str]:
    try:
        return [info.name for info in await bucket.list(ignore_deletes=True)]
    except NotFoundError:  # it is empty
        return ()
