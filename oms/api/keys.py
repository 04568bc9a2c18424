"""API keys: their names, hashes, and access, and the text of a file of keys.

Only the SHA-256 hash of a key is stored. A memory-hard function, such as scrypt, would protect a password,
because people choose passwords that can be guessed. A key from `generate_key` has 256 random bits, so nobody
can guess it from its hash. A fast hash is then as safe, and it does not slow down each request.
"""

from __future__ import annotations

import json
import re
import secrets
import string
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Any, cast

from oms.errors import InvalidArgumentError
from oms.models import is_text

__all__ = ["Access", "ApiKey", "as_entry", "check_keys", "digest_of_key", "generate_key", "parse_keys"]

MOST_KEYS = 1_000  # each request is compared with every key
SHORTEST_KEY = 16

_KEY_CHARACTERS = frozenset(string.ascii_letters + string.digits + string.punctuation)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NAME_RULE = "1 to 64 letters, digits, dots, hyphens, or underscores, beginning with a letter or a digit"
_HASH = re.compile(r"[0-9A-Fa-f]{64}")
_FIELDS = {"name", "sha256", "access", "owner"}


class Access(StrEnum):
    """The requests that a key allows."""

    READ_ONLY = "read-only"
    """Only requests that change nothing, and the stream."""
    TRADING = "trading"
    """All requests."""


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """An API key. It contains only the hash of the text that requests send.

    - `name`: identifies the key in the log. Two keys may have the same name if their access and their owner
      are equal, so that both are valid while you replace one by the other.
    - `digest`: the SHA-256 hash of the key's text, 32 bytes. `ApiKey.of` computes it.
    - `access`: `Access.TRADING` for all requests, or `Access.READ_ONLY`.
    - `owner`: with this key, a request to a MatchingEngine can see and change only this owner's orders. None
      means the operator, who can act for every owner.

    Raise InvalidArgumentError if a field is invalid.

    >>> ApiKey.of("a-long-random-text", name="bot1", access=Access.READ_ONLY)  # the repr has no hash
    ApiKey(name='bot1', access=<Access.READ_ONLY: 'read-only'>, owner=None)

    """

    name: str
    digest: bytes = field(repr=False)
    access: Access = Access.TRADING
    owner: str | None = None

    def __post_init__(self) -> None:
        if not (type(self.name) is str and _NAME.fullmatch(self.name)):
            raise InvalidArgumentError("name", self.name, _NAME_RULE)
        if not (type(self.digest) is bytes and len(self.digest) == sha256().digest_size):
            raise InvalidArgumentError("digest", "<hidden>", "32 bytes", "use ApiKey.of(key, name=...)")
        if type(self.access) is not Access:
            allowed = "Access.TRADING or Access.READ_ONLY"
            raise InvalidArgumentError("access", self.access, allowed)
        if self.owner is not None and not is_text(self.owner):
            raise InvalidArgumentError("owner", self.owner, "a non-empty str of valid Unicode")

    @classmethod
    def of(cls, key: str, *, name: str, access: Access = Access.TRADING, owner: str | None = None) -> ApiKey:
        """Return the key with this text. Only its hash is kept.

        Raise InvalidArgumentError if the text has fewer than 16 characters or characters other than visible
        ASCII.

        >>> ApiKey.of("a-long-random-text", name="bot1").digest.hex()[:8]
        '09d5fcd1'

        """
        if not (type(key) is str and len(key) >= SHORTEST_KEY and set(key) <= _KEY_CHARACTERS):
            # The message shows only the length, because an invalid key may be similar to the real one.
            given, remedy = (f"{len(key)} characters", _remedy_for(key)) if type(key) is str else (key, "")
            allowed = f"at least {SHORTEST_KEY} visible ASCII characters"
            raise InvalidArgumentError("api_key", given, allowed, remedy)
        return cls(name=name, digest=digest_of_key(key), access=access, owner=owner)


def _remedy_for(key: str) -> str:
    """Return what to remove from a key, or "" if it is only too short."""
    others = set(key) - _KEY_CHARACTERS
    if any(character.isspace() for character in others):
        return "remove all spaces and line breaks"
    return "remove all other characters" if others else ""


def digest_of_key(key: str) -> bytes:
    """Return the hash of a key's text, as a request contains it. O(n) for n characters."""
    return sha256(key.encode("latin-1", "replace")).digest()


def generate_key() -> str:
    """Return the text of a new key with 256 random bits.

    >>> len(generate_key())
    47

    """
    return f"oms_{secrets.token_urlsafe(32)}"


def check_keys(keys: Iterable[ApiKey]) -> None:
    """Raise ValueError if two keys have the same hash, or contradict each other. O(n) for n keys."""
    by_name: dict[str, ApiKey] = {}
    by_digest: dict[bytes, ApiKey] = {}
    for number, key in enumerate(keys, 1):
        if number > MOST_KEYS:
            raise ValueError(f"there are more than {MOST_KEYS} keys")
        namesake = by_name.setdefault(key.name, key)
        if (namesake.access, namesake.owner) != (key.access, key.owner):
            raise ValueError(f"two keys named {key.name!r} differ in their access or owner")
        if key.digest in by_digest:
            raise ValueError(f"{by_digest[key.digest].name!r} and {key.name!r} are the same key")
        by_digest[key.digest] = key


# ---------------------------------------------------------------------- the file


def as_entry(key: ApiKey) -> str:
    """Return the entry of a key for a file of keys, which is TOML.

    >>> print(as_entry(ApiKey.of("a-long-random-text", name="bot1", owner="Ann")), end="")
    [[keys]]
    name = "bot1"
    sha256 = "09d5fcd149931c983aed62a6b457bec5340b1bd2ef2bd8d2594fee911ff450ce"
    access = "trading"
    owner = "Ann"

    """
    fields = {"name": key.name, "sha256": key.digest.hex(), "access": key.access.value}
    if key.owner is not None:
        fields["owner"] = key.owner
    lines = [f"{name} = {_quoted(value)}\n" for name, value in fields.items()]
    return "".join(["[[keys]]\n", *lines])


def _quoted(text: str) -> str:
    """Return a TOML string, escaped as in JSON. DEL is escaped too, although JSON does not require it."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def parse_keys(text: str) -> tuple[ApiKey, ...]:
    """Return the keys in a file's text. Raise ValueError with the reason if the text is invalid. O(n).

    The reason contains no hashes and no unknown words, because a user may have written a key in their place.
    """
    try:
        document = tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    entries: object = document.get("keys")
    if document.keys() != {"keys"} or not isinstance(entries, list) or not entries:
        raise ValueError("it must contain a [[keys]] table for each key, and nothing else")
    keys = tuple(_key_of(number, entry) for number, entry in enumerate(cast("list[object]", entries), 1))
    check_keys(keys)
    return keys


def _key_of(number: int, entry: object) -> ApiKey:
    if not isinstance(entry, Mapping):
        raise ValueError(f"key {number} is not a table")  # noqa: TRY004 - the file is wrong, not an argument
    fields = cast("Mapping[str, Any]", entry)
    if not {"name", "sha256", "access"} <= fields.keys() <= _FIELDS:
        raise ValueError(f"key {number} must have the fields name, sha256, and access, and may have an owner")
    if not (type(fields["sha256"]) is str and _HASH.fullmatch(fields["sha256"])):
        raise ValueError(f"the sha256 of key {number} must be 64 hexadecimal digits")
    if fields["access"] not in list(Access):
        raise ValueError(f"the access of key {number} must be {' or '.join(map(repr, map(str, Access)))}")
    try:
        return ApiKey(
            name=fields["name"],
            digest=bytes.fromhex(fields["sha256"]),
            access=Access(fields["access"]),
            owner=fields.get("owner"),
        )
    except InvalidArgumentError as error:
        raise ValueError(f"the {error.field} of key {number} must be {error.allowed}") from None
