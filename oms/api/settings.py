"""API settings: access checks and limits."""

from __future__ import annotations

import os
import string
from dataclasses import dataclass, field

from oms.errors import InvalidArgumentError

__all__ = ["KEY_VARIABLE", "Settings"]

KEY_VARIABLE = "OMS_API_KEY"
_KEY_CHARACTERS = frozenset(string.ascii_letters + string.digits + string.punctuation)
_SHORTEST_KEY = 16


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The API's access checks and limits. Every setting has a default.

    - `api_key`: the key that requests must send. It must have at least 16 visible ASCII characters. If it is
      None, requests need no key.
    - `checks_host`: if True, check the `Host` and `Origin` headers of each request. The Host must be an IP
      address or one of `hosts`. The Origin, if present, must match the Host or be one of `cors_origins`.
    - `hosts`: the host names that are allowed in the `Host` header.
    - `cors_origins`: other sites whose pages may send requests and read the responses.
    - `body_limit`: the maximum size of a request body, in bytes.
    - `body_seconds`: how long a request body may take to arrive, in seconds.
    - `stream_backlog`: the maximum number of unsent changes per stream. If there are more, the stream is
      closed.
    - `most_streams`: the maximum number of open streams.
    - `recent_changes`: without a journal, the service keeps the latest events and trades. This is the maximum
      number of orders and fills in these events, and also in these trades.

    Raise InvalidArgumentError if the key is too short or contains characters that are not visible ASCII.

    >>> Settings(api_key="sixteen-letters!")  # the repr does not contain the key
    Settings(checks_host=False, hosts=('localhost',), cors_origins=(), ...)

    """

    api_key: str | None = field(default=None, repr=False)
    checks_host: bool = False
    hosts: tuple[str, ...] = ("localhost",)
    cors_origins: tuple[str, ...] = ()
    body_limit: int = 64 * 1024
    body_seconds: float = 30.0
    stream_backlog: int = 1_000
    most_streams: int = 100
    recent_changes: int = 10_000

    def __post_init__(self) -> None:
        key = self.api_key
        if key is not None and not (len(key) >= _SHORTEST_KEY and set(key) <= _KEY_CHARACTERS):
            # The message shows only the length, because an invalid key may be similar to the real one.
            allowed = f"at least {_SHORTEST_KEY} visible ASCII characters"
            raise InvalidArgumentError("api_key", f"{len(key)} characters", allowed)

    @classmethod
    def from_environment(cls) -> Settings:
        """Return the default settings, with the key from the OMS_API_KEY environment variable, if set."""
        return cls(api_key=os.environ.get(KEY_VARIABLE))
