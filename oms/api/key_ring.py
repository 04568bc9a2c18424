"""The valid API keys. The keys in a file can be replaced while the service runs.

The problem. A key must be replaced without a restart. But the service must not lose its keys because of an
error in the new file, or because it reads the file while an editor writes it.

What does not work. A text editor may write a file in several parts, and the first part alone can be valid. So
a change of the file does not mean that the file is complete.

The solution. At most once a second, the service compares the file's modification time, size, and inode with
those of its last reading. It reads a changed file when the next check finds it unchanged. After SIGHUP, the
next check reads the file at once. All keys are replaced in one assignment, so each request sees the old keys
or the new ones.

Invariants:
- If the new file is invalid or missing, the old keys stay valid, and the reason is logged once.
- A service that needs keys always needs them, because a file without keys is invalid.
- Only hashes are stored. Each request is compared with every hash, in constant time for each.
"""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import TypeAlias

from oms.api.keys import ApiKey, check_keys, digest_of_key, parse_keys
from oms.api.settings import Settings
from oms.errors import InvalidArgumentError

__all__ = ["KeyRing"]

_LOG = logging.getLogger("oms.api")
_SECONDS = 1.0  # between two checks of the file
_LARGEST_FILE = 2**20  # bytes

_Version: TypeAlias = tuple[int, int, int]


class KeyRing:
    """The keys in the settings and in their file of keys.

    `has_owners` is True if a key may have an owner, as with a MatchingEngine. Raise InvalidArgumentError if
    the file is invalid or cannot be read, if a key has an owner that it must not have, or if two keys
    contradict each other. O(n) for n keys.
    """

    def __init__(
        self, settings: Settings, *, has_owners: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._fixed = settings.keys
        self._file = settings.keys_file
        self._has_owners = has_owners
        self._clock = clock
        self._lock = Lock()
        self._requests = self._answered = 0  # the numbers of reload requests
        self._next_check = clock() + _SECONDS
        self._version = self._seen = _version_of(self._file)  # before the file is read
        try:
            self._keys = self._read()
        except ValueError as error:
            raise self._invalid(error) from None

    def _invalid(self, error: ValueError) -> InvalidArgumentError:
        if self._file is None:
            return InvalidArgumentError(
                "keys", f"{len(self._fixed)} keys", "keys without conflicts", str(error)
            )
        allowed = "a file of API keys, as oms key new prints them"
        return InvalidArgumentError("keys_file", str(self._file), allowed, str(error))

    @property
    def keys(self) -> tuple[ApiKey, ...]:
        """All valid keys."""
        return self._keys

    @property
    def is_needed(self) -> bool:
        """True if requests need a key."""
        return len(self._keys) > 0

    @property
    def can_change(self) -> bool:
        """True if the keys can be replaced while the service runs."""
        return self._file is not None

    def find(self, candidate: str) -> ApiKey | None:
        """Return the key with this text, or None. O(n) for n keys.

        All keys are compared, each in constant time.
        """
        digest, match = digest_of_key(candidate), None
        for key in self._keys:
            if hmac.compare_digest(digest, key.digest):
                match = key
        return match

    def is_valid(self, key: ApiKey) -> bool:
        """Return True if the key is still valid, and its access and owner are the same. O(n) for n keys."""
        return key in self._keys

    # ------------------------------------------------------------------ the file

    def request_reload(self) -> None:
        """Read the file at the next `refresh`, even if it looks unchanged. A signal handler may call this."""
        self._requests += 1

    def refresh(self) -> None:
        """Read the file again if it has changed. Check at most once a second. O(1) unless it is read."""
        if self._file is not None and self._is_due():
            with self._lock:
                if self._is_due():  # otherwise, another thread has read the file meanwhile
                    requests = self._requests
                    self._refresh(is_requested=requests != self._answered)
                    self._answered = requests

    def _is_due(self) -> bool:
        return self._requests != self._answered or self._clock() >= self._next_check

    def _refresh(self, *, is_requested: bool) -> None:
        self._next_check = self._clock() + _SECONDS
        version = _version_of(self._file)
        is_complete, self._seen = version == self._seen, version
        if not is_requested and (version == self._version or not is_complete):
            return
        self._version = version
        try:
            keys = self._read()
        except ValueError as error:
            _LOG.error("the API keys stay the same, because %s: %s", self._file, error)
            return
        before, self._keys = self._keys, keys
        _log_difference(before, keys)

    def _read(self) -> tuple[ApiKey, ...]:
        """Return all keys. Raise ValueError with the reason if that is not possible."""
        keys = self._fixed
        if self._file is not None:
            keys += parse_keys(_text_of(self._file))
        check_keys(keys)
        named = next((key.name for key in keys if key.owner is not None), None)
        if named is not None and not self._has_owners:
            raise ValueError(f"the key {named!r} has an owner, but only a MatchingEngine has owners")
        return keys


def _version_of(file: Path | None) -> _Version | None:
    """Return values that differ after each change of the file, or None if the file is missing."""
    try:
        status = None if file is None else file.stat()
    except OSError:
        return None
    return None if status is None else (status.st_mtime_ns, status.st_size, status.st_ino)


def _text_of(file: Path) -> str:
    try:
        with file.open("rb") as content:
            text = content.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise ValueError(error.strerror or "it cannot be read") from None
    if len(text) > _LARGEST_FILE:
        raise ValueError(f"it has more than {_LARGEST_FILE} bytes")
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None


def _log_difference(before: tuple[ApiKey, ...], after: tuple[ApiKey, ...]) -> None:
    if set(before) == set(after):
        return
    added = sorted({key.name for key in after if key not in before})
    removed = sorted({key.name for key in before if key not in after})
    _LOG.warning(
        "the API keys have changed; added: %s; removed: %s",
        ", ".join(added) or "none",
        ", ".join(removed) or "none",
    )
