"""The requests of clients: how they are checked, parsed, and turned into requests to the workers."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

from anyio.to_thread import run_sync
from fastapi import Request

from oms.api.callers import can_change
from oms.api.problems import invalid_field
from oms.api.route import StrictRequest, check_head, first_problem
from oms.api.settings import Settings
from oms.cluster.gateway.choice import without
from oms.cluster.gateway.concerns import Concerns, Reader
from oms.cluster.gateway.credentials import Credentials
from oms.cluster.gateway.routes import LISTS
from oms.cluster.gateway.workers import Outgoing
from oms.contract import IDEMPOTENCY_KEY, IDEMPOTENCY_KEY_HEADER, LONGEST_IDEMPOTENCY_KEY

__all__ = ["Incoming"]

_SMALL = 64 * 1024  # bytes that are validated in about a millisecond
_KEY = IDEMPOTENCY_KEY_HEADER.lower().encode()
_REPLACED = {b"host", b"content-length", b"expect"}
_DOT_SEGMENT = re.compile(rb"(?<=/)\.\.?(?=/|$)")


class Incoming:
    """A request of a client. `path` is without the prefix that a reverse proxy strips."""

    def __init__(self, request: Request, settings: Settings, credentials: Credentials) -> None:
        self.request = request
        self.method = request.method
        self._credentials = credentials
        root = request.scope.get("root_path", "")
        self.root_path: str = root
        self.path: str = request.scope["path"].removeprefix(root)
        self._strict = StrictRequest(request.scope, request.receive)
        self._strict.limits = settings
        is_long = self.path in LISTS
        self._strict.body_limit = settings.bulk_body_limit if is_long else settings.body_limit
        self.query: bytes = request.scope["query_string"]
        self._new_key: str | None = None

    @property
    def may_change(self) -> bool:
        """True if the request can change the books."""
        return can_change(self.method, self.path)

    @property
    def may_be_late(self) -> bool:
        """True if a standby may respond, because the request only reads the books."""
        return not self.may_change and self.path != "/metrics"

    @property
    def key(self) -> str | None:
        """The idempotency key that the workers get, or None."""
        return self._new_key or self.request.headers.get(IDEMPOTENCY_KEY_HEADER)

    @property
    def has_own_key(self) -> bool:
        """True if the client has sent the idempotency key itself."""
        return self._new_key is None

    async def concerns(self, read: Reader, *parameters: str) -> Concerns:
        """Return the symbols and orders in the body. Raises the ProblemError that a worker would return.

        `parameters` are the query parameters that are allowed. O(n) for a body of n bytes.
        """
        check_head(self.request, dict.fromkeys(parameters, False), has_body=True)
        body = await self._strict.body()  # enforces the limits before anything else is checked
        key = self.request.headers.get(IDEMPOTENCY_KEY_HEADER)
        content: Any = await self._strict.json() if body else None
        if self.may_change and key is not None and not IDEMPOTENCY_KEY.fullmatch(key):
            allowed = f"1 to {LONGEST_IDEMPOTENCY_KEY} visible ASCII characters"
            raise invalid_field(IDEMPOTENCY_KEY_HEADER, key, allowed)
        if not body:
            raise first_problem([{"type": "missing", "loc": ("body",)}])
        return read(content) if len(body) <= _SMALL else await run_sync(read, content)

    async def outgoing(self, *dropped: str, adds_key: bool = True) -> Outgoing:
        """Return the request to a worker, without the query parameters `dropped`. Raises ProblemError.

        A change without an idempotency key gets a key, unless `adds_key` is False. HEAD becomes GET, because
        the gateway needs the body of the response, for example to recognize that the worker is not the owner.
        """
        headers = self._credentials.headers(self.request)
        if adds_key and self.may_change and self.key is None:
            self._new_key = uuid4().hex
            headers.append((_KEY, self._new_key.encode()))
        body = b"" if self.method in ("GET", "HEAD") else await self._strict.body()
        kept = [pair for pair in headers if pair[0] not in _REPLACED]
        method = "GET" if self.method == "HEAD" else self.method
        return Outgoing(method, self._target(dropped), kept, body, self.may_change)

    def _target(self, dropped: tuple[str, ...]) -> bytes:
        raw: bytes = self.request.scope.get("raw_path") or self.request.scope["path"].encode()
        # The path may end with any order id. httpx would remove dot segments, so the request would concern
        # another order, or all orders. It also rejects a "#".
        path = _DOT_SEGMENT.sub(_encoded, raw.removeprefix(self.root_path.encode()))
        query = without(self.query, *dropped) if dropped else self.query
        return (path + b"?" + query if query else path).replace(b"#", b"%23")


def _encoded(segment: re.Match[bytes]) -> bytes:
    return segment.group().replace(b".", b"%2E")
