"""API settings: access checks and limits."""

from __future__ import annotations

import os
from dataclasses import InitVar, dataclass
from pathlib import Path

from oms.api.keys import ApiKey, check_keys
from oms.api.rate_limit import check_rate
from oms.errors import InvalidArgumentError

__all__ = ["KEY_VARIABLE", "Settings"]

KEY_VARIABLE = "OMS_API_KEY"
_OPERATOR = "operator"  # the name of the key in `api_key`


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The API's access checks and limits. Every setting has a default.

    - `api_key`: the text of a key for all requests, with at least 16 visible ASCII characters. Its name is
      "operator". Only its hash is kept, in `keys`. Without any key, requests need no key.
    - `keys`: further keys, each with a name, an access, and for a MatchingEngine an owner.
    - `keys_file`: a file with further keys, as `oms key new` prints them. When the file changes, the service
      reads it again.
    - `rate_limit`: how many requests each key may send, such as "100/second" or "100/second burst 200".
      Without a key, this limit is for each client address. By default, there is no limit.
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
    - `access_log`: log one line for each request, and two for each stream, to the `oms.api.access` logger at
      the level INFO. Rejected requests are logged in any case.
    - `recent_changes`: the maximum number of orders and fills in the events that a service without a journal
      keeps, and separately in the trades that it keeps.
    - `most_connections`: the maximum number of open connections, including streams. The default is 1,000, or
      the limit of open files minus 128, whichever is smaller.
    - `head_seconds`: how long a request head may take to arrive, in seconds.
    - `drain_seconds`: how long the service continues after SIGTERM, in seconds. Meanwhile, `/ready` returns
      503, so that a load balancer sends new requests elsewhere.

    The last three settings apply only to `oms serve`, and not to other servers. Raise InvalidArgumentError if
    a key is too short or contains characters that are not visible ASCII, if two keys contradict each other,
    or if the rate limit is not a rate.

    >>> Settings(api_key="sixteen-letters!").keys  # the text of the key is not kept
    (ApiKey(name='operator', access=<Access.TRADING: 'trading'>, owner=None),)

    """

    api_key: InitVar[str | None] = None
    keys: tuple[ApiKey, ...] = ()
    keys_file: Path | None = None
    rate_limit: str | None = None
    checks_host: bool = False
    hosts: tuple[str, ...] = ("localhost",)
    cors_origins: tuple[str, ...] = ()
    body_limit: int = 64 * 1024
    bulk_body_limit: int = 4 * 1024 * 1024
    body_seconds: float = 30.0
    stream_backlog: int = 1_000
    most_streams: int = 100
    recent_changes: int = 10_000
    access_log: bool = True
    most_connections: int | None = None
    head_seconds: float = 10.0
    drain_seconds: float = 0.0

    def __post_init__(self, api_key: str | None) -> None:
        if api_key is not None:
            operator = ApiKey.of(api_key, name=_OPERATOR)
            object.__setattr__(self, "keys", (operator, *self.keys))  # the dataclass is frozen
        try:
            check_keys(self.keys)
        except ValueError as error:
            allowed = "different keys, in which each name has one access and one owner"
            raise InvalidArgumentError("keys", [key.name for key in self.keys], allowed, str(error)) from None
        if self.rate_limit is not None:
            check_rate(self.rate_limit)

    @property
    def needs_key(self) -> bool:
        """True if requests need a key."""
        return self.keys_file is not None or len(self.keys) > 0

    @classmethod
    def from_environment(cls) -> Settings:
        """Return the default settings, with the key from the OMS_API_KEY environment variable, if set."""
        return cls(api_key=os.environ.get(KEY_VARIABLE))
