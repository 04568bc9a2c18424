"""A bucket in the key-value store of NATS JetStream. Its format is that of the `nats kv` command."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Any

from oms.cluster.bucket import ConflictError, Entry
from oms.cluster.jetstream_connection import FAILURES, ApiError, JetStreamConnection, text_of
from oms.cluster.patience import Patience
from oms.cluster.replicated_log import UnavailableError
from oms.errors import JournalError

__all__ = ["JetStreamBucket"]

_WRONG_LAST_SEQUENCE = {10071, 10164}  # the error codes of the server
_NOT_FOUND = {10037}
_STREAM_NOT_FOUND = 10059
_MOST = 10_000  # entries
_OPERATION, _DELETED = "KV-Operation", {"DEL", "PURGE"}


class JetStreamBucket(JetStreamConnection):
    """The bucket `name` in the cluster at `servers`, which is created if it does not exist.

    With `create` False, a bucket that does not exist is an error. `replicas` is the number of machines that
    store each entry. JetStreamConnection describes the other arguments.

    Raises JournalError if the cluster cannot be reached, or if it does not accept the bucket.
    """

    def __init__(
        self,
        servers: Sequence[str],
        name: str,
        *,
        replicas: int = 3,
        create: bool = True,
        options: Mapping[str, Any] | None = None,
        request_seconds: float = 1.0,
        open_seconds: float = 30.0,
    ) -> None:
        self._stream = f"KV_{name}"
        self._prefix = f"$KV.{name}."
        place = f"bucket {name} at {', '.join(re.sub('//[^/]*@', '//', url) for url in servers)}"
        super().__init__(
            servers,
            f"oms bucket {name}",
            place,
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
            self.request(f"$JS.API.STREAM.INFO.{self._stream}")
        except ApiError as error:
            if error.code == _STREAM_NOT_FOUND:
                return False
            raise
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
        """Return all entries by key. Any machine may answer. See Bucket."""
        try:
            stored = self.batch(self._stream, {"multi_last": [f"{self._prefix}>"]}, _MOST)
        except FAILURES as error:
            raise UnavailableError(text_of(error)) from error
        entries = [
            Entry(each.headers["Nats-Subject"].removeprefix(self._prefix), each.payload, each.position)
            for each in stored
            if each.headers.get(_OPERATION) not in _DELETED
        ]
        return {entry.key: entry for entry in entries}

    def get(self, key: str) -> Entry | None:
        """Return an entry, as the leader of the bucket has it. See Bucket."""
        entry, is_deleted = self._last(key)
        return None if is_deleted else entry

    def _last(self, key: str) -> tuple[Entry | None, bool]:
        """Return the last message about an entry, and True if the message deletes the entry."""
        try:
            answer = self.request(
                f"$JS.API.STREAM.MSG.GET.{self._stream}", {"last_by_subj": self._prefix + key}
            )
            message = answer["message"]
            headers = base64.b64decode(message.get("hdrs", "")).decode()
            entry = Entry(key, base64.b64decode(message.get("data", "")), int(message["seq"]))
        except ApiError as error:
            if error.code in _NOT_FOUND:
                return None, False
            raise UnavailableError(str(error)) from error
        except (LookupError, TypeError, ValueError, binascii.Error) as error:
            raise UnavailableError(f"the response is not valid: {error}") from error
        return entry, any(f"{_OPERATION}: {operation}" in headers for operation in _DELETED)

    def put(self, key: str, value: bytes, revision: int) -> int:
        """Replace an entry that has this revision. See Bucket."""
        try:
            return self._put(key, value, revision, {})
        except ConflictError:
            entry, is_deleted = (None, False) if revision else self._last(key)
            if entry is None or not is_deleted:
                raise
        return self._put(key, value, entry.revision, {})

    def delete(self, key: str, revision: int) -> None:
        """Delete an entry that has this revision. See Bucket."""
        self._put(key, b"", revision, {_OPERATION: "DEL"})

    def _put(self, key: str, value: bytes, revision: int, headers: Mapping[str, str]) -> int:
        expected = {"Nats-Expected-Last-Subject-Sequence": str(revision), **headers}
        try:
            answer = self.publish(self._prefix + key, value, expected)
        except ApiError as error:
            if error.code in _WRONG_LAST_SEQUENCE:
                raise ConflictError(str(error)) from error
            raise UnavailableError(str(error)) from error
        except FAILURES as error:
            raise UnavailableError(text_of(error)) from error
        position = answer.get("seq")
        if type(position) is not int:
            raise UnavailableError(f"the acknowledgement is not valid: {answer}")
        return position
