"""API settings: access checks and limits."""

from __future__ import annotations

import os
import string
from collections.abc import Mapping
from dataclasses import dataclass, field

from oms.errors import InvalidArgumentError
from oms.models import is_text

__all__ = ["KEY_VARIABLE", "Settings"]

KEY_VARIABLE = "OMS_API_KEY"
_KEY_CHARACTERS = frozenset(string.ascii_letters + string.digits + string.punctuation)
_SHORTEST_KEY = 16


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The API's access checks and limits. Every setting has a default.

    - `api_key`: the key that requests must send. It must have at least 16 visible ASCII characters. If it is
      None and there are no `owner_keys`, requests need no key.
    - `owner_keys`: a MatchingEngine's further keys, each with its owner. With such a key, a request can only
      see and change the owner's orders. `api_key` is the operator's key, which can act for every owner.
    - `checks_host`: if True, check the `Host` and `Origin` headers of each request. The Host must be an IP
      address or one of `hosts`. The Origin, if present, must match the Host or be one of `cors_origins`.
    - `hosts`: the host names that are allowed in the `Host` header.
    - `cors_origins`: other sites whose pages may send requests and read the responses.
    - `body_limit`: the maximum size of a request body, in bytes.
    - `bulk_body_limit`: the same for `POST /orders`, `POST /transactions`, and `POST /what-if`, whose bodies
      can contain lists.
    - `body_seconds`: how long a request body may take to arrive, in seconds.
    - `stream_backlog`: the maximum number of unsent changes per stream. If there are more, the stream is
      closed.
    - `most_streams`: the maximum number of open streams.
    - `recent_changes`: without a journal, the service keeps the latest events and trades. This is the maximum
      number of orders and fills in these events, and also in these trades.
    - `most_connections`: the maximum number of open connections, including streams. The default is 1,000, or
      the limit of open files minus 128, whichever is smaller.
    - `head_seconds`: how long a request head may take to arrive, in seconds.
    - `drain_seconds`: how long the service continues after SIGTERM, in seconds. Meanwhile, `/ready` returns
      503, so that a load balancer sends new requests elsewhere.

    The last three settings are those of `oms serve`, and do not apply to other servers.
    Raise InvalidArgumentError if a key is too short or contains characters that are not visible ASCII, if an
    owner is empty, or if the operator's key also has an owner.

    >>> Settings(api_key="sixteen-letters!")  # the repr does not contain the key
    Settings(checks_host=False, hosts=('localhost',), cors_origins=(), ...)

    """

    api_key: str | None = field(default=None, repr=False)
    owner_keys: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    checks_host: bool = False
    hosts: tuple[str, ...] = ("localhost",)
    cors_origins: tuple[str, ...] = ()
    body_limit: int = 64 * 1024
    bulk_body_limit: int = 4 * 1024 * 1024
    body_seconds: float = 30.0
    stream_backlog: int = 1_000
    most_streams: int = 100
    recent_changes: int = 10_000
    most_connections: int | None = None
    head_seconds: float = 10.0
    drain_seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.api_key is not None:
            _check_key("api_key", self.api_key)
        for key, owner in self.owner_keys.items():
            _check_key("owner_keys", key)
            if not is_text(owner):
                raise InvalidArgumentError("owner", owner, "a non-empty str of valid Unicode")
        if self.api_key is not None and self.api_key in self.owner_keys:
            owner = self.owner_keys[self.api_key]
            raise InvalidArgumentError("owner_keys", owner, "an owner whose key is not the operator's key")

    @property
    def keys(self) -> Mapping[str, str | None]:
        """All keys, each with its owner, or with None for the operator's key."""
        operator = {} if self.api_key is None else {self.api_key: None}
        return {**operator, **self.owner_keys}

    @classmethod
    def from_environment(cls) -> Settings:
        """Return the default settings, with the key from the OMS_API_KEY environment variable, if set."""
        return cls(api_key=os.environ.get(KEY_VARIABLE))


def _check_key(field: str, key: str) -> None:
    if not (len(key) >= _SHORTEST_KEY and set(key) <= _KEY_CHARACTERS):
        # The message shows only the length, because an invalid key may be similar to the real one.
        allowed = f"at least {_SHORTEST_KEY} visible ASCII characters"
        raise InvalidArgumentError(field, f"{len(key)} characters", allowed)
