"""Text whose last line is the hash of all other lines, so that any damage is detected."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

from oms.errors import JournalError

__all__ = ["seal", "unseal"]

_HASH = b"hash\t"


def seal(lines: Iterable[str]) -> bytes:
    """Join the lines and append a line with their hash. The first line names the format. O(n) for n bytes."""
    text = "\n".join(lines).encode()
    return b"%b\n%b%b\n" % (text, _HASH, sha256(text).hexdigest().encode())


def unseal(content: bytes, expected: str, place: str) -> Sequence[str]:
    """Return the lines after the first line, which must be `expected`. O(n) for n bytes.

    Raises JournalError if the content is damaged or has a different format.
    """
    text, _, last = content.removesuffix(b"\n").rpartition(b"\n")
    if last != _HASH + sha256(text).hexdigest().encode():
        raise JournalError(place, "its hash does not match its content")
    try:
        version, *lines = text.decode().split("\n")
    except UnicodeDecodeError as error:
        raise JournalError(place, f"it is not valid: {error}") from error
    if version != expected:
        raise JournalError(
            place, f"it has the format {version!r}, and this version of oms reads {expected!r}"
        )
    return lines
