"""The server's connections: how many may be open, and how long each may keep the server waiting.

The problem. Everyone who can reach the port can open connections and send nothing, or one byte from time to
time. Each connection needs a file descriptor. When the process has no more descriptors, it cannot accept
anyone, and asyncio logs a traceback for every attempt.

What does not work. uvicorn can limit the number of running requests, but not the number of connections. It
has no time limit for request heads. If the server closed every connection above the limit, an attacker with
enough silent connections would lock out everyone else.

The solution.
- `Pool` counts the connections. If there are too many, it closes the connection that has kept the server
  waiting for the longest time. So a client that sends each request without a pause is served during an
  attack.
- A request head must arrive within a time limit. If a response was sent before the whole body arrived, the
  rest of the body must arrive within this limit too.
- A client must read its response. TCP_USER_TIMEOUT ends a connection whose client reads nothing, and
  `ReadCheck` ends one whose client reads almost nothing.
- When the server stops, it waits only a moment for clients that keep it waiting.

Invariants:
- The pool closes only connections that wait for their client: idle ones, those with an incomplete request,
  and those whose client reads slowly. So a complete request gets its response, unless its client reads
  slowly.
- Each connection in `Pool.waiting` is open. Closing a waiting connection never loses an acknowledged change.
- The server reads no more bytes from a connection until it has processed the requests in memory, which
  bounds the memory.
"""

from __future__ import annotations

import logging
import math
import sys
from collections import defaultdict
from collections.abc import Sized
from typing import Any, Protocol

import uvicorn

from oms.api.log_limit import LogLimit
from oms.errors import InvalidArgumentError

__all__ = ["Pool", "PoolConfig", "Pooled", "most_connections"]

_OTHER_DESCRIPTORS = 128  # for the journal and so on, and for connections that are being opened or closed
_USUAL_CONNECTIONS = 1_000
_LOG = logging.getLogger("oms.api")


class Pooled(Protocol):
    """The part of a connection that its pool uses."""

    @property
    def connections(self) -> Sized:
        """All open connections of the server."""
        ...

    @property
    def client(self) -> tuple[str, int] | None:
        """The address and the port of the client, or None if they are unknown."""
        ...

    def end(self) -> None:
        """Close the connection at once."""
        ...

    def reject(self) -> None:
        """Close the connection at once, with a 503 if no response has begun."""
        ...


class Pool:
    """The limits of a server's connections, and the connections that wait for their client.

    `most` is the maximum number of open connections, including streams. `head_seconds` is how long a request
    head may take to arrive, in seconds.
    """

    def __init__(self, most: int, head_seconds: float) -> None:
        self.head_seconds = head_seconds
        self.stopping = False  # True if the server accepts no more connections
        self.waiting: dict[Pooled, None] = {}  # the longest waiting connection is first
        self._most = most
        self._log_limits: defaultdict[str, LogLimit] = defaultdict(LogLimit)  # by message

    def add(self, connection: Pooled) -> None:
        """Add a new connection. If there are too many, close the longest waiting one. O(1)."""
        self.waiting[connection] = None
        if self.stopping:
            connection.end()
        while len(connection.connections) > self._most and self.waiting:
            self.close_longest_waiting()

    def close_longest_waiting(self) -> None:
        """Close the connection that has waited for its client for the longest time, if there is one. O(1)."""
        connection = next(iter(self.waiting), None)
        if connection is not None:
            self.log("too many connections: closed one of %s, which was waiting for its client", connection)
            connection.reject()

    def log(self, message: str, connection: Pooled) -> None:
        """Log why a connection is closed, at most once per second for each message."""
        address = connection.client[0] if connection.client else "an unknown address"
        self._log_limits[message].log(_LOG, logging.WARNING, message, address)


class PoolConfig(uvicorn.Config):
    """The configuration of a server whose connections belong to a pool. uvicorn passes it to each of them."""

    def __init__(self, *arguments: Any, pool: Pool, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.pool = pool


def most_connections(wanted: int | None) -> int:
    """Return the maximum number of open connections: `wanted`, or the default if `wanted` is None.

    The default is 1,000, or fewer if the limit of open files is lower. Raise InvalidArgumentError if `wanted`
    is invalid, or if the limit of open files is too low.
    """
    files = _most_files()
    most = files - _OTHER_DESCRIPTORS
    remedy = f"raise the limit of {files} open files, such as with `ulimit -n`"
    if most < 1:
        raise InvalidArgumentError("the limit of open files", files, f"above {_OTHER_DESCRIPTORS}", remedy)
    if wanted is None:
        return int(min(most, _USUAL_CONNECTIONS))
    if not 1 <= wanted <= most:
        raise InvalidArgumentError("most_connections", wanted, f"an int in 1..{most:.0f}", remedy)
    return wanted


def _most_files() -> float:
    if sys.platform == "win32":
        return math.inf
    import resource  # noqa: PLC0415  # Windows does not have it

    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return math.inf if files == resource.RLIM_INFINITY else files
