"""A bucket in the NATS JetStream key-value store, in the format of the `nats kv` command."""

from __future__ import annotations

import base64
import binascii
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from oms.cluster.jetstream.jetstream_connection import (
    FAILURES,
    ApiError,
    JetStreamConnection,
    Stored,
    TooManyError,
    text_of,
)
from oms.cluster.jetstream.unsafe import marked_place
from oms.cluster.jetstream.urls import without_passwords
from oms.cluster.log.replicated_log import UnavailableError
from oms.cluster.ownership.bucket import ConflictError, Entry
from oms.cluster.patience import Patience
from oms.errors import JournalError

__all__ = ["JetStreamBucket"]

_PAGE = 1_000  # entries; the servers return the last messages of at most 1,024 subjects at once
_PAGE_BYTES = 16 * 2**20
_OPERATION, _DELETED = "KV-Operation", {"DEL", "PURGE"}


class JetStreamBucket(JetStreamConnection):
    """The bucket `name` in the cluster at `servers`. A missing bucket is created.

    If `create` is False, a missing bucket is an error instead. `replicas` is the number of machines that
    store each entry. If `unsafe` is True, each error says that the servers are not checked.
    JetStreamConnection describes the other arguments.

    Raises JournalError if the cluster cannot be reached, or if it does not accept the bucket.
    """

    def __init__(
        self,
        servers: Sequence[str],
        name: str,
        *,
        replicas: int = 3,
        create: bool = True,
        unsafe: bool = False,
        options: Mapping[str, Any] | None = None,
        request_seconds: float = 1.0,
        open_seconds: float = 30.0,
    ) -> None:
        self._stream = f"KV_{name}"
        self.replicas = replicas  # replaced below if the bucket exists
        self._prefix = f"$KV.{name}."
        place = f"bucket {name} at {without_passwords(servers)}"
        super().__init__(
            servers,
            f"oms bucket {name}",
            marked_place(place, unsafe=unsafe),
            options=options,
            request_seconds=request_seconds,
            open_seconds=open_seconds,
        )
        try:
            self._open(replicas, Patience(open_seconds), create=create)
        except BaseException:
            self.close()
            raise

    def _open(self, replicas: int, patience: Patience, *, create: bool) -> None:
        problem: Exception | None = None
        for _ in patience.attempts():
            try:
                if self._has_stream():
                    return
                if not create:
                    raise JournalError(self.place, "it does not exist; start a worker first")
                self.request(f"$JS.API.STREAM.CREATE.{self._stream}", self._config(replicas))
            except (ApiError, UnavailableError) as error:
                problem = error
            else:
                return
        raise JournalError(self.place, f"it cannot be opened: {problem}") from problem

    def _has_stream(self) -> bool:
        try:
            info = self.request(f"$JS.API.STREAM.INFO.{self._stream}")
        except ApiError as error:
            if error.has_no_stream:
                return False
            raise
        self.replicas = int(info["config"]["num_replicas"])
        return True

    def _config(self, replicas: int) -> dict[str, Any]:
        """Return the configuration of a bucket that keeps only the last value of each key."""
        return {
            "name": self._stream,
            "subjects": [f"{self._prefix}>"],
            "num_replicas": replicas,
            "storage": "file",
            "discard": "new",
            "max_msgs_per_subject": 1,
            "allow_rollup_hdrs": True,
            "deny_delete": True,
            "allow_direct": True,
        }

    def entries(self) -> Mapping[str, Entry]:
        """Return all entries by key. Any machine may respond. See Bucket."""
        try:
            stored = self._stored()
        except FAILURES as error:
            raise UnavailableError(text_of(error)) from error
        latest = {each.headers["Nats-Subject"].removeprefix(self._prefix): each for each in stored}
        return {
            key: Entry(key, each.payload, each.position)
            for key, each in latest.items()
            if each.headers.get(_OPERATION) not in _DELETED
        }

    def _stored(self) -> list[Stored]:
        """Return the last message of each key, in order. Deleted keys have messages too."""
        try:
            return self.batch(self._stream, {"multi_last": [f"{self._prefix}>"]}, sys.maxsize, whole=True)
        except TooManyError:
            return self._all_pages()

    def _all_pages(self) -> list[Stored]:
        """Return all messages, page by page. The stream keeps only the last message of each key.

        If an entry is changed or deleted between two pages, its new message is on a later page.
        """
        stored: list[Stored] = []
        while True:
            after = stored[-1].position if stored else 0
            content = {"seq": after + 1, "batch": _PAGE, "max_bytes": _PAGE_BYTES}
            page = self.batch(self._stream, content, _PAGE)
            if not page:
                return stored
            stored += page

    def get(self, key: str) -> Entry | None:
        """Return the leader's version of an entry. See Bucket."""
        entry, is_deleted = self._last(key)
        return None if is_deleted else entry

    def _last(self, key: str) -> tuple[Entry | None, bool]:
        """Return the last message about an entry, and True if this message deletes the entry."""
        try:
            answer = self.request(
                f"$JS.API.STREAM.MSG.GET.{self._stream}", {"last_by_subj": self._prefix + key}
            )
            message = answer["message"]
            headers = base64.b64decode(message.get("hdrs", "")).decode()
            entry = Entry(key, base64.b64decode(message.get("data", "")), int(message["seq"]))
        except ApiError as error:
            if error.has_no_message:
                return None, False
            raise UnavailableError(str(error)) from error
        except (LookupError, TypeError, ValueError, binascii.Error) as error:
            raise UnavailableError(f"the response is not valid: {error}") from error
        return entry, any(f"{_OPERATION}: {operation}" in headers for operation in _DELETED)

    def put(self, key: str, value: bytes, revision: int) -> int:
        """Replace an entry if it still has this revision. See Bucket."""
        try:
            return self._put(key, value, revision, {})
        except ConflictError:
            entry, is_deleted = (None, False) if revision else self._last(key)
            if entry is None or not is_deleted:
                raise
        return self._put(key, value, entry.revision, {})

    def delete(self, key: str, revision: int) -> None:
        """Delete an entry if it still has this revision. See Bucket."""
        position = self._put(key, b"", revision, {_OPERATION: "DEL"})
        # The deletion is a message, too. By default, each start of a worker has a new key, so it would stay.
        with suppress(ApiError, UnavailableError):
            content = {"filter": self._prefix + key, "seq": position + 1}
            self.request(f"$JS.API.STREAM.PURGE.{self._stream}", content)

    def _put(self, key: str, value: bytes, revision: int, headers: Mapping[str, str]) -> int:
        expected = {"Nats-Expected-Last-Subject-Sequence": str(revision), **headers}
        try:
            answer = self.publish(self._prefix + key, value, expected)
        except ApiError as error:
            if error.is_conflict:
                raise ConflictError(str(error)) from error
            raise UnavailableError(str(error)) from error
        except FAILURES as error:
            raise UnavailableError(text_of(error)) from error
        position = answer.get("seq")
        if type(position) is not int:
            raise UnavailableError(f"the acknowledgement is not valid: {answer}")
        return position
