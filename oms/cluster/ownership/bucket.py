"""The interface of a bucket: a few named entries, stored on several machines.

The workers of a cluster use a bucket to find each other, and to agree on which worker owns which shard. The
correctness of the books does not depend on the bucket, because the log of a shard rejects the changes of
former owners.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

__all__ = ["Bucket", "ConflictError", "Entry"]


class Entry(NamedTuple):
    """An entry. `revision` grows with each change of the entry."""

    key: str
    value: bytes
    revision: int


class ConflictError(Exception):
    """The entry does not have the expected revision, so this attempt did not change it."""


class Bucket(Protocol):
    """A bucket. All methods are thread-safe, and return or raise within a limited time.

    `place` names the bucket in error messages. All methods raise UnavailableError if no majority of the
    machines can be reached.
    """

    place: str

    def entries(self) -> Mapping[str, Entry]:
        """Return all entries by key. The latest changes may be missing. O(n) for n entries."""
        ...

    def get(self, key: str) -> Entry | None:
        """Return an entry, or None. Unlike the result of `entries`, it reflects all earlier changes."""
        ...

    def put(self, key: str, value: bytes, revision: int) -> int:
        """Replace an entry if it still has this revision, and return the new revision.

        If `revision` is 0, the entry must not exist. Raises ConflictError if the entry has a different
        revision. After an UnavailableError, the entry may have been replaced, or may be replaced later.
        """
        ...

    def delete(self, key: str, revision: int) -> None:
        """Delete an entry if it still has this revision. Raises the same errors as `put`."""
        ...

    def close(self) -> None:
        """Release the connection. A second call does nothing."""
        ...
