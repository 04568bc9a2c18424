"""The API key that a worker gets with a request: the key in the request, or the key of its session.

The problem: the page signs in with an API key, and from then on sends only a cookie. It shows symbols of all
shards, so its session must be valid in all of them, even after another worker has taken over a shard.

What does not work: a session that a worker opens, because the other workers do not know the session, and
because it is lost when the worker ends. A signed cookie that the gateway does not store does not work either,
because it could not be revoked when the user signs out.

The solution: the gateway opens the session itself. It checks the cookie and the Origin header of a request as
the service does when it runs without a cluster. Then it removes the cookie, and sends the API key to the
worker, as a program would.

Invariants:
- A request gets the key of its session only after the guard has accepted the cookie.
- The gateway stores neither a key nor a token in readable form. See `oms.api.sessions`.
- No worker gets a cookie or an Origin. The gateway has compared the Origin with its own Host. A worker has a
  different Host, so it would reject requests from the gateway's own page.
"""

from __future__ import annotations

from fastapi import Request, Response
from starlette.requests import HTTPConnection

from oms.api.credentials import COOKIE, bearer
from oms.api.key_ring import KeyRing
from oms.api.problems import ProblemError, RejectionLog
from oms.api.sessions import Sessions
from oms.cluster.gateway.workers import end_to_end

__all__ = ["Credentials", "GatewaySessions"]

_CREDENTIALS = {b"authorization", b"cookie"}
_OF_BROWSERS = {b"cookie", b"origin", b"sec-fetch-site"}


class GatewaySessions(Sessions):
    """The browser sessions of a gateway. They are valid in all shards."""

    def __init__(self, keys: KeyRing, rejections: RejectionLog) -> None:
        super().__init__(keys, rejections, seals_keys=True)

    async def open_session(self, request: Request) -> Response:
        """Open a session, as the service does. Raise ProblemError if the gateway has no API keys."""
        if not self._keys.is_needed and bearer(request) is not None:
            detail = (
                "this gateway has no API keys, so it cannot open a session; start oms serve --cluster with"
                " the keys of the workers: --keys-file FILE"
            )
            raise ProblemError("forbidden", detail)
        return await super().open_session(request)


class Credentials:
    """The credentials that the gateway sends to the workers."""

    def __init__(self, keys: KeyRing, sessions: Sessions) -> None:
        self._keys = keys
        self._sessions = sessions

    def headers(self, request: HTTPConnection) -> list[tuple[bytes, bytes]]:
        """Return the headers to forward, with an API key instead of a cookie, and without an Origin.

        The guard has already checked the request. O(h) for h headers. With a session, O(h + k) for k keys.
        """
        headers = [pair for pair in end_to_end(request.headers.raw) if pair[0] not in _OF_BROWSERS]
        if "cookie" not in request.headers:
            return headers
        candidate = bearer(request)
        if candidate is not None and self._keys.find(candidate) is not None:
            return headers
        text = self._sessions.key_text_of(request.cookies.get(COOKIE))
        if text is None:
            return headers
        others = [pair for pair in headers if pair[0] not in _CREDENTIALS]
        return [*others, (b"authorization", f"Bearer {text}".encode("latin-1"))]

    def proof(self, request: HTTPConnection) -> list[tuple[bytes, bytes]]:
        """Return only the header with the API key, or no header. O(n) for n headers."""
        return [pair for pair in self.headers(request) if pair[0] in _CREDENTIALS]
