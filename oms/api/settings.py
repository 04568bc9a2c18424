"""How an API is set up: what it checks, and how much it takes."""

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
    """What an API checks, and how much it takes; all of it has a default.

    `api_key` (None: everybody is let in) has at least 16 visible ASCII characters. With `checks_host` a
    request is refused whose Host is neither an IP address nor one of `hosts`, or whose Origin is neither
    its Host nor one of `cors_origins`; these may also read answers from a browser. `body_limit` is in
    bytes, `body_seconds` is how long a body may take. A stream that has `stream_backlog` changes waiting
    is dropped; `most_streams` may be open at once. Raises InvalidArgumentError.

    >>> Settings(api_key="sixteen-letters!")  # it is not shown
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
            allowed = f"at least {_SHORTEST_KEY} visible ASCII characters"
            raise InvalidArgumentError("api_key", f"{len(key)} characters", allowed)

    @classmethod
    def from_environment(cls) -> Settings:
        """The defaults, with the key in the variable OMS_API_KEY, if it is set."""
        return cls(api_key=os.environ.get(KEY_VARIABLE))
