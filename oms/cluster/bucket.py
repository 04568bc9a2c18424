"""The interface of a bucket: a few named entries that several machines store.

The workers of a cluster use a bucket to find each other, and to agree on who owns which shard. It is not
needed to keep the books right, because the log of a shard fences former owners.
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
    """A bucket. All methods may be called from any thread. Each of them ends after a limited time.

    All methods raise UnavailableError if no majority of the machines can be reached.
    """

    def entries(self) -> Mapping[str, Entry]:
        """Return all entries by key. The latest changes may be missing. O(n) for n entries."""
        ...

    def get(self, key: str) -> Entry | None:
        """Return an entry, or None if there is none. Unlike `entries`, this sees every earlier change."""
        ...

    def put(self, key: str, value: bytes, revision: int) -> int:
        """Replace an entry that has this revision, and return the new revision.

        If `revision` is 0, the entry must not exist. Raises ConflictError if the entry has another revision.
        If it raises UnavailableError, the entry may have been replaced, or may be replaced later.
        """
        ...

    def delete(self, key: str, revision: int) -> None:
        """Delete an entry that has this revision. Raises the errors of `put`."""
        ...

    def close(self) -> None:
        """Release the connection. A second call does nothing."""
        ...
