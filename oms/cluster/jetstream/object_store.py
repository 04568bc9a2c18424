"""The snapshots and extracts of a shard, in a bucket of the NATS JetStream object store.

An object is several messages: the chunks of its content, and then one message with its name. If the response
to the last one is lost, nats-py deletes the chunks, although the name may be stored. So `save` deletes such a
name, and `load` counts the chunks first, because nats-py would wait for missing ones without end.

When nats-py deletes an object, a message with its name remains. So `delete` also removes this message. Each
snapshot has a new name, so the messages would accumulate, and listing the names would take ever longer.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from io import BytesIO
from typing import TypeVar

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import ObjectStoreConfig, StorageType
from nats.js.errors import BucketNotFoundError, NotFoundError
from nats.js.object_store import OBJ_DEFAULT_CHUNK_SIZE, ObjectStore

from oms.cluster.jetstream.jetstream_log import JetStreamLog
from oms.cluster.log.subjects import stream_of

__all__ = ["ObjectSnapshots"]

T = TypeVar("T")

_SECONDS = 60.0  # for one call
_SECONDS_PER_CHUNK = 6.0  # to save; nats-py itself waits at most 5 seconds for the response to a chunk


class ObjectSnapshots:
    """The SnapshotStore of a log. The first save creates the bucket, with `replicas` replicas."""

    def __init__(self, log: JetStreamLog, replicas: int) -> None:
        self._log = log
        self._bucket = stream_of(log.name)
        self._stream = f"OBJ_{self._bucket}"  # as nats-py names it
        self._replicas = replicas

    def names(self) -> Sequence[str]:
        """Return all names. See SnapshotStore."""
        return self._use(lambda _, bucket: _names(bucket), default=())

    def load(self, name: str) -> bytes:
        """Return the content with a name. See SnapshotStore."""

        async def load(stream: JetStreamContext, bucket: ObjectStore) -> bytes:
            if not await self._is_complete(stream, bucket, name):
                raise OSError(f"the content of {name!r} is not complete")
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
            try:
                await bucket.put(name, content)
            except Exception:  # from nats-py or from the connection
                with suppress(NatsError, OSError):
                    if not await self._is_complete(stream, bucket, name):
                        await self._delete(stream, bucket, name)
                raise

        chunks = len(content) // OBJ_DEFAULT_CHUNK_SIZE
        self._log.call(save, _SECONDS + _SECONDS_PER_CHUNK * chunks)

    def delete(self, name: str) -> None:
        """Delete content. See SnapshotStore."""
        self._use(lambda stream, bucket: self._delete(stream, bucket, name), default=None)

    async def _delete(self, stream: JetStreamContext, bucket: ObjectStore, name: str) -> None:
        with suppress(NotFoundError):  # it is deleted, or the server that responds lags behind the others
            await bucket.delete(name)
        with suppress(NotFoundError):
            subject = f"$O.{self._bucket}.M.{urlsafe_b64encode(name.encode()).decode()}"
            last = await stream.get_last_msg(self._stream, subject)
            if json.loads(last.data or b"{}").get("deleted"):  # nobody has saved it again
                await stream.purge_stream(self._stream, (last.seq or 0) + 1, subject)

    async def _is_complete(self, stream: JetStreamContext, bucket: ObjectStore, name: str) -> bool:
        """Return True if all chunks of an object are stored. Raise NotFoundError if there is no object."""
        info = await bucket.get_info(name)
        chunks = await stream.stream_info(self._stream, f"$O.{self._bucket}.C.{info.nuid}")
        return sum((chunks.state.subjects or {}).values()) == info.chunks

    def _use(self, function: Callable[[JetStreamContext, ObjectStore], Awaitable[T]], default: T) -> T:
        """Call an asynchronous function with the bucket, or return the default if there is no bucket."""

        async def use(client: Client) -> T:
            stream = JetStreamContext(client)
            try:
                bucket = await stream.object_store(self._bucket)
            except BucketNotFoundError:
                return default
            return await function(stream, bucket)

        return self._log.call(use, _SECONDS)


async def _names(bucket: ObjectStore) -> Sequence[str]:
    try:
        return [info.name for info in await bucket.list(ignore_deletes=True)]
    except NotFoundError:  # the bucket is empty
        return ()
