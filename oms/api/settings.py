"""The settings of an API: what it checks, and its limits."""

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
    """What an API checks, and its limits. Every setting has a default.

    - `api_key`: the key that every request needs, of at least 16 visible ASCII characters. With None, no
      request needs a key.
    - `checks_host`: if True, reject a request whose Host is neither an IP address nor one of `hosts`, and one
      whose Origin is neither that of its Host nor one of `cors_origins`.
    - `cors_origins`: the other sites whose pages may send requests and read the responses.
    - `body_limit`: the largest body, in bytes.
    - `body_seconds`: the time in which a body must arrive.
    - `stream_backlog`: the number of changes that may wait for the reader of a stream. The stream of a slower
      reader is closed.
    - `most_streams`: the number of streams that may be open at once.

    Raise InvalidArgumentError if the key is too short or has other characters.

    >>> Settings(api_key="sixteen-letters!")  # the key is not shown
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

    def __post_init__(self) -> None:
        key = self.api_key
        if key is not None and not (len(key) >= _SHORTEST_KEY and set(key) <= _KEY_CHARACTERS):
            # The message has the length only: a wrong key may be nearly right.
            allowed = f"at least {_SHORTEST_KEY} visible ASCII characters"
            raise InvalidArgumentError("api_key", f"{len(key)} characters", allowed)

    @classmethod
    def from_environment(cls) -> Settings:
        """Return the defaults, with the key from the environment variable OMS_API_KEY if it is set."""
        return cls(api_key=os.environ.get(KEY_VARIABLE))
