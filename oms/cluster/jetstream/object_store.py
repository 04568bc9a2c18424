"""The snapshots and extracts of a shard, in a bucket of the NATS JetStream object store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from io import BytesIO
from typing import TypeVar

from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import ObjectStoreConfig, StorageType
from nats.js.errors import BucketNotFoundError, NotFoundError
from nats.js.object_store import ObjectStore

from oms.cluster.jetstream.jetstream_log import JetStreamLog
from oms.cluster.log.subjects import stream_of

__all__ = ["ObjectSnapshots"]

T = TypeVar("T")

_SECONDS = 60.0  # for one call


class ObjectSnapshots:
    """The SnapshotStore of a log. The first save creates the bucket, with `replicas` replicas."""

    def __init__(self, log: JetStreamLog, replicas: int) -> None:
        self._log = log
        self._bucket = stream_of(log.name)
        self._replicas = replicas

    def names(self) -> Sequence[str]:
        """Return all names. See SnapshotStore."""
        return self._use(_names, default=())

    def load(self, name: str) -> bytes:
        """Return the content with a name. See SnapshotStore."""

        async def load(bucket: ObjectStore) -> bytes:
            # Without a buffer, nats-py copies all earlier chunks for each chunk: 36 seconds for 100 MB.
            content = BytesIO()
            await bucket.get(name, writeinto=content)
            return content.getvalue()

        return self._use(load, default=b"")

    def save(self, name: str, content: bytes) -> None:
        """Store content. See SnapshotStore."""

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

        self._log.call(save, _SECONDS)

    def delete(self, name: str) -> None:
        """Delete content. See SnapshotStore."""

        async def delete(bucket: ObjectStore) -> None:
            with suppress(NotFoundError):  # the server that responds may lag behind the others
                await bucket.delete(name)

        self._use(delete, default=None)

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
    except NotFoundError:  # the bucket is empty
        return ()
